"""The parts of an evaluation by their names on the command line."""

from suites import (
    attacks,
    backgrounds,
    between,
    calibration,
    clean,
    corruptions,
    detection,
    localization,
    occlusion,
)
from suites.base import MissingError as MissingError
from suites.base import Options as Options
from suites.base import Shown as Shown
from suites.base import Suite as Suite

SUITES: dict[str, Suite] = {
    "clean": clean.SUITE,
    "corruptions": corruptions.SUITE,
    "calibration": calibration.SUITE,
    "attacks": attacks.SUITE,
    "occlusion": occlusion.SUITE,
    "between": between.SUITE,
    "detection": detection.SUITE,
    "localization": localization.SUITE,
    "backgrounds": backgrounds.SUITE,
}
