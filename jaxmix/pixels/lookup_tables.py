"""Operations that follow from how often each level of a channel occurs: 256-entry tone curves, Pillow's to the level.

Each function gives the curves Int[c 256] of a packed picture of c channels for an amount.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.numerics import materialize
from jaxmix.pixels import packing

Curves = Int[Array, "c 256"]
Tone = Callable[[packing.Packed, int, Float[Array, ""]], Curves]

_LEVELS = np.arange(256, dtype=np.int32)


def changed(picture: packing.Packed, curves: Curves) -> packing.Packed:
    """The picture with each level replaced by what its channel's curve has there."""
    table = materialize(curves).astype(jnp.uint32).reshape(-1)
    levels = packing.split(picture, curves.shape[0])
    return packing.join([table.at[level + 256 * k].get(mode="promise_in_bounds") for k, level in enumerate(levels)])


def identity(picture: packing.Packed, channels: int, amount: Array) -> Curves:
    """Every level as it is."""
    return jnp.broadcast_to(_LEVELS[None], (channels, 256))


def autocontrast(picture: packing.Packed, channels: int, amount: Array) -> Curves:
    """The lowest level of a channel becomes 0 and its highest 255, as far as Pillow's arithmetic goes."""
    low, high = packing.extremes(picture, channels)
    span = (high - low)[:, None]
    curves, rest = _divided(255 * (jnp.asarray(_LEVELS)[None] - low[:, None]), jnp.maximum(span, 1))
    row, bits = _one_below()
    words = jnp.asarray(bits)[jnp.asarray(row)[low, high]]
    below = (jnp.repeat(words, 32, 1) >> jnp.asarray(_LEVELS % 32, jnp.uint32)[None]) & 1
    return jnp.where(span > 0, jnp.clip(curves - below.astype(jnp.int32), 0, 255), _LEVELS[None])


@functools.cache
def _one_below() -> tuple[np.ndarray, np.ndarray]:
    """Where Pillow's autocontrast ends one level below a quotient 255 (level - low) / (high - low) that is whole.

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


def equalize(picture: packing.Packed, channels: int, amount: Array) -> Curves:
    """Levels spread such that about as many pixels fall on each, in Pillow's whole numbers."""
    counts = jnp.zeros(256 * channels, jnp.int32)
    for k, level in enumerate(packing.split(picture, channels)):
        counts = counts.at[level.reshape(-1) + 256 * k].add(1, mode="promise_in_bounds")
    counts = counts.reshape(channels, 256)
    before = jnp.cumsum(counts, 1) - counts
    # As many as lie below the highest level that occurs, by 255.
    step = jnp.where(counts > 0, before, 0).max(1, keepdims=True) // 255
    curves = jnp.minimum(_divided(step // 2 + before, jnp.maximum(step, 1))[0], 255)
    return jnp.where(step > 0, curves, _LEVELS[None])


def _divided(
    number: Int[Array, "c 256"], divisor: Int[Array, "c 1"]
) -> tuple[Int[Array, "c 256"], Int[Array, "c 256"]]:
    """Quotient, rounded down, and rest of whole numbers below 2^24, by float32: CPUs divide no vector of integers."""
    quotient = jnp.floor(number.astype(jnp.float32) / divisor.astype(jnp.float32)).astype(jnp.int32)
    rest = number - quotient * divisor
    step = (rest >= divisor).astype(jnp.int32) - (rest < 0).astype(jnp.int32)
    return quotient + step, rest - step * divisor
