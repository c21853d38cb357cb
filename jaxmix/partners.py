"""Partners: the index of the sample that each sample is mixed with, Int[b]."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from jaxmix import arguments
from jaxmix.sharding import sharded_like

__all__ = ["following", "reverse", "shuffle", "within"]


@arguments.annotated
def following(size: int) -> Int[Array, "b"]:
    """The next sample; the first for the last. The default: no sample is paired with itself, nothing is random.

    Batches are shuffled by the data pipeline, so the next sample is as random a partner as any.
    """
    return arguments.following(size)


@arguments.annotated
def reverse(size: int) -> Int[Array, "b"]:
    """The batch backwards. The middle sample of an odd batch is paired with itself."""
    return jnp.flip(jnp.arange(size, dtype=jnp.int32))


@arguments.annotated
def shuffle(key: Array, size: int) -> Int[Array, "b"]:
    """A uniform random permutation, as in most authors' code: a sample is paired with itself with probability 1/b."""
    return jax.random.permutation(key, jnp.arange(size, dtype=jnp.int32))


def within(key: Array, group: Int[Array, "b"] | np.ndarray) -> Int[Array, "b"]:
    """A random partner of the same group (a class, a domain); a sample alone in its group is paired with itself.

    Each group is put in a random cyclic order, and every sample is paired with the next one. Groups are integers [b];
    in NumPy they may be of 64 bits.

    >>> within(jax.random.key(0), np.array([2**32 + 7, 7, 2**32 + 7, 7])).tolist()
    [2, 3, 0, 1]
    """
    arguments.key(key, "within", group)
    group = arguments.numeric("group", group)
    if np.ndim(group) != 1 or not jnp.issubdtype(group.dtype, jnp.integer):
        raise ValueError(f"group has shape {np.shape(group)} and dtype {group.dtype}; wanted integers [b]")
    if isinstance(group, np.ndarray):  # JAX has 32 bits by default, in which two groups might be one
        group = np.unique(group, return_inverse=True)[1].astype(np.int32)
    return _within(key, jnp.asarray(group))


@sharded_like("group")
def _within(key: Array, group: Int[Array, "b"]) -> Int[Array, "b"]:
    size = group.shape[0]
    order = jnp.lexsort((jax.random.uniform(key, (size,), jnp.float32), group)).astype(jnp.int32)
    sorted_group = group[order]
    first = jnp.searchsorted(sorted_group, sorted_group, side="left").astype(jnp.int32)
    after = jnp.searchsorted(sorted_group, sorted_group, side="right").astype(jnp.int32)
    place = jnp.arange(size, dtype=jnp.int32)
    partner = order[jnp.where(place + 1 < after, place + 1, first)]
    return jnp.zeros(size, jnp.int32).at[order].set(partner)
