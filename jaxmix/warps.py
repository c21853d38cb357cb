"""Moved how: a warp moves the picture in one slot of a mix before it is blended.

A warp is a pytree of arrays with leading axis b, so it crosses jit, vmap and shard_map like the rest of a mix.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Warp(Protocol):
    """What `Mix.warps` holds: call it on pictures, ask it for the warp of its kind that moves nothing."""

    def __call__(self, x: Array) -> Array:
        """Pictures or maps [b h w ...], moved."""
        ...

    def still(self) -> "Warp":
        """A warp of the same structure and shapes that moves nothing."""
        ...


class Resample(NamedTuple):
    """Every output row and column copies one source row and column: `out[b, i, j] = x[b, rows[b, i], columns[b, j]]`.

    Shifts, crops, flips and nearest-neighbour resizing are all of this form. An index outside the picture gives 0.
    """

    rows: Int[Array, "b h"]
    columns: Int[Array, "b w"]

    def __call__(self, x: Array) -> Array:
        size = (self.rows.shape[1], self.columns.shape[1])
        if x.ndim < 3 or x.shape[1:3] != size:
            raise ValueError(
                f"this mix moves pictures of height and width {size}, but got an array of shape {x.shape}; "
                f"wanted [b {size[0]} {size[1]} ...]: resize the array to the images' size first"
            )
        return jax.vmap(_copy)(x, self.rows, self.columns)

    def still(self) -> "Resample":
        rows, columns = (jnp.broadcast_to(jnp.arange(index.shape[1], dtype=index.dtype), index.shape) for index in self)
        return Resample(rows, columns)


def _copy(x, rows, columns):
    rows_inside = (rows >= 0) & (rows < x.shape[0])
    columns_inside = (columns >= 0) & (columns < x.shape[1])
    inside = (rows_inside[:, None] & columns_inside[None, :]).reshape(rows.size, columns.size, *[1] * (x.ndim - 2))
    copied = x[jnp.where(rows_inside, rows, 0)][:, jnp.where(columns_inside, columns, 0)]
    return jnp.where(inside, copied, jnp.zeros((), x.dtype))


class Chain(NamedTuple):
    """Several warps, one after the other."""

    parts: tuple[Warp, ...]

    def __call__(self, x: Array) -> Array:
        for part in self.parts:
            x = part(x)
        return x

    def still(self) -> "Chain":
        return Chain(tuple(part.still() for part in self.parts))


def resize_into(
    ratio: Float[Array, "b"], top: Int[Array, "b"], left: Int[Array, "b"], height: int, width: int
) -> Resample:
    """The whole picture shrunk by `ratio`, its corner at (top, left); only the pixels of that box are meaningful.

    Nearest neighbour with source index floor(i / ratio), the rule of an interpolation that is given a scale factor
    (floor(i * side / new side) differs in nine cases of ten).
    """

    def source(side, start):
        offset = jnp.arange(side, dtype=jnp.int32)[None, :] - start[:, None]
        return jnp.clip(jnp.floor(offset.astype(jnp.float32) / ratio[:, None]).astype(jnp.int32), 0, side - 1)

    return Resample(source(height, top), source(width, left))
