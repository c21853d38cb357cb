"""The elastic transform: an affine warp in OpenCV's fixed point, then small displacements of every pixel."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.robustness.corruptions import filters
from jaxmix.rounding import settled, stored

Pictures = Float[Array, "b h w c"]


def elastic(x: Pictures, corners: Float[Array, "b 3 2"], fields: Float[Array, "b h w 2"], *, amplitude: float,
            sigma: float) -> Pictures:  # fmt: skip
    """The picture, warped so that three points of it move, then read at displaced places.

        out[y, x] = warped[y + dy, x + dx],   dx, dy = amplitude G(field), G a Gaussian of sigma cut at 3 sigma

    Bilinear, mirrored at the border.

    Args:
        x: [b h w c].
        corners: by how many pixels the three points move, (right, down) each.
        fields: draws from -1..1 for dx and for dy.
        amplitude: pixels; with 0 there is only the warp.
        sigma: pixels.
    """
    x = warped(x, inverse(corners, *x.shape[1:3]))
    if amplitude == 0:
        return x
    moved = np.float32(amplitude) * filters.gaussian(fields, sigma, truncate=3.0, mode="symmetric")
    height, width = x.shape[1:3]
    # Shares come from the displacements alone: added to a place first, they would lose digits.
    whole = jnp.floor(moved)
    share = moved - whole
    rows = whole[..., 1].astype(jnp.int32) + jnp.arange(height, dtype=jnp.int32)[None, :, None]
    columns = whole[..., 0].astype(jnp.int32) + jnp.arange(width, dtype=jnp.int32)[None, None]
    return _between(x, rows, columns, share[..., 1], share[..., 0], _symmetric)


def inverse(corners: Float[Array, "b 3 2"], height: int, width: int) -> Float[Array, "b 2 3"]:
    """The matrix that takes a place (x, y, 1) of the warped picture to where it is read, less the one that stays there.

    The points are c + q (1, 1), c + q (1, -1) and c - q (1, 1), c the middle and q a third of the shorter side. All is
    reckoned as a difference from standing still: the numbers are then small, and so are their roundings.
    """
    reach = min(height, width) // 3
    # The authors count the middle as (h // 2, w // 2) also where x comes first.
    center = np.array([height // 2, width // 2])
    points = np.stack([center + reach, center + np.array([reach, -reach]), center - reach])[None].astype(np.float32)
    # Moved points are stored in float32, and so moved by a little less or more.
    moved = settled(jnp.asarray(points) + corners.astype(jnp.float32)) - points
    x, y = moved[..., 0], moved[..., 1]
    first, second, long = points[0, 1, 0], points[0, 1, 1], np.float32(2 * reach)
    # How much farther a step to the right (a, c) and a step downwards (b, d) takes.
    a, c = (x[:, 1] - x[:, 2]) / long, (y[:, 1] - y[:, 2]) / long
    b, d = (x[:, 0] - x[:, 1]) / long, (y[:, 0] - y[:, 1]) / long
    # The inverse of (1 + a, b; c, 1 + d), less 1 on its diagonal.
    scale = 1 / ((1 + a) * (1 + d) - b * c)
    a, b, c, d = (b * c - a * (1 + d)) * scale, -b * scale, -c * scale, (b * c - d * (1 + a)) * scale
    # The second point goes back to where it came from.
    across, down = x[:, 1], y[:, 1]
    start_x = -(a * (first + across) + b * (second + down)) - across
    start_y = -(c * (first + across) + d * (second + down)) - down
    return jnp.stack([jnp.stack([a, b, start_x], -1), jnp.stack([c, d, start_y], -1)], 1)


def warped(x: Pictures, matrix: Float[Array, "b 2 3"]) -> Pictures:
    """Bilinear reading in OpenCV's fixed point: places in 1/1024, then in 1/32 pixel; mirrored about border pixels.

    The matrix is as from `inverse`, less 1 on its diagonal.
    """
    height, width = x.shape[1:3]
    columns = jnp.arange(width, dtype=jnp.float32)[None]
    rows = jnp.arange(height, dtype=jnp.float32)[None]

    def place(k):
        a, b, c = (matrix[:, k, i, None] for i in range(3))
        across = jnp.round(settled(a * columns) * 1024)[:, None]
        along = jnp.round((settled(b * rows) + c) * 1024)[:, :, None]
        here = jax.lax.broadcasted_iota(jnp.int32, (1, height, width), 2 - k)
        return 1024 * here + across.astype(jnp.int32) + along.astype(jnp.int32) + 16 >> 5

    right, down = place(0), place(1)
    shares = [(fixed & 31).astype(jnp.float32) / 32 for fixed in (down, right)]
    return _between(x, down >> 5, right >> 5, shares[0], shares[1], _reflect)


def _between(x, rows, columns, down, right, border) -> Pictures:
    """Bilinear between four pixels, of which the first is given."""
    size, height, width, channels = x.shape
    flat = x.reshape(size, height * width, channels)

    def at(row, column):
        # The index is made once, not for every channel again.
        place = stored(border(row, height) * width + border(column, width))
        return jax.vmap(lambda one, place: one.at[place].get(mode="promise_in_bounds"))(flat, place)

    right, down = stored(right)[..., None], stored(down)[..., None]
    upper = at(rows, columns) * (1 - right) + at(rows, columns + 1) * right
    lower = at(rows + 1, columns) * (1 - right) + at(rows + 1, columns + 1) * right
    return stored(upper * (1 - down) + lower * down)


def _reflect(place: Int[Array, "..."], side: int) -> Int[Array, "..."]:
    """Mirrored about the outermost pixel."""
    if side == 1:
        return jnp.zeros_like(place)
    place = jnp.abs(place) % (2 * side - 2)
    return jnp.minimum(place, 2 * side - 2 - place)


def _symmetric(place: Int[Array, "..."], side: int) -> Int[Array, "..."]:
    """Mirrored about the border, so that the outermost pixel occurs twice."""
    place = place % (2 * side)
    return jnp.minimum(place, 2 * side - 1 - place)
