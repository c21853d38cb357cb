"""Noise whose amplitudes fall with a power of the frequency, in natural colors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix.methods.pixmix.generation import from_keys

__all__ = ["colored", "noise", "noise_image", "spectrum", "standardized", "to_image"]

# The powers of the frequency.
LOWEST, HIGHEST = 0.5, 2.0
# What a channel has of its own, beside what it shares with the others.
_OWN = 0.5


def noise(key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Make images of noise with amplitudes 1 / f^d, d ~ U(0.5, 2) for each image, f the frequency.

    Args:
        key: PRNG key.
        n: number of images, static.
        side: in pixels, 8 or more, static.

    Returns:
        [n side side 3], uint8.

    Raises:
        ValueError: what isn't a key; n or side out of range.

    >>> noise(jax.random.key(0), 2, 16).shape
    (2, 16, 16, 3)
    """
    return from_keys(noise_image, key, n, side)


def noise_image(key: Array, side: int, slopes: tuple[float, float] = (LOWEST, HIGHEST)) -> Float[Array, "side side 3"]:
    """Sample one image of noise, in 0..1, of a power between two."""
    slope_key, normal_key, color_key = jax.random.split(key, 3)
    slope = jax.random.uniform(slope_key, (), jnp.float32, *slopes)
    normals = jax.random.normal(normal_key, (side, side // 2 + 1, 3, 2), jnp.float32)
    matrix = 1 + _OWN * jax.random.normal(color_key, (3, 3), jnp.float32)
    return to_image(colored(spectrum(normals, slope), matrix))


def spectrum(normals: Float[Array, "side half 3 2"], slope: Array) -> Float[Array, "side side 3"]:
    """Transform complex normals / max(f, 1 / side)^slope to an image, each channel of mean 0 and deviation 1."""
    side = normals.shape[0]
    rows, columns = jnp.fft.fftfreq(side, dtype=jnp.float32), jnp.fft.rfftfreq(side, dtype=jnp.float32)
    frequency = jnp.sqrt(rows[:, None] ** 2 + columns[None] ** 2)
    amplitude = jnp.maximum(frequency, jnp.float32(1 / side)) ** -slope
    parts = normals * amplitude[..., None, None]
    waves = jax.lax.complex(parts[..., 0], parts[..., 1])
    return standardized(jnp.fft.irfft2(waves, (side, side), axes=(0, 1)))


def standardized(image: Float[Array, "side side *c"]) -> Float[Array, "side side *c"]:
    """Shift and scale each channel to mean 0 and standard deviation 1."""
    centered = image - image.mean((0, 1), keepdims=True)
    return centered / jnp.maximum(jnp.sqrt(jnp.square(centered).mean((0, 1), keepdims=True)), 1e-12)


def colored(channels: Float[Array, "side side 3"], matrix: Float[Array, "3 3"]) -> Float[Array, "side side 3"]:
    """Mix independent channels by a matrix, of whose rows only the direction counts.

    Rows near (1, 1, 1) make colors near the grey axis, as they are in photographs.
    """
    rows = matrix / jnp.sqrt(jnp.square(matrix).sum(1, keepdims=True))
    return standardized(jnp.einsum("hwc,dc->hwd", channels, rows, precision="highest"))


def to_image(channels: Float[Array, "side side 3"]) -> Float[Array, "side side 3"]:
    """Move three standard deviations on either side of 0 to 0..1."""
    return jnp.clip(0.5 + channels / 6, 0, 1)
