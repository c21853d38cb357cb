"""Calibration of a classifier: its confidence against its accuracy over a whole test set."""

from jaxmix.robustness.calibration.metrics import (
    Reliability,
    aurra,
    brier_of_confidence,
    expected_error,
    mad_error,
    max_error,
    maximum_error,
    reliability,
    rms_error,
    soft_f1,
)
from jaxmix.robustness.calibration.probabilities import brier, negative_log_likelihood, temperature, top_label

__all__ = [
    "Reliability",
    "aurra",
    "brier",
    "brier_of_confidence",
    "expected_error",
    "mad_error",
    "max_error",
    "maximum_error",
    "negative_log_likelihood",
    "reliability",
    "rms_error",
    "soft_f1",
    "temperature",
    "top_label",
]
