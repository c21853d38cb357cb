"""What each `--method` does: the augmentation with its paper's hyper-parameters, where it acts, and its loss.

As in the authors' code, a draw (share, box, mask, and whether to mix at all) is shared by the batch unless said
otherwise. The data come shuffled anew every epoch, so the library's default partner, the next sample of the batch, is a
random one.
"""

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

import guides
import jaxmix
from jaxmix import saliency
from jaxmix.mix import Mix
from views import Views, fold, mixed_alike, one_view, three_views, unfold

# augmentation(key, images or features [b h w c], progress, *maps) -> (mixed, Mix); progress goes from 0 to 1 over the
# training.
Augmentation = Callable[..., tuple[jax.Array, Mix]]
# regularization(key, features [b h w c], progress, stages left after these features) -> features
Regularization = Callable[[jax.Array, jax.Array, ArrayLike, int], jax.Array]
Loss = Callable[..., jax.Array]

LOSSES: dict[str, Loss] = {"cross_entropy": jaxmix.cross_entropy, "softmax_bce": jaxmix.softmax_bce}


class Recipe(NamedTuple):
    """A method, ready for training.

    augmentation: mixes; None if the method doesn't
    points: the network's mixing points (see `models`) of which one is drawn for every batch; (0,) is the input
    guide: finds the maps that the augmentation takes; None if it takes none
    mixed_weight: of the loss of the mixed pictures, where the guide learns from the clean ones too
    regularization: what happens to the features after each stage; None for nothing
    views: makes the views of each picture that the network learns from, before mixing; None for the picture alone
    consistency: weight of the divergence between the predictions for the views; the loss itself is of the first view
    loss: the name, in `LOSSES`, of the loss that the paper's results were trained with
    weight_decay: the L2 penalty that the paper's results were trained with
    padding: of the random crops on CIFAR that the paper's results were trained with
    epochs: of training on CIFAR
    """

    augmentation: Augmentation | None = None
    points: tuple[int, ...] = (0,)
    guide: guides.Guide | None = None
    mixed_weight: float = 1.0
    regularization: Regularization | None = None
    views: Views | None = None
    consistency: float = 0.0
    loss: Literal["cross_entropy", "softmax_bce"] = "cross_entropy"
    weight_decay: float = 5e-4
    padding: int = 4
    epochs: int = 200


def create(
    method: str, dataset: str, side: int, model: str, std: tuple[float, ...] = (1.0,), *, jsd: bool = True
) -> Recipe:
    """The recipe of `method` for pictures of the data set, the shorter side of which is `side` pixels, and a network.

    `std` is what the pictures, in [0, 1], were divided by; `jsd` says whether AugMix learns consistency between views.
    Raises ValueError listing the methods if there is none of that name, or AugMix can't come before it.
    """
    recipes = _recipes(dataset, side, model, std) | {"augmix": _augmix(model, jsd)}
    # What AugMix can come before: methods that mix the pictures themselves, guided by nothing.
    mixing = {
        name: recipe.augmentation
        for name, recipe in recipes.items()
        if recipe.augmentation is not None and recipe.points == (0,) and recipe.guide is None
    }
    after = "augmix+METHOD with METHOD one of " + ", ".join(mixing)
    both = {f"augmix+{name}": recipes["augmix"]._replace(augmentation=mix) for name, mix in mixing.items()}
    known = recipes | both
    if method in known:
        return known[method]
    if method.startswith("augmix+") and method.removeprefix("augmix+") in recipes:
        raise ValueError(f"There is no method {method!r}; wanted {after}, which mix the pictures and need no maps.")
    close = difflib.get_close_matches(method, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no method {method!r}.{hint} There are: {', '.join(recipes)}; and {after}.")


def _recipes(dataset: str, side: int, model: str, std: tuple[float, ...]) -> dict[str, Recipe]:
    return _drawn(dataset, side, model) | _guided(dataset, side, model, std) | _policies()


def _augmix(model: str, jsd: bool) -> Recipe:
    """With the consistency loss three views of every picture, without it one."""
    recipe = Recipe(
        weight_decay=1e-4 if model.startswith("densenet-") else 5e-4,
        epochs=200 if model.startswith(("densenet-", "resnext-")) else 100,
    )
    return (
        recipe._replace(views=three_views, consistency=12.0) if jsd else recipe._replace(views=one_view(jaxmix.augmix))
    )


def _policies() -> dict[str, Recipe]:
    """Methods that keep the label: RandAugment as its paper has it for CIFAR-10."""
    return {
        "autoaugment": Recipe(views=one_view(jaxmix.autoaugment)),
        "randaugment": Recipe(views=one_view(partial(jaxmix.randaugment, number=3, magnitude=5.0))),
        "trivialaugment": Recipe(views=one_view(jaxmix.trivialaugment)),
    }


def _drawn(dataset: str, side: int, model: str) -> dict[str, Recipe]:
    """Methods that draw all that they do."""
    cutmix = partial(jaxmix.cutmix, per_batch=True)
    # Half the side is 16 on CIFAR-10; the paper found 8 for CIFAR-100.
    hole = 8 if dataset == "cifar100" else side // 2
    return {
        "none": Recipe(),
        "mixup": Recipe(_always(jaxmix.mixup, alpha=1.0), weight_decay=1e-4),
        # The CutMix code mixes every second batch on CIFAR.
        "cutmix": Recipe(_half(cutmix), weight_decay=1e-4),
        "cutmix-center-gaussian": Recipe(
            _half(partial(cutmix, center=jaxmix.masks.gaussian_center)), weight_decay=1e-4
        ),
        "cutmix-fixed-size": Recipe(_half(partial(cutmix, area=(0.25, 0.25))), weight_decay=1e-4),
        "cutmix-one-hot": Recipe(_half(_relabelled(cutmix, jaxmix.majority)), weight_decay=1e-4),
        "cutmix-complete-label": Recipe(_half(_relabelled(cutmix, jaxmix.evenly)), weight_decay=1e-4),
        "cutmix-scheduled": Recipe(_scheduled(cutmix), weight_decay=1e-4),
        # Holes are drawn for every picture, in the authors' code too.
        "cutout": Recipe(_plain(partial(jaxmix.cutout, size=hole))),
        # How often SmoothMix mixes is not stated in the paper; as CutMix.
        "smoothmix_s": Recipe(
            _half(partial(jaxmix.smoothmix_s, sigma=(0.0, 1.0), k=0.2, per_batch=True)), weight_decay=1e-4
        ),
        "smoothmix_c": Recipe(_half(partial(jaxmix.smoothmix_c, sigma=(0.25, 0.5), per_batch=True)), weight_decay=1e-4),
        "resizemix": Recipe(_always(jaxmix.resizemix, scale=(0.1, 0.8))),
        "fmix": Recipe(_always(jaxmix.fmix, alpha=1.0)),
        "gridmix": Recipe(_always(jaxmix.gridmix, cells=min(4, side), alpha=1.0)),
        "gridmixup": Recipe(_always(jaxmix.gridmixup, holes=max(side // 8, 1))),
        # In the paper mixup is drawn three times as often for a WideResNet.
        "randommix": Recipe(
            _always(jaxmix.randommix, weights=(3.0 if model.startswith("wrn-") else 1.0, 1.0, 1.0, 1.0))
        ),
        # In the paper's count 0 is the input, 1 follows the first stage and 2 the second.
        "manifold-mixup": Recipe(
            _always(jaxmix.mixup, alpha=2.0), points=(0, 2, 3), loss="softmax_bce", weight_decay=1e-4
        ),
        # The paper names the places up to the second stage without saying which are drawn from: all of them here.
        "feature-cutmix": Recipe(_always(jaxmix.cutmix, alpha=1.0), points=(0, 1, 2, 3), weight_decay=1e-4),
        "dropblock": Recipe(regularization=partial(_dropblock, keep=0.9, block=4), weight_decay=1e-4),
    }


def _guided(dataset: str, side: int, model: str, std: tuple[float, ...]) -> dict[str, Recipe]:
    """Methods that are guided by maps; all act on the pictures."""
    rms = partial(guides.input_gradient, magnitude=saliency.root_mean_square)
    # Of SAGE's authors, for PreActResNet-18 on either CIFAR, ResNeXt-29 and WRN-16-8.
    upper, update_ratio = 0.5 if dataset == "cifar100" else 0.6, 0.7
    if model.startswith(("resnext-", "wrn-")):
        upper, update_ratio = 0.7, 0.5
    clean = partial(guides.training_loss, weight=1 - update_ratio)
    moved = 4 if dataset.startswith("cifar") else None
    table: dict[str, Any] = {"loss": "softmax_bce", "weight_decay": 1e-4, "padding": 2}
    return {
        # Peaks are each picture's own, as in the paper; the authors' code takes one for the whole batch.
        "saliencymix": Recipe(_half(jaxmix.saliencymix), guide=guides.fine_grained),
        # The paper doesn't say how it trains.
        "attentivemix": Recipe(_plain(jaxmix.attentivemix), guide=partial(guides.attention, cells=7)),
        "sage": Recipe(
            _always(jaxmix.sage, alpha=1.0, upper=upper),
            guide=partial(guides.input_gradient, magnitude=saliency.mean_abs, objective=clean, train=True, learn=True),
            mixed_weight=update_ratio,
            **table,
        ),
        # Of a network that starts from scratch; a pre-trained one mixes every batch, with alpha 5.
        "snapmix": Recipe(
            _half(partial(jaxmix.snapmix, alpha=1.0, per_batch=True)), guide=guides.class_activation, weight_decay=1e-4
        ),
        "puzzlemix": Recipe(
            _always(jaxmix.puzzlemix, blocks=_dividing((2, 4, 8, 16), side), transport_side=moved, std=std),
            guide=partial(rms, objective=guides.mean_loss, train=False, learn=False),
            **table,
        ),
        "comixup": Recipe(
            _plain(jaxmix.comixup),
            guide=partial(rms, objective=partial(guides.weighted_mean_loss, weight=1.0), train=True, learn=True),
            **table,
        ),
    }


def _dividing(numbers: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Those of the numbers that divide the side, or 1."""
    return tuple(number for number in numbers if side % number == 0) or (1,)


def _plain(method: Callable[..., Any]) -> Augmentation:
    return lambda key, images, progress, *maps: method(key, images, *maps)


def _always(method: Callable[..., Any], **hyper_parameters: Any) -> Augmentation:
    return _plain(partial(method, per_batch=True, **hyper_parameters))


def _half(method: Callable[..., Any]) -> Augmentation:
    return _plain(jaxmix.sometimes(method, 0.5, per_batch=True))


def _scheduled(method: Callable[..., Any]) -> Augmentation:
    return lambda key, images, progress: jaxmix.sometimes(method, progress, per_batch=True)(key, images)


def _relabelled(method: Callable[..., Any], weights: Callable[[Mix], Mix]) -> Callable[..., Any]:
    def relabelled(key: jax.Array, images: jax.Array) -> tuple[jax.Array, Mix]:
        mixed, mix = method(key, images)
        return mixed, weights(mix)

    return relabelled


def _dropblock(
    key: jax.Array, features: jax.Array, progress: ArrayLike, left: int, *, keep: float, block: int
) -> jax.Array:
    """DropBlock after the last two stages, keep falling linearly from 1 to its target; a quarter of it one stage
    earlier.

    Differs from the authors' code, which acts after every convolution of these stages and on their shortcuts.
    """
    if left > 1:
        return features
    drop = jnp.float32((1 - keep) / 4**left) * jnp.asarray(progress, jnp.float32)
    return jaxmix.dropblock(key, features, keep=1 - drop, block=block)


class Mixing:
    """The `hidden` function of one forward pass: acts as the recipe says, and remembers how the labels were mixed.

    After the pass `mix` says how the labels of the batch were mixed (None: not at all). Of a mix at a hidden point only
    the label's part is kept, since masks differ in size from point to point.
    """

    def __init__(
        self,
        recipe: Recipe,
        key: jax.Array,
        progress: ArrayLike,
        points: int,
        maps: tuple[jax.Array, ...] = (),
        views: int = 1,
    ) -> None:
        """`points` is the number of mixing points of the network; the maps are what the recipe's guide found; `views`
        is how many rows of the batch show the same picture, and are mixed alike.
        """
        self.recipe, self.progress, self.points, self.maps, self.views = recipe, progress, points, maps, views
        self.mix: Mix | None = None
        choice_key, *keys = jax.random.split(key, points + 1)
        self.keys = keys
        # One point needs no draw: its mix is then the plain augmentation of the input.
        self.chosen = jax.random.choice(choice_key, jnp.asarray(recipe.points, jnp.int32))

    def __call__(self, point: int, features: jax.Array) -> jax.Array:
        recipe = self.recipe
        if recipe.augmentation is not None and point in recipe.points:
            features = self._mixed(point, features, recipe.augmentation)
        if recipe.regularization is not None and point > 1:
            features = recipe.regularization(self.keys[point], features, self.progress, self.points - 1 - point)
        return features

    def _mixed(self, point: int, features: jax.Array, augmentation: Augmentation) -> jax.Array:
        if len(self.recipe.points) == 1:
            seen = unfold(features, self.views)
            first, self.mix = augmentation(self.keys[point], seen[0], self.progress, *self.maps)
            return fold(mixed_alike(first, self.mix, seen))

        def mixed() -> tuple[jax.Array, Mix]:
            result, mix = augmentation(self.keys[point], features, self.progress)
            return result, _labels_only(mix)

        before = _unmixed(jax.eval_shape(mixed)[1]) if self.mix is None else self.mix
        # A branch, not a selection: only the drawn point pays for mixing.
        features, self.mix = jax.lax.cond(self.chosen == point, mixed, lambda: (features, before))
        return features


def _labels_only(mix: Mix) -> Mix:
    """The same mix of labels, with masks of one number per slot."""
    return Mix(mix.source, mix.weight, mix.weight[:, :, None, None], (None,) * mix.weight.shape[1])


def _unmixed(like: Mix) -> Mix:
    """Every sample's own label alone, in as many slots as `like` has."""
    size, slots = like.weight.shape
    own = jnp.broadcast_to(jnp.arange(size, dtype=like.source.dtype)[:, None], (size, slots))
    weight = jnp.zeros((size, slots), like.weight.dtype).at[:, 0].set(1)
    return Mix(own, weight, weight[:, :, None, None], (None,) * slots)
