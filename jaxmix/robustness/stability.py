"""Stability of predictions over sequences of perturbed images, as on ImageNet-P and CIFAR-10-P.

Computed on the host in float64, once over a test set.

Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations. ICLR 2019.
"""

from collections.abc import Callable

import numpy as np

from jaxmix import arguments
from jaxmix.robustness import metric_inputs
from jaxmix.robustness.metric_inputs import Values

__all__ = ["flip_probability", "top5_distance", "zipf_distance"]


def flip_probability(predictions: Values, *, noise: bool = False, difficulty: int = 1) -> float:
    """Compute the share of frames whose prediction differs from that of their reference frame.

        FP = mean over sequences, mean over frames j of 1[f(x_j) != f(x_(j - difficulty))]

    Frames of noise have no order in time: they are compared with the first, the clean image.

    Args:
        predictions: class ids [sequences n] of the n frames of each sequence.
        noise: whether the perturbation is noise.
        difficulty: the number of frames to the reference frame: the d interleaved subsequences i, i + d, ... are
            pooled. Not used for noise, whose difficulty is its strength.

    Returns:
        A share in 0..1. ImageNet-P's flip rate divides it by AlexNet's; CIFAR-10-P's mean flip probability doesn't.

    Raises:
        ValueError: predictions that aren't integers [sequences n], or too few frames for the difficulty.

    Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations. ICLR 2019.

    >>> round(flip_probability([[3, 5, 5, 5]]), 4), flip_probability([[3, 5, 5, 5]], noise=True)
    (0.3333, 1.0)
    """
    array = metric_inputs.known("predictions", predictions)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iu":
        raise ValueError(
            f"predictions have shape {array.shape} and dtype {array.dtype}; wanted integers [sequences n], class ids "
            "of the n frames of each sequence: take the argmax of logits"
        )
    before, after = _compared(array, noise, difficulty)
    return float((before != after).mean(1).mean())


def top5_distance(logits: Values, *, noise: bool = False, difficulty: int = 1) -> float:
    """Compute how far the five classes that rank first in a reference frame move in the ranking.

        T5D = mean over frames of sum over i = 1..5 of |T(i) - T(s_i)|,   T(r) = min(r - 1, 5)

    s_i is the rank, in the frame, of the class that ranks i-th in its reference frame.

    Args:
        logits: [sequences n k] of the n frames of each sequence; equal ones rank in the order of their classes.
        noise: see `flip_probability`.
        difficulty: see `flip_probability`.

    Returns:
        The distance, not divided by AlexNet's.

    Raises:
        ValueError: logits that aren't finite and [sequences n k], or too few frames for the difficulty.

    Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations. ICLR 2019.

    >>> top5_distance([[[3.0, 2.0, 1.0], [2.0, 3.0, 1.0]]])
    2.0
    """

    def distance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        moved = np.abs(np.minimum(before - 1, 5) - np.minimum(after - 1, 5))
        return np.where(before <= 5, moved, 0).sum(-1)

    return _ranking_distance(logits, noise, difficulty, distance)


def zipf_distance(logits: Values, *, noise: bool = False, difficulty: int = 1) -> float:
    """Compute how far the ranking of all classes moves, weighted by Zipf's law.

        ZD = mean over frames of sum over classes of |1 / r - 1 / r'| / r

    r is the rank of a class in the reference frame, r' that in the frame.

    Args:
        logits: as for `top5_distance`.
        noise: see `flip_probability`.
        difficulty: see `flip_probability`.

    Returns:
        The distance, not divided by AlexNet's.

    Raises:
        ValueError: as for `top5_distance`.

    Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations. ICLR 2019.

    >>> zipf_distance([[[3.0, 2.0], [2.0, 3.0]]])
    0.75
    """

    def distance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return (np.abs(1 / before - 1 / after) / before).sum(-1)

    return _ranking_distance(logits, noise, difficulty, distance)


def _ranking_distance(
    logits: Values, noise: bool, difficulty: int, distance: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> float:
    array = metric_inputs.known("logits", logits)
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind != "f":
        raise ValueError(
            f"logits have shape {array.shape} and dtype {array.dtype}; wanted floating [sequences n k], the logits of "
            "the n frames of each sequence"
        )
    metric_inputs.finite("logits", array)
    # Sequence by sequence: of a thousand classes the ranks of all at once take gigabytes.
    means = [distance(*_compared(_ranks(one)[None], noise, difficulty)).mean() for one in array]
    return float(np.mean(means))


def _ranks(logits: np.ndarray) -> np.ndarray:
    """The rank of each class, from 1.0 on, by descending logit."""
    order = np.argsort(-logits.astype(np.float64), -1, kind="stable")
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1.0, order.shape[-1] + 1), order.shape), -1)
    return ranks


def _compared(frames: np.ndarray, noise: bool, difficulty: int) -> tuple[np.ndarray, np.ndarray]:
    """Reference frames and the frames that are compared with them."""
    if not isinstance(noise, bool):
        raise ValueError(f"noise is {noise!r}; wanted True or False")
    arguments.count("difficulty", difficulty)
    step = 1 if noise else difficulty
    if frames.shape[1] <= step:
        raise ValueError(
            f"sequences have {frames.shape[1]} frames; wanted {step + 1} or more: a frame is compared with that "
            f"{step} before it"
        )
    if noise:
        return np.broadcast_to(frames[:, :1], frames[:, 1:].shape), frames[:, 1:]
    return frames[:, :-step], frames[:, step:]
