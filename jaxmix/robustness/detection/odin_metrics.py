"""Metrics of ODIN's script (Liang et al., 2018), on a grid of thresholds, for comparison with published tables."""

from typing import NamedTuple

import numpy as np

from jaxmix import arguments
from jaxmix.robustness import metric_inputs
from jaxmix.robustness.metric_inputs import Values

__all__ = ["Odin", "odin"]


class Odin(NamedTuple):
    """fpr95: the FPR at a TPR of 95 %; error: the lowest detection error; auroc: equal scores count 0."""

    fpr95: float
    error: float
    auroc: float


@arguments.annotated
def odin(inside: Values, outside: Values, *, low: float = 0.1, high: float = 1.0) -> Odin:
    """Compute the metrics that ODIN's script prints, at 100,000 thresholds from `low` to `high`.

        TPR(t) = P(inside >= t),   FPR(t) = P(outside > t)
        fpr95 = mean FPR where 0.9495 <= TPR <= 0.9505,   error = min of (1 - TPR + FPR) / 2,   auroc = sum of TPR dFPR

    `detection` has the exact definitions, without a grid and with equal scores.

    Args:
        inside: scores [n] of images of the known classes, highest softmax probabilities.
        outside: scores [m] of out-of-distribution images.
        low: lowest threshold, 1 / k for k classes.
        high: end of the thresholds.

    Returns:
        An `Odin`; fpr95 is NaN where no threshold has such a TPR, as with few samples.

    Raises:
        ValueError: no scores inside or outside, scores that aren't [n] or aren't finite, not low < high.

    Reference: Shiyu Liang, Yixuan Li, R. Srikant. Enhancing the Reliability of Out-of-Distribution Image Detection in
    Neural Networks. ICLR 2018 (source code).

    >>> found = odin([0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3])
    >>> round(found.error, 6), round(found.auroc, 6)
    (0.2, 0.85)
    """
    known, other = np.sort(metric_inputs.vector("inside", inside)), np.sort(metric_inputs.vector("outside", outside))
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"low is {low} and high {high}; wanted low < high, both finite")
    thresholds = np.arange(low, high, (high - low) / 100_000)
    tpr = 1 - np.searchsorted(known, thresholds, side="left") / known.size
    fpr = 1 - np.searchsorted(other, thresholds, side="right") / other.size
    near = (tpr >= 0.9495) & (tpr <= 0.9505)
    fpr95 = fpr[near].mean() if near.any() else np.nan
    area = (-np.diff(fpr, prepend=1.0) * tpr).sum() + fpr[-1] * tpr[-1]
    return Odin(float(fpr95), float((1 - tpr + fpr).min() / 2), float(area))
