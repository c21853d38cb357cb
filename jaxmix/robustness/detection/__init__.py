"""Out-of-distribution detection: metrics of the scores of images inside and outside the distribution."""

from jaxmix.robustness.detection import outliers
from jaxmix.robustness.detection.metrics import (
    accuracy,
    aupr_inside,
    aupr_outside,
    auroc,
    fpr_at_recall,
    threshold_at_tpr,
    tnr_at_tpr,
)
from jaxmix.robustness.detection.odin_metrics import Odin, odin

__all__ = [
    "Odin",
    "accuracy",
    "aupr_inside",
    "aupr_outside",
    "auroc",
    "fpr_at_recall",
    "odin",
    "outliers",
    "threshold_at_tpr",
    "tnr_at_tpr",
]
