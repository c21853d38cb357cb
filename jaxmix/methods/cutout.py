"""Cutout (DeVries and Taylor, 2017): squares of the image are set to zero."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, masks
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity

__all__ = ["cutout"]


@arguments.method
def cutout(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    size: ArrayLike = 16,
    holes: int = 1,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Set squares of every image to zero; the label stays.

        x' = (1 - hole) x,   hole = square of side 2 * (size // 2) around a uniform pixel, cut at the border

    Zero is the mean color where images are normalized first, as the authors do.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        size: side of the square in pixels, 0 or more; may be traced. CIFAR-10: 16, CIFAR-100: 8, SVHN: 20,
            ImageNet at 224 pixels: 112.
        holes: the number of squares, drawn independently.
        per_batch: the same holes for the whole batch.

    Returns:
        Images of the same shape and dtype, and a `Mix` of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c], negative size, holes below 1.

    Reference: Terrance DeVries, Graham W. Taylor. Improved Regularization of Convolutional Neural Networks with
    Cutout. arXiv 1708.04552, 2017.

    >>> images, mix = jax.jit(cutout)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), size=4)
    >>> mix.weight.tolist()
    [[1.0], [1.0]]
    """
    x = arguments.images(batch)
    samples, height, width, _ = x.shape
    half = arguments.number("size", size, low=0.0).astype(jnp.int32) // 2
    draws = arguments.count("holes", holes) * (1 if per_batch else samples)
    center = masks.uniform_center(key, draws, height, width)
    kept = (1 - _square(half, center, height, width)).reshape(-1, 1, holes, height, width).min(2)
    mix = identity(samples)._replace(mask=jnp.broadcast_to(kept, (samples, 1, height, width)))
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix


def _square(
    half: Int[Array, ""], center: tuple[Int[Array, "d"], Int[Array, "d"]], height: int, width: int
) -> Float[Array, "d h w"]:
    """1 in a square around each center, cut at the border."""
    rows, columns = (
        masks.window(middle - half, middle + half, side) for middle, side in zip(center, (height, width), strict=True)
    )
    return masks.outer(rows, columns)[0]
