"""Pixelation: down and up again by box filters, in Pillow's integer arithmetic."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

__all__ = ["pixelate"]

# Pillow's weights are multiples of 2^-22.
_BITS = 22


def pixelate(images: UInt8[Array, "b h w c"], share: float) -> UInt8[Array, "b h w c"]:
    """Resize each side to int(side share) and back; columns first, rounded after every step."""
    height, width = images.shape[1:3]
    # At least one pixel is left.
    small = [max(int(side * share), 1) for side in (height, width)]
    for to in (small, (height, width)):
        for axis in (2, 1):
            images = _resized(images, axis, to[axis - 1])
    return images


def _resized(images: Array, axis: int, to: int) -> Array:
    first, weights = _boxes(images.shape[axis], to)
    if weights.shape[1] == 1:
        return jnp.take(images, first, axis)
    shape = [1, 1, 1, 1]
    shape[axis] = to
    total = jnp.full((), 1 << (_BITS - 1), jnp.int32)
    for tap in range(weights.shape[1]):
        place = np.minimum(first + tap, images.shape[axis] - 1)
        total = total + jnp.take(images, place, axis).astype(jnp.int32) * weights[:, tap].reshape(shape)
    return (total >> _BITS).astype(jnp.uint8)


def _boxes(side: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """First old pixel that counts for each new one, and the weights of it and those after it."""
    scale = side / to
    reach = max(scale, 1.0) / 2
    center = (np.arange(to) + 0.5) * scale
    first = np.maximum((center - reach + 0.5).astype(int), 0)
    last = np.minimum((center + reach + 0.5).astype(int), side)
    places = first[:, None] + np.arange((last - first).max())[None]
    offset = (places - center[:, None] + 0.5) / max(scale, 1.0)
    weights = ((offset > -0.5) & (offset <= 0.5) & (places < last[:, None])).astype(np.float64)
    # A first pixel outside of the box is left out.
    skipped = weights.argmax(1)
    first = first + skipped
    weights = np.stack([np.roll(row, -skip) for row, skip in zip(weights, skipped, strict=True)])
    weights /= weights.sum(1, keepdims=True)
    used = int((weights > 0).sum(1).max())
    return first, np.floor(weights[:, :used] * 2**_BITS + 0.5).astype(np.int32)
