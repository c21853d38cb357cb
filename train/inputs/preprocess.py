"""What happens to a batch of pictures before mixing: normalize, crop, mirror. Pure functions, static shapes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8
from numpy.typing import ArrayLike


def normalize(
    images: UInt8[Array, "b h w c"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "b h w c"]:
    """(image / 255 - mean) / std, channel by channel, in float32."""
    # One multiply and one add per pixel.
    scale, offset = _channels(1 / (255 * np.asarray(std))), _channels(np.asarray(mean) / np.asarray(std))
    return images.astype(jnp.float32) * scale - offset


def pixels(images: Float[Array, "b h w c"], mean: tuple[float, ...], std: tuple[float, ...]) -> Float[Array, "b h w c"]:
    """Normalized pictures as pixels in [0, 1]."""
    return jnp.clip(images.astype(jnp.float32) * _channels(std) + _channels(mean), 0, 1)


def standardize(
    pixels: Float[Array, "b h w c"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "b h w c"]:
    """(pixels - mean) / std, channel by channel: the inverse of `pixels`."""
    return (pixels - _channels(mean)) / _channels(std)


def restore(
    images: Float[Array, "b h w c"], mean: tuple[float, ...], std: tuple[float, ...]
) -> UInt8[Array, "b h w c"]:
    """The inverse of `normalize`, for people to look at."""
    return jnp.rint(pixels(images, mean, std) * 255).astype(jnp.uint8)


def crop(key: jax.Array, images: Float[Array, "b h w c"], padding: int) -> Float[Array, "b h w c"]:
    """Each picture moved by up to `padding` pixels on both axes, zeros moving in; every shift is equally likely.

    On normalized pictures zero is the mean color.
    """
    if padding == 0:
        return images
    shifts = jax.random.randint(key, (images.shape[0], 2), 0, 2 * padding + 1)
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def window(image: Float[Array, "H W c"], shift: Int[Array, "2"]) -> Float[Array, "h w c"]:
        return jax.lax.dynamic_slice(image, (shift[0], shift[1], jnp.zeros((), shift.dtype)), images.shape[1:])

    return jax.vmap(window)(padded, shifts)


def mirror(key: jax.Array, images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Each picture mirrored left to right with probability one half."""
    mirrored = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def _channels(values: ArrayLike) -> np.ndarray:
    """One number per channel, to go with [b h w c]."""
    return np.asarray(values, np.float32).reshape(1, 1, 1, -1)
