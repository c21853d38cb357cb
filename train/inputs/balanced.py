"""An order of the training images in which every class is as frequent as any other."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

__all__ = ["Members", "balanced_order", "members"]

# The images of each class that has any, filled up with -1, and their counts: [k m] and [k].
Members = tuple[np.ndarray, np.ndarray]


def members(labels: Int[np.ndarray, "n"]) -> Members:
    """The indices of the images of each class."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    table = np.full((len(counts), counts.max()), -1, np.int32)
    by_class = np.argsort(labels, kind="stable")
    table[np.arange(table.shape[1]) < counts[:, None]] = by_class
    return table, counts.astype(np.int32)


def balanced_order(key: jax.Array, table: Int[Array, "k m"], counts: Int[Array, "k"], size: int) -> Int[Array, "n"]:
    """Indices of `size` images in random order: of each class equally many, give or take one.

    The images of a class are used equally often too, give or take one; those left out of a large class, and those used
    once more of a small one, are drawn anew.
    """
    member_key, class_key, place_key = jax.random.split(key, 3)
    draws = jnp.where(table >= 0, jax.random.uniform(member_key, table.shape), jnp.inf)
    shuffled = jnp.take_along_axis(table, jnp.argsort(draws, axis=1), axis=1)  # what fills up is last
    classes = jax.random.permutation(class_key, len(table))
    place = jnp.arange(size)
    chosen, turn = classes[place % len(table)], place // len(table)
    return jax.random.permutation(place_key, shuffled[chosen, turn % counts[chosen]])
