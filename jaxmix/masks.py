"""Masks: the partner's share of each pixel, in [0, 1], float32.

Many masks are the outer product of a profile of the rows and a profile of the columns (`outer`). Random
functions take a key and a number of draws d; the others are deterministic, and d is their leading axis.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int

from jaxmix.numerics import barrier

__all__ = [
    "Center", "Profiles", "authors_anisotropic", "brightest", "brightest_soft", "bump", "cells", "even_box",
    "gaussian_center", "holes", "inner_corner", "isotropic", "outer", "ramp", "real_box", "real_center",
    "relative_ramp", "spectrum_noise", "uniform_center", "window",
]  # fmt: skip

Profiles = tuple[Float[Array, "d h"], Float[Array, "d w"]]
# `(key, draws, height, width) -> (y, x)`
Center = Callable[[Array, int, int, int], tuple[Array, Array]]


def outer(rows: Float[Array, "d h"], columns: Float[Array, "d w"]) -> tuple[Float[Array, "d h w"], Float[Array, "d"]]:
    """The mask `rows x columns`, and its sum over the pixels without counting: exact for boxes of 0 and 1."""
    return rows[:, :, None] * columns[:, None, :], rows.sum(1) * columns.sum(1)


def window(start: Int[Array, "d"], end: Int[Array, "d"], side: int) -> Float[Array, "d side"]:
    """1 at the pixels start <= i < end, 0 elsewhere."""
    pixel = jnp.arange(side, dtype=jnp.int32)[None, :]
    return ((pixel >= start[:, None]) & (pixel < end[:, None])).astype(jnp.float32)


# The CutMix box.


def uniform_center(key: Array, draws: int, height: int, width: int) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """Sample a pixel (y, x) uniformly from the image."""
    y_key, x_key = jax.random.split(key)
    y, x = (jax.random.randint(k, (draws,), 0, side, jnp.int32) for k, side in ((y_key, height), (x_key, width)))
    return y, x


def gaussian_center(
    key: Array, draws: int, height: int, width: int, *, std: ArrayLike = 0.25
) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """Sample a pixel (y, x) near the middle: Gaussian, `std` in units of the side, rounded, clipped to the image.

    For Center-Gaussian CutMix; the paper doesn't give its standard deviation, a quarter of the side is ours.
    """
    normal = jax.random.normal(key, (2, draws), jnp.float32)

    def pixel(z: Float[Array, "d"], side: int) -> Int[Array, "d"]:
        offset = barrier(jnp.asarray(std, jnp.float32) * side * z)
        return jnp.clip(jnp.round(side / 2 + offset), 0, side - 1).astype(jnp.int32)

    return pixel(normal[0], height), pixel(normal[1], width)


def real_center(key: Array, draws: int, height: int, width: int) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
    """Sample a point (y, x) uniformly from the image, in pixels, for `real_box`."""
    uniform = jax.random.uniform(key, (2, draws), jnp.float32)
    return barrier(uniform[0] * height), barrier(uniform[1] * width)


def even_box(
    share: Float[Array, "d"], center: tuple[Int[Array, "d"], Int[Array, "d"]], height: int, width: int
) -> Profiles:
    """The box of the CutMix authors' code: sides int(side * sqrt(share)), half of it (floored) to each side of the
    center pixel, cut at the border. So sides are even, and a box of one pixel is empty.
    """

    def profile(middle: Int[Array, "d"], side: int) -> Float[Array, "d side"]:
        half = jnp.floor(side * jnp.sqrt(share)).astype(jnp.int32) // 2
        return window(jnp.clip(middle - half, 0, side), jnp.clip(middle + half, 0, side), side)

    return profile(center[0], height), profile(center[1], width)


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

    def profile(middle: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
        half = barrier(side * jnp.sqrt(share) / 2)
        start, end = (edge(jnp.clip(middle + sign * half, 0, side)).astype(jnp.int32) for sign in (-1, 1))
        return window(start, end, side)

    return profile(center[0], height), profile(center[1], width)


def inner_corner(
    sides: tuple[Int[Array, "#d"], Int[Array, "#d"]], center: tuple[Array, Array], height: int, width: int
) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """The top left corner (y, x) of a box of given sides around a center: shifted inside the image, never cut."""

    def start(middle: Array, length: Array, side: int) -> Array:
        return jnp.clip(jnp.clip(middle - length // 2, 0, side) + length, 0, side) - length

    return start(center[0], sides[0], height), start(center[1], sides[1], width)


# SmoothMix. No edge is narrower than a ten-thousandth of a pixel of a large image, so nothing is divided by 0.
_NARROWEST = 1e-7


def ramp(middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int, k: ArrayLike = 0.2) -> Float[Array, "d side"]:
    """Trapezoid `clip(1/2 + (sigma/2 - |u - middle|) / 2k, 0, 1)`: one half at the nominal edges, ramps 2k wide.

    `middle`, `sigma` and `k` are fractions of the side, `u = (i + 1/2) / side`. The peak is below 1 where sigma < 2k.
    """
    width = jnp.maximum(2 * jnp.asarray(k, jnp.float32), _NARROWEST)
    return jnp.clip(0.5 + (sigma[:, None] / 2 - _distance(middle, side)) / width, 0, 1)


def relative_ramp(
    middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int, k: ArrayLike = 0.2
) -> Float[Array, "d side"]:
    """The trapezoid whose ramps are 2 k sigma wide: the peak is always 1, and the edges sharpen as sigma shrinks."""
    width = jnp.maximum(2 * jnp.asarray(k, jnp.float32) * sigma, _NARROWEST)[:, None]
    return jnp.clip(0.5 + (sigma[:, None] / 2 - _distance(middle, side)) / width, 0, 1)


def bump(middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
    """Gaussian `exp(-(u - middle)^2 / (2 sigma^2))`, 1 at its middle; `sigma` > 0 is a fraction of the side."""
    return jnp.exp(-jnp.square(_distance(middle, side) / jnp.maximum(sigma, _NARROWEST)[:, None]) / 2)


def _distance(middle: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
    # A narrow ramp magnifies the rounding of a pixel's place, so the place is held as a sum of two floats.
    place = (np.arange(side)[None, :] + 0.5) / side
    whole = place.astype(np.float32)
    rest = (place - whole).astype(np.float32)
    return jnp.abs((whole - middle[:, None]) + rest)


# FMix.


def spectrum_noise(key: Array, draws: int, height: int, width: int) -> Float[Array, "d h k 2"]:
    """Sample standard normals, real and imaginary, for the half spectrum of a real image.

    k is width // 2 + 1, and one more for an odd width, as in the authors' code; `isotropic` leaves that one out.
    """
    return jax.random.normal(key, (draws, height, width // 2 + 1 + width % 2, 2), jnp.float32)


def isotropic(noise: Float[Array, "d h k 2"], height: int, width: int, decay: ArrayLike) -> Float[Array, "d h w"]:
    """Low-frequency images in [0, 1]: noise of amplitude 1 / max(f, 1 / longest side)^decay in every direction."""
    scaled = noise * _amplitude(height, width, noise.shape[2], decay)
    return _normalized(jax.lax.complex(scaled[..., 0], scaled[..., 1]), height, width)


def authors_anisotropic(
    noise: Float[Array, "d h k 2"], height: int, width: int, decay: ArrayLike
) -> Float[Array, "d h w"]:
    """Low-frequency images as the FMix code makes them: only frequencies 0 and 1 along the width.

    It reads the real part from row 0 and the imaginary part from row 1 of the spectrum, so that what it inverts is
    k rows of two values, padded with zeros. All published FMix results come from these images. Needs 2 rows.
    """
    if height < 2:
        raise ValueError(f"images are {height} pixel high; authors_anisotropic needs 2 or more: use isotropic")
    scaled = noise * _amplitude(height, width, noise.shape[2], decay)
    return _normalized(jax.lax.complex(scaled[:, 0], scaled[:, 1]), height, width)


def _amplitude(height: int, width: int, columns: int, decay: ArrayLike) -> Float[Array, "1 h k 1"]:
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[:columns])
    octaves = np.log(np.maximum(frequency, 1 / max(height, width))).astype(np.float32)
    return barrier(jnp.exp(barrier(-jnp.asarray(decay, jnp.float32) * octaves)))[None, :, :, None]


def _normalized(spectrum: Complex[Array, "d n k"], height: int, width: int) -> Float[Array, "d h w"]:
    raw = jnp.fft.irfft2(spectrum, s=(height, width))
    low, high = raw.min((1, 2), keepdims=True), raw.max((1, 2), keepdims=True)
    return (raw - low) / jnp.maximum(high - low, jnp.finfo(jnp.float32).tiny)


def brightest(image: Float[Array, "d h w"], count: Int[Array, "d"]) -> Float[Array, "d h w"]:
    """1 at the `count` brightest pixels (and those as bright as the last of them), else 0; no pixel is below 0."""
    # Floats from 0 up are ordered as their bits are, so the threshold is found bit by bit: much cheaper than sorting.
    bits = jax.lax.bitcast_convert_type(image, jnp.int32)

    def halve(_: Array, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = (bits >= middle[:, None, None]).sum((1, 2), dtype=jnp.int32) >= count
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    # At `low` there are at least `count` pixels, at `high` fewer; one past infinity there are none.
    start = jnp.zeros_like(count), jnp.full_like(count, 0x7F800001)
    low, high = jax.lax.fori_loop(0, 31, halve, start)
    return (bits >= jnp.where(count > 0, low, high)[:, None, None]).astype(jnp.float32)


def brightest_soft(
    image: Float[Array, "d h w"], count: Int[Array, "d"], soft: Int[Array, "d"]
) -> Float[Array, "d h w"]:
    """`brightest` with a soft edge: around that rank a linear ramp over 2 * soft pixels in the order of brightness."""
    flat = image.reshape(image.shape[0], -1)
    rank = jnp.argsort(jnp.argsort(flat, 1, descending=True), 1).astype(jnp.int32)
    steps = jnp.maximum(2 * soft - 1, 1)[:, None]
    ramp = jnp.clip(1 - (rank - (count - soft)[:, None]).astype(jnp.float32) / steps.astype(jnp.float32), 0, 1)
    hard = (rank < count[:, None]).astype(jnp.float32)
    return jnp.where(soft[:, None] > 0, ramp, hard).reshape(image.shape)


# Grids.


def cells(chosen: Bool[Array, "d n m"], height: int, width: int) -> tuple[Float[Array, "d h w"], Float[Array, "d"]]:
    """The mask of the chosen cells of a coarse grid, and its sum over the pixels.

    Cells differ by one pixel where the grid doesn't divide the sides.
    """

    def membership(number: int, side: int) -> np.ndarray:
        return (np.arange(side) * number // side == np.arange(number)[:, None]).astype(np.float32)

    rows, columns = membership(chosen.shape[1], height), membership(chosen.shape[2], width)
    grid = chosen.astype(jnp.float32)
    mask = jnp.einsum("nh,dnm,mw->dhw", rows, grid, columns)
    return mask, jnp.einsum("n,dnm,m->d", rows.sum(1), grid, columns.sum(1), precision="highest")


def holes(share: Float[Array, "d"], number: int, height: int, width: int) -> Profiles:
    """A lattice of square holes, `number` along the width: side int(period * sqrt(share)), from 1 to period - 1."""
    period = -(-width // number)
    side = jnp.clip(jnp.floor(period * jnp.sqrt(share)).astype(jnp.int32), 1, period - 1)[:, None]

    def profile(length: int) -> Float[Array, "d side"]:
        return (jnp.arange(length, dtype=jnp.int32)[None, :] % period < side).astype(jnp.float32)

    return profile(height), profile(width)
