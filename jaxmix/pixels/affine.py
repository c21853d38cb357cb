"""Affine warps with Pillow's arithmetic: out(x, y) is the image at (a x' + b y' + c, d x' + e y' + f).

x' = x + 1/2 and y' = y + 1/2 are the centers of pixels, x to the right. What lies outside the frame is the fill.

Coordinates are float32, Pillow's are 16.16 fixed point or double: where one falls on the edge of two pixels, or a blend
on that of two levels, the result may be the other one's. That holds for 1 % of the values of bilinear shears by the
fixed bins of TrivialAugment and AutoAugment (by one level), and for 1e-5 of those of nearest rotations at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.pixels import packing
from jaxmix.pixels.packing import Packed

__all__ = [
    "AffineWarp",
    "Interpolation",
    "Matrix",
    "bilinear",
    "identity",
    "nearest",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
]

Matrix = Float[Array, "6"]
# (image, channels, matrix, fill[, axes]) -> image
Interpolation = Callable[..., Packed]


class AffineWarp(NamedTuple):
    """The matrix for an amount (and height and width), the axes along which it moves, and whether by whole pixels."""

    matrix: Callable[[Float[Array, ""], int, int], Matrix]
    axes: str = "xy"
    whole: bool = False


def bilinear(image: Packed, channels: int, matrix: Matrix, fill: int, axes: str = "xy") -> Packed:
    """Interpolate between the four nearest pixels; the border is repeated for half a pixel; truncated, not rounded.

    Along an axis that isn't among `axes` the matrix may move nothing; then two pixels suffice.
    """
    x, y = _source(matrix, *image.shape)
    inside, fractions = jnp.bool_(True), []
    corners = [jnp.zeros((), jnp.int32)]
    for axis, place, side, stride in (("y", y, image.shape[0], image.shape[1]), ("x", x, image.shape[1], 1)):
        if axis in axes:
            inside &= (place >= 0) & (place < side)
            first = jnp.floor(place - 0.5)
            fractions.append(place - 0.5 - first)
            ends = [_clip_index(first + k, side) * stride for k in (0, 1)]
        else:
            ends = [jax.lax.broadcasted_iota(jnp.int32, image.shape, "yx".index(axis)) * stride]
        corners = [corner + end for corner in corners for end in ends]
    found = [packing.unpack_channels(_gather(image, corner), channels) for corner in corners]

    def level(k: int) -> Int[Array, "h w"]:
        values = [corner[k].astype(jnp.float32) for corner in found]
        for fraction in reversed(fractions):
            values = [a + (b - a) * fraction for a, b in zip(values[::2], values[1::2], strict=True)]
        return values[0].astype(jnp.int32)

    return jnp.where(inside, packing.pack_channels([level(k) for k in range(channels)]), jnp.uint32(fill))


def nearest(image: Packed, channels: int, matrix: Matrix, fill: int, axes: str = "xy") -> Packed:
    """Take the pixel that contains the source point, located in Pillow's fixed point, 1/65536 pixel."""
    height, width = image.shape
    a, b, c, d, e, f = (matrix[k] for k in range(6))

    def fixed_point(value: Array) -> Array:
        return jnp.floor(65536 * value + 0.5).astype(jnp.int32)

    def coordinate(step_x: Array, step_y: Array, start: Array) -> Int[Array, "h w"]:
        columns = jnp.arange(width, dtype=jnp.int32)[None] * fixed_point(step_x)
        rows = jnp.arange(height, dtype=jnp.int32)[:, None] * fixed_point(step_y)
        return (columns + rows + fixed_point(start + 0.5 * step_x + 0.5 * step_y)) >> 16

    x, y = coordinate(a, b, c), coordinate(d, e, f)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = _gather(image, jnp.clip(y, 0, height - 1) * width + jnp.clip(x, 0, width - 1))
    return jnp.where(inside, found, jnp.uint32(fill))


def _source(matrix: Matrix, height: int, width: int) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Coordinates x and y of the source of each pixel."""
    a, b, c, d, e, f = (matrix[k] for k in range(6))
    x, y = np.arange(width, dtype=np.float32)[None] + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5
    return _rounded_product(a * x) + _rounded_product(b * y) + c, _rounded_product(d * x) + _rounded_product(e * y) + f


def _rounded_product(product: Array) -> Array:
    # The maximum changes no value. It keeps the compiler from fusing the product and the sum into one rounding: it
    # did so for the index of a pixel and not for the fraction, and beside a pixel's center they disagreed.
    return jnp.maximum(product, -1e30)


def _clip_index(place: Float[Array, "#h #w"], side: int) -> Int[Array, "#h #w"]:
    # Clipped as integers, which are in bounds even where the place is NaN.
    return jnp.clip(place.astype(jnp.int32), 0, side - 1)


def _gather(image: Packed, place: Int[Array, "h w"]) -> Packed:
    return image.reshape(-1).at[place].get(mode="promise_in_bounds")


def identity(amount: Array, height: int, width: int) -> Matrix:
    """Change nothing."""
    return _matrix(1, 0, 0, 0, 1, 0)


def rotate(degrees: Array, height: int, width: int) -> Matrix:
    """Rotate counter-clockwise about the center of the image."""
    turn = degrees % 360
    # Quarter turns are exact: cos 90 degrees is not 0 in floating point.
    quarter = jnp.round(turn / 90).astype(jnp.int32)
    rest = -jnp.deg2rad(turn - 90 * quarter.astype(jnp.float32))
    cosine, sine = jnp.cos(rest), jnp.sin(rest)
    cosine, sine = _rotate_quarters(cosine, sine, quarter % 4)
    x, y = width / 2, height / 2
    return _matrix(cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y)


def _rotate_quarters(cosine: Array, sine: Array, quarter: Array) -> tuple[Array, Array]:
    """Cosine and sine of the angle less this number of quarter turns."""
    select = jax.lax.select_n
    return select(quarter, cosine, sine, -cosine, -sine), select(quarter, sine, -cosine, -sine, cosine)


def shear_x(slope: Array, height: int, width: int) -> Matrix:
    """Move row y left by slope (y + 1/2)."""
    return _matrix(1, slope, 0, 0, 1, 0)


def shear_y(slope: Array, height: int, width: int) -> Matrix:
    """Move column x up by slope (x + 1/2)."""
    return _matrix(1, 0, 0, slope, 1, 0)


def translate_x(pixels: Array, height: int, width: int) -> Matrix:
    """Move left by a number of pixels."""
    return _matrix(1, 0, pixels, 0, 1, 0)


def translate_y(pixels: Array, height: int, width: int) -> Matrix:
    """Move up by a number of pixels."""
    return _matrix(1, 0, 0, 0, 1, pixels)


def _matrix(*elements: Array | float) -> Matrix:
    return jnp.stack([jnp.asarray(element, jnp.float32) for element in elements])
