"""Operations that make each level of a channel another level: 256-entry tone curves, Pillow's to the level.

Each function gives the curves Int[c 256] of a packed picture of c channels for an amount.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.pixels import packed

Curves = Int[Array, "c 256"]
Tone = Callable[[packed.Packed, int, Float[Array, ""]], Curves]

_LEVELS = np.arange(256, dtype=np.int32)


def changed(picture: packed.Packed, curves: Curves) -> packed.Packed:
    """The picture with each level replaced by what its channel's curve has there."""
    table = curves.astype(jnp.uint32).reshape(-1)
    levels = packed.split(picture, curves.shape[0])
    return packed.join([table.at[level + 256 * k].get(mode="promise_in_bounds") for k, level in enumerate(levels)])


def identity(picture: packed.Packed, channels: int, amount: Array) -> Curves:
    """Every level as it is."""
    return _all(channels, jnp.asarray(_LEVELS))


def autocontrast(picture: packed.Packed, channels: int, amount: Array) -> Curves:
    """The lowest level of a channel becomes 0 and its highest 255, as far as Pillow's arithmetic goes."""
    low, high = packed.extremes(picture, channels)
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


def equalize(picture: packed.Packed, channels: int, amount: Array) -> Curves:
    """Levels spread such that about as many pixels fall on each, in Pillow's whole numbers."""
    counts = jnp.zeros(256 * channels, jnp.int32)
    for k, level in enumerate(packed.split(picture, channels)):
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


def brightness(picture: packed.Packed, channels: int, factor: Array) -> Curves:
    """Black at factor 0, the picture at 1, brighter above."""
    return _all(channels, between(jnp.zeros((), jnp.int32), jnp.asarray(_LEVELS), factor))


def contrast(picture: packed.Packed, channels: int, factor: Array) -> Curves:
    """The mean grey level at factor 0, the picture at 1, more contrast above."""
    grey = grey_of(packed.split(picture, channels))
    # floor(mean + 1/2) in whole numbers, which stay below 2^31 up to 8 million pixels.
    mean = (grey.sum(dtype=jnp.int32) + grey.size // 2) // grey.size
    return _all(channels, between(mean, jnp.asarray(_LEVELS), factor))


def grey_of(levels: list[Array]) -> Int[Array, "h w"]:
    """Pillow's grey of red, green and blue; of one or two channels the first."""
    if len(levels) < 3:
        return levels[0]
    red, green, blue = levels[:3]
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def between(start: Int[Array, "..."], end: Int[Array, "..."], factor: Array) -> Int[Array, "..."]:
    """Pillow's blend, `start + factor (end - start)` in float32, clipped to 0..255 and truncated."""
    # The maximum changes no number. It keeps the product, which Pillow rounds, from becoming one instruction with the
    # sum, which would round once: then some levels would differ.
    moved = jnp.maximum(factor * (end - start).astype(jnp.float32), -1e9)
    return jnp.clip(start.astype(jnp.float32) + moved, 0, 255).astype(jnp.int32)


def _all(channels: int, curve: Int[Array, "256"]) -> Curves:
    return jnp.broadcast_to(curve[None], (channels, 256))
