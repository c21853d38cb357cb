"""Robustness of a trained network: corruptions, attacks, calibration, detection, localization, backgrounds."""

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
]
