"""Random shares in [0, 1], always in float32: Beta, Dirichlet and uniform samples.

A bfloat16 Beta(0.2, 0.2) would round to exactly 0 or 1 in one sample of six.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.numerics import barrier, hide_constant

__all__ = ["beta", "dirichlet", "scale_to", "uniform"]


@arguments.annotated
def beta(key: Array, alpha: ArrayLike, draws: int) -> Float[Array, "d"]:
    """Sample shares from Beta(alpha, alpha).

    Beta(1, 1) is sampled as the uniform distribution: a Beta sampler costs more than blending a batch of small images.
    That holds where alpha is traced and happens to be 1 too, so that both give the same bits.
    A traced alpha that is not above 0 gives shares of 0: nothing is mixed.
    """
    number = arguments.number("alpha", alpha, above=0.0)
    known = arguments.concrete(alpha)
    if known is None:
        return jax.lax.cond(number == 1.0, _flat(draws), _beta(draws), key, number)
    return (_flat if known == 1.0 else _beta)(draws)(key, number)


def _flat(draws: int) -> Callable[[Array, Array], Array]:
    return lambda key, alpha: jax.random.uniform(key, (draws,), jnp.float32)


def _beta(draws: int) -> Callable[[Array, Array], Array]:
    def sample(key: Array, alpha: Array) -> Array:
        positive = hide_constant(jnp.where(alpha > 0, alpha, 1.0), key)
        return jnp.where(alpha > 0, jax.random.beta(key, positive, positive, (draws,), jnp.float32), 0.0)

    return sample


@arguments.annotated
def dirichlet(key: Array, alpha: ArrayLike, draws: int, n: int) -> Float[Array, "d s"]:
    """Sample the shares of n parts from Dirichlet(alpha, ..., alpha); each row adds up to 1.

    Dirichlet(1, ..., 1) is sampled from exponentials, as Beta(1, 1) from the uniform distribution. A traced alpha that
    is not above 0 gives equal shares.
    """
    number = arguments.number("alpha", alpha, above=0.0)
    known = arguments.concrete(alpha)

    def flat(key: Array, alpha: Array) -> Array:
        waits = jax.random.exponential(key, (draws, n), jnp.float32)
        return waits / jnp.maximum(waits.sum(1, keepdims=True), jnp.finfo(jnp.float32).tiny)

    def any_alpha(key: Array, alpha: Array) -> Array:
        positive = hide_constant(jnp.where(alpha > 0, alpha, 1.0), key)
        logs = jax.random.loggamma(key, positive, (draws, n), jnp.float32)
        return jnp.where(alpha > 0, jax.nn.softmax(logs), 1 / n)

    if known is None:
        return jax.lax.cond(number == 1.0, flat, any_alpha, key, number)
    return (flat if known == 1.0 else any_alpha)(key, number)


@arguments.annotated
def uniform(key: Array, low: Float[Array, ""], high: Float[Array, ""], draws: int) -> Float[Array, "d"]:
    """Sample uniformly from low to high."""
    return scale_to(low, high, jax.random.uniform(key, (draws,), jnp.float32))


@arguments.annotated
def scale_to(low: Float[Array, ""], high: Float[Array, ""], share: Float[Array, "*d"]) -> Float[Array, "*d"]:
    """Scale shares of [0, 1] to [low, high]."""
    return low + barrier((high - low) * share)
