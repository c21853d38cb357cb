"""Boxes, as the outer product of a profile of the rows and a profile of the columns."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num, UInt32

from jaxmix import arguments
from jaxmix.numerics import barrier

__all__ = [
    "Center", "Profiles", "column_band", "even_box", "gaussian_center", "inner_corner", "outer", "real_box",
    "real_center", "row_band", "uniform_center", "window",
]  # fmt: skip

Profiles = tuple[Float[Array, "d h"], Float[Array, "d w"]]
# `(key, draws, height, width) -> (y, x)`
Center = Callable[[Array, int, int, int], tuple[Array, Array]]


@arguments.annotated
def outer(rows: Float[Array, "d h"], columns: Float[Array, "d w"]) -> tuple[Float[Array, "d h w"], Float[Array, "d"]]:
    """The mask `rows x columns`, and its sum over the pixels without counting: exact for boxes of 0 and 1."""
    return rows[:, :, None] * columns[:, None, :], rows.sum(1) * columns.sum(1)


@arguments.annotated
def window(start: Int[Array, "d"], end: Int[Array, "d"], side: int) -> Float[Array, "d side"]:
    """1 at the pixels start <= i < end, 0 elsewhere."""
    pixel = jnp.arange(side, dtype=jnp.int32)[None, :]
    return ((pixel >= start[:, None]) & (pixel < end[:, None])).astype(jnp.float32)


@arguments.annotated
def uniform_center(key: Array, draws: int, height: int, width: int) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """Sample a pixel (y, x) uniformly from the image."""
    words = jax.random.bits(key, (2, draws), jnp.uint32)
    return _pixel(words[0], height), _pixel(words[1], width)


def _pixel(word: UInt32[Array, "d"], side: int) -> Int[Array, "d"]:
    """floor(word * side / 2^32): no pixel is likelier than another by more than side / 2^32.

    One word each and no division, where `jax.random.randint` takes two and a key of its own.
    """
    (high, low), (side_high, side_low) = ((n >> 16, n & 0xFFFF) for n in (word, side))
    middle = high * np.uint32(side_low) + (low * np.uint32(side_low) >> 16)
    rest = low * np.uint32(side_high) + (middle & 0xFFFF)
    return (high * np.uint32(side_high) + (middle >> 16) + (rest >> 16)).astype(jnp.int32)


@arguments.annotated
def gaussian_center(
    key: Array, draws: int, height: int, width: int, *, std: ArrayLike = 0.25
) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """Sample a pixel (y, x) near the middle: Gaussian, `std` in units of the side, rounded, clipped to the image.

    For Center-Gaussian CutMix; the paper doesn't give its standard deviation, a quarter of the side is ours.
    """
    normal = jax.random.normal(key, (2, draws), jnp.float32)

    def pixel(z: Float[Array, "d"], side: int) -> Int[Array, "d"]:
        offset = barrier(arguments.number("std", std) * side * z)
        return jnp.clip(jnp.round(side / 2 + offset), 0, side - 1).astype(jnp.int32)

    return pixel(normal[0], height), pixel(normal[1], width)


@arguments.annotated
def real_center(key: Array, draws: int, height: int, width: int) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
    """Sample a point (y, x) uniformly from the image, in pixels, for `real_box`."""
    uniform = jax.random.uniform(key, (2, draws), jnp.float32)
    return barrier(uniform[0] * height), barrier(uniform[1] * width)


@arguments.annotated
def even_box(
    share: Float[Array, "d"], center: tuple[Int[Array, "d"], Int[Array, "d"]], height: int, width: int
) -> Profiles:
    """The box of the CutMix authors' code: sides int(side * sqrt(share)), half of it (floored) to each side of the
    center pixel, cut at the border. So sides are even, and a box of one pixel is empty.
    """
    if min(height, width) < 3:
        raise ValueError(
            f"images are {height} x {width}, on which this box is always empty: its sides are even; wanted 3 pixels or "
            "more each way. For signals [b t 1 c] pass box=jaxmix.masks.row_band, center=jaxmix.masks.real_center to "
            "cutmix; mixup, fmix and smoothmix_s mix images of any size"
        )

    def profile(middle: Int[Array, "d"], side: int) -> Float[Array, "d side"]:
        half = jnp.floor(side * jnp.sqrt(share)).astype(jnp.int32) // 2
        return window(jnp.clip(middle - half, 0, side), jnp.clip(middle + half, 0, side), side)

    return profile(center[0], height), profile(center[1], width)


@arguments.annotated
def real_box(
    share: Float[Array, "d"],
    center: tuple[Float[Array, "d"], Float[Array, "d"]],
    height: int,
    width: int,
    *,
    edge: Callable[[Array], Array] = jnp.floor,
) -> Profiles:
    """A box around a real-valued center, sides side * sqrt(share), its edges cut at the border and then rounded.

    With `edge=jnp.floor` it is the box of the PuzzleMix, Co-Mixup and SAGE code, and of the CutMix baseline in their
    tables; with `edge=jnp.round` that of the CutMix paper's pseudo-code.
    """
    side = jnp.sqrt(share)
    return _cut(side, center[0], height, edge), _cut(side, center[1], width, edge)


@arguments.annotated
def row_band(
    share: Float[Array, "d"], center: tuple[Num[Array, "d"], Num[Array, "d"]], height: int, width: int
) -> Profiles:
    """A band of whole rows around the center, share * height of them, cut at the border and rounded.

    CutMix of signals [b t 1 c], or of the rows of spectrograms: `cutmix(key, x, box=row_band, center=real_center)`.

    >>> rows, columns = row_band(jnp.array([0.5]), (jnp.array([2.0]), jnp.array([0.0])), 4, 1)
    >>> rows.tolist(), columns.tolist()
    ([[0.0, 1.0, 1.0, 0.0]], [[1.0]])
    """
    return _cut(share, center[0], height, jnp.round), jnp.ones((share.shape[0], width), jnp.float32)


@arguments.annotated
def column_band(
    share: Float[Array, "d"], center: tuple[Num[Array, "d"], Num[Array, "d"]], height: int, width: int
) -> Profiles:
    """A band of whole columns around the center, share * width of them: `row_band` along the other axis."""
    return jnp.ones((share.shape[0], height), jnp.float32), _cut(share, center[1], width, jnp.round)


def _cut(length: Float[Array, "d"], middle: Array, side: int, edge: Callable[[Array], Array]) -> Float[Array, "d side"]:
    """The window of a length, as a share of the side, around the middle: cut at the border and then rounded."""
    half = barrier(side * length / 2)
    start, end = (
        edge(jnp.clip(middle.astype(jnp.float32) + sign * half, 0, side)).astype(jnp.int32) for sign in (-1, 1)
    )
    return window(start, end, side)


@arguments.annotated
def inner_corner(
    sides: tuple[Int[Array, "#d"], Int[Array, "#d"]],
    center: tuple[Int[Array, "d"], Int[Array, "d"]],
    height: int,
    width: int,
) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """The top left corner (y, x) of a box of given sides around a center: shifted inside the image, never cut."""

    def start(middle: Array, length: Array, side: int) -> Array:
        return jnp.clip(jnp.clip(middle - length // 2, 0, side) + length, 0, side) - length

    return start(center[0], sides[0], height), start(center[1], sides[1], width)
