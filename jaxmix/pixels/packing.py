"""Pictures as whole numbers, one a pixel: 8 bits for each of up to four channels.

What is moved or looked up is then one number instead of three, which is what costs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8, UInt32

from jaxmix import arguments

Packed = UInt32[Array, "h w"]


def pack(images: UInt8[Array, "*b h w c"]) -> UInt32[Array, "*b h w"]:
    """One number for each pixel, the first channel in its lowest 8 bits."""
    missing = 4 - images.shape[-1]
    whole = jnp.pad(images, (*[(0, 0)] * (images.ndim - 1), (0, missing)))
    return jax.lax.bitcast_convert_type(whole, jnp.uint32)


def unpack(pictures: UInt32[Array, "*b h w"], channels: int) -> UInt8[Array, "*b h w c"]:
    """The pictures again."""
    return jax.lax.bitcast_convert_type(pictures, jnp.uint8)[..., :channels]


def split(picture: UInt32[Array, "*b h w"], channels: int) -> list[Int[Array, "*b h w"]]:
    """The levels 0 to 255 of each channel."""
    return [((picture >> (8 * k)) & 255).astype(jnp.int32) for k in range(channels)]


def join(levels: list[Array]) -> UInt32[Array, "*b h w"]:
    """The picture of these levels, whole numbers from 0 to 255."""
    picture = levels[0].astype(jnp.uint32)
    for k, level in enumerate(levels[1:], 1):
        picture |= level.astype(jnp.uint32) << (8 * k)
    return picture


def extremes(picture: Packed, channels: int) -> tuple[Int[Array, "c"], Int[Array, "c"]]:
    """The lowest and the highest level of each channel."""
    levels = jnp.stack([level.reshape(-1) for level in split(picture, channels)])

    def both(one, other):
        return jnp.minimum(one[0], other[0]), jnp.maximum(one[1], other[1])

    # In one reduction, which takes half the time of two.
    low, high = jax.lax.reduce((levels, levels), (np.int32(255), np.int32(0)), both, (1,))
    return low, high


def levels_of(x: Array, name: str = "images") -> UInt8[Array, "*b h w c"]:
    """Pictures as 8-bit levels: uint8 as they are, floats from 0 to 1 rounded to the nearest of 256."""
    x = pictures(x, name)
    return x if x.dtype == jnp.uint8 else jnp.round(jnp.clip(x.astype(jnp.float32), 0, 1) * 255).astype(jnp.uint8)


def pictures(x: Array, name: str = "images") -> Array:
    """`x` again if it has 1 to 4 channels of uint8 or, as far as is known, of floats from 0 to 1."""
    if not 1 <= x.shape[-1] <= 4:
        raise ValueError(f"{name} have {x.shape[-1]} channels; wanted 1 to 4: these are operations on pictures")
    return arguments.unit(x, name)


def like(levels: UInt8[Array, "*b h w c"], x: Array) -> Array:
    """The levels in the dtype of x: floats in 0..1 unless that is uint8."""
    return levels if x.dtype == jnp.uint8 else (levels.astype(jnp.float32) / 255).astype(x.dtype)


def unit(x: Array) -> Float[Array, "*b h w c"]:
    """Pictures as float32 in 0..1."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x.astype(jnp.float32)


def grey(level: int, channels: int) -> np.uint32:
    """The packed pixel that has that level in every channel."""
    return np.uint32(sum(level << (8 * k) for k in range(channels)))
