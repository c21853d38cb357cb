"""The suites of an evaluation, by their names on the command line."""

from eval.suites import (
    attacks,
    backgrounds,
    calibration,
    cbar,
    clean,
    corruptions,
    detection,
    edges,
    fewshot,
    in_between,
    localization,
    noise,
    occlusion,
    stability,
)
from eval.suites.base import Suite

__all__ = ["SUITES"]

SUITES: dict[str, Suite] = {
    "clean": clean.SUITE,
    "corruptions": corruptions.SUITE,
    "cbar": cbar.SUITE,
    "stability": stability.SUITE,
    "calibration": calibration.SUITE,
    "attacks": attacks.SUITE,
    "occlusion": occlusion.SUITE,
    "in_between": in_between.SUITE,
    "detection": detection.SUITE,
    "localization": localization.SUITE,
    "backgrounds": backgrounds.SUITE,
    "noise": noise.SUITE,
    "edges": edges.SUITE,
    "fewshot": fewshot.SUITE,
}
