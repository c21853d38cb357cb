"""Affine warps with Pillow's arithmetic: out(x, y) is the picture at (a x' + b y' + c, d x' + e y' + f).

x' = x + 1/2 and y' = y + 1/2 are the centers of pixels, x to the right. What lies outside the frame is the fill.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.pixels import packing

Matrix = Float[Array, "6"]
Interpolation = Callable[..., packing.Packed]


class AffineWarp(NamedTuple):
    """The matrix for an amount, and what is known of it: along which axes it moves, and whether by whole pixels."""

    matrix: Callable[[Float[Array, ""], int, int], Matrix]
    axes: str = "xy"
    whole: bool = False


def bilinear(picture: packing.Packed, channels: int, matrix: Matrix, fill: int, axes: str = "xy") -> packing.Packed:
    """Between the four nearest pixels; the border is repeated for half a pixel; truncated, not rounded.

    Along an axis that isn't among `axes` nothing may move; then two pixels do.
    """
    x, y = _source(matrix, *picture.shape)
    inside, shares = jnp.bool_(True), []
    corners = [jnp.zeros((), jnp.int32)]
    for axis, place, side, stride in (("y", y, picture.shape[0], picture.shape[1]), ("x", x, picture.shape[1], 1)):
        if axis in axes:
            inside &= (place >= 0) & (place < side)
            first = jnp.floor(place - 0.5)
            shares.append(place - 0.5 - first)
            ends = [_within(first + k, side) * stride for k in (0, 1)]
        else:
            ends = [jax.lax.broadcasted_iota(jnp.int32, picture.shape, "yx".index(axis)) * stride]
        corners = [corner + end for corner in corners for end in ends]
    found = [packing.split(_at(picture, corner), channels) for corner in corners]

    def level(k):
        values = [corner[k].astype(jnp.float32) for corner in found]
        for share in reversed(shares):
            values = [a + (b - a) * share for a, b in zip(values[::2], values[1::2], strict=True)]
        return values[0].astype(jnp.int32)

    return jnp.where(inside, packing.join([level(k) for k in range(channels)]), jnp.uint32(fill))


def nearest(picture: packing.Packed, channels: int, matrix: Matrix, fill: int, axes: str = "xy") -> packing.Packed:
    """The pixel that holds the place, found in Pillow's fixed point, 1/65536 pixel."""
    height, width = picture.shape
    a, b, c, d, e, f = (matrix[k] for k in range(6))

    def fixed(number):
        return jnp.floor(65536 * number + 0.5).astype(jnp.int32)

    def places(step_x, step_y, start):
        columns = jnp.arange(width, dtype=jnp.int32)[None] * fixed(step_x)
        rows = jnp.arange(height, dtype=jnp.int32)[:, None] * fixed(step_y)
        return (columns + rows + fixed(start + 0.5 * step_x + 0.5 * step_y)) >> 16

    x, y = places(a, b, c), places(d, e, f)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = _at(picture, jnp.clip(y, 0, height - 1) * width + jnp.clip(x, 0, width - 1))
    return jnp.where(inside, found, jnp.uint32(fill))


def _source(matrix: Matrix, height: int, width: int) -> tuple[Array, Array]:
    a, b, c, d, e, f = (matrix[k] for k in range(6))
    x, y = np.arange(width, dtype=np.float32)[None] + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5
    return _rounded(a * x) + _rounded(b * y) + c, _rounded(d * x) + _rounded(e * y) + f


def _rounded(product: Array) -> Array:
    # The maximum changes no number. It keeps the product from becoming one instruction with the sum, which rounds once:
    # the compiler did that for a place's pixel and not for its share, and beside a pixel's center they disagreed.
    return jnp.maximum(product, -1e30)


def _within(place: Float[Array, "h w"], side: int) -> Int[Array, "h w"]:
    # As whole numbers, which are in bounds even where the place is no number.
    return jnp.clip(place.astype(jnp.int32), 0, side - 1)


def _at(picture: packing.Packed, place: Int[Array, "h w"]) -> packing.Packed:
    return picture.reshape(-1).at[place].get(mode="promise_in_bounds")


def still(amount: Array, height: int, width: int) -> Matrix:
    """The picture as it is."""
    return _matrix(1, 0, 0, 0, 1, 0)


def rotate(degrees: Array, height: int, width: int) -> Matrix:
    """Counter-clockwise about the center of the picture."""
    turn = degrees % 360
    # Quarter turns are exact: cos 90 degrees is not 0 in floating point.
    quarter = jnp.round(turn / 90).astype(jnp.int32)
    rest = -jnp.deg2rad(turn - 90 * quarter.astype(jnp.float32))
    cosine, sine = jnp.cos(rest), jnp.sin(rest)
    cosine, sine = _turned(cosine, sine, quarter % 4)
    x, y = width / 2, height / 2
    return _matrix(cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y)


def _turned(cosine: Array, sine: Array, quarter: Array) -> tuple[Array, Array]:
    """Of the angle less that many quarter turns."""
    cosines, sines = jnp.stack([cosine, sine, -cosine, -sine]), jnp.stack([sine, -cosine, -sine, cosine])
    return cosines[quarter], sines[quarter]


def shear_x(slope: Array, height: int, width: int) -> Matrix:
    """Row y moves left by slope (y + 1/2)."""
    return _matrix(1, slope, 0, 0, 1, 0)


def shear_y(slope: Array, height: int, width: int) -> Matrix:
    """Column x moves up by slope (x + 1/2)."""
    return _matrix(1, 0, 0, slope, 1, 0)


def translate_x(pixels: Array, height: int, width: int) -> Matrix:
    """To the left by so many pixels."""
    return _matrix(1, 0, pixels, 0, 1, 0)


def translate_y(pixels: Array, height: int, width: int) -> Matrix:
    """Upwards by so many pixels."""
    return _matrix(1, 0, 0, 0, 1, pixels)


def _matrix(*numbers) -> Matrix:
    return jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
