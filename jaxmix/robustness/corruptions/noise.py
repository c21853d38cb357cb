"""Noise of images in 0..1, for given samples; not yet clipped. Constants may be traced."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, UInt32

from jaxmix.robustness.corruptions import threefry

__all__ = [
    "Poisson",
    "alias_table",
    "columns_of",
    "flips",
    "gaussian",
    "impulse",
    "poisson",
    "shot",
    "speckle",
    "terms_of",
]

Images = Float[Array, "b h w c"]


def gaussian(x: Images, normals: Array, sigma: ArrayLike) -> Images:
    """`x + sigma z`, z standard normals of every value."""
    return x + sigma * normals


def speckle(x: Images, normals: Array, sigma: ArrayLike) -> Images:
    """`x + x sigma z`."""
    return x + x * (sigma * normals)


def shot(counts: Int[Array, "b h w c"], photons: ArrayLike) -> Images:
    """`counts / photons`, counts ~ Poisson(photons x)."""
    return counts.astype(jnp.float32) / photons


def impulse(x: Images, flipped: Bool[Array, "b h w c"], salt: Bool[Array, "b h w c"]) -> Images:
    """1 where flipped with salt, 0 where flipped without; the values of a pixel are flipped independently."""
    return jnp.where(flipped, salt.astype(jnp.float32), x)


def flips(bits: UInt32[Array, "..."], p: ArrayLike) -> tuple[Bool[Array, "..."], Bool[Array, "..."]]:
    """Whether each value is flipped, with probability p, and whether to 1: from 24 and from 1 of the random bits."""
    return threefry.unit(bits) < p, (bits & np.uint32(1)).astype(bool)


class Poisson(NamedTuple):
    """Distributions of Poisson(photons k / 255) for the levels k, by Walker's alias method; may be traced.

    entries:  [256 * columns, filled up]  22 bits of the share kept by a column, 10 of its alias
    columns:  a power of two
    photons:  the mean of level 255
    """

    entries: UInt32[Array, "n"] | np.ndarray
    columns: ArrayLike
    photons: ArrayLike


def poisson(key: Array, x: Images, table: Poisson, terms: int = 0) -> Int[Array, "b h w c"]:
    """Sample Poisson(photons x), x in 0..1.

    The level below x has a table of its distribution, and the rest of less than a level is sampled by inversion: the
    sum is Poisson of the sum of the means. Probabilities are right to 2^-22.

    Args:
        key: PRNG key.
        x: [b h w c].
        table: of `alias_table`.
        terms: of the inversion, see `terms_of`; static. 0 if x is known to be 8-bit levels over 255.
    """
    table_key, rest_key = jax.random.split(key)
    # The level that x is, or the one below.
    level = jnp.floor(x * 255 + np.float32(2**-14))
    columns = jnp.asarray(table.columns, jnp.uint32)
    places = jax.lax.population_count(columns - 1)
    bits = threefry.bits(table_key, *x.shape)
    column = (bits >> (32 - places)).astype(jnp.int32)
    row = jnp.clip(level.astype(jnp.int32), 0, 255)
    index = row * columns.astype(jnp.int32) + column
    entry = jnp.asarray(table.entries).at[index].get(mode="promise_in_bounds")
    kept = ((bits >> (10 - places)) & np.uint32(2**22 - 1)) < (entry >> np.uint32(10))
    count = jnp.where(kept, column, (entry & np.uint32(1023)).astype(jnp.int32))
    if terms == 0:
        return count
    mean = jnp.maximum(x * 255 - level, 0) * (jnp.float32(table.photons) / 255)
    return count + _inverted(threefry.uniform(rest_key, *x.shape), mean, terms)


def terms_of(photons: float) -> int:
    """Number of terms after which the distribution of less than a level's photons is complete."""
    most = photons / 255
    return math.ceil(most + 8 * math.sqrt(most)) + 5


def _inverted(uniform: Array, mean: Array, terms: int) -> Array:
    """The number of k with P(count <= k) below the uniform sample, for means that need no more terms."""
    term = jnp.exp(-mean)
    below, count = term, jnp.zeros(mean.shape, jnp.int32)
    for k in range(1, terms):
        count = count + (uniform > below).astype(jnp.int32)
        term = term * mean / k
        below = below + term
    return count


def columns_of(photons: float) -> int:
    """Number of counts in a table, a power of two above all that are likely."""
    return 1 << math.ceil(math.log2(photons + 9 * math.sqrt(photons) + 9))


@functools.cache
def alias_table(photons: float, most_columns: int) -> Poisson:
    """Table of Poisson(photons k / 255) for each level k, filled up to the size of a table of `most_columns`."""
    columns = columns_of(photons)
    mean = photons * np.arange(256)[:, None] / 255
    number = np.arange(columns)
    factorial = np.cumsum(np.log(np.maximum(number, 1)))
    log = np.where(number > 0, number * np.log(np.maximum(mean, 1e-300)), 0.0)
    mass = np.exp(log - mean - factorial)
    rest = mass / mass.sum(1, keepdims=True) * columns
    kept, alias = np.ones_like(rest), np.tile(number, (256, 1))
    rows = np.arange(256)
    for _ in range(columns - 1):
        low, high = rest.argmin(1), np.where(np.isinf(rest), -1, rest).argmax(1)
        share = rest[rows, low]
        kept[rows, low], alias[rows, low] = share, high
        rest[rows, high] -= 1 - share
        rest[rows, low] = np.inf
    threshold = np.minimum(np.round(np.clip(kept, 0, 1) * 2**22), 2**22 - 1).astype(np.uint32)
    entries = ((threshold << 10) | alias.astype(np.uint32)).reshape(-1)
    filled = np.pad(entries, (0, 256 * most_columns - entries.size))
    return Poisson(filled, np.uint32(columns), np.float32(photons))
