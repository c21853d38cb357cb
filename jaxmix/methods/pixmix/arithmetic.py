"""The rounds of PixMix: sums and products of images in 0..1."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxmix import dtypes
from jaxmix.numerics import materialize

__all__ = ["add", "combine", "multiply"]

# In place of a 0 that is raised to a negative power.
_SMALLEST = 1e-37


def combine(
    start: Float[Array, "b h w c"],
    partners: Shaped[Array, "b k h w c"],
    is_multiply: Bool[Array, "b k"],
    a: Float[Array, "b k"],
    b: Float[Array, "b k"],
    rounds: Int[Array, "b"],
) -> Float[Array, "b h w c"]:
    """Add or multiply an image with its partners, one after the other, clipping to 0..1 after each.

    Args:
        start: [b h w c] in 0..1, what the rounds begin with.
        partners: [b k h w c] of each round, floats in 0..1 or uint8.
        is_multiply: whether a round multiplies.
        a: coefficient of the image.
        b: coefficient of the partner.
        rounds: the number of rounds of each image, 0 to k.

    Returns:
        [b h w c] in 0..1, float32.
    """
    x = start
    for n in range(partners.shape[1]):
        own, other = a[:, n, None, None, None], b[:, n, None, None, None]
        partner = dtypes.to_unit(partners[:, n])
        chosen = is_multiply[:, n, None, None, None]
        next_x = jnp.where(chosen, multiply(x, partner, own, other), add(x, partner, own, other))
        # XLA on CPU would compute every round again wherever the next one reads it.
        x = materialize(jnp.where((n < rounds)[:, None, None, None], next_x, x))
    return x


def add(x: Array, partner: Array, a: Array, b: Array) -> Array:
    """(a (2 x - 1) + b (2 q - 1) + 1) / 2, clipped to 0..1."""
    return jnp.clip((a * (2 * x - 1) + b * (2 * partner - 1) + 1) / 2, 0, 1)


def multiply(x: Array, partner: Array, a: Array, b: Array) -> Array:
    """(2 x)^a max(2 q, 1e-37)^b / 2, clipped to 0..1.

    As one power of e, so that no factor overflows: with q = 0 and b < 0 it is up to 1e37. Where x is 0, so is the
    product, and the logarithm is kept from its gradient.
    """
    positive = x > 0
    exponent = a * jnp.log(jnp.where(positive, 2 * x, 1)) + b * jnp.log(jnp.maximum(2 * partner, _SMALLEST))
    return jnp.where(positive, jnp.exp(jnp.minimum(exponent - jnp.log(jnp.float32(2)), 0)), 0)
