"""The parts of an evaluation by their names on the command line."""

from eval.suites import (
    attacks,
    backgrounds,
    calibration,
    clean,
    corruptions,
    detection,
    in_between,
    localization,
    occlusion,
)
from eval.suites.base import MissingError as MissingError
from eval.suites.base import Options as Options
from eval.suites.base import Shown as Shown
from eval.suites.base import Suite as Suite

SUITES: dict[str, Suite] = {
    "clean": clean.SUITE,
    "corruptions": corruptions.SUITE,
    "calibration": calibration.SUITE,
    "attacks": attacks.SUITE,
    "occlusion": occlusion.SUITE,
    "in_between": in_between.SUITE,
    "detection": detection.SUITE,
    "localization": localization.SUITE,
    "backgrounds": backgrounds.SUITE,
}
