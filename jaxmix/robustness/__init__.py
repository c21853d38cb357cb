"""Robustness of a network: corruptions, attacks, calibration, detection, localization, backgrounds, stability, strong
edges; and few-shot classification of its features.
"""

from jaxmix.robustness import (
    attacks,
    backgrounds,
    calibration,
    corruptions,
    detection,
    in_between,
    localization,
    mce,
    occlusion,
    sequences,
    stability,
)
from jaxmix.robustness.edges import cam_share, strong_edges
from jaxmix.robustness.episodes import few_shot

__all__ = [
    "attacks",
    "backgrounds",
    "calibration",
    "cam_share",
    "corruptions",
    "detection",
    "few_shot",
    "in_between",
    "localization",
    "mce",
    "occlusion",
    "sequences",
    "stability",
    "strong_edges",
]
