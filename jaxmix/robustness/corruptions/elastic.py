"""Elastic transform: an affine warp in OpenCV's fixed point, then small displacements of every pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix.numerics import barrier, materialize
from jaxmix.pixels import separable_blur
from jaxmix.pixels.separable_blur import Weights

__all__ = ["Matrix", "elastic", "inverse", "warped", "weights"]

Images = Float[Array, "b h w c"]


def elastic(
    x: Images,
    corners: Float[Array, "b 3 2"],
    fields: Float[Array, "b h w 2"],
    amplitude: ArrayLike,
    blur: Sequence[Weights] | None,
) -> Images:
    """Warp the image so that three points of it move, then read it at displaced places.

        out[y, x] = warped[y + dy, x + dx],   dx, dy = amplitude G(field), G a Gaussian of sigma cut at 3 sigma

    Bilinear, mirrored at the border.

    Args:
        x: [b h w c].
        corners: displacements of the three points in pixels, (right, down) each.
        fields: samples of -1..1 for dx and for dy.
        amplitude: pixels; may be traced.
        blur: weights of G along rows and columns, see `weights`; may be traced. None: only the warp.
    """
    x = warped(x, inverse(corners, *x.shape[1:3]))
    if blur is None:
        return x
    moved = jnp.float32(amplitude) * separable_blur.blur(fields, blur, (1, 2), "symmetric")
    height, width = x.shape[1:3]
    # The shares come from the displacements alone: added to a place first, they would lose digits.
    whole = jnp.floor(moved)
    share = moved - whole
    rows = whole[..., 1].astype(jnp.int32) + jnp.arange(height, dtype=jnp.int32)[None, :, None]
    columns = whole[..., 0].astype(jnp.int32) + jnp.arange(width, dtype=jnp.int32)[None, None]
    return _bilinear(x, rows, columns, share[..., 1], share[..., 0], _symmetric)


def weights(sigma: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian of `sigma` pixels cut at 3 sigma, for rows and for columns."""
    taps = separable_blur.gaussian(sigma, truncate=3.0)
    return separable_blur.kernel(taps, height, "symmetric"), separable_blur.kernel(taps, width, "symmetric")


class Matrix(NamedTuple):
    """From a place (x, y, 1) to the offset at which the image is read, in 1/1024 pixel: an integer and a rest.

    So a place is right to a millionth of a pixel in float32, and rounds as in the authors' float64.
    """

    whole: Int[Array, "b 2 3"]
    rest: Float[Array, "b 2 3"]


def inverse(corners: Float[Array, "b 3 2"], height: int, width: int) -> Matrix:
    """The inverse of the warp that moves the points c + q (1, 1), c + q (1, -1) and c - q (1, 1) by `corners`.

    c is the middle and q a third of the shorter side.
    """
    reach = max(min(height, width) // 3, 1)
    # The authors count the middle as (h // 2, w // 2) also where x comes first.
    center = np.array([height // 2, width // 2])
    points = np.stack([center + reach, center + np.array([reach, -reach]), center - reach])[None].astype(np.float32)
    # Moved points are stored in float32, and so have moved by a little less or more.
    moved = barrier(jnp.asarray(points) + corners.astype(jnp.float32)) - points
    # The warp is 1 + E; its columns are what a step of 2 q to the right, or downwards, becomes.
    step = jnp.stack([moved[:, 1] - moved[:, 2], moved[:, 0] - moved[:, 1]], -1)
    near, far = _inverse(step, 2 * reach)
    # The second point returns to its origin.
    place = moved[:, 1] + points[:, 1]
    pixel = jnp.floor(place)
    part = jnp.floor(1024 * moved[:, 1])
    start = part.astype(jnp.int32) + (near * pixel.astype(jnp.int32)[:, None]).sum(2)
    rest = (
        1024 * moved[:, 1] - part + (near.astype(jnp.float32) * (place - pixel)[:, None] + far * place[:, None]).sum(2)
    )
    return Matrix(jnp.concatenate([near, -start[..., None]], 2), jnp.concatenate([far, -rest[..., None]], 2))


def _inverse(step: Float[Array, "b 2 2"], long: int) -> tuple[Int[Array, "b 2 2"], Float[Array, "b 2 2"]]:
    """1024 times the inverse of 1 + step / long, less 1: integers K near it, and the rest."""
    error = step / np.float32(long)
    a, b, c, d = error[:, 0, 0], error[:, 0, 1], error[:, 1, 0], error[:, 1, 1]
    adjoint = jnp.stack([jnp.stack([b * c - a * (1 + d), -b], -1), jnp.stack([-c, b * c - d * (1 + a)], -1)], 1)
    near = jnp.round(1024 * adjoint / ((1 + a) * (1 + d) - b * c)[:, None, None]).astype(jnp.int32)
    # R = 1 - (1 + step / long) (1 + K / 1024) is almost nothing: its large parts cancel out as integers.
    coarse = jnp.round(64 * step)
    fine, coarse = step - coarse / 64, coarse.astype(jnp.int32)
    large = 1024 * coarse + 64 * long * near + _product(coarse, near)
    share = near.astype(jnp.float32) / 1024
    small = fine + _product(fine, share)
    rest = -(large.astype(jnp.float32) / 65536 + small) / np.float32(long)
    rest = rest + _product(rest, rest + _product(rest, rest))
    return near, 1024 * (rest + _product(share, rest))


def _product(a: Array, b: Array) -> Array:
    return a[:, :, :1] * b[:, :1] + a[:, :, 1:] * b[:, 1:]


def warped(x: Images, matrix: Matrix) -> Images:
    """Bilinear reading in OpenCV's fixed point: places in 1/1024, then in 1/32 pixel; mirrored about border pixels."""
    height, width = x.shape[1:3]
    columns, rows = (jnp.arange(side, dtype=jnp.int32)[None] for side in (width, height))

    def place(k: int) -> Int[Array, "b h w"]:
        whole, rest = (part[:, k, :, None] for part in matrix)
        across = whole[:, 0] * columns + jnp.round(rest[:, 0] * columns.astype(jnp.float32)).astype(jnp.int32)
        down = jnp.round(rest[:, 1] * rows.astype(jnp.float32) + rest[:, 2]).astype(jnp.int32)
        down = whole[:, 1] * rows + whole[:, 2] + down
        here = 1024 * jax.lax.broadcasted_iota(jnp.int32, (1, height, width), 2 - k)
        return here + across[:, None] + down[:, :, None] + 16 >> 5

    right, down = place(0), place(1)
    shares = [(fixed & 31).astype(jnp.float32) / 32 for fixed in (down, right)]
    return _bilinear(x, down >> 5, right >> 5, shares[0], shares[1], _reflect)


def _bilinear(
    x: Images, rows: Array, columns: Array, down: Array, right: Array, border: Callable[[Array, int], Array]
) -> Images:
    """Interpolation between four pixels, of which the first is given."""
    size, height, width, channels = x.shape
    flat = x.reshape(size, height * width, channels)

    def at(row: Array, column: Array) -> Array:
        # The index is computed once, not again for every channel.
        place = materialize(border(row, height) * width + border(column, width))
        return jax.vmap(lambda one, place: one.at[place].get(mode="promise_in_bounds"))(flat, place)

    right, down = materialize(right)[..., None], materialize(down)[..., None]
    upper = at(rows, columns) * (1 - right) + at(rows, columns + 1) * right
    lower = at(rows + 1, columns) * (1 - right) + at(rows + 1, columns + 1) * right
    return materialize(upper * (1 - down) + lower * down)


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
