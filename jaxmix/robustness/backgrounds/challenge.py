"""Metrics of predictions on images with other backgrounds."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments

__all__ = ["accuracy", "challenge_accuracy", "fooling_rates", "gap", "vulnerable"]


def accuracy(
    predictions: Int[Array, "n"], labels: Int[Array, "n"], *, mapping: Int[Array, "_"] | None = None
) -> Float[Array, ""]:
    """Share of right predictions, also of a network whose classes are finer than the labels.

        out = mean over n of [mapping[predictions[n]] = labels[n]]

    Args:
        predictions: predicted class ids [n].
        labels: class ids [n].
        mapping: label of each class that is predicted, [k], -1 where it has none: such a prediction is wrong. For a
            network of ImageNet's 1,000 classes on ImageNet-9 it is the authors' in_to_in9.json.

    Returns:
        The accuracy, in 0..1.

    Raises:
        ValueError: predictions, labels or a mapping that aren't integers of these shapes.

    >>> accuracy(jnp.array([4, 1, 0, 0]), jnp.array([1, 0, 0, 1]), mapping=jnp.array([0, -1, 0, 1, 1])).item()
    0.5
    """
    labels = arguments.class_ids(labels, "n")
    return _right(predictions, labels, mapping).mean()


def gap(
    same: Int[Array, "n"], random: Int[Array, "n"], labels: Int[Array, "n"], *, mapping: Int[Array, "_"] | None = None
) -> Float[Array, ""]:
    """BG-Gap: the loss of accuracy where backgrounds no longer go with the class.

        out = accuracy on Mixed-Same - accuracy on Mixed-Rand

    Args:
        same: predicted class ids [n] for the foregrounds before backgrounds of their own class.
        random: predicted class ids [n] for the same foregrounds before backgrounds of random classes.
        labels: class ids of the foregrounds, [n].
        mapping: as in `accuracy`.

    Returns:
        The difference, in -1..1; papers give it in points, 100 times that.

    Raises:
        ValueError: as `accuracy`.

    Reference: Kai Xiao, Logan Engstrom, Andrew Ilyas, Aleksander Madry. Noise or Signal: The Role of Image Backgrounds
    in Object Recognition. ICLR 2021.

    >>> gap(jnp.array([0, 1, 2, 2]), jnp.array([0, 0, 1, 2]), jnp.array([0, 1, 2, 2])).item()
    0.5
    """
    return accuracy(same, labels, mapping=mapping) - accuracy(random, labels, mapping=mapping)


def vulnerable(
    predictions: Int[Array, "n m"], labels: Int[Array, "n"], *, mapping: Int[Array, "_"] | None = None
) -> Bool[Array, "n"]:
    """Foregrounds for which any of the backgrounds makes the prediction wrong.

    Args:
        predictions: predicted class id of each foreground before each background, [n m]; see `challenge_images`.
        labels: class ids of the foregrounds, [n].
        mapping: as in `accuracy`.

    Returns:
        Bool [n]. For backgrounds in groups, the results of the groups are joined by `|`.

    Raises:
        ValueError: as `accuracy`.

    >>> vulnerable(jnp.array([[0, 0], [1, 0]]), jnp.array([0, 1])).tolist()
    [False, True]
    """
    return ~_right(predictions, labels, mapping, across=True).all(1)


def challenge_accuracy(
    predictions: Int[Array, "n m"], labels: Int[Array, "n"], *, mapping: Int[Array, "_"] | None = None
) -> Float[Array, ""]:
    """Accuracy of the background challenge: share of the foregrounds that are right before every background.

        out = 1 - mean over n of [any over m of predictions[n, m] != labels[n]]

    Args:
        predictions: predicted class id of each foreground before each background, [n m]; see `challenge_images`.
        labels: class ids of the foregrounds, [n].
        mapping: as in `accuracy`.

    Returns:
        The accuracy in the worst case of every sample, in 0..1.

    Raises:
        ValueError: as `accuracy`.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> challenge_accuracy(jnp.array([[0, 0], [1, 0]]), jnp.array([0, 1])).item()
    0.5
    """
    return 1 - vulnerable(predictions, labels, mapping=mapping).mean()


def fooling_rates(
    predictions: Int[Array, "n m"],
    labels: Int[Array, "n"],
    num_classes: int,
    *,
    mapping: Int[Array, "_"] | None = None,
) -> Float[Array, "k m"]:
    """Fooling rate of each background for each class: share of its foregrounds that are wrong before it.

        out[c, j] = mean over n with labels[n] = c of [predictions[n, j] != c]

    Its argmax over the backgrounds is the most adversarial background of every class.

    Args:
        predictions: predicted class id of each foreground before each background, [n m]; see `challenge_images`.
        labels: class ids of the foregrounds, [n]; others than 0 to num_classes - 1 are left out.
        num_classes: static.
        mapping: as in `accuracy`.

    Returns:
        Shares [num_classes m], in 0..1; 0 for a class without a foreground.

    Raises:
        ValueError: as `accuracy`; num_classes below 1.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> fooling_rates(jnp.array([[0, 1], [1, 1], [1, 0]]), jnp.array([0, 0, 1]), 2).tolist()
    [[0.5, 1.0], [0.0, 1.0]]
    """
    wrong = ~_right(predictions, labels, mapping, across=True)
    classes = jnp.arange(arguments.count("num_classes", num_classes), dtype=jnp.int32)
    member = classes[:, None] == arguments.class_ids(labels, "n")[None, :]
    # Counted in integers, so that the order of the sum makes no difference.
    count = (member[:, :, None] & wrong[None]).sum(1, dtype=jnp.int32)
    return count.astype(jnp.float32) / jnp.maximum(member.sum(1), 1).astype(jnp.float32)[:, None]


def _right(
    predictions: ArrayLike, labels: ArrayLike, mapping: ArrayLike | None, across: bool = False
) -> Bool[Array, "n"] | Bool[Array, "n m"]:
    """Whether each prediction, [n] or [n m] across backgrounds, is right."""
    ids = arguments.class_ids(predictions, "nm" if across else "n", name="predictions")
    labels = arguments.class_ids(labels, "n")
    if ids.shape[0] != labels.shape[0]:
        raise ValueError(f"predictions have shape {ids.shape} and labels {labels.shape}; wanted one row per label")
    truth = labels[:, None] if across else labels
    if mapping is None:
        return ids == truth
    table = arguments.class_ids(mapping, "k", name="mapping")
    coarse = table[jnp.clip(ids, 0, table.size - 1)]
    return (ids >= 0) & (ids < table.size) & (coarse >= 0) & (coarse == truth)
