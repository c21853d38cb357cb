"""From whose picture a background comes: a member of the same class, of any, or of the next.

Each function gives (index, valid): whose background each sample gets, Int[b], and whether the batch holds such a
sample, Bool[b]; where it doesn't, the index is the sample's own.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxmix import arguments, sharding

Members = tuple[Int[Array, "b"], Bool[Array, "b"]]


def same_class(key: jax.Array, labels: Int[Array, "b"]) -> Members:
    """For Mixed-Same: a random other sample of the same class, uniformly.

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
    labels = arguments.class_ids(labels)
    return sharding.like(labels, 1, _same, key, labels)


def random_class(key: jax.Array, labels: Int[Array, "b"]) -> Members:
    """For Mixed-Rand: a random class of those in the batch, the sample's own too, then a random member of it.

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
    labels = arguments.class_ids(labels)
    return sharding.like(labels, 1, _random, key, labels)


def next_class(key: jax.Array, labels: Int[Array, "b"], num_classes: int) -> Members:
    """For Mixed-Next: a random member of the class that follows, `(y + 1) mod num_classes`.

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
    classes = arguments.count("num_classes", num_classes, low=2)
    labels = arguments.class_ids(labels, classes=classes)
    return sharding.like(labels, 1, _next, key, labels, jnp.int32(classes))


@jax.jit
def _same(key, labels):
    own = jnp.arange(labels.shape[0], dtype=jnp.int32)
    order, first, count = _groups(labels, labels)
    place = jnp.zeros_like(own).at[order].set(own) - first
    valid = count > 1
    drawn = jax.random.randint(key, own.shape, 0, jnp.maximum(count - 1, 1))
    # The others of the class are its members but for the sample's own place.
    other = jnp.where(drawn < place, drawn, drawn + 1)
    return jnp.where(valid, order[jnp.minimum(first + other, own.size - 1)], own), valid


@jax.jit
def _random(key, labels):
    which, member = jax.random.split(key)
    ranked = jnp.sort(labels)
    new = jnp.concatenate([jnp.ones(1, bool), ranked[1:] != ranked[:-1]])
    found = jnp.cumsum(new, dtype=jnp.int32)
    drawn = jax.random.randint(which, labels.shape, 1, found[-1] + 1)
    wanted = ranked[jnp.searchsorted(found, drawn).astype(jnp.int32)]
    return _member(member, labels, wanted)


@jax.jit
def _next(key, labels, classes):
    return _member(key, labels, (labels + 1) % classes)


def _member(key, labels, wanted):
    own = jnp.arange(labels.shape[0], dtype=jnp.int32)
    order, first, count = _groups(labels, wanted)
    drawn = jax.random.randint(key, own.shape, 0, jnp.maximum(count, 1))
    valid = count > 0
    return jnp.where(valid, order[jnp.minimum(first + drawn, own.size - 1)], own), valid


def _groups(labels, wanted):
    """The samples by class, and for each wanted class where it begins there and how many samples it has."""
    order = jnp.argsort(labels).astype(jnp.int32)
    first, after = (jnp.searchsorted(labels[order], wanted, side=side).astype(jnp.int32) for side in ("left", "right"))
    return order, first, after - first
