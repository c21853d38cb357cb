"""Warps: what moves the image in one slot of a mix before it is blended.

A warp is a pytree of arrays with leading axis b, so it crosses jit, vmap and shard_map like the rest of a mix.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix.arguments import annotated
from jaxmix.numerics import barrier

__all__ = ["Blocks", "Chain", "Interpolate", "Nearest", "Resample", "Warp", "resize_into"]


@runtime_checkable
class Warp(Protocol):
    """An element of `Mix.warps`: moves images, and makes a warp of its structure that moves nothing."""

    def __call__(self, x: Array) -> Array:
        """Move images or maps [b h w ...]."""
        ...

    def still(self) -> "Warp":
        """A warp of the same structure and shapes that moves nothing."""
        ...


class Resample(NamedTuple):
    """Every output row and column copies one source row and column: `out[b, i, j] = x[b, rows[b, i], columns[b, j]]`.

    Shifts, crops, flips and nearest-neighbour resizing are all of this form. An index outside the image gives 0.
    """

    rows: Int[Array, "b h"]
    columns: Int[Array, "b w"]

    def __call__(self, x: Array) -> Array:
        _fits(x, self.rows.shape[1], self.columns.shape[1])
        return jax.vmap(_copy)(x, self.rows, self.columns)

    def still(self) -> "Resample":
        return Resample(*(_pixels(index) for index in self))


def _fits(x: Array, height: int, width: int) -> None:
    if x.ndim < 3 or x.shape[1:3] != (height, width):
        raise ValueError(
            f"this mix moves images of height and width {(height, width)}, but got an array of shape {x.shape}; "
            f"wanted [b {height} {width} ...]: resize the array to the images' size first"
        )


def _pixels(places: Array | jax.ShapeDtypeStruct) -> Array:
    """The places of an axis that moves nothing, like the given ones [b side]."""
    return jnp.broadcast_to(jnp.arange(places.shape[1], dtype=places.dtype), places.shape)


def _copy(x: Array, rows: Int[Array, "h"], columns: Int[Array, "w"]) -> Array:
    rows_inside = (rows >= 0) & (rows < x.shape[0])
    columns_inside = (columns >= 0) & (columns < x.shape[1])
    inside = (rows_inside[:, None] & columns_inside[None, :]).reshape(rows.size, columns.size, *[1] * (x.ndim - 2))
    copied = x[jnp.where(rows_inside, rows, 0)][:, jnp.where(columns_inside, columns, 0)]
    return jnp.where(inside, copied, jnp.zeros((), x.dtype))


class Nearest(NamedTuple):
    """`Resample` where every index lies inside the image, as in nearest-neighbour resizing: nothing is filled.

    An index outside is clipped to the image.
    """

    rows: Int[Array, "b h"]
    columns: Int[Array, "b w"]

    def __call__(self, x: Array) -> Array:
        return self.gather(x, jnp.arange(x.shape[0], dtype=jnp.int32))

    def gather(self, x: Array, source: Int[Array, "b"]) -> Array:
        """Move the samples x[source], none of which is put into memory."""
        _fits(x, self.rows.shape[1], self.columns.shape[1])
        size, height, width, *channels = x.shape
        count = math.prod(channels)
        # Lines of single values, whose loop a compiler makes better use of than one of pixels.
        rows, columns = jnp.clip(self.rows, 0, height - 1), jnp.clip(self.columns, 0, width - 1)
        place = columns[:, :, None] * count + jnp.arange(count, dtype=columns.dtype)[None, None, :]
        line = source.astype(rows.dtype)[:, None] * height + rows
        place, lines = place.reshape(size, 1, width * count), x.reshape(size * height, width * count)
        return lines.at[line[:, :, None], place].get(mode="promise_in_bounds").reshape(x.shape)

    def still(self) -> "Nearest":
        return Nearest(*(_pixels(index) for index in self))


class Interpolate(NamedTuple):
    """Every output row and column is interpolated between two source rows and columns (bilinear).

        out[b, i, j] = x at the point (rows[b, i], columns[b, j])

    Coordinates are pixels; beyond the border they are clipped to it. The result is float32 at least.
    """

    rows: Float[Array, "b h"]
    columns: Float[Array, "b w"]

    def __call__(self, x: Array) -> Array:
        _fits(x, self.rows.shape[1], self.columns.shape[1])
        x = x if x.dtype == jnp.float64 else x.astype(jnp.float32)
        # Whole rows are copied much faster than single pixels, so columns are made rows for their turn.
        return _lerp(_lerp(x, self.rows).swapaxes(1, 2), self.columns).swapaxes(1, 2)

    def still(self) -> "Interpolate":
        return Interpolate(*(_pixels(points) for points in self))


def _lerp(x: Float[Array, "b h ..."], points: Float[Array, "b n"]) -> Float[Array, "b n ..."]:
    """Interpolate x at fractional rows."""
    points = jnp.clip(points, 0, x.shape[1] - 1)
    low = jnp.floor(points)
    share = (points - low).astype(x.dtype).reshape(*points.shape, *[1] * (x.ndim - 2))
    low = low.astype(jnp.int32)
    high = jnp.minimum(low + 1, x.shape[1] - 1)
    first, second = (jax.vmap(lambda part, row: part[row])(x, rows) for rows in (low, high))
    return first + share * (second - first)


class Blocks(NamedTuple):
    """The image cut into n x m blocks that are rearranged: block (i, j) becomes block `source[b, i, j]`.

    Blocks are counted row by row, i * m + j; -1 leaves a block 0. The sides of what is moved are multiples of n and m.
    """

    source: Int[Array, "b n m"]

    def __call__(self, x: Array) -> Array:
        size, rows, columns = self.source.shape
        if x.ndim < 3 or x.shape[1] % rows or x.shape[2] % columns:
            raise ValueError(
                f"this mix moves {rows} x {columns} blocks, but got an array of shape {x.shape}; wanted [b h w ...] "
                f"with a height that {rows} divides and a width that {columns} divides: resize the array first"
            )
        height = x.shape[1] // rows
        # A row of pixels of one block is copied as one piece.
        pieces = x.reshape(size, rows * height * columns, -1)
        top = jnp.maximum(self.source, 0) // columns * height
        line = top[:, :, None, :] + jnp.arange(height, dtype=jnp.int32)[None, None, :, None]
        index = (line * columns + (jnp.maximum(self.source, 0) % columns)[:, :, None, :]).reshape(size, -1)
        shown = jnp.repeat(self.source >= 0, height, 1).reshape(size, -1, 1)
        copied = jax.vmap(lambda part, i: part[i])(pieces, index)
        return jnp.where(shown, copied, jnp.zeros((), x.dtype)).reshape(x.shape)

    def still(self) -> "Blocks":
        _, rows, columns = self.source.shape
        place = jnp.arange(rows * columns, dtype=self.source.dtype).reshape(1, rows, columns)
        return Blocks(jnp.broadcast_to(place, self.source.shape))


class Chain(NamedTuple):
    """A chain of warps, one after the other."""

    parts: tuple[Warp, ...]

    def __call__(self, x: Array) -> Array:
        for part in self.parts:
            x = part(x)
        return x

    def still(self) -> "Chain":
        return Chain(tuple(part.still() for part in self.parts))


@annotated
def resize_into(
    ratio: Float[Array, "b"], top: Int[Array, "b"], left: Int[Array, "b"], height: int, width: int
) -> Nearest:
    """Shrink the whole image by `ratio`, its corner at (top, left); only the pixels of that box are meaningful.

    Nearest neighbour with source index floor(i / ratio), the rule of an interpolation that is given a scale factor
    (floor(i * side / new side) differs in nine cases of ten).
    """

    def source(side: int, start: Int[Array, "b"]) -> Int[Array, "b side"]:
        offset = jnp.arange(side, dtype=jnp.int32)[None, :] - start[:, None]
        # A division, which a compiler would make a product with a reciprocal, that is another pixel at times.
        place = offset.astype(jnp.float32) / barrier(jnp.broadcast_to(ratio[:, None], offset.shape))
        return jnp.clip(jnp.floor(place).astype(jnp.int32), 0, side - 1)

    return Nearest(source(height, top), source(width, left))
