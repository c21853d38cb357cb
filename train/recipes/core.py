"""The recipe of a method, and how it acts in one forward pass."""

import copy
import difflib
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

import jaxmix
from jaxmix.mix import Mix
from recipes.saliency_passes import SaliencyPass
from recipes.views import Views, fold, mixed_alike, unfold

__all__ = ["LOSSES", "Attend", "Augmentation", "Loss", "Mixing", "Recipe", "Regularization", "find"]

# augmentation(key, images or features [b h w c], progress, *maps) -> (mixed, Mix); progress goes from 0 to 1 over the
# training.
Augmentation = Callable[..., tuple[jax.Array, Mix]]
# regularization(key, features [b h w c], progress, stages left after these features) -> features
Regularization = Callable[[jax.Array, jax.Array, ArrayLike, int], jax.Array]
# attend(mix, attention of the network to the patches of the mixed images [b n m]) -> the mix with other label weights
Attend = Callable[[Mix, jax.Array], Mix]
Loss = Callable[..., jax.Array]

LOSSES: dict[str, Loss] = {
    "cross_entropy": jaxmix.cross_entropy,
    "softmax_bce": jaxmix.softmax_bce,
    "decoupled": jaxmix.decoupled,
}


# Methods that keep the label, which may come before one that mixes the images without maps.
BEFORE = ("augmix", "pixmix")


class Recipe(NamedTuple):
    """A method, ready for training.

    augmentation: the mixing; None if the method doesn't mix
    points: the network's mixing points (see `models`) of which one is drawn for every batch; (0,) is the input
    saliency_pass: finds the maps that the augmentation takes; None if it takes none
    attend: weights the mixed labels by the network's attention, of the forward pass that gives the logits; None if the
        weights are those of the mix
    mixed_weight: of the loss of the mixed images, where the saliency pass trains on the clean ones too
    regularization: acts on the features after each stage; None for nothing
    first: a method that keeps the label, on the images before they are mixed; None for nothing
    views: makes the views of each image that the network trains on, before mixing; None for the image alone
    consistency: weight of the divergence of the predictions for the views; the loss itself is that of the first view
    loss: the name, in `LOSSES`, of the loss that the paper's results were trained with
    weight_decay: the L2 penalty that the paper's results were trained with
    padding: of the random crops on CIFAR that the paper's results were trained with
    epochs: of training on CIFAR
    """

    augmentation: Augmentation | None = None
    points: tuple[int, ...] = (0,)
    saliency_pass: SaliencyPass | None = None
    attend: Attend | None = None
    mixed_weight: float = 1.0
    regularization: Regularization | None = None
    first: Augmentation | None = None
    views: Views | None = None
    consistency: float = 0.0
    loss: Literal["cross_entropy", "softmax_bce"] = "cross_entropy"
    weight_decay: float = 5e-4
    padding: int = 4
    epochs: int = 200


def find(method: str, recipes: dict[str, Recipe]) -> Recipe:
    """The recipe of `method`, of augmix+METHOD or pixmix+METHOD, or of HOLES+METHOD where HOLES is a variant of Cutout.

    Raises ValueError listing the methods if there is none of that name in the table, or what stands before the + can't.
    """
    # What Cutout can come before: methods that mix without maps. AugMix: those of them that mix the images themselves.
    holes = [name for name in recipes if name.startswith("cutout")]
    mixing = {
        name: recipe
        for name, recipe in recipes.items()
        if recipe.augmentation is not None and recipe.saliency_pass is None
    }
    on_images = [name for name, recipe in mixing.items() if recipe.points == (0,)]
    keeping = {
        f"{before}+{name}": recipes[before]._replace(
            augmentation=recipes[name].augmentation, attend=recipes[name].attend
        )
        for before in BEFORE
        for name in on_images
    }
    cutout = {
        f"{hole}+{name}": recipe._replace(first=recipes[hole].augmentation)
        for hole in holes
        for name, recipe in mixing.items()
        if name not in holes
    }
    known = recipes | keeping | cutout
    if method in known:
        return known[method]
    after = " or ".join(f"{before}+METHOD" for before in BEFORE) + " with METHOD one of " + ", ".join(on_images)
    first, _, last = method.partition("+")
    if first in BEFORE and last in recipes:
        raise ValueError(f"There is no method {method!r}; wanted {after}, which mix the images and need no maps.")
    close = difflib.get_close_matches(method, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    before = f"{' or '.join(holes)}, then +METHOD, one that mixes without maps"
    raise ValueError(f"There is no method {method!r}.{hint} There are: {', '.join(recipes)}; {after}; and {before}.")


class Mixing:
    """The `hidden` function of one forward pass: acts as the recipe says, and keeps the mix of the labels.

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
        """`points` is the number of mixing points of the network; the maps are those of the recipe's saliency pass;
        `views` is the number of rows of the batch that are views of one image, and are mixed alike.
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

    def after_input(self) -> "Mixing":
        """The rest of a forward pass whose input this one has mixed: the same keys and mix, and no mixing."""
        rest = copy.copy(self)
        rest.recipe = self.recipe._replace(augmentation=None)
        rest.keys = [jax.random.clone(key) for key in self.keys]
        return rest

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
    """The same mix of labels, with masks of one value per slot."""
    return Mix(mix.source, mix.weight, mix.weight[:, :, None, None], (None,) * mix.weight.shape[1])


def _unmixed(like: Mix) -> Mix:
    """Every sample's own label alone, in as many slots as `like` has."""
    size, slots = like.weight.shape
    own = jnp.broadcast_to(jnp.arange(size, dtype=like.source.dtype)[:, None], (size, slots))
    weight = jnp.zeros((size, slots), like.weight.dtype).at[:, 0].set(1)
    return Mix(own, weight, weight[:, :, None, None], (None,) * slots)
