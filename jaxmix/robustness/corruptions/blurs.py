"""Blurs of a fixed kernel, of pictures in 0..1: Gaussian, defocus and zoom."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import barrier
from jaxmix.robustness.corruptions import filters

Pictures = Float[Array, "b h w c"]


def gaussian(x: Pictures, sigma: float) -> Pictures:
    """A Gaussian of `sigma` pixels cut at 4 sigma; the border is repeated."""
    return filters.gaussian(x, sigma)


def defocus(x: Pictures, radius: float, rim: float) -> Pictures:
    """A disk of `radius` pixels, its rim softened by a Gaussian of sigma `rim`; mirrored at the border."""
    return filters.kernel_sum(x, disk(radius, rim), "reflect")


@functools.cache
def disk(radius: float, rim: float) -> np.ndarray:
    """The kernel: of sum 1, with an odd number of taps each way."""
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


def zoom(x: Pictures, stop: float, step: float) -> Pictures:
    """The mean of the picture and its n zooms, by each number of `np.arange(1, stop, step)`: of n + 1 pictures."""
    factors = np.arange(1, stop, step)
    total = x
    for factor in factors:
        total = barrier(total + zoomed(x, float(factor)))
    return total / np.float32(len(factors) + 1)


def zoomed(x: Pictures, factor: float) -> Pictures:
    """The middle of the picture, zoomed to its size: bilinear between the centers of the outermost pixels.

    ceil(h / factor) rows become round(ceil(h / factor) factor), of which the middle h are kept; columns alike.
    """
    sides = x.shape[1:3]
    (top, rows), (left, columns) = (middle(side, factor) for side in sides)
    x = x[:, top : top + rows, left : left + columns]
    for axis, side in zip((1, 2), sides, strict=True):
        kept = x.shape[axis]
        made = round(kept * factor)
        place = (np.arange(side) + (made - side) // 2) * ((kept - 1) / max(made - 1, 1))
        first = np.clip(np.floor(place), 0, max(kept - 2, 0)).astype(np.int64)
        share = (place - first).astype(np.float32).reshape([1, *[side if a == axis else 1 for a in (1, 2)], 1])
        following = np.minimum(first + 1, kept - 1)
        x = barrier(jnp.take(x, first, axis) * (1 - share) + jnp.take(x, following, axis) * share)
    return x


def middle(side: int, factor: float) -> tuple[int, int]:
    """The first of the rows or columns that `zoomed` reads, and how many they are."""
    kept = math.ceil(side / factor)
    return (side - kept) // 2, kept
