"""Operations by lookup table: 256-entry tone curves computed from the histogram of each channel, exactly as Pillow's.

Each function returns the curves Int[c 256] of a packed image of c channels for an amount.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix import platforms
from jaxmix.numerics import materialize
from jaxmix.pixels import packing
from jaxmix.pixels.packing import Packed

__all__ = ["Curves", "ToneCurve", "apply", "autocontrast", "equalize", "identity"]

Curves = Int[Array, "c 256"]
ToneCurve = Callable[[Packed, int, Float[Array, ""]], Curves]

_LEVELS = np.arange(256, dtype=np.int32)


def apply(image: Packed, curves: Curves) -> Packed:
    """Look up each level in the curve of its channel."""
    table = materialize(curves).astype(jnp.uint32).reshape(-1)
    levels = packing.unpack_channels(image, curves.shape[0])
    return packing.pack_channels(
        [table.at[level + 256 * k].get(mode="promise_in_bounds") for k, level in enumerate(levels)]
    )


def identity(image: Packed, channels: int, amount: Array) -> Curves:
    """Change nothing."""
    return jnp.broadcast_to(_LEVELS[None], (channels, 256))


def autocontrast(image: Packed, channels: int, amount: Array) -> Curves:
    """Stretch each channel from its lowest and highest level to 0 and 255, in Pillow's arithmetic."""
    low, high = packing.extrema(image, channels)
    span = (high - low)[:, None]
    curves, rest = _divmod(255 * (jnp.asarray(_LEVELS)[None] - low[:, None]), jnp.maximum(span, 1))
    row, bits = _one_below()
    words = jnp.asarray(bits)[jnp.asarray(row)[low, high]]
    below = (jnp.repeat(words, 32, 1) >> jnp.asarray(_LEVELS % 32, jnp.uint32)[None]) & 1
    return jnp.where(span > 0, jnp.clip(curves - below.astype(jnp.int32), 0, 255), _LEVELS[None])


@functools.cache
def _one_below() -> tuple[np.ndarray, np.ndarray]:
    """The levels that Pillow's autocontrast maps to one below an integer quotient 255 (level - low) / (high - low).

    It truncates `level * scale - low * scale` in float64, scale = 255 / (high - low), which may fall short of that.

    Returns:
        The row of the second array for each (low, high), UInt16[256 256], and the levels as bits, UInt32[rows 8].
    """
    row, found = np.zeros((256, 256), np.uint16), [np.zeros(256, bool)]
    for span in range(1, 256):
        low = np.arange(256 - span)[:, None]
        above, scale = _LEVELS[None] - low, 255.0 / span
        whole = (255 * above % span == 0) & (above > 0) & (above <= span)
        below = whole & (np.trunc(_LEVELS * scale + -low * scale) < 255 * above // span)
        for at in np.flatnonzero(below.any(1)):
            row[at, at + span] = len(found)
            found.append(below[at])
    return row, np.packbits(np.stack(found), axis=1, bitorder="little").view(np.uint32)


def equalize(image: Packed, channels: int, amount: Array) -> Curves:
    """Equalize the histogram of each channel, in Pillow's integer arithmetic."""
    counts = jnp.zeros(256 * channels, jnp.int32)
    for k, level in enumerate(packing.unpack_channels(image, channels)):
        counts = counts.at[level.reshape(-1) + 256 * k].add(1, mode="promise_in_bounds")
    counts = counts.reshape(channels, 256)
    before = platforms.form(counts, cpu=_count_before, accelerator=_count_before_by_product)
    # The number of pixels below the highest level that occurs, divided by 255.
    step = jnp.where(counts > 0, before, 0).max(1, keepdims=True) // 255
    curves = jnp.minimum(_divmod(step // 2 + before, jnp.maximum(step, 1))[0], 255)
    return jnp.where(step > 0, curves, _LEVELS[None])


def _count_before(counts: Int[Array, "c 256"]) -> Int[Array, "c 256"]:
    """The number of pixels below each level."""
    return jnp.cumsum(counts, 1) - counts


def _count_before_by_product(counts: Int[Array, "c 256"]) -> Int[Array, "c 256"]:
    """The same sum as a product with a triangular matrix, exact below 2^24 pixels: float32 holds these integers."""
    below = np.triu(np.ones((256, 256), np.float32), 1)
    return jnp.matmul(counts.astype(jnp.float32), below, precision="highest").astype(jnp.int32)


def _divmod(
    dividend: Int[Array, "c 256"], divisor: Int[Array, "c 1"]
) -> tuple[Int[Array, "c 256"], Int[Array, "c 256"]]:
    """Quotient, rounded down, and remainder of integers below 2^24, by float32: CPUs divide no vector of integers."""
    quotient = jnp.floor(dividend.astype(jnp.float32) / divisor.astype(jnp.float32)).astype(jnp.int32)
    rest = dividend - quotient * divisor
    step = (rest >= divisor).astype(jnp.int32) - (rest < 0).astype(jnp.int32)
    return quotient + step, rest - step * divisor
