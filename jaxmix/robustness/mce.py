"""Mean corruption error of a classifier, in percent.

Tables of errors are mappings from the names of corruptions to the error rates at severities 1 to 5, shares of 0..1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments
from jaxmix.robustness.corruptions.severities import LIKE, MAIN

__all__ = [
    "ALEXNET",
    "Errors",
    "Normalizer",
    "corruption_errors",
    "mean_corruption_error",
    "relative_corruption_errors",
]

Errors = Mapping[str, Sequence[float] | ArrayLike]


class Normalizer(NamedTuple):
    """The classifier whose errors count as 100: its name, its mean error by corruption, and that on clean images."""

    name: str
    errors: Mapping[str, float]
    clean: float


_ALEXNET = (
    0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816, 0.826572, 0.819324, 0.564592,
    0.853204, 0.646056, 0.717840, 0.606500,
)  # fmt: skip
# Errors from the authors' code; that on clean images as papers give it.
ALEXNET = Normalizer("AlexNet", dict(zip(MAIN, _ALEXNET, strict=True)), 0.435)


@arguments.annotated
def corruption_errors(errors: Errors, *, normalizer: Normalizer | None, substitutes: bool = False) -> dict[str, float]:
    """The corruption error of each of the 15 corruptions, in percent.

        CE_c = 100 sum over s of errors[c][s] / sum over s of the normalizer's errors,   s = 1, ..., 5

    which isn't the mean of ratios. Without a normalizer: 100 times the mean over s, as is usual on CIFAR-C (AugMix).

    Args:
        errors: shares from 0 to 1 at the five severities, by corruption; names beyond the 15 are left out.
        normalizer: `ALEXNET`, usual on ImageNet-C; None for plain means.
        substitutes: count "frost_like" where there is no "frost". Then it isn't the benchmark's figure: say so.

    Returns:
        Percent by corruption, in the order of the authors' tables.

    Raises:
        ValueError: a corruption is missing (or present only as a substitute, without `substitutes`), a row isn't five
            shares, or the normalizer lacks a corruption.

    Reference: Hendrycks, Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and Perturbations.
    ICLR 2019.

    >>> made = corruption_errors({name: [0.5] * 5 for name in MAIN}, normalizer=ALEXNET)
    >>> round(made["gaussian_noise"], 3)
    56.406
    """
    rows = _rows(errors, substitutes)
    if normalizer is None:
        return {name: float(100 * row.mean()) for name, row in rows.items()}
    base = _base(rows, normalizer)
    return {name: float(100 * row.mean() / base[name]) for name, row in rows.items()}


@arguments.annotated
def mean_corruption_error(errors: Errors, *, normalizer: Normalizer | None, substitutes: bool = False) -> float:
    """The mean of `corruption_errors` over the 15 corruptions: mCE, or unnormalized without a normalizer.

    Args:
        errors: as in `corruption_errors`.
        normalizer: as in `corruption_errors`.
        substitutes: as in `corruption_errors`.

    Returns:
        Percent.

    Raises:
        ValueError: as `corruption_errors`.

    >>> half = {name: [0.5] * 5 for name in MAIN}
    >>> round(mean_corruption_error(half, normalizer=ALEXNET), 4), mean_corruption_error(half, normalizer=None)
    (64.6726, 50.0)
    """
    return float(np.mean(list(corruption_errors(errors, normalizer=normalizer, substitutes=substitutes).values())))


@arguments.annotated
def relative_corruption_errors(
    errors: Errors, clean: float, *, normalizer: Normalizer, substitutes: bool = False
) -> dict[str, float]:
    """Increase of the error by corruptions, relative to the increase of the normalizer's error, in percent.

        relative CE_c = 100 (mean over s of errors[c][s] - clean) / (the normalizer's mean - its clean error)

    Args:
        errors: as in `corruption_errors`.
        clean: error on clean images, a share of 0..1.
        normalizer: as in `corruption_errors`, but required.
        substitutes: as in `corruption_errors`.

    Returns:
        Percent by corruption; the relative mCE is their mean.

    Raises:
        ValueError: as `corruption_errors`, and a clean error outside of 0..1.

    >>> round(relative_corruption_errors({name: [0.5] * 5 for name in MAIN}, 0.3, normalizer=ALEXNET)["fog"], 3)
    52.039
    """
    if not 0 <= clean <= 1:
        raise ValueError(f"clean is {clean}; wanted a share from 0 to 1, not percent")
    rows = _rows(errors, substitutes)
    base = _base(rows, normalizer)
    return {name: float(100 * (row.mean() - clean) / (base[name] - normalizer.clean)) for name, row in rows.items()}


def _base(rows: Mapping[str, np.ndarray], normalizer: Normalizer) -> dict[str, float]:
    if not isinstance(normalizer, Normalizer):
        raise ValueError(f"normalizer came as {type(normalizer).__name__}; wanted a Normalizer, such as mce.ALEXNET")
    base = {name: normalizer.errors.get(name.removesuffix("_like"), 0.0) for name in rows}
    if missing := [name for name, error in base.items() if error <= 0]:
        raise ValueError(f"normalizer {normalizer.name} has no error above 0 for {', '.join(missing)}; wanted all 15")
    return base


def _rows(errors: Errors, substitutes: bool) -> dict[str, np.ndarray]:
    replaced = {name for name in MAIN if substitutes and name not in errors and f"{name}_like" in errors}
    names = [f"{name}_like" if name in replaced else name for name in MAIN]
    if missing := [name for name in names if name not in errors]:
        there = [name for name in LIKE if name in errors]
        hint = f" ({', '.join(there)} count only with substitutes=True)" if there and not substitutes else ""
        raise ValueError(f"errors lack {', '.join(missing)}{hint}; wanted the 15 of corruptions.MAIN")
    rows = {name: np.asarray(errors[name], np.float64) for name in names}
    for name, row in rows.items():
        if row.shape != (5,) or not (row >= 0).all() or not (row <= 1).all():
            raise ValueError(f"errors of {name} are {row.tolist()}; wanted five shares from 0 to 1, not percent")
    return rows
