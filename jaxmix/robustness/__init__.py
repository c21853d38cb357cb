"""Robustness of a network: corruptions, attacks, calibration, detection, localization, backgrounds, stability."""

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

__all__ = [
    "attacks",
    "backgrounds",
    "calibration",
    "corruptions",
    "detection",
    "in_between",
    "localization",
    "mce",
    "occlusion",
    "sequences",
    "stability",
]
