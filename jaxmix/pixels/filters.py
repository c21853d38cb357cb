"""Operations on the pixels as they are: neither a table nor a warp is needed."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix.pixels import packed, tone

Filter = Callable[[packed.Packed, int, Float[Array, ""]], packed.Packed]


def invert(picture: packed.Packed, channels: int, amount: Array) -> packed.Packed:
    """255 less each level."""
    return picture ^ packed.grey(255, channels)


def posterize(picture: packed.Packed, channels: int, bits: Array) -> packed.Packed:
    """The highest bits of each level, the others 0."""
    lost = 8 - jnp.clip(bits, 0, 8).astype(jnp.uint32)
    kept = (jnp.uint32(255) >> lost) << lost
    return picture & (kept * packed.grey(1, channels))


def solarize(picture: packed.Packed, channels: int, threshold: Array) -> packed.Packed:
    """Levels from the threshold on inverted."""
    threshold = jnp.ceil(threshold).astype(jnp.int32)
    inverted = [jnp.where(level < threshold, 0, 255) for level in packed.split(picture, channels)]
    return picture ^ packed.join(inverted)


def solarize_add(picture: packed.Packed, channels: int, addition: Array) -> packed.Packed:
    """An addition to the levels below 128."""
    addition = addition.astype(jnp.int32)
    levels = packed.split(picture, channels)
    return packed.join([jnp.where(level < 128, jnp.clip(level + addition, 0, 255), level) for level in levels])


def color(picture: packed.Packed, channels: int, factor: Array) -> packed.Packed:
    """Grey at factor 0, the picture at 1, more saturated above."""
    levels = packed.split(picture, channels)
    grey = tone.grey_of(levels)
    return packed.join([tone.between(grey, level, factor) for level in levels])


def sharpness(picture: packed.Packed, channels: int, factor: Array) -> packed.Packed:
    """Smoothed at factor 0, the picture at 1, sharpened above."""
    levels = packed.split(picture, channels)
    return packed.join([tone.between(_smooth(level), level, factor) for level in levels])


def _smooth(level: Int[Array, "h w"]) -> Int[Array, "h w"]:
    """Each pixel weighs 5 and its eight neighbours 1, but the border stays; rounded."""
    height, width = level.shape
    if height < 3 or width < 3:
        return level
    rows = level[:-2] + level[1:-1] + level[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * level[1:-1, 1:-1]
    return level.at[1:-1, 1:-1].set((2 * around + 13) // 26)
