"""Losses and accuracy of mixed batches, one value per sample, from class ids or soft labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.mix import Mix, targets

__all__ = ["accuracy", "cross_entropy", "sigmoid_bce", "softmax_bce"]


def cross_entropy(
    logits: Float[Array, "b k"],
    labels: ArrayLike,
    mix: Mix | None = None,
    *,
    label_smoothing: ArrayLike = 0.0,
    ignore: int | None = None,
) -> Float[Array, "b"]:
    """Compute the cross-entropy of softmax(logits) against the mixed label.

        loss[b] = - sum over k of t[b, k] log softmax(logits)[b, k],   t = jaxmix.targets(mix, labels)

    It is the weighted sum of the cross-entropies of the slots' labels, also where weights don't sum to 1 (SnapMix).

    Args:
        logits: [b k], any floating dtype; computed in float32.
        labels: class ids Int[b] in 0 to k - 1 (others give NaN), or soft labels Float[b k].
        mix: from any method; None for labels that aren't mixed.
        label_smoothing: share of each label spread evenly over all classes, in [0, 1]; may be traced.
        ignore: a class id (-1, say) of samples without a label: they add nothing to the loss and have no gradient. A
            mean over the labelled samples is theirs to divide by.

    Raises:
        ValueError: logits or labels of another rank or size, or of one class.

    Reference: for pairs of labels, Zhang et al., mixup, ICLR 2018.

    >>> cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3])).round(3).tolist()
    [1.3860000371932983, 1.3860000371932983]
    """
    target, _ = _smooth(logits, labels, mix, label_smoothing, ignore)
    return _dot(target, jax.nn.log_softmax(logits.astype(jnp.float32)))


def softmax_bce(
    logits: Float[Array, "b k"],
    labels: ArrayLike,
    mix: Mix | None = None,
    *,
    label_smoothing: ArrayLike = 0.0,
    ignore: int | None = None,
) -> Float[Array, "b"]:
    """Compute the binary cross-entropy of the softmax probabilities, mean over classes.

        loss[b] = - mean over k of t log q + (1 - t) log(1 - q),   q = softmax(logits),   logs at least -100

    The loss of the Manifold Mixup, PuzzleMix, Co-Mixup and SAGE code for CIFAR and Tiny-ImageNet. It isn't
    cross-entropy: it is 1/k of it, so their learning rates (0.1 to 0.2) belong to it.

    Args:
        logits: [b k], any floating dtype; computed in float32.
        labels: class ids Int[b] in 0 to k - 1 (others give NaN), or soft labels Float[b k].
        mix: from any method; None for labels that aren't mixed.
        label_smoothing: share of each label spread evenly over all classes, in [0, 1]; may be traced.
        ignore: a class id (-1, say) of samples without a label: they add nothing to the loss and have no gradient. A
            mean over the labelled samples is theirs to divide by.

    Raises:
        ValueError: logits or labels of another rank or size, or of one class.

    Reference: Verma et al., Manifold Mixup, ICML 2019 (source code).

    >>> softmax_bce(jnp.zeros((1, 2)), jnp.array([0])).round(3).tolist()
    [0.6930000185966492]
    """
    target, labelled = _smooth(logits, labels, mix, label_smoothing, ignore)
    logits = logits.astype(jnp.float32)
    yes = jnp.maximum(jax.nn.log_softmax(logits), -100.0)
    no = jnp.maximum(_log_one_minus_softmax(logits), -100.0)
    return (_dot(target, yes) + _dot(labelled - target, no)) / logits.shape[1]


def sigmoid_bce(logits: Float[Array, "b k"], labels: ArrayLike, mix: Mix | None = None) -> Float[Array, "b"]:
    """Compute the binary cross-entropy of sigmoid(logits), mean over classes: for multi-label and binary tasks.

        loss[b] = - mean over k of t log sigmoid(x) + (1 - t) log sigmoid(-x),   t = jaxmix.targets(mix, labels)

    Args:
        logits: [b k], any floating dtype; computed in float32.
        labels: multi-hot labels [b k], integers or floats in [0, 1]; or class ids Int[b], one class of k each, or with
            k = 1 the answers 0 and 1.
        mix: from any method; None for labels that aren't mixed.

    Raises:
        ValueError: logits or labels of another rank or size; known labels outside [0, 1], or ids out of range.

    Reference: for classes of ImageNet, Wightman, Touvron and Jegou, ResNet Strikes Back, arXiv 2110.00476, 2021.

    >>> sigmoid_bce(jnp.zeros((2, 1)), jnp.array([0, 1])).round(3).tolist()
    [0.6930000185966492, 0.6930000185966492]
    """
    size, classes = arguments.logits(logits, least=1)
    array = arguments.numeric("labels", labels)
    if array.shape == (size,) and classes > 1:
        dense = arguments.one_hot(array, classes)
    else:
        wanted = (size, classes) if array.ndim == 2 else (size,)
        known = arguments.concrete(array)
        values = ""
        if known is not None and known.size and not (known.min() >= 0 and known.max() <= 1):
            values = f" and values from {known.min()} to {known.max()}"
        if array.shape != wanted or values:
            raise ValueError(
                f"labels have shape {array.shape}{values}, for logits {logits.shape}; wanted multi-hot labels in 0..1, "
                f"[{size} {classes}]" + (f", or answers 0 and 1, [{size}]" if classes == 1 else "")
            )
        dense = jnp.asarray(array).astype(jnp.float32).reshape(size, classes)
        dense = jnp.where((dense >= 0) & (dense <= 1), dense, jnp.nan)
    target = dense if mix is None else targets(mix, dense)
    logits = logits.astype(jnp.float32)
    return (_dot(target, jax.nn.log_sigmoid(logits)) + _dot(1 - target, jax.nn.log_sigmoid(-logits))) / classes


def accuracy(
    logits: Float[Array, "b k"], labels: ArrayLike, mix: Mix | None = None, *, ignore: int | None = None
) -> Float[Array, "b"]:
    """Compute the weight of the predicted class in the mixed label: 1 or 0 on plain batches, a share while mixing.

    Args:
        logits: [b k], any floating dtype.
        labels: class ids Int[b], or soft labels Float[b k].
        mix: from any method; None for labels that aren't mixed.
        ignore: a class id of samples without a label, whose accuracy is 0.

    Raises:
        ValueError: logits or labels of another rank or size, or of one class.

    >>> accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])).tolist()
    [1.0, 0.0]
    """
    target, _ = _smooth(logits, labels, mix, 0.0, ignore)
    return jnp.take_along_axis(target, jnp.argmax(logits, 1, keepdims=True), 1)[:, 0]


def _smooth(
    logits: Float[Array, "b k"],
    labels: ArrayLike,
    mix: Mix | None,
    label_smoothing: ArrayLike,
    ignore: int | None,
) -> tuple[Float[Array, "b k"], Float[Array, "#b 1"]]:
    """Mix the labels into dense targets, and smooth them; with the share of each sample that has a label."""
    size, classes = arguments.logits(logits)
    target = arguments.one_hot(labels, classes, ignore) if mix is None else targets(mix, labels, classes, ignore=ignore)
    if target.shape[0] != size:
        raise ValueError(f"there are {size} rows of logits, but {target.shape[0]} labels; wanted one for each")
    rate = arguments.number("label_smoothing", label_smoothing, low=0.0, high=1.0)
    total = target.sum(1, keepdims=True)
    whole = jnp.ones((1, 1), jnp.float32)
    if ignore is not None:
        whole = jnp.ones_like(total) if mix is None else mix.weight.sum(1, keepdims=True)
        whole = jnp.where(total == 0, 0.0, total / whole)
    return (1 - rate) * target + rate / classes * total, whole


def _dot(target: Float[Array, "b k"], logs: Float[Array, "b k"]) -> Float[Array, "b"]:
    """Minus the sum over classes of target * logs, where a target of 0 contributes 0 even against -inf."""
    return -jnp.where(target == 0, 0.0, target * jnp.where(target == 0, 0.0, logs)).sum(1)


def _log_one_minus_softmax(logits: Float[Array, "b k"]) -> Float[Array, "b k"]:
    """Compute log(1 - softmax), exact also for the likeliest class, whose probability may round to 1: there it is the
    log-sum-exp of the other classes.
    """
    likeliest = jax.nn.one_hot(jnp.argmax(logits, 1), logits.shape[1], dtype=bool)
    total = jax.nn.logsumexp(logits, 1, keepdims=True)
    others = jax.nn.logsumexp(jnp.where(likeliest, -jnp.inf, logits), 1, keepdims=True) - total
    return jnp.where(likeliest, others, jnp.log1p(-jnp.where(likeliest, 0.0, jnp.exp(logits - total))))
