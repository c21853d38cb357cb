"""A method of the library as a recipe applies it: to which share of the batches, with which hyper-parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
from jax.typing import ArrayLike

import jaxmix
from jaxmix.mix import Mix
from recipes.core import Recipe

__all__ = ["Applied", "always", "half", "mixing", "rising"]


@dataclass(frozen=True)
class Applied:
    """An augmentation: (key, images or features [b h w c], progress, *maps) -> (mixed, Mix).

    method: (key, images, *maps) -> (mixed, Mix), its hyper-parameters bound by `functools.partial`
    p: the share of the batches that are mixed, which may depend on the progress of the training; None for every batch
    label: changes the weights of the labels, such as `jaxmix.majority`
    """

    method: Callable[..., tuple[jax.Array, Mix]]
    p: float | Callable[[ArrayLike], ArrayLike] | None = None
    label: Callable[[Mix], Mix] | None = None

    def __call__(self, key: jax.Array, images: jax.Array, progress: ArrayLike, *maps: Any) -> tuple[jax.Array, Mix]:
        if self.p is None:
            return self._mixed(key, images, *maps)
        p = self.p(progress) if callable(self.p) else self.p
        return jaxmix.sometimes(self._mixed, p, per_batch=True)(key, images, *maps)

    def _mixed(self, key: jax.Array, images: jax.Array, *maps: Any) -> tuple[jax.Array, Mix]:
        if self.label is None:
            return self.method(key, images, *maps)
        mixed, mix = self.method(key, images, *maps)
        return mixed, self.label(mix)


def rising(progress: ArrayLike) -> ArrayLike:
    """A share that rises linearly from 0 to 1 over the training (Scheduled CutMix)."""
    return progress


def mixing(recipe: Recipe, share: float | None, method: str) -> Recipe:
    """A recipe that mixes a share of the batches; None leaves it as it is.

    Raises ValueError, which names the method, if it mixes nothing.
    """
    if share is None:
        return recipe
    if not isinstance(recipe.augmentation, Applied):
        raise ValueError(f"--mix-share is {share}, but {method} mixes no batches; leave the option out.")
    return recipe._replace(augmentation=replace(recipe.augmentation, p=share))


def always(method: Callable[..., Any], **hyper_parameters: Any) -> Applied:
    """The method on every batch, one draw for each."""
    return Applied(partial(method, per_batch=True, **hyper_parameters))


def half(method: Callable[..., Any], label: Callable[[Mix], Mix] | None = None, **hyper_parameters: Any) -> Applied:
    """The method on half of the batches, one draw for each."""
    return Applied(partial(method, per_batch=True, **hyper_parameters), 0.5, label)
