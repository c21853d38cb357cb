"""What each `--method` does: the augmentation with its paper's hyper-parameters, where it acts, and its loss.

As in the authors' code, a draw (share, box, mask, and whether to mix at all) is shared by the batch unless said
otherwise. The data come shuffled anew every epoch, so the library's default partner, the next sample of the batch, is a
random one.
"""

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

import jaxmix
from jaxmix import saliency
from jaxmix.mix import Mix
from recipes import saliency_passes
from recipes.core import Augmentation, Recipe
from recipes.views import one_view, three_views

__all__ = ["create"]


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
    rms = partial(saliency_passes.input_gradient, magnitude=saliency.root_mean_square)
    # Of SAGE's authors, for PreActResNet-18 on either CIFAR, ResNeXt-29 and WRN-16-8.
    upper, update_ratio = 0.5 if dataset == "cifar100" else 0.6, 0.7
    if model.startswith(("resnext-", "wrn-")):
        upper, update_ratio = 0.7, 0.5
    clean = partial(saliency_passes.training_loss, weight=1 - update_ratio)
    moved = 4 if dataset.startswith("cifar") else None
    table: dict[str, Any] = {"loss": "softmax_bce", "weight_decay": 1e-4, "padding": 2}
    return {
        # Peaks are each picture's own, as in the paper; the authors' code takes one for the whole batch.
        "saliencymix": Recipe(_half(jaxmix.saliencymix), guide=saliency_passes.fine_grained),
        # The paper doesn't say how it trains.
        "attentivemix": Recipe(_plain(jaxmix.attentivemix), guide=partial(saliency_passes.attention, cells=7)),
        "sage": Recipe(
            _always(jaxmix.sage, alpha=1.0, upper=upper),
            guide=partial(
                saliency_passes.input_gradient, magnitude=saliency.mean_abs, objective=clean, train=True, learn=True
            ),
            mixed_weight=update_ratio,
            **table,
        ),
        # Of a network that starts from scratch; a pre-trained one mixes every batch, with alpha 5.
        "snapmix": Recipe(
            _half(partial(jaxmix.snapmix, alpha=1.0, per_batch=True)),
            guide=saliency_passes.class_activation,
            weight_decay=1e-4,
        ),
        "puzzlemix": Recipe(
            _always(jaxmix.puzzlemix, blocks=_dividing((2, 4, 8, 16), side), transport_side=moved, std=std),
            guide=partial(rms, objective=saliency_passes.mean_loss, train=False, learn=False),
            **table,
        ),
        "comixup": Recipe(
            _plain(jaxmix.comixup),
            guide=partial(
                rms, objective=partial(saliency_passes.weighted_mean_loss, weight=1.0), train=True, learn=True
            ),
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
