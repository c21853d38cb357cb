"""Blurs of a fixed kernel, of images in 0..1: defocus and zoom."""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import barrier

__all__ = ["disk", "middle", "zoom", "zoomed"]

Images = Float[Array, "b h w c"]


@functools.cache
def disk(radius: float, rim: float) -> np.ndarray:
    """Kernel of sum 1 with an odd number of taps each way: a disk of `radius` pixels, softened with sigma `rim`."""
    reach = max(8, math.floor(radius))
    places = np.arange(-reach, reach + 1)
    inside = (places[:, None] ** 2 + places[None] ** 2 <= radius**2).astype(np.float64)
    taps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    weights = np.exp(-(taps**2) / (2 * rim**2))
    weights /= weights.sum()
    kernel = inside / inside.sum()
    for _ in range(2):
        padded = np.pad(kernel.T, ((0, 0), (len(taps) // 2,) * 2), mode="reflect")
        kernel = sum(weight * padded[:, t : t + len(places)] for t, weight in enumerate(weights))
    used = np.flatnonzero(np.abs(kernel).max(0) > 1e-9)
    return kernel[used[0] : used[-1] + 1, used[0] : used[-1] + 1]


def zoom(x: Images, stop: float, step: float) -> Images:
    """The mean of the image and its n zooms, by each value of `np.arange(1, stop, step)`: of n + 1 images."""
    factors = np.arange(1, stop, step)
    total = x
    for factor in factors:
        total = barrier(total + zoomed(x, float(factor)))
    return total / np.float32(len(factors) + 1)


def zoomed(x: Images, factor: float) -> Images:
    """The middle of the image, zoomed to its size: bilinear between the centers of the outermost pixels.

    ceil(h / factor) rows become round(ceil(h / factor) factor), of which the middle h are kept; columns likewise.
    """
    for axis, side in zip((1, 2), x.shape[1:3], strict=True):
        start, kept = middle(side, factor)
        made = round(kept * factor)
        place = (np.arange(side) + (made - side) // 2) * ((kept - 1) / max(made - 1, 1))
        first = np.clip(np.floor(place), 0, max(kept - 2, 0)).astype(np.int32)
        second = np.minimum(first + 1, kept - 1)
        share = (place - first).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(4)])
        near, far = (jnp.take(x, start + row, axis, mode="clip") for row in (first, second))
        x = barrier(near * (1 - share) + far * share)
    return x


def middle(side: int, factor: float) -> tuple[int, int]:
    """The first row or column that a zoom reads, and the number of them."""
    kept = math.ceil(side / factor)
    return (side - kept) // 2, kept
