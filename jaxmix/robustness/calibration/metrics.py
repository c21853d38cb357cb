"""Calibration metrics: confidence against accuracy over a whole test set.

The confidence of a sample is the probability of its predicted class, and correct is whether that class is right
(`top_label` gives both). Metrics of all probabilities are in `probabilities`.
"""

from typing import NamedTuple

import numpy as np

from jaxmix import arguments
from jaxmix.robustness import metric_inputs
from jaxmix.robustness.metric_inputs import Values

__all__ = [
    "Reliability",
    "aurra",
    "brier_of_confidence",
    "expected_error",
    "mad_error",
    "max_error",
    "maximum_error",
    "reliability",
    "rms_error",
    "soft_f1",
]


@arguments.annotated
def rms_error(confidence: Values, correct: Values, *, bin_size: int = 100, drop_last_bin: bool = False) -> float:
    """Root mean square calibration error over bins of equal size.

        sqrt(sum over bins of (n_bin / n) (mean confidence - mean correct)^2)

    Samples are sorted by confidence, equals in their order, and each bin takes the next `bin_size`; the remainder
    joins the last bin. Fewer samples are one bin.

    Args:
        confidence: [n], in 0..1.
        correct: [n], 0 or 1, or booleans.
        bin_size: samples per bin.
        drop_last_bin: leave out the last bin, the most confident samples, but not from n, as the authors' loop
            does and published figures do. Below 2 * bin_size samples that is 0.

    Returns:
        The error, 0 to 1, in units of probability.

    Raises:
        ValueError: no samples, other shapes, confidences that are NaN or outside 0..1, bin_size below 1, fewer than
            bin_size samples with drop_last_bin, where the authors' code fails.

    Differs from the authors' code: all bins count unless `drop_last_bin`. Its sort isn't stable, so on equal
    confidences its result depends on the sort; here it doesn't.

    Reference: Dan Hendrycks, Mantas Mazeika, Thomas Dietterich. Deep Anomaly Detection with Outlier Exposure. ICLR
    2019.

    >>> confidence = np.repeat([0.2, 0.4, 0.6, 0.9], 100)
    >>> correct = np.concatenate([np.arange(100) < right for right in (10, 40, 80, 50)])
    >>> round(rms_error(confidence, correct), 6), round(rms_error(confidence, correct, drop_last_bin=True), 6)
    (0.229129, 0.111803)
    """
    share, gap = _even(confidence, correct, bin_size, drop_last_bin)
    return float(np.sqrt((share * gap**2).sum()))


@arguments.annotated
def mad_error(confidence: Values, correct: Values, *, bin_size: int = 100, drop_last_bin: bool = False) -> float:
    """Mean absolute calibration error over bins of equal size.

        sum over bins of (n_bin / n) |mean confidence - mean correct|

    Args, Returns, Raises, Reference: as `rms_error`.

    >>> mad_error([0.5, 0.75], [0, 1], bin_size=1)
    0.375
    """
    share, gap = _even(confidence, correct, bin_size, drop_last_bin)
    return float((share * gap).sum())


@arguments.annotated
def max_error(confidence: Values, correct: Values, *, bin_size: int = 100, drop_last_bin: bool = False) -> float:
    """The largest of the gaps |mean confidence - mean correct| over bins of equal size.

    Args, Returns, Raises, Reference: as `rms_error`.

    >>> max_error([0.5, 0.75], [0, 1], bin_size=1)
    0.5
    """
    return float(_even(confidence, correct, bin_size, drop_last_bin)[1].max(initial=0.0))


def _even(confidence: Values, correct: Values, bin_size: int, drop_last_bin: bool) -> tuple[np.ndarray, np.ndarray]:
    """Share of the samples and gap of each bin of `bin_size` samples."""
    sure, right = metric_inputs.predictions(confidence, correct)
    size = arguments.count("bin_size", bin_size)
    if drop_last_bin and sure.size < size:
        raise ValueError(
            f"there are {sure.size} samples, and bins of {size}; wanted {size} or more: without the last bin, the only "
            "one, no sample is left"
        )
    order = np.argsort(sure, kind="stable")
    place = np.minimum(np.arange(sure.size) // size, max(sure.size // size, 1) - 1)
    count = np.bincount(place)
    gap = np.abs(np.bincount(place, sure[order]) - np.bincount(place, right[order])) / count
    kept = count.size - 1 if drop_last_bin else count.size
    return count[:kept] / sure.size, gap[:kept]


class Reliability(NamedTuple):
    """Values of a reliability diagram of m bins.

    edges:      [m + 1]  from 0 to 1; a bin holds values above its lower edge, up to its upper edge
    number:     [m]      samples in the bin
    confidence: [m]      their mean confidence, 0 where there are none
    accuracy:   [m]      share of them that is right, 0 where there are none
    """

    edges: np.ndarray
    number: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


@arguments.annotated
def reliability(confidence: Values, correct: Values, *, bins: int = 15) -> Reliability:
    """Mean confidence and accuracy in bins of equal width: the values of a reliability diagram.

    Bin i holds confidences in (i / bins, (i + 1) / bins]; a confidence of 0 is in the first.

    Args:
        confidence: [n], in 0..1. In float32 some values lie just above the edge that they are meant to be on.
        correct: [n], 0 or 1, or booleans.
        bins: number of bins.

    Returns:
        A `Reliability`.

    Raises:
        ValueError: no samples, other shapes, confidences that are NaN or outside 0..1, bins below 1.

    Reference: Chuan Guo, Geoff Pleiss, Yu Sun, Kilian Q. Weinberger. On Calibration of Modern Neural Networks. ICML
    2017.

    >>> reliability([0.3, 0.9, 0.7], [0, 1, 0], bins=2).accuracy.tolist()
    [0.0, 0.5]
    """
    sure, right = metric_inputs.predictions(confidence, correct)
    edges = np.linspace(0, 1, arguments.count("bins", bins) + 1)
    place = np.searchsorted(edges[1:-1], sure, side="left")
    count = np.bincount(place, minlength=bins)
    some = np.maximum(count, 1)
    means = [np.bincount(place, values, minlength=bins) / some for values in (sure, right)]
    return Reliability(edges, count, *means)


@arguments.annotated
def expected_error(confidence: Values, correct: Values, *, bins: int = 15) -> float:
    """Expected calibration error (ECE) over bins of equal width.

        sum over bins of (n_bin / n) |accuracy - mean confidence|

    Args, Raises, Reference: as `reliability`.

    Returns:
        The error, 0 to 1; bins without samples add 0.

    >>> round(expected_error([0.3, 0.9, 0.7], [0, 1, 0], bins=2), 6)
    0.3
    """
    found = reliability(confidence, correct, bins=bins)
    return float((found.number * np.abs(found.accuracy - found.confidence)).sum() / found.number.sum())


@arguments.annotated
def maximum_error(confidence: Values, correct: Values, *, bins: int = 15) -> float:
    """Maximum calibration error (MCE): the largest |accuracy - mean confidence| over bins of equal width.

    Args, Raises, Reference: as `reliability`.

    >>> round(maximum_error([0.3, 0.9, 0.7], [0, 1, 0], bins=2), 6)
    0.3
    """
    found = reliability(confidence, correct, bins=bins)
    return float(np.abs(found.accuracy - found.confidence).max())


def aurra(confidence: Values, correct: Values) -> float:
    """Area under the response rate accuracy curve: about 1 where all right predictions are more confident than wrong.

        mean over r = 1..n of (accuracy of the r most confident samples)

    Args:
        confidence: [n], in 0..1. Equal ones count in their order.
        correct: [n], 0 or 1, or booleans.

    Returns:
        The area, 0 to 1, the higher the better.

    Raises:
        ValueError: no samples, other shapes, confidences that are NaN or outside 0..1.

    Reference: Dan Hendrycks et al. PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures. CVPR 2022.

    >>> aurra([0.9, 0.6], [1, 0])
    0.75
    """
    sure, right = metric_inputs.predictions(confidence, correct)
    order = np.argsort(-sure, kind="stable")
    return float((np.cumsum(right[order]) / np.arange(1, sure.size + 1)).mean())


def soft_f1(confidence: Values, correct: Values) -> float:
    """F1 score of detecting mistakes, with doubt 1 - confidence as the soft prediction of one.

        2 sum of (1 - confidence) wrong / sum of (1 - confidence + wrong),   wrong = 1 - correct

    Args, Raises: as `aurra`.

    Returns:
        The score, 0 to 1; 0 where there is no doubt and no mistake.

    Reference: Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019 (source code).

    >>> soft_f1([1.0, 0.5], [1, 0])
    0.6666666666666666
    """
    sure, right = metric_inputs.predictions(confidence, correct)
    total = (1 - sure + 1 - right).sum()
    return float(2 * ((1 - sure) * (1 - right)).sum() / total) if total > 0 else 0.0


def brier_of_confidence(confidence: Values, correct: Values) -> float:
    """Brier score of the confidence alone: `mean of (confidence - correct)^2`, 0 to 1, the lower the better.

    Args, Raises: as `aurra`. `brier` takes the probabilities of all classes.

    Reference: Glenn W. Brier. Verification of Forecasts Expressed in Terms of Probability. Monthly Weather Review 1950.

    >>> brier_of_confidence([1.0, 0.5], [1, 0])
    0.125
    """
    sure, right = metric_inputs.predictions(confidence, correct)
    return float(np.square(sure - right).mean())
