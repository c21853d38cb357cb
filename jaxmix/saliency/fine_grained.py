"""Fine-grained saliency: how much each pixel differs from its surroundings, in OpenCV's integers."""

from __future__ import annotations

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from jaxmix import arguments

__all__ = ["fine_grained"]

_RADII = (12, 24, 48, 28, 56, 112)
# Shares of blue, green and red in grey, in 1 / 2^15.
_GREY = (3735, 19235, 9798)


def fine_grained(images: arguments.Batch) -> UInt8[Array, "b h w"]:
    """Compute how much each pixel differs from its surroundings at six scales, as 8-bit maps.

        out = 255 on / max(on) + 255 off / max(off)
        on = sum over n of floor(max(g - mean_n, 0)),   off = sum over n of floor(max(mean_n - g, 0))

    g is the blurred grey image, mean_n that of the window [-n + 1, n] around a pixel, without the pixel itself.

    Values are those of OpenCV's `StaticSaliencyFineGrained`, eager or jitted, before it divides by 255; of large maps
    a few differ by a level (in 9 of 309 maps of 256 x 341), as OpenCV sums in float32, and ours is exact. As in OpenCV
    the first of three channels is blue. Several pixels usually tie for the peak: take the first. Constant images give
    maps of 0.

    Args:
        images: [b h w 3] or grey [b h w 1], uint8 in 0..255 and not normalized, or a mapping with "image".

    Returns:
        Maps [b h w], uint8.

    Raises:
        ValueError: images that aren't [b h w 3] or [b h w 1], or aren't uint8.

    Reference: Sebastian Montabone, Alvaro Soto. Human Detection Using a Mobile Platform and Novel Features Derived from
    a Visual Saliency Mechanism. Image and Vision Computing, 2010.

    >>> maps = jax.jit(fine_grained)(jnp.zeros((1, 8, 8, 3), jnp.uint8).at[:, 3, 5].set(255))
    >>> maps.shape, maps.dtype, int(maps[0, 3, 5])
    ((1, 8, 8), dtype('uint8'), 255)
    """
    x = arguments.images(images)
    if x.dtype != jnp.uint8 or x.shape[3] not in (1, 3):
        raise ValueError(
            f"images have shape {x.shape} and dtype {x.dtype}; wanted 8-bit images [b h w 3] or [b h w 1]: "
            "undo any normalization, then call (x * 255).round().astype(jnp.uint8) on images in 0..1"
        )
    grey = x[..., 0].astype(jnp.int32)
    if x.shape[3] == 3:
        blue, green, red = (share * x[..., c].astype(jnp.int32) for c, share in enumerate(_GREY))
        grey = (blue + green + red + (1 << 14)) >> 15
    on, off = _differences(_blur(_blur(grey)))
    return (_stretch(on) + _stretch(off)).astype(jnp.int32).astype(jnp.uint8)


def _blur(grey: Int[Array, "b h w"]) -> Int[Array, "b h w"]:
    """Blur rows and columns with weights 1, 2, 1, mirrored about the outermost pixel, rounded to nearest."""
    for axis in (1, 2):
        padded = jnp.pad(grey, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="reflect")
        before, here, after = (jax.lax.slice_in_dim(padded, t, t + grey.shape[axis], axis=axis) for t in range(3))
        grey = before + 2 * here + after
    return (grey + 8) >> 4


def _differences(grey: Int[Array, "b h w"]) -> tuple[Array, Array]:
    """Sum over the scales the whole grey levels by which each pixel is above and below the mean of its surroundings.

    The mean leaves out the pixel itself, so the difference is |area * grey - sum| / (area - 1), integers below
    2^24 all of them, which float32 holds exactly.
    """
    height, width = grey.shape[1:]
    integral = jnp.pad(jax.lax.cumsum(jax.lax.cumsum(grey, 1), 2), ((0, 0), (1, 0), (1, 0)))
    level = grey.astype(jnp.float32)
    on = off = jnp.zeros_like(level)
    # All windows that reach beyond every border are the same.
    for reach, scales in Counter(min(reach, max(height, width)) for reach in _RADII).items():
        total = _window(_window(integral, reach, 1), reach, 2).astype(jnp.float32)
        area = np.outer(_length(reach, height), _length(reach, width)).astype(np.float32)[None]
        others = np.maximum(area - 1, 1)
        difference = level * area - total
        whole = _quotient(jnp.abs(difference), others)
        on += jnp.where(difference > 0, scales * whole, 0)
        off += jnp.where(difference < 0, scales * whole, 0)
    return on, off


def _quotient(size: Array, others: np.ndarray) -> Array:
    """Divide integers, rounded down, for quotients up to 255.

    XLA may round a division differently, or replace it by a product. The product with a slightly smaller reciprocal
    gives the quotient or one less, and the remainder decides.
    """
    whole = jnp.floor(size * ((1 - 2.0**-21) / others).astype(np.float32))
    return whole + (size - whole * others >= others).astype(jnp.float32)


def _window(integral: Array, reach: int, axis: int) -> Array:
    """Sum over the window along one axis, from cumulative sums."""
    side = integral.shape[axis] - 1
    reach = min(reach, side)
    ends = [jnp.repeat(jax.lax.slice_in_dim(integral, at, at + 1, axis=axis), reach, axis) for at in (0, side)]
    padded = jnp.concatenate([ends[0], integral, ends[1]], axis)
    start, end = (jax.lax.slice_in_dim(padded, at, at + side, axis=axis) for at in (1, 2 * reach + 1))
    return end - start


def _length(reach: int, side: int) -> np.ndarray:
    """Count the pixels of the window around each place."""
    place = np.arange(side)
    return np.minimum(place + reach + 1, side) - np.maximum(place - reach + 1, 0)


def _stretch(sums: Array) -> Array:
    """Scale integers up to 1530 to levels 0..255 of the largest of each map, rounded down."""
    # The quotient is a multiple of 1/1530; adding half of that corrects those that round to just below an integer.
    return jnp.floor((255 * sums + 0.5) * (1 / jnp.maximum(sums.max((1, 2), keepdims=True), 1)))
