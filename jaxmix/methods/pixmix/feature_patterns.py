"""Stripes and spots such as the features of a network respond to, made by repeated filtering."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix.methods.pixmix.generation import from_keys, palette
from jaxmix.methods.pixmix.spectral_noise import spectrum, standardized

__all__ = ["filtered", "patterns"]

ROUNDS = 8


def patterns(key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Make images of stripes and spots, Turing patterns of one scale and direction each.

    Args:
        key: PRNG key.
        n: number of images, static.
        side: in pixels, 8 or more, static.

    Returns:
        [n side side 3], uint8.

    Raises:
        ValueError: what isn't a key; n or side out of range.

    >>> patterns(jax.random.key(0), 2, 16).shape
    (2, 16, 16, 3)
    """
    return from_keys(_one, key, n, side)


def _one(key: Array, side: int) -> Float[Array, "side side 3"]:
    normal_key, value_key = jax.random.split(key)
    normals = jax.random.normal(normal_key, (side, side // 2 + 1, 3, 2), jnp.float32)
    value = jax.random.uniform(value_key, (9,), jnp.float32)
    start = spectrum(normals, 0.5 + 1.5 * value[0])
    sigma = 1 + (max(side / 12, 1.0) - 1) * value[1]
    # The first channel is the pattern; the second, smooth, shades it.
    pattern = filtered(start[..., 0], sigma, 1 + 1.5 * value[2], jnp.pi * value[3], 1.2 * value[4] - 0.6)
    shade = 0.15 * spectrum(normals, jnp.float32(2.0))[..., 1]
    color = palette((pattern + 1) / 2 + shade, 0.4 + 0.8 * value[5], value[6:])
    return 0.75 * color + 0.25 * color.mean(2, keepdims=True)


def filtered(
    image: Float[Array, "side side"],
    sigma: Array,
    stretch: Array,
    angle: Array,
    bias: Array,
) -> Float[Array, "side side"]:
    """Repeat: difference of Gaussians (sigma and 1.6 sigma), standardize, tanh(1.5 (x + bias)).

    Args:
        image: [side side].
        sigma: standard deviation across the pattern, in pixels.
        stretch: factor of sigma along the pattern: 1 for spots and labyrinths, more for stripes.
        angle: of the pattern, in radians.
        bias: from stripes (0) to bright or dark spots.

    Returns:
        [side side] in -1..1.
    """
    side = image.shape[0]
    rows, columns = jnp.fft.fftfreq(side, dtype=jnp.float32)[:, None], jnp.fft.rfftfreq(side, dtype=jnp.float32)[None]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    across, along = cos * columns + sin * rows, cos * rows - sin * columns
    exponent = 2 * jnp.square(jnp.pi * sigma) * (jnp.square(across) + jnp.square(stretch * along))
    band = (jnp.exp(-exponent) - jnp.exp(-(1.6**2) * exponent)).astype(jnp.complex64)

    def step(_: Array, x: Array) -> Array:
        waves = jnp.fft.irfft2(jnp.fft.rfft2(x) * band, (side, side))
        return jnp.tanh(1.5 * (standardized(waves) + bias))

    return jax.lax.fori_loop(0, ROUNDS, step, image)
