"""Arguments of the metrics, values of a whole test set: validated float64 numpy arrays.

The metrics run once over a test set, on the host and in float64, so that 10,000 samples lose no digit. They aren't for
use under jit.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments

__all__ = ["Values", "finite", "known", "predictions", "rows", "vector"]

Values = ArrayLike | Sequence[Any]  # an array, or a list of values or of rows


def vector(name: str, values: Values, *, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Convert to float64 [n]: one finite value per sample from low to high; those off by a rounding are clipped."""
    array = known(name, values)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; wanted one value per sample, [n], n 1 or more"
        )
    array = array.astype(np.float64)
    finite(name, array)
    if array.min() < low - 1e-6 or array.max() > high + 1e-6:
        raise ValueError(f"{name} goes from {array.min():g} to {array.max():g}; wanted values from {low:g} to {high:g}")
    return np.clip(array, low, high)


def predictions(confidence: Values, correct: Values) -> tuple[np.ndarray, np.ndarray]:
    """Convert the confidence, in 0..1, and whether the prediction is right, 0 or 1, of the same samples."""
    sure, right = vector("confidence", confidence, low=0.0, high=1.0), vector("correct", correct)
    if sure.shape != right.shape:
        raise ValueError(
            f"there are {sure.size} samples in confidence, but {right.size} in correct; wanted the same number"
        )
    if not np.isin(right, (0.0, 1.0)).all():
        raise ValueError("correct has other values than 0 and 1; wanted whether each prediction is right")
    return sure, right


def rows(name: str, values: Values, labels: Values) -> tuple[np.ndarray, np.ndarray]:
    """Convert to a finite value for each class, float64 [n k], and class ids [n] from 0 to k - 1."""
    array, ids = known(name, values), known("labels", labels)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind != "f":
        raise ValueError(
            f"{name} have shape {array.shape} and dtype {array.dtype}; wanted floating [n k], n and k 1 or more"
        )
    array = array.astype(np.float64)
    finite(name, array)
    return array, np.asarray(arguments.class_ids(ids, array.shape[:1], array.shape[1]))


def known(name: str, values: Any) -> np.ndarray:
    """Convert to a numpy array, which traced values can't be."""
    if isinstance(values, jax.core.Tracer):
        raise ValueError(f"{name} is traced; wanted concrete values: collect them over the test set, outside jit")
    array = np.asarray(arguments.numeric(name, values))
    # bfloat16 is no floating dtype of numpy's own.
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def finite(name: str, array: np.ndarray) -> None:
    """Raise ValueError for values that are NaN or infinite."""
    broken = np.count_nonzero(~np.isfinite(array))
    if broken:
        raise ValueError(f"{name} has {broken} of {array.size} values that are NaN or infinite; wanted finite ones")
