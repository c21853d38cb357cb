"""Pictures as whole numbers, one a pixel: 8 bits for each of up to four channels.

What is moved or looked up is then one number instead of three, which is what costs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8, UInt32

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


def packable(x: Array, name: str = "images") -> Array:
    """`x` again if it has 1 to 4 channels of uint8 or, as far as is known, of floats from 0 to 1."""
    if not 1 <= x.shape[-1] <= 4:
        raise ValueError(f"{name} have {x.shape[-1]} channels; wanted 1 to 4: these are operations on pictures")
    return arguments.unit(x, name)


def grey(level: int, channels: int) -> np.uint32:
    """The packed pixel that has that level in every channel."""
    return np.uint32(sum(level << (8 * k) for k in range(channels)))
