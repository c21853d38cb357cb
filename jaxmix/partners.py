"""Partners: the index of the sample that each sample is mixed with, Int[b]."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.sharding import sharded_like, varying

__all__ = ["across", "cover", "following", "near", "nearness", "reverse", "shuffle", "within"]

_LEAST = float(np.finfo(np.float32).min)
# Logit of a partner that is too far away to be sampled while there is another.
_FAR = -1e30


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
    return _within(key, _groups("group", group))


def across(key: Array, labels: Int[Array, "b"] | np.ndarray) -> Int[Array, "b"]:
    """A random partner of another class: each sample of the other classes is equally likely, whatever its class.

    In a batch of one class every sample is paired with itself, which leaves it as it is. Partners are sampled with
    replacement: a sample may be the partner of several, or of none. Labels are class ids [b]; in NumPy they may be of
    64 bits.

    >>> [across(jax.random.key(0), np.array(labels)).tolist() for labels in ([0, 0, 0, 1], [0, 0])]
    [[3, 3, 3, 1], [0, 1]]
    """
    arguments.key(key, "across", labels)
    return _across(key, _groups("labels", labels))


def _groups(name: str, group: Int[Array, "b"] | np.ndarray) -> Int[Array, "b"]:
    """Validate the group of each sample."""
    group = arguments.numeric(name, group)
    if np.ndim(group) != 1 or not jnp.issubdtype(group.dtype, jnp.integer):
        raise ValueError(f"{name} has shape {np.shape(group)} and dtype {group.dtype}; wanted integers [b]")
    if isinstance(group, np.ndarray):  # JAX has 32 bits by default, in which two groups might be one
        group = np.unique(group, return_inverse=True)[1].astype(np.int32)
    return jnp.asarray(group)


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


@sharded_like("group")
def _across(key: Array, group: Int[Array, "b"]) -> Int[Array, "b"]:
    size = group.shape[0]
    order = jnp.argsort(group).astype(jnp.int32)
    first = jnp.searchsorted(group[order], group, side="left").astype(jnp.int32)
    after = jnp.searchsorted(group[order], group, side="right").astype(jnp.int32)
    others = size - (after - first)
    # In the sorted batch the other classes follow one's own, cyclically.
    step = jax.random.randint(key, (size,), 0, jnp.maximum(others, 1), jnp.int32)
    return jnp.where(others > 0, order[(after + step) % size], jnp.arange(size, dtype=jnp.int32))


@arguments.annotated
def cover(distance: Float[Array, "b b"]) -> Int[Array, "b"]:
    """Pair the samples along one cycle through the whole batch, at each step with the farthest sample that is left.

    It begins with the largest distance, from its row to its column; of equal distances the first in row-major order
    counts. No sample is paired with itself, and each is the partner of exactly one. A distance that isn't a number
    counts as the smallest. b - 1 steps, each along one row; under `jaxmix.per_device` the cycle is of each device's
    own part.

    Reference: Minsoo Kang, Suhyun Kim. GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps. AAAI 2023.

    >>> cover(jnp.array([[0.0, 1, 5, 2], [1, 0, 3, 4], [5, 3, 0, 6], [2, 4, 6, 0]])).tolist()
    [2, 0, 3, 1]
    """
    return _cover(distance.astype(jnp.float32))


@sharded_like("distance")
def _cover(distance: Float[Array, "b b"]) -> Int[Array, "b"]:
    size = distance.shape[0]
    index = jnp.arange(size, dtype=jnp.int32)
    known = jnp.where(jnp.isnan(distance), _LEAST, jnp.maximum(distance, _LEAST))
    apart = jnp.where(index[:, None] == index[None], -jnp.inf, known)
    start = jnp.argmax(apart).astype(jnp.int32) // size  # the first row with the largest distance

    def step(place: Int[Array, ""], state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        order, free, here = state
        there = jnp.argmax(jnp.where(free, apart[here], -jnp.inf)).astype(jnp.int32)
        return order.at[place].set(there), free & (index != there), there

    order = jnp.full(size, start, jnp.int32)
    state = varying(distance, (order, index != start, start))
    order, _, _ = jax.lax.fori_loop(1, size, step, state)
    return jnp.zeros(size, jnp.int32).at[order].set(jnp.roll(order, -1))


def near(key: Array, y: ArrayLike, bandwidth: ArrayLike, *, itself: bool = True) -> Int[Array, "b"]:
    """A random partner with a similar value to regress, as C-Mixup samples them.

        p(j | i) ~ exp(-|y_i - y_j|^2 / (2 bandwidth^2))

    Partners are sampled with replacement, and a sample is its own most likely partner, as in the paper; `itself=False`
    leaves it out. Values y are [b], or vectors [b q], in the units of the bandwidth (above 0; may be traced), which is
    to be tuned: 0.05 to 20 in the authors' experiments. The paper weighs the whole training set; here it is the batch,
    as its code does for images. A value that isn't finite is as far from every other.

    Reference: Huaxiu Yao, Yiping Wang, Linjun Zhang, James Zou, Chelsea Finn. C-Mixup: Improving Generalization in
    Regression. NeurIPS 2022.

    >>> near(jax.random.key(0), jnp.array([0.0, 9.0, 0.1, 9.1]), 0.5, itself=False).tolist()
    [2, 3, 0, 1]
    """
    arguments.key(key, "near", y)
    logits = _nearness_logits(y, bandwidth, itself)
    return _sampled(key, logits)


def nearness(y: ArrayLike, bandwidth: ArrayLike, *, itself: bool = True) -> Float[Array, "b b"]:
    """The probabilities by which `near` samples: in row i those of each sample to be the partner of sample i.

    >>> [round(float(p), 4) for p in nearness(jnp.array([0.0, 1.0, 3.0]), 1.0)[0]]
    [0.6182, 0.3749, 0.0069]
    """
    return jax.nn.softmax(_nearness_logits(y, bandwidth, itself))


@sharded_like("logits")
def _sampled(key: Array, logits: Float[Array, "b b"]) -> Int[Array, "b"]:
    return jax.random.categorical(key, logits).astype(jnp.int32)


def _nearness_logits(y: ArrayLike, bandwidth: ArrayLike, itself: bool) -> Float[Array, "b b"]:
    """Validate what `near` takes; logarithms of its probabilities, but for a constant of each row."""
    y = arguments.numeric("y", y)
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise ValueError(f"y has shape {y.shape}; wanted values to regress, [b] or [b q]")
    if not isinstance(itself, bool):
        raise ValueError(f"itself is {itself!r}; wanted True or False")
    if len(y) < 2 and not itself:
        raise ValueError("y has one sample, and itself=False leaves it none; wanted two or more")
    if isinstance(y, np.ndarray):  # in float32 large values lose what they differ by
        wide = y.astype(np.float64)
        y = np.asarray(wide - np.where(np.isfinite(wide), wide, 0).mean(0))
    width = jnp.maximum(arguments.number("bandwidth", bandwidth, above=0.0), np.finfo(np.float32).tiny)
    return _logits(jnp.asarray(y).astype(jnp.float32).reshape(len(y), -1), width, itself)


@sharded_like("y")
def _logits(y: Float[Array, "b q"], width: Float[Array, ""], itself: bool) -> Float[Array, "b b"]:
    index = jnp.arange(len(y), dtype=jnp.int32)
    logits = -jnp.square((y[:, None] - y[None]) / width).sum(2) / 2
    logits = jnp.where(logits >= _FAR, logits, _FAR)  # NaN is not
    return logits if itself else jnp.where(index[:, None] == index[None], -jnp.inf, logits)
