"""Grey squares of a turned grid and grey lines over images in 0..1, for given samples; not yet clipped."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.numerics import materialize

__all__ = ["MOST_CELLS", "checkerboard", "lines"]

# Along a side of the grid, from which every cell takes its sample.
MOST_CELLS = 40
_GREY = np.float32(128 / 255)

Images = Float[Array, "b h w c"]


def checkerboard(
    x: Images, angle: Float[Array, "b"], cell: Float[Array, "b"], samples: Float[Array, "b n n"], share: ArrayLike
) -> Images:
    """Grey squares in a share of the cells of a turned checkerboard.

    A pixel (y, x) of the cell (n_x, n_y) is grey where floor(n_x mod 2) = floor(n_y mod 2) and the cell's sample,
    uniform in 0..1, is below the share:

        n_x = (y cos a + x sin a) / cell,   n_y = (-y sin a + x cos a) / cell

    Args:
        x: [b h w c].
        angle: a, of each image.
        cell: the side of a cell in pixels.
        samples: of the first int(4 s / cell) rows and columns of cells, s the shorter side of the image; a cell is
            truncated towards 0, and counts from the end where it is negative.
        share: of the cells.
    """
    size, height, width, _ = x.shape
    down = jnp.arange(height, dtype=jnp.float32)[None, :, None]
    right = jnp.arange(width, dtype=jnp.float32)[None, None]
    cosine, sine, cell = (value[:, None, None] for value in (jnp.cos(angle), jnp.sin(angle), cell))
    number = jnp.clip((4 * min(height, width) / cell).astype(jnp.int32), 1, samples.shape[1])
    across, along = (cosine * down + sine * right) / cell, (cosine * right - sine * down) / cell
    same = (across % 2).astype(jnp.int32) == (along % 2).astype(jnp.int32)
    places = [(place.astype(jnp.int32) % number) for place in (across, along)]
    index = materialize(places[0] * samples.shape[2] + places[1]).reshape(size, -1)
    flat = samples.reshape(size, -1)
    found = jnp.take_along_axis(flat, index, 1, mode="promise_in_bounds").reshape(size, height, width)
    return jnp.where((same & (found < share))[..., None], _GREY, x)


def lines(x: Images, points: Float[Array, "b n 2"], angles: Float[Array, "b n"]) -> Images:
    """Grey lines, one over the other, by the share of each pixel that they cover: `1 - distance`, where positive.

    A line reaches to both sides of its point (row, column) by the shorter side of the image, in the direction (cos a,
    sin a), between places that are truncated to whole pixels.
    """
    height, width = x.shape[1:3]
    reach = min(height, width) * jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1)
    start, end = jnp.trunc(points - reach), jnp.trunc(points + reach)
    span = end - start
    length = jnp.sqrt(jnp.square(span).sum(-1, keepdims=True))
    unit = span / jnp.where(length > 0, length, 1)
    down = jnp.arange(height, dtype=jnp.float32)[None, None, :, None]
    right = jnp.arange(width, dtype=jnp.float32)[None, None, None]
    down, right = down - start[..., 0, None, None], right - start[..., 1, None, None]
    cosine, sine = unit[..., 0, None, None], unit[..., 1, None, None]
    along, aside = down * cosine + right * sine, down * sine - right * cosine
    inside = (along > -0.5) & (along < length[..., None] + 0.5)
    uncovered = 1 - jnp.where(inside, jnp.clip(1 - jnp.abs(aside), 0, 1), 0)
    # All of one grey: what is left of the image is the product, in any order.
    left = materialize(uncovered.prod(1))[..., None]
    return _GREY + left * (x - _GREY)
