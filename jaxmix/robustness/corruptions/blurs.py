"""Blurs of a fixed kernel, of images in 0..1: defocus and zoom."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.numerics import barrier

__all__ = ["Lines", "disk", "lines", "middle", "zoom", "zoomed", "zooms"]

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


class Lines(NamedTuple):
    """Rows or columns of a zoomed image: the first of the two that are read, the second, and the second's share."""

    first: Int[Array, "... n"] | np.ndarray
    second: Int[Array, "... n"] | np.ndarray
    share: Float[Array, "... n"] | np.ndarray


def lines(side: int, factor: float) -> Lines:
    """What the rows of an image of that height become at a zoom by `factor`; columns likewise.

    ceil(h / factor) rows become round(ceil(h / factor) factor), of which the middle h are kept.
    """
    start, kept = middle(side, factor)
    made = round(kept * factor)
    place = (np.arange(side) + (made - side) // 2) * ((kept - 1) / max(made - 1, 1))
    first = np.clip(np.floor(place), 0, max(kept - 2, 0)).astype(np.int32)
    second = np.minimum(first + 1, kept - 1)
    return Lines(start + first, start + second, (place - first).astype(np.float32))


def middle(side: int, factor: float) -> tuple[int, int]:
    """The first row or column that a zoom reads, and the number of them."""
    kept = math.ceil(side / factor)
    return (side - kept) // 2, kept


def zoomed(x: Images, rows: Lines, columns: Lines) -> Images:
    """The middle of the image, zoomed to its size: bilinear between the centers of the outermost pixels."""
    for axis, (first, second, share) in ((1, rows), (2, columns)):
        share = jnp.asarray(share).reshape([-1 if a == axis else 1 for a in range(4)])
        near, far = (x.at[(slice(None),) * axis + (place,)].get(mode="promise_in_bounds") for place in (first, second))
        x = barrier(near * (1 - share) + far * share)
    return x


@functools.cache
def zooms(stop: float, step: float, height: int, width: int, most: int) -> tuple[np.int32, Lines, Lines]:
    """Number of factors `np.arange(1, stop, step)`, and rows and columns of each zoom, filled up to `most`."""
    factors = [float(factor) for factor in np.arange(1, stop, step)]
    padded = factors + [1.0] * (most - len(factors))
    rows, columns = (
        Lines(*map(np.stack, zip(*(lines(side, factor) for factor in padded), strict=True)))
        for side in (height, width)
    )  # fmt: skip
    return np.int32(len(factors)), rows, columns


def zoom(x: Images, number: Int[Array, ""] | np.int32, rows: Lines, columns: Lines) -> Images:
    """The mean of the image and its zooms, of number + 1 images; `zooms` gives the arguments, all may be traced."""
    rows, columns = jax.tree.map(jnp.asarray, (rows, columns))

    def add(i: Array, total: Images) -> Images:
        own = jax.tree.map(lambda of_all: of_all[i], (rows, columns))
        return total + zoomed(x, *own)

    return jax.lax.fori_loop(0, number, add, x) / (number + 1).astype(jnp.float32)
