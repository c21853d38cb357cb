"""Weakly supervised localization: class activation maps against annotated boxes and masks."""

from jaxmix.robustness.localization.boxes import resize_boxes
from jaxmix.robustness.localization.connected_components import all_regions, largest_region
from jaxmix.robustness.localization.heatmaps import score_maps, to_levels
from jaxmix.robustness.localization.metrics import (
    best_overlap,
    max_box_accuracy,
    pixel_average_precision,
    region_boxes,
    top_1_accuracy,
)

__all__ = [
    "all_regions",
    "best_overlap",
    "largest_region",
    "max_box_accuracy",
    "pixel_average_precision",
    "region_boxes",
    "resize_boxes",
    "score_maps",
    "to_levels",
    "top_1_accuracy",
]
