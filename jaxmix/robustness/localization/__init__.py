"""Weakly supervised localization: class activation maps against annotated boxes and masks."""

from jaxmix.robustness.localization.boxes import resize_boxes
from jaxmix.robustness.localization.connected_components import every, largest
from jaxmix.robustness.localization.heatmaps import levels, score_maps
from jaxmix.robustness.localization.metrics import (
    best_overlap,
    max_box_accuracy,
    pixel_average_precision,
    region_boxes,
    top_1_accuracy,
)

__all__ = [
    "best_overlap",
    "every",
    "largest",
    "levels",
    "max_box_accuracy",
    "pixel_average_precision",
    "region_boxes",
    "resize_boxes",
    "score_maps",
    "top_1_accuracy",
]
