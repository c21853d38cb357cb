"""Operations on pixels by arithmetic, without a lookup table or a warp."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from jaxmix.pixels import packing
from jaxmix.pixels.packing import Packed

__all__ = [
    "Filter",
    "brightness",
    "color",
    "contrast",
    "invert",
    "lerp",
    "posterize",
    "sharpness",
    "solarize",
    "solarize_add",
]

Filter = Callable[[Packed, int, Float[Array, ""]], Packed]


def invert(image: Packed, channels: int, amount: Array) -> Packed:
    """Replace each level by 255 less the level."""
    return image ^ packing.grey_pixel(255, channels)


def posterize(image: Packed, channels: int, bits: Array) -> Packed:
    """Keep the highest bits of each level and set the others to 0."""
    lost = 8 - jnp.clip(bits, 0, 8).astype(jnp.uint32)
    kept = (jnp.uint32(255) >> lost) << lost
    return image & (kept * packing.grey_pixel(1, channels))


def solarize(image: Packed, channels: int, threshold: Array) -> Packed:
    """Invert the levels from the threshold on."""
    threshold = jnp.ceil(threshold).astype(jnp.int32)
    inverted = [jnp.where(level < threshold, 0, 255) for level in packing.unpack_channels(image, channels)]
    return image ^ packing.pack_channels(inverted)


def solarize_add(image: Packed, channels: int, addition: Array) -> Packed:
    """Add to the levels below 128."""
    addition = addition.astype(jnp.int32)
    levels = packing.unpack_channels(image, channels)
    return packing.pack_channels(
        [jnp.where(level < 128, jnp.clip(level + addition, 0, 255), level) for level in levels]
    )


def color(image: Packed, channels: int, factor: Array) -> Packed:
    """Adjust saturation: grey at factor 0, the image at 1, more saturated above."""
    levels = packing.unpack_channels(image, channels)
    grey = _luma(levels)
    return packing.pack_channels([lerp(grey, level, factor) for level in levels])


def brightness(image: Packed, channels: int, factor: Array) -> Packed:
    """Adjust brightness: black at factor 0, the image at 1, brighter above."""
    black = jnp.zeros((), jnp.int32)
    return packing.pack_channels([lerp(black, level, factor) for level in packing.unpack_channels(image, channels)])


def contrast(image: Packed, channels: int, factor: Array) -> Packed:
    """Adjust contrast: the mean grey level at factor 0, the image at 1, more contrast above."""
    levels = packing.unpack_channels(image, channels)
    grey = _luma(levels)
    # floor(mean + 1/2) in integers, which stay below 2^31 up to 8 million pixels.
    mean = (grey.sum(dtype=jnp.int32) + grey.size // 2) // grey.size
    return packing.pack_channels([lerp(mean, level, factor) for level in levels])


def sharpness(image: Packed, channels: int, factor: Array) -> Packed:
    """Adjust sharpness: smoothed at factor 0, the image at 1, sharpened above; the outermost pixels stay."""
    height, width = image.shape
    if min(height, width) < 3:
        return image
    # Each pixel weighs 5 and its eight neighbors 1. Two channels are summed in one value, 16 bits for each.
    halves = [jnp.pad(_weighted_sum(packed & 0x00FF00FF), 1) for packed in (image, image >> 8)]
    sums = [(halves[k % 2] >> (16 * (k // 2))) & 0xFFFF for k in range(channels)]
    smooth = [((2 * total + 13) // 26).astype(jnp.int32) for total in sums]
    levels = packing.unpack_channels(image, channels)
    changed = packing.pack_channels([lerp(start, end, factor) for start, end in zip(smooth, levels, strict=True)])
    rows, columns = (np.arange(side) % (side - 1) > 0 for side in (height, width))
    return jnp.where(rows[:, None] & columns[None], changed, image)


def _weighted_sum(packed: UInt32[Array, "h w"]) -> UInt32[Array, "h-2 w-2"]:
    rows = packed[:-2] + packed[1:-1] + packed[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * packed[1:-1, 1:-1]


def lerp(start: Int[Array, "#h #w"] | Int[Array, ""], end: Int[Array, "h w"], factor: Array) -> Int[Array, "h w"]:
    """Blend as Pillow does, `start + factor (end - start)` in float32, clipped to 0..255 and truncated."""
    # The maximum changes no value. It keeps the compiler from fusing the product, which Pillow rounds, and the sum:
    # then some levels would differ.
    moved = jnp.maximum(factor * (end - start).astype(jnp.float32), -1e9)
    return jnp.clip(start.astype(jnp.float32) + moved, 0, 255).astype(jnp.int32)


def _luma(levels: list[Array]) -> Int[Array, "h w"]:
    """Pillow's luma of red, green and blue; the first of one or two channels."""
    if len(levels) < 3:
        return levels[0]
    red, green, blue = levels[:3]
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
