"""Few-shot classification of features: many small tasks of classes that the network wasn't trained on."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.numerics import barrier
from jaxmix.sharding import sharded_like

__all__ = ["Estimate", "FewShot", "few_shot", "logistic_regression", "sample"]

STEPS = 100  # of gradient descent
TOGETHER = 50  # episodes at a time


class Estimate(NamedTuple):
    """Accuracy over episodes.

    mean: in 0..1
    half_width: of its 95 % interval, mean ± half_width
    """

    mean: Float[Array, ""]
    half_width: Float[Array, ""]


class FewShot(NamedTuple):
    """Accuracy of each classifier in the same episodes.

    centroid: nearest centroid
    logistic: logistic regression
    """

    centroid: Estimate
    logistic: Estimate


@arguments.annotated
def few_shot(
    key: jax.Array,
    features: Float[Array, "n d"],
    labels: Int[Array, "n"],
    *,
    ways: int = 5,
    shots: int = 5,
    queries: int = 15,
    episodes: int = 2000,
) -> FewShot:
    """Measure how well classes can be told apart by a few of their features each.

    An episode takes `ways` classes, and of each `shots` samples to train a classifier and `queries` others to test it,
    all uniformly without repetition. Features are divided by their L2 norm.

    centroid: the class whose mean feature is nearest
    logistic: logistic regression without bias, whose objective is the sum of the cross-entropies and half of the
        squared weights; 100 steps of gradient descent on all samples, from 0

    Args:
        key: PRNG key.
        features: [n d], of a network before its last layer.
        labels: class ids [n], any integers. Classes with fewer than shots + queries samples are left out.
        ways: the number of classes in an episode, 2 or more, static.
        shots: samples of each class to train on, static.
        queries: samples of each class to test on, static.
        episodes: 2 or more, static.

    Returns:
        Mean accuracy and its 95 % interval, 1.96 standard errors to either side, of both classifiers; NaN where labels
        are traced and fewer than `ways` classes have enough samples, or features are and aren't finite.

    Raises:
        ValueError: features that aren't [n d] or, where their values are known, aren't finite; labels that aren't
            class ids [n], counts out of range, and known labels of which fewer than `ways` classes have shots + queries
            samples.

    Reference: Oriol Vinyals, Charles Blundell, Timothy Lillicrap, Koray Kavukcuoglu, Daan Wierstra. Matching Networks
    for One Shot Learning. NeurIPS 2016 (episodes).

    >>> labels = jnp.arange(60) % 3
    >>> found = few_shot(jax.random.key(0), jax.nn.one_hot(labels, 3), labels, ways=2, episodes=4)
    >>> float(found.centroid.mean), float(found.logistic.mean), float(found.logistic.half_width)
    (1.0, 1.0, 0.0)
    """
    ways, episodes = arguments.count("ways", ways, low=2), arguments.count("episodes", episodes, low=2)
    each = shots + queries
    known = arguments.concrete(labels)
    enough = len(labels) // each if known is None else int((np.unique(known, return_counts=True)[1] >= each).sum())
    if enough < ways:
        raise ValueError(
            f"labels have {enough} classes of {each} samples or more, shots and queries together; wanted {ways}: take "
            "fewer ways, shots or queries"
        )
    values = arguments.concrete(features)
    if values is not None and not np.isfinite(values.astype(np.float32)).all():
        raise ValueError("features have values that aren't finite; wanted finite ones: has the training diverged?")
    return FewShot(*map(_estimate, _accuracies(key, features, labels, ways, shots, queries, episodes)))


def _estimate(accuracies: Float[Array, "e"]) -> Estimate:
    error = accuracies.std(ddof=1) / np.float32(accuracies.shape[0] ** 0.5)
    return Estimate(accuracies.mean(), np.float32(1.96) * error)


@sharded_like("features", axes=0)
@functools.partial(jax.jit, static_argnums=(3, 4, 5, 6))
def _accuracies(
    key: Array, features: Array, labels: Int[Array, "n"], ways: int, shots: int, queries: int, episodes: int
) -> tuple[Float[Array, "e"], Float[Array, "e"]]:
    """The accuracy of nearest centroid and of logistic regression in every episode."""
    wide = features.astype(jnp.float32)
    # Scaled first, so that no square overflows or vanishes.
    largest = jnp.maximum(jnp.abs(wide).max(1, keepdims=True), jnp.finfo(jnp.float32).tiny)
    scaled = wide / largest
    unit = scaled / jnp.maximum(jnp.sqrt(jnp.square(scaled).sum(1, keepdims=True)), jnp.finfo(jnp.float32).tiny)
    chosen, enough = sample(key, labels, ways, shots + queries, episodes)
    enough &= jnp.isfinite(wide).all()

    def episode(rows: Int[Array, "w m"]) -> tuple[Array, Array]:
        train, test = unit[rows[:, :shots]], unit[rows[:, shots:]]
        centroids = train.mean(1)
        near = _dot(test, centroids) - jnp.square(centroids).sum(1)[None, None] / 2
        weights = logistic_regression(train)
        own = jnp.arange(ways, dtype=jnp.int32)[:, None]
        return (near.argmax(2) == own).mean(), (_dot(test, weights).argmax(2) == own).mean()

    found = jax.lax.map(episode, chosen, batch_size=TOGETHER)
    return jax.tree.map(lambda accuracy: jnp.where(enough, accuracy, jnp.nan), found)


def logistic_regression(train: Float[Array, "w s d"]) -> Float[Array, "w d"]:
    """Weights of a logistic regression without bias on features of length 1, s of each of w classes.

    The objective is that of scikit-learn's LogisticRegression with C = 1. The step is one over the largest curvature
    that it can have, so that each step lowers it.
    """
    ways, shots = train.shape[:2]
    targets = jnp.eye(ways)[:, None]
    step = np.float32(1 / (ways * shots / 2 + 1))

    def descend(weights: Array, _: None) -> tuple[Array, None]:
        residual = jax.nn.softmax(_dot(train, weights)) - targets
        gradient = jnp.einsum("wsk,wsd->kd", residual, train, precision="highest") + weights
        return weights - step * gradient, None

    return jax.lax.scan(descend, jnp.zeros_like(train[:, 0]), None, STEPS)[0]


def _dot(features: Float[Array, "w s d"], weights: Float[Array, "k d"]) -> Float[Array, "w s k"]:
    return jnp.einsum("wsd,kd->wsk", features, weights, precision="highest")


def sample(
    key: Array, labels: Int[Array, "n"], ways: int, each: int, episodes: int
) -> tuple[Int[Array, "e w m"], Array]:
    """Sample the rows of each episode, `each` of `ways` classes; and whether there are enough classes.

    Classes are runs of equal labels after a sort, so that their number and sizes may be traced.
    """
    class_key, row_key = jax.random.split(key)
    order = jnp.argsort(labels, stable=True).astype(jnp.int32)
    ordered = labels[order]
    begins = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
    size = jnp.zeros_like(order).at[jnp.cumsum(begins, dtype=jnp.int32) - 1].add(1)  # by class
    start = jnp.cumsum(size, dtype=jnp.int32) - size
    large = size >= each
    # No more classes than these are large enough.
    candidates = jnp.argsort(~large, stable=True)[: labels.shape[0] // each].astype(jnp.int32)
    # Those of the largest random values; one that is too small has none.
    uniform = jax.random.uniform(class_key, (episodes, candidates.shape[0]), jnp.float32)
    classes = candidates[jax.lax.top_k(jnp.where(large[candidates][None], uniform, -1.0), ways)[1]]
    rows = start[classes][..., None] + _without_repetition(row_key, size[classes], each)
    return order[jnp.minimum(rows, labels.shape[0] - 1)], large.sum() >= ways


def _without_repetition(key: Array, size: Int[Array, "e w"], count: int) -> Int[Array, "e w m"]:
    """`count` of the integers below each size, in random order."""
    uniform = jax.random.uniform(key, (count, *size.shape), jnp.float32)
    none = np.int32(2**30)

    def one(taken: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        turn, share = step
        left = jnp.maximum(size - turn, 1)
        rank = jnp.minimum(jnp.floor(barrier(share * left.astype(jnp.float32))).astype(jnp.int32), left - 1)
        # The integer of that rank among those not yet taken: the k-th taken one has taken[k] - k others below it.
        below = taken - jnp.arange(count, dtype=jnp.int32)[None, None] <= rank[..., None]
        found = rank + below.sum(-1, dtype=jnp.int32)
        # In place of the last, one of those that stand for none.
        return jnp.sort(taken.at[..., -1].set(found), -1), found

    taken = jnp.full((*size.shape, count), none, jnp.int32)
    _, found = jax.lax.scan(one, taken, (jnp.arange(count, dtype=jnp.int32), uniform))
    return jnp.moveaxis(found, 0, -1)
