"""Images and maps to measure with. Their content hardly changes what anything costs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["blobs", "images", "labels", "levels"]


def levels(number: int, side: int) -> np.ndarray:
    """Smooth coloured noise, 8 bits [n h w 3]."""
    coarse = jax.random.uniform(jax.random.key(0), (number, max(side // 8, 1), max(side // 8, 1), 3))
    smooth = jax.image.resize(coarse, (number, side, side, 3), "cubic")
    return np.asarray(smooth.clip(0, 1) * 255).astype(np.uint8)


@functools.lru_cache(3)
def images(number: int, side: int, dtype: str) -> jax.Array:
    """The same on the device: uint8, or floats in 0..1."""
    x = jnp.asarray(levels(number, side))
    return x if dtype == "uint8" else (x.astype(jnp.float32) / 255).astype(dtype)


def blobs(key: jax.Array, number: int, side: int) -> jax.Array:
    """Smooth maps on a floor of noise, as saliency looks."""
    noise, fine = jax.random.split(key)
    coarse = jax.random.uniform(noise, (number, side // 4, side // 4)) ** 4
    smooth = jax.image.resize(coarse, (number, side, side), "linear")
    return smooth + 0.1 * jax.random.uniform(fine, (number, side, side))


def labels(number: int, classes: int) -> jax.Array:
    return jnp.arange(number, dtype=jnp.int32) % classes
