"""Metrics of the logits or probabilities of all classes: the top label, proper scores, and the temperature."""

import jax
import numpy as np

from jaxmix import arguments
from jaxmix.robustness import metric_inputs
from jaxmix.robustness.metric_inputs import Values

__all__ = ["brier", "negative_log_likelihood", "softmax", "temperature", "top_label"]


@arguments.annotated
def top_label(logits: Values, labels: Values, *, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Compute the confidence in the predicted class and whether it is right, for calibration and detection metrics.

        confidence = max over k of softmax(logits / temperature),   correct = [argmax of logits = label]

    Args:
        logits: [n k], floating.
        labels: class ids [n].
        temperature: above 0; `temperature` finds the calibrated one.

    Returns:
        Confidence, float64 [n], and correct, bool [n]. Of equal logits the first class is predicted.

    Raises:
        ValueError: logits that aren't finite [n k], labels that aren't class ids [n], a temperature not above 0.

    >>> confidence, correct = top_label([[0.0, np.log(3.0)], [0.0, 0.0]], [1, 1])
    >>> confidence.round(6).tolist(), correct.tolist()
    ([0.75, 0.5], [True, False])
    """
    scores, ids = metric_inputs.rows("logits", logits, labels)
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature is {temperature}; wanted a value above 0")
    return softmax(scores / temperature).max(1), scores.argmax(1) == ids


def brier(probabilities: Values, labels: Values) -> float:
    """Brier score: `mean over samples of sum over k of (p[k] - [k = label])^2`, 0 to 2, the lower the better.

    Args:
        probabilities: [n k], of a softmax; rows sum to 1. One-hot rows may be integers or booleans.
        labels: class ids [n].

    Raises:
        ValueError: probabilities that aren't [n k] in 0..1 with rows that sum to 1, labels that aren't class ids.

    Reference: Glenn W. Brier. Verification of Forecasts Expressed in Terms of Probability. Monthly Weather Review 1950.

    >>> brier([[0.5, 0.5], [0.0, 1.0]], [0, 1])
    0.25
    """
    shares, ids = _probabilities(probabilities, labels)
    return float(np.square(shares - np.eye(shares.shape[1])[ids]).sum(1).mean())


def negative_log_likelihood(probabilities: Values, labels: Values) -> float:
    """`- mean of log p[label]` in nats, 0 or more, the lower the better. Probabilities count as 1e-12 at least.

    Args, Raises: as `brier`.

    >>> round(negative_log_likelihood([[0.5, 0.5], [0.0, 1.0]], [0, 1]), 6)
    0.346574
    """
    shares, ids = _probabilities(probabilities, labels)
    return float(-np.log(np.maximum(np.take_along_axis(shares, ids[:, None], 1), 1e-12)).mean())


@arguments.annotated
def temperature(logits: Values, labels: Values, *, low: float = 0.2, high: float = 5.0) -> float:
    """Find the temperature t that calibrates logits of a validation set: softmax(logits / t) has the lowest NLL.

    The NLL is convex in 1 / t, so its minimum is found by bisection, to 1e-6. The predicted classes don't change. Not
    for the samples that are reported on: the authors hold out a tenth.

    Args:
        logits: [n k], floating, of samples held out.
        labels: class ids [n].
        low: lowest temperature, above 0.
        high: highest temperature. Where the best one lies outside, the nearer end is returned.

    Returns:
        t; above 1 for an overconfident network. 1, or the nearest allowed, where all logits of each sample
        are equal.

    Raises:
        ValueError: logits that aren't finite [n k], labels that aren't class ids [n], not 0 < low < high.

    Reference: Chuan Guo, Geoff Pleiss, Yu Sun, Kilian Q. Weinberger. On Calibration of Modern Neural Networks. ICML
    2017. The range is that of Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019.

    >>> logits = np.array([[0.0, 2.0]] * 4)  # confidence 88 % where 75 % are right
    >>> round(temperature(logits, [1, 1, 1, 0]), 3)  # 2 / ln 3
    1.82
    """
    scores, ids = metric_inputs.rows("logits", logits, labels)
    if not 0 < low < high < np.inf:
        raise ValueError(f"low is {low} and high {high}; wanted 0 < low < high")
    scores = scores - np.take_along_axis(scores, ids[:, None], 1)
    if not scores.any():
        return float(np.clip(1.0, low, high))
    while high - low > 1e-6 * low:
        middle = (low + high) / 2
        overconfident = (softmax(scores / middle) * scores).sum() > 0
        low, high = (middle, high) if overconfident else (low, middle)
    return float((low + high) / 2)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities [n k] of logits [n k]."""
    exponent = np.exp(scores - scores.max(1, keepdims=True))
    return exponent / exponent.sum(1, keepdims=True)


def _probabilities(probabilities: Values, labels: Values) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(probabilities, jax.core.Tracer):  # one-hot rows of integers or booleans, as of a hard decision
        array = np.asarray(arguments.numeric("probabilities", probabilities))
        probabilities = array.astype(np.float64) if array.dtype.kind in "biu" else array
    shares, ids = metric_inputs.rows("probabilities", probabilities, labels)
    # Stored probabilities are often rounded, to two digits even.
    if shares.min() < 0 or abs(shares.sum(1) - 1).max() > 0.05:
        raise ValueError(
            f"probabilities go from {shares.min():g} to {shares.max():g}, and their rows sum to "
            f"{shares.sum(1).min():g} to {shares.sum(1).max():g}; wanted rows that sum to 1: call softmax on logits"
        )
    return shares, ids
