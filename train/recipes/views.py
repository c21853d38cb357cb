"""Views of each image, the image itself and its augmentations by AugMix, in one pass through the network.

The views of an image lie next to each other, [v b] -> [b * v], so that where the rows of a batch are split over
devices each device keeps the views of its own images.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import jaxmix
from jaxmix.mix import Mix

__all__ = ["Views", "fold", "mixed_alike", "one_view", "three_views", "unfold"]

# views(key, pixels in [0, 1] [b h w c]) -> [v b h w c]
Views = Callable[[jax.Array, jax.Array], jax.Array]


def fold(views: Float[Array, "v b ..."]) -> Float[Array, "b*v ..."]:
    """Interleave the views of each image into one batch."""
    count, size, *rest = views.shape
    return jnp.swapaxes(views, 0, 1).reshape(size * count, *rest)


def unfold(batch: Float[Array, "b*v ..."], count: int) -> Float[Array, "v b ..."]:
    """The inverse of `fold`."""
    total, *rest = batch.shape
    return jnp.swapaxes(batch.reshape(total // count, count, *rest), 0, 1)


def mixed_alike(first: Array, mix: Mix, views: Float[Array, "v b h w c"]) -> Float[Array, "v b h w c"]:
    """Mix all views as the first one was; `first` is its result."""
    return jnp.stack([first, *(jaxmix.apply(mix, view) for view in views[1:])])


def three_views(key: jax.Array, pixels: Float[Array, "b h w c"], *, severity: float = 3.0) -> Float[Array, "3 b h w c"]:
    """The images themselves and two AugMix views."""
    return jaxmix.augmix_views(key, pixels, views=2, severity=severity)


def one_view(method: Callable[..., tuple[jax.Array, Mix]]) -> Views:
    """The output of a method that keeps the label, as the only view."""
    return partial(_alone, method)


def _alone(
    method: Callable[..., tuple[jax.Array, Mix]], key: jax.Array, pixels: Float[Array, "b h w c"]
) -> Float[Array, "1 b h w c"]:
    return method(key, pixels)[0][None]
