"""Donors of backgrounds: samples of the same class, of a random class, or of the next class.

Each function returns (index, valid): the donor of each sample, Int[b], and whether the batch holds one, Bool[b]; where
it doesn't, the index is the sample's own.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxmix import arguments
from jaxmix.sharding import sharded_like

__all__ = ["Donors", "next_class", "random_class", "same_class"]

Donors = tuple[Int[Array, "b"], Bool[Array, "b"]]


def same_class(key: jax.Array, labels: Int[Array, "b"]) -> Donors:
    """Sample donors for Mixed-Same: a random other sample of the same class, uniformly.

    Args:
        key: PRNG key.
        labels: class ids [b].

    Returns:
        (index, valid), both [b]; a sample alone in its class gets itself, not valid.

    Raises:
        ValueError: labels that aren't class ids [b].

    Differs from the authors' data, which don't say whether a sample may get its own background: here it doesn't.

    >>> index, valid = same_class(jax.random.key(0), jnp.array([3, 5, 3]))
    >>> index.tolist(), valid.tolist()
    ([2, 1, 0], [True, False, True])
    """
    arguments.key(key, "same_class", labels)
    labels = arguments.class_ids(labels)
    return _same(key, labels)


def random_class(key: jax.Array, labels: Int[Array, "b"]) -> Donors:
    """Sample donors for Mixed-Rand: a random class of those in the batch, then a random sample of it.

    Args:
        key: PRNG key.
        labels: class ids [b].

    Returns:
        (index, valid), both [b]; always valid.

    Raises:
        ValueError: labels that aren't class ids [b].

    >>> index, valid = random_class(jax.random.key(0), jnp.array([3, 5, 3]))
    >>> index.shape, valid.tolist()
    ((3,), [True, True, True])
    """
    arguments.key(key, "random_class", labels)
    labels = arguments.class_ids(labels)
    return _random(key, labels)


def next_class(key: jax.Array, labels: Int[Array, "b"], num_classes: int) -> Donors:
    """Sample donors for Mixed-Next: a random sample of the class that follows, `(y + 1) mod num_classes`.

    Args:
        key: PRNG key.
        labels: class ids [b], 0 to num_classes - 1.
        num_classes: static; the last class is followed by class 0.

    Returns:
        (index, valid), both [b]; where the batch has none of the next class, the sample itself, not valid.

    Raises:
        ValueError: labels that aren't class ids [b] or, where they are known, out of range; fewer than two classes.

    >>> index, valid = next_class(jax.random.key(0), jnp.array([0, 1, 2, 0]), 4)
    >>> index[:2].tolist(), valid.tolist()
    ([1, 2], [True, True, False, True])
    """
    arguments.key(key, "next_class", labels)
    classes = arguments.count("num_classes", num_classes, low=2)
    labels = arguments.class_ids(labels, classes=classes)
    return _next(key, labels, jnp.int32(classes))


@sharded_like("labels", axes=1)
@jax.jit
def _same(key: Array, labels: Int[Array, "b"]) -> Donors:
    own = jnp.arange(labels.shape[0], dtype=jnp.int32)
    order, first, count = _groups(labels, labels)
    place = jnp.zeros_like(own).at[order].set(own) - first
    valid = count > 1
    sampled = jax.random.randint(key, own.shape, 0, jnp.maximum(count - 1, 1))
    # The others of the class are its samples without the sample's own place.
    other = jnp.where(sampled < place, sampled, sampled + 1)
    return jnp.where(valid, order[jnp.minimum(first + other, own.size - 1)], own), valid


@sharded_like("labels", axes=1)
@jax.jit
def _random(key: Array, labels: Int[Array, "b"]) -> Donors:
    class_key, sample_key = jax.random.split(key)
    ranked = jnp.sort(labels)
    new = jnp.concatenate([jnp.ones(1, bool), ranked[1:] != ranked[:-1]])
    found = jnp.cumsum(new, dtype=jnp.int32)
    sampled = jax.random.randint(class_key, labels.shape, 1, found[-1] + 1)
    wanted = ranked[jnp.searchsorted(found, sampled).astype(jnp.int32)]
    return _of_class(sample_key, labels, wanted)


@sharded_like("labels", axes=1)
@jax.jit
def _next(key: Array, labels: Int[Array, "b"], classes: Int[Array, ""]) -> Donors:
    return _of_class(key, labels, (labels + 1) % classes)


def _of_class(key: Array, labels: Int[Array, "b"], wanted: Int[Array, "b"]) -> Donors:
    """Sample a donor of each wanted class."""
    own = jnp.arange(labels.shape[0], dtype=jnp.int32)
    order, first, count = _groups(labels, wanted)
    sampled = jax.random.randint(key, own.shape, 0, jnp.maximum(count, 1))
    valid = count > 0
    return jnp.where(valid, order[jnp.minimum(first + sampled, own.size - 1)], own), valid


def _groups(
    labels: Int[Array, "b"], wanted: Int[Array, "b"]
) -> tuple[Int[Array, "b"], Int[Array, "b"], Int[Array, "b"]]:
    """The samples in order of their class, and for each wanted class its first place in it and its size."""
    order = jnp.argsort(labels).astype(jnp.int32)
    first, after = (jnp.searchsorted(labels[order], wanted, side=side).astype(jnp.int32) for side in ("left", "right"))
    return order, first, after - first
