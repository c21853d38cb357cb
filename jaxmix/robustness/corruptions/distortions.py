"""Distortions: every pixel read at another place of the image; for given samples."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.numerics import materialize

__all__ = ["bilinear", "pinch_and_twirl", "ripple"]

Images = Float[Array, "b h w c"]


def bilinear(x: Images, rows: Float[Array, "b h w"], columns: Float[Array, "b h w"]) -> Images:
    """Interpolate between the four pixels around each place (row, column), whole at a pixel; those outside are 0."""
    size, height, width, channels = x.shape
    flat = x.reshape(size, height * width, channels)
    first = [jnp.floor(jnp.clip(place, -2, side + 1)) for place, side in ((rows, height), (columns, width))]
    shares = [materialize(place - low) for place, low in zip((rows, columns), first, strict=True)]
    top, left = (low.astype(jnp.int32) for low in first)
    total = jnp.zeros((), jnp.float32)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = (shares[0] if down else 1 - shares[0]) * (shares[1] if right else 1 - shares[1])
            index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
            # The index is computed once, not again for every channel.
            index, weight = materialize(index), materialize(jnp.where(inside, weight, 0))
            read = jax.vmap(lambda one, place: one.at[place].get(mode="promise_in_bounds"))(flat, index)
            total = total + weight[..., None] * read
    return total


def pinch_and_twirl(x: Images, angles: Float[Array, "b n m"], amount: ArrayLike, cell: int) -> Images:
    """Pull each cell's disk towards its middle and turn it.

    At the distance d of the middle, 0 < d <= R = cell / 2, the offset from the middle is multiplied by
    sin(pi d / 2 R)^(-amount) and turned by angle (1 - d / R)^2.

    Args:
        x: [b h w c].
        angles: of each column and row of cells, in radians.
        amount: of the pull.
        cell: its side in pixels, static; pixels beyond the cells stay.
    """
    size, height, width, _ = x.shape
    number = angles.shape[1:]
    middle, rows, columns = cell / 2, np.arange(height), np.arange(width)
    dy = (rows % cell - middle).astype(np.float32)[:, None]
    dx = (columns % cell - middle).astype(np.float32)[None]
    distance = np.sqrt(dy * dy + dx * dx)
    moves = (distance > 0) & (distance <= middle)
    moves &= (rows < cell * number[1])[:, None] & (columns < cell * number[0])[None]
    share = np.where(moves, distance / middle, 1).astype(np.float32)
    of_row, of_column = np.minimum(rows // cell, number[1] - 1), np.minimum(columns // cell, number[0] - 1)
    angle = angles[:, of_column[None], of_row[:, None]] * np.square(1 - share)[None]
    factor = (np.sin(np.pi / 2 * share).astype(np.float32) ** -jnp.asarray(amount, jnp.float32))[None]
    cosine, sine = factor * jnp.cos(angle), -factor * jnp.sin(angle)
    right, down = cosine * dx[None] - sine * dy[None], sine * dx[None] + cosine * dy[None]
    moved = jnp.where(moves[None], down - dy[None], 0), jnp.where(moves[None], right - dx[None], 0)
    row, column = (jnp.asarray(place, jnp.float32) for place in (rows, columns))
    return bilinear(x, row[None, :, None] + moved[0], column[None, None] + moved[1])


def ripple(x: Images, lengths: Float[Array, "b 2"], phases: Float[Array, "b 2"], amplitude: ArrayLike) -> Images:
    """Read every row and column p at `p + amplitude sin(2 pi p / length + phase)`.

    Args:
        x: [b h w c].
        lengths: of the waves of rows and of columns, in pixels.
        phases: of both.
        amplitude: in pixels.
    """
    size, height, width, _ = x.shape
    places = []
    for k, side in enumerate((height, width)):
        place = jnp.arange(side, dtype=jnp.float32)[None]
        turn = np.float32(2 * np.pi) * place / lengths[:, k, None] + phases[:, k, None]
        places.append(place + amplitude * jnp.sin(turn))
    rows, columns = places[0][:, :, None], places[1][:, None]
    return bilinear(x, *(jnp.broadcast_to(place, (size, height, width)) for place in (rows, columns)))
