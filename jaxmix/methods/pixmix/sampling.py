"""What PixMix draws for each image."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments
from jaxmix.methods import augmix
from jaxmix.numerics import barrier
from jaxmix.pixels.random_operations import Sampled

__all__ = ["Draws", "coefficients", "sample"]


class Draws(NamedTuple):
    """What is drawn for each image.

    chains: one operation for the start and for each round, -1 where there is none
    is_mixing: whether the partner of a round is the mixing image
    is_multiply, a, b: operation and coefficients of each round
    rounds: their number
    crop: of the mixing image: its index, the first row and the first column
    """

    chains: Sampled
    is_mixing: Bool[Array, "b k"]
    is_multiply: Bool[Array, "b k"]
    a: Float[Array, "b k"]
    b: Float[Array, "b k"]
    rounds: Int[Array, "b"]
    crop: Int[Array, "b 3"]


def sample(
    key: Array, size: int, k: int, beta: ArrayLike, severity: ArrayLike, choices: int, crops: tuple[int, int, int]
) -> Draws:
    """Sample all that is drawn for a number of images; `crops` are the numbers of images, rows and columns."""
    chain_key, coin_key, share_key, round_key, crop_key = jax.random.split(key, 5)
    coins = jax.random.bernoulli(coin_key, 0.5, (4, size, k))
    start, is_mixing, is_multiply, is_above = coins[0, :, :1], coins[1], coins[2], coins[3]
    rounds = jax.random.randint(round_key, (size,), 0, k + 1, jnp.int32)
    crop = jax.random.randint(crop_key, (size, 3), 0, jnp.array([crops], jnp.int32), jnp.int32)
    chains = augmix.sample(chain_key, size, k + 1, severity, 1, choices)
    later = ~is_mixing & (jnp.arange(k, dtype=jnp.int32)[None] < rounds[:, None])
    needed = jnp.concatenate([start, later], 1)[..., None]
    a, b = coefficients(share_key, beta, is_above)
    chains = chains._replace(operation=jnp.where(needed, chains.operation, -1))
    return Draws(chains, is_mixing, is_multiply, a, b, rounds, crop)


def coefficients(key: Array, beta: ArrayLike, is_above: Bool[Array, "b k"]) -> tuple[Array, Array]:
    """Sample a and b: Beta(beta, 1) is U^(1 / beta) and Beta(1, beta) is 1 - U^(1 / beta), U uniform."""
    exponent = 1 / arguments.number("beta", beta, above=0.0)
    shares = jax.random.uniform(key, (2, *is_above.shape), jnp.float32)
    own, other = 1 - barrier(shares ** barrier(exponent))
    return jnp.where(is_above, 1 + own, 1 - own), jnp.where(is_above, -other, other)
