"""Metrics of out-of-distribution detection, from scores of images inside and outside the distribution.

A score is higher inside: the highest probability of the softmax (`top_label` of `calibration`), or minus an energy.
Images inside are the positive class unless stated otherwise.
"""

import numpy as np

from jaxmix import arguments
from jaxmix.robustness import metric_inputs
from jaxmix.robustness.metric_inputs import Values

__all__ = ["accuracy", "aupr_inside", "aupr_outside", "auroc", "fpr_at_recall", "threshold_at_tpr", "tnr_at_tpr"]


def auroc(inside: Values, outside: Values) -> float:
    """Area under the ROC curve, by ranks.

        P(inside score > outside score) + P(equal) / 2

    Args:
        inside: scores [n] of images of the known classes.
        outside: scores [m] of out-of-distribution images.

    Returns:
        0 to 1; 0.5 for uninformative scores; invariant under increasing functions of the scores.

    Raises:
        ValueError: no scores inside or outside, scores that aren't [n] or aren't finite.

    Reference: Dan Hendrycks, Kevin Gimpel. A Baseline for Detecting Misclassified and Out-of-Distribution Examples in
    Neural Networks. ICLR 2017.

    >>> round(auroc([0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3]), 6)
    0.85
    """
    known, other = _scores(inside, outside)
    other = np.sort(other)
    below, up_to = (np.searchsorted(other, known, side=side) for side in ("left", "right"))
    return float((below + up_to).sum() / (2 * known.size * other.size))


def aupr_inside(inside: Values, outside: Values) -> float:
    """Area under the precision-recall curve as average precision, images inside being the positive class.

        sum over thresholds of (recall - recall at the threshold above) * precision

    It depends on the ratio of n and m: only compare it for the same n and m.

    Args, Raises, Reference: as `auroc`.

    Returns:
        Above 0, at most 1, the higher the better; n / (n + m) for uninformative scores.

    >>> round(aupr_inside([0.9, 0.4], [0.6, 0.1]), 6)
    0.833333
    """
    known, other = _scores(inside, outside)
    hits, misses = _counts(known, other)
    recall, precision = hits / known.size, hits / (hits + misses)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def aupr_outside(inside: Values, outside: Values) -> float:
    """`aupr_inside` with images outside as the positive class, and minus the score: that of outlier exposure.

    Args, Raises: as `auroc`.

    Reference: Hendrycks, Mazeika, Dietterich. Deep Anomaly Detection with Outlier Exposure. ICLR 2019.

    >>> round(aupr_outside([0.9, 0.4], [0.6, 0.1]), 6)
    0.833333
    """
    known, other = _scores(inside, outside)
    return aupr_inside(-other, -known)


@arguments.annotated
def threshold_at_tpr(inside: Values, *, tpr: float = 0.95) -> float:
    """The highest threshold t that accepts this share of the images inside: `P(inside >= t) >= tpr`.

    Args:
        inside: scores [n].
        tpr: true positive rate, above 0, at most 1.

    Raises:
        ValueError: no scores, scores that aren't [n] or aren't finite, tpr out of range.

    >>> threshold_at_tpr([0.99, 0.95, 0.9, 0.8, 0.6])
    0.6
    """
    known = metric_inputs.vector("inside", inside)
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr is {tpr}; wanted a rate above 0, at most 1")
    enough = np.searchsorted(np.arange(1, known.size + 1) / known.size, tpr)
    return float(np.sort(known)[::-1][enough])


@arguments.annotated
def tnr_at_tpr(inside: Values, outside: Values, *, tpr: float = 0.95) -> float:
    """Share of the images outside that is rejected where `tpr` of those inside are accepted.

        P(outside < t),   t = the highest threshold with P(inside >= t) >= tpr

    1 minus it is the FPR at that TPR, with images inside as the positive class; `fpr_at_recall` is another metric.

    Args:
        inside: scores [n] of images of the known classes.
        outside: scores [m] of out-of-distribution images.
        tpr: true positive rate, above 0, at most 1.

    Returns:
        0 to 1, the higher the better.

    Raises:
        ValueError: as `auroc`, and tpr out of range.

    Reference: Shiyu Liang, Yixuan Li, R. Srikant. Enhancing the Reliability of Out-of-Distribution Image Detection in
    Neural Networks. ICLR 2018.

    >>> tnr_at_tpr([0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3])
    0.5
    """
    known, other = _scores(inside, outside)
    return float((other < threshold_at_tpr(known, tpr=tpr)).mean())


def accuracy(inside: Values, outside: Values) -> float:
    """Detection accuracy: the best of one threshold, with inside and outside weighted equally.

        max over t of P(inside >= t) / 2 + P(outside < t) / 2

    Args, Raises, Reference: as `auroc` and `tnr_at_tpr`.

    Returns:
        0.5 to 1, the higher the better.

    >>> round(accuracy([0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3]), 6)
    0.8
    """
    known, other = _scores(inside, outside)
    hits, misses = _counts(known, other)
    return float(max(0.5, (hits / known.size - misses / other.size).max() / 2 + 0.5))


@arguments.annotated
def fpr_at_recall(inside: Values, outside: Values, *, recall: float = 0.95) -> float:
    """FPR95 of outlier exposure: share of the images inside that is rejected where 95 % of those outside are.

    Images outside are the positive class, with minus the score. As in the authors' code the
    threshold is that whose recall is nearest to `recall` (the higher of two equally near), so it may be a little below;
    of thresholds with the same recall that which rejects the most images inside, but at a recall of 1 the fewest.

    Args:
        inside: scores [n] of images of the known classes.
        outside: scores [m] of out-of-distribution images.
        recall: share of the images outside that is detected, above 0, at most 1.

    Returns:
        0 to 1, the lower the better.

    Raises:
        ValueError: as `auroc`, and recall out of range.

    Reference: Hendrycks, Mazeika, Dietterich. Deep Anomaly Detection with Outlier Exposure. ICLR 2019.

    >>> fpr_at_recall([0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3])
    0.4
    """
    known, other = _scores(inside, outside)
    if not 0 < recall <= 1:
        raise ValueError(f"recall is {recall}; wanted a share above 0, at most 1")
    hits, misses = _counts(-other, -known)
    last = np.searchsorted(hits, hits[-1])
    off = np.abs(hits[: last + 1][::-1] / other.size - recall)
    return float(misses[: last + 1][::-1][off.argmin()] / known.size)


def _scores(inside: Values, outside: Values) -> tuple[np.ndarray, np.ndarray]:
    return metric_inputs.vector("inside", inside), metric_inputs.vector("outside", outside)


def _counts(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each at or above a threshold, for each distinct score, the highest first."""
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    hits, misses = (x.size - np.searchsorted(np.sort(x), thresholds, side="left") for x in (positive, negative))
    return hits, misses
