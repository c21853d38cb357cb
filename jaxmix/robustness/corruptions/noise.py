"""Noise: each function gives the picture for what was drawn, in 0..1 but not yet clipped."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from jaxmix.robustness.corruptions import threefry

Pictures = Float[Array, "b h w c"]


def gaussian(x: Pictures, normals: Array, sigma: float) -> Pictures:
    """`x + sigma z`, z standard normals of every value."""
    return x + np.float32(sigma) * normals


def speckle(x: Pictures, normals: Array, sigma: float) -> Pictures:
    """`x + x sigma z`."""
    return x + x * (np.float32(sigma) * normals)


def shot(counts: Int[Array, "b h w c"], photons: float) -> Pictures:
    """`counts / photons`, counts ~ Poisson(photons x)."""
    return counts.astype(jnp.float32) / np.float32(photons)


def impulse(x: Pictures, flipped: Bool[Array, "b h w c"], salt: Bool[Array, "b h w c"]) -> Pictures:
    """1 where flipped with salt, 0 where flipped without; the values of a pixel are flipped independently."""
    return jnp.where(flipped, salt.astype(jnp.float32), x)


def flips(bits: UInt32[Array, "..."], p: float) -> tuple[Array, Array]:
    """Which values are flipped, with probability p, and which of them to 1: from 24 and from 1 of the random bits."""
    return threefry.unit(bits) < np.float32(p), (bits & np.uint32(1)).astype(bool)


def poisson(key: Array, x: Pictures, photons: float, *, whole: bool = False) -> Int[Array, "b h w c"]:
    """Draws of Poisson(photons x), x in 0..1; `whole` if x is known to be 8-bit levels over 255.

    The level below x has a table of its distribution (Walker's alias method), and the rest of less than a level is
    drawn by inversion: the sum is Poisson of the sum of the means. Probabilities are right to 2^-22.
    """
    table_key, rest_key = jax.random.split(key)
    # The level that x is, or the one below.
    level = jnp.floor(x * 255 + np.float32(2**-14))
    table = _table(float(photons))
    places = int(math.log2(table.shape[1]))
    bits = threefry.bits(table_key, *x.shape)
    column = (bits >> np.uint32(32 - places)).astype(jnp.int32)
    row = jnp.clip(level.astype(jnp.int32), 0, 255)
    entry = jnp.asarray(table.reshape(-1)).at[row * 2**places + column].get(mode="promise_in_bounds")
    kept = ((bits >> np.uint32(10 - places)) & np.uint32(2**22 - 1)) < (entry >> np.uint32(10))
    count = jnp.where(kept, column, (entry & np.uint32(1023)).astype(jnp.int32))
    if whole:
        return count
    mean = jnp.maximum(x * 255 - level, 0) * np.float32(photons / 255)
    return count + _inverted(threefry.uniform(rest_key, *x.shape), mean, photons / 255)


def _inverted(uniform: Array, mean: Array, most: float) -> Array:
    """The number of k with P(count <= k) below the uniform number, for means up to `most`, which is small."""
    term = jnp.exp(-mean)
    below, count = term, jnp.zeros(mean.shape, jnp.int32)
    for k in range(1, math.ceil(most + 8 * math.sqrt(most)) + 5):
        count = count + (uniform > below).astype(jnp.int32)
        term = term * mean / k
        below = below + term
    return count


@functools.cache
def _table(photons: float) -> np.ndarray:
    """For the mean photons k / 255 of each level k and every column: 22 bits of the share kept, 10 of the alias."""
    columns = 1 << math.ceil(math.log2(photons + 9 * math.sqrt(photons) + 9))
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
    return (threshold << 10) | alias.astype(np.uint32)
