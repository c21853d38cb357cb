"""With whom: each function gives the partner of every sample, Int[b]."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxmix import sharding


def following(size: int) -> Int[Array, "b"]:
    """The next sample, the last one with the first. The default: nobody meets itself, and no random number is spent.

    Batches are shuffled by the data pipeline, so the next sample is as random a partner as any.
    """
    return jnp.roll(jnp.arange(size, dtype=jnp.int32), -1)


def reverse(size: int) -> Int[Array, "b"]:
    """The batch backwards. The middle sample of an odd batch meets itself."""
    return jnp.flip(jnp.arange(size, dtype=jnp.int32))


def shuffle(key: Array, size: int) -> Int[Array, "b"]:
    """A uniform random permutation, as most authors' code draws: a sample meets itself with probability 1/b."""
    return jax.random.permutation(key, jnp.arange(size, dtype=jnp.int32))


def within(key: Array, group: Int[Array, "b"]) -> Int[Array, "b"]:
    """A random partner of the same group (a class, a domain); one alone in its group meets itself.

    Each group is put in a random circle, and every member meets the next one.
    """
    return sharding.like(group, 1, _circles, key, group)


def _circles(key: Array, group: Int[Array, "b"]) -> Int[Array, "b"]:
    size = group.shape[0]
    order = jnp.lexsort((jax.random.uniform(key, (size,), jnp.float32), group)).astype(jnp.int32)
    sorted_group = group[order]
    first = jnp.searchsorted(sorted_group, sorted_group, side="left").astype(jnp.int32)
    after = jnp.searchsorted(sorted_group, sorted_group, side="right").astype(jnp.int32)
    place = jnp.arange(size, dtype=jnp.int32)
    partner = order[jnp.where(place + 1 < after, place + 1, first)]
    return jnp.zeros(size, jnp.int32).at[order].set(partner)
