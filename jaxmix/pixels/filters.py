"""Operations on the pixels as they are: neither a table nor a warp is needed."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from jaxmix.pixels import packing

Filter = Callable[[packing.Packed, int, Float[Array, ""]], packing.Packed]


def invert(picture: packing.Packed, channels: int, amount: Array) -> packing.Packed:
    """255 less each level."""
    return picture ^ packing.grey(255, channels)


def posterize(picture: packing.Packed, channels: int, bits: Array) -> packing.Packed:
    """The highest bits of each level, the others 0."""
    lost = 8 - jnp.clip(bits, 0, 8).astype(jnp.uint32)
    kept = (jnp.uint32(255) >> lost) << lost
    return picture & (kept * packing.grey(1, channels))


def solarize(picture: packing.Packed, channels: int, threshold: Array) -> packing.Packed:
    """Levels from the threshold on inverted."""
    threshold = jnp.ceil(threshold).astype(jnp.int32)
    inverted = [jnp.where(level < threshold, 0, 255) for level in packing.split(picture, channels)]
    return picture ^ packing.join(inverted)


def solarize_add(picture: packing.Packed, channels: int, addition: Array) -> packing.Packed:
    """An addition to the levels below 128."""
    addition = addition.astype(jnp.int32)
    levels = packing.split(picture, channels)
    return packing.join([jnp.where(level < 128, jnp.clip(level + addition, 0, 255), level) for level in levels])


def color(picture: packing.Packed, channels: int, factor: Array) -> packing.Packed:
    """Grey at factor 0, the picture at 1, more saturated above."""
    levels = packing.split(picture, channels)
    grey = _grey(levels)
    return packing.join([lerp(grey, level, factor) for level in levels])


def brightness(picture: packing.Packed, channels: int, factor: Array) -> packing.Packed:
    """Black at factor 0, the picture at 1, brighter above."""
    black = jnp.zeros((), jnp.int32)
    return packing.join([lerp(black, level, factor) for level in packing.split(picture, channels)])


def contrast(picture: packing.Packed, channels: int, factor: Array) -> packing.Packed:
    """The mean grey level at factor 0, the picture at 1, more contrast above."""
    levels = packing.split(picture, channels)
    grey = _grey(levels)
    # floor(mean + 1/2) in whole numbers, which stay below 2^31 up to 8 million pixels.
    mean = (grey.sum(dtype=jnp.int32) + grey.size // 2) // grey.size
    return packing.join([lerp(mean, level, factor) for level in levels])


def sharpness(picture: packing.Packed, channels: int, factor: Array) -> packing.Packed:
    """Smoothed at factor 0, the picture at 1, sharpened above; the outermost pixels stay."""
    height, width = picture.shape
    if min(height, width) < 3:
        return picture
    # Each pixel weighs 5 and its eight neighbours 1. Two channels are summed up in one number, 16 bits for each.
    halves = [jnp.pad(_around(numbers & 0x00FF00FF), 1) for numbers in (picture, picture >> 8)]
    sums = [(halves[k % 2] >> (16 * (k // 2))) & 0xFFFF for k in range(channels)]
    smooth = [((2 * total + 13) // 26).astype(jnp.int32) for total in sums]
    levels = packing.split(picture, channels)
    changed = packing.join([lerp(start, end, factor) for start, end in zip(smooth, levels, strict=True)])
    rows, columns = (np.arange(side) % (side - 1) > 0 for side in (height, width))
    return jnp.where(rows[:, None] & columns[None], changed, picture)


def _around(numbers: UInt32[Array, "h w"]) -> UInt32[Array, "h-2 w-2"]:
    rows = numbers[:-2] + numbers[1:-1] + numbers[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * numbers[1:-1, 1:-1]


def lerp(start: Int[Array, "..."], end: Int[Array, "..."], factor: Array) -> Int[Array, "..."]:
    """Pillow's blend, `start + factor (end - start)` in float32, clipped to 0..255 and truncated."""
    # The maximum changes no number. It keeps the product, which Pillow rounds, from becoming one instruction with the
    # sum, which would round once: then some levels would differ.
    moved = jnp.maximum(factor * (end - start).astype(jnp.float32), -1e9)
    return jnp.clip(start.astype(jnp.float32) + moved, 0, 255).astype(jnp.int32)


def _grey(levels: list[Array]) -> Int[Array, "h w"]:
    """Pillow's grey of red, green and blue; of one or two channels the first."""
    if len(levels) < 3:
        return levels[0]
    red, green, blue = levels[:3]
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
