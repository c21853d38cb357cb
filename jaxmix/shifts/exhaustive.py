"""Exhaustive search: all shifts, each scored exactly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import sharding
from jaxmix.shifts.scores import validated_pair

__all__ = ["rolled"]

# Scores [b], and shifts [b 2]
Best = tuple[Float[Array, "b"], Int[Array, "b 2"]]


def rolled(key: Array | None, own: ArrayLike, other: ArrayLike) -> Int[Array, "b 2"]:
    """Find the best of all (2h - 1)(2w - 1) shifts, each scored exactly.

    Memory is that of a few shifts of the batch, time that of (h w)^2 divisions per pair.

    Args:
        key: not used.
        own: saliency shares of the own images, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.

    Returns:
        (dy, dx) of each pair; of equal scores the first shift, row by row.

    Raises:
        ValueError: maps that aren't [b h w] or differ in shape.

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> rolled(None, own, other).tolist()
    [[-1, 0]]
    """
    del key
    return _rolled(*validated_pair(own, other))


@jax.jit
def _rolled(own: Float[Array, "b h w"], other: Float[Array, "b h w"]) -> Int[Array, "b 2"]:
    size, height, width = own.shape
    # Columns and batch make one long axis, which is fast for batches of any size. The tiny addend changes no sum, and
    # saves a comparison for every division.
    flat = jnp.moveaxis(own, 0, 2).reshape(height, width * size) + jnp.float32(1e-30)
    twice = jnp.moveaxis(jnp.tile(other, (1, 2, 2)), 0, 2).reshape(2 * height, 2 * width * size)
    row, column = np.arange(height, dtype=np.int32), np.arange(width, dtype=np.int32)

    def compare(step: Array, found: Best) -> Best:
        # Rolled by (down, right), a map has four quadrants, divided by its two seams. Each is what one of four shifts
        # leaves in the frame: by down or down - height, and by right or right - width.
        down, right = step // width, step % width
        moved = jax.lax.dynamic_slice(twice, (height - down, (width - right) * size), (height, width * size))
        gain = moved * ((moved - flat) / (moved + flat))
        rows, columns = (jnp.stack([at < seam, at >= seam]) for at, seam in ((row, down), (column, right)))
        by_row = jnp.matmul(rows.astype(jnp.float32), gain, precision="highest").reshape(2, width, size)
        value = jnp.einsum("qj,pjb->pqb", columns.astype(jnp.float32), by_row, precision="highest")
        in_frame = rows.any(1)[:, None] & columns.any(1)[None]
        value = jnp.where(in_frame[:, :, None], value, -jnp.inf).reshape(4, size)
        quadrant = jnp.argmax(value, 0).astype(jnp.int32)
        shift = jnp.stack([down - height * (1 - quadrant // 2), right - width * (1 - quadrant % 2)], 1)
        return _better(found, (value.max(0), shift))

    start = jnp.full(size, -jnp.inf, jnp.float32), jnp.zeros((size, 2), jnp.int32)
    steps = jnp.int32(0), jnp.int32(height * width)
    return jax.lax.fori_loop(*steps, compare, sharding.varying(own, start))[1]


def _better(found: Best, new: Best) -> Best:
    """The better of two, and of equal scores the first shift, row by row."""
    (value, shift), (new_value, new_shift) = found, new
    (y, x), (new_y, new_x) = shift.T, new_shift.T
    first = (new_y < y) | ((new_y == y) & (new_x < x))
    better = (new_value > value) | ((new_value == value) & first)
    return jnp.where(better, new_value, value), jnp.where(better[:, None], new_shift, shift)
