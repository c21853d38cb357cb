"""The values of cells by their titles: those of the summaries, and some that are computed from measurements."""

import fnmatch
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate

import evidence_grid
from eval.suites.corruptions import CALIBRATION, ERROR, by_corruption
from evidence_cells import Cell

__all__ = [
    "DERIVED",
    "by_seed",
    "epochs_to",
    "error_within",
    "families",
    "on_cpu",
    "seconds_to",
    "timed",
    "training_seconds",
    "value",
]

CORRUPTION, CBAR = (
    evidence_grid.TABLES["Corruptions, attacks and noise"][f"{name} error, %"] for name in ("corruption", "C-bar")
)


def value(cell: Cell, title: str) -> float | None:
    """A value of a cell, None where it is not known or not finite; * in a title stands for anything, such as the number
    of images.
    """
    if title in DERIVED:
        return DERIVED[title](cell)
    found = fnmatch.filter(cell.summary, title)
    known = cell.summary[found[0]] if found else None
    return known if known is None or math.isfinite(known) else None


def by_seed(cells: Iterable[Cell], method: str, title: str) -> dict[int, float]:
    """A value of the trainings of a method, by seed, where it is known."""
    known = {cell.seed: value(cell, title) for cell in cells if cell.method == method and not cell.failed}
    return {seed: found for seed, found in known.items() if found is not None}


def training_seconds(cell: Cell) -> float | None:
    """Of the processor on CPUs, where other work may run beside a training; by the clock elsewhere."""
    return cell.seconds.get("train cpu" if on_cpu(cell) else "train")


def on_cpu(cell: Cell) -> bool:
    """Whether the training ran on CPUs."""
    return cell.versions["devices"]["platform"] == "cpu"


def timed(cells: Iterable[Cell]) -> list[Cell]:
    """Those whose seconds compare: known, and of the device that has most of them."""
    by_device: dict[str, list[Cell]] = {}
    for cell in cells:
        if training_seconds(cell) is not None and not cell.failed:
            by_device.setdefault(cell.device, []).append(cell)
    return max(by_device.values(), key=len, default=[])


# ---- computed from measurements


def families(cell: Cell) -> dict[str, float]:
    """By family of corruptions, the mean error over its corruptions and severities, in percent; empty if unknown."""
    errors = _by_corruption(cell)
    return {
        family: 100 * statistics.mean(statistics.mean(errors[name]) for name in names)
        for family, names in evidence_grid.FAMILIES.items()
        if errors.keys() >= set(names)
    }


def _by_corruption(cell: Cell, value: str = ERROR) -> dict[str, list[float]]:
    return by_corruption(cell.measurements.get("corruptions", {}), value)


def _at_severity(cell: Cell, value: str, severity: int) -> float | None:
    """The mean of a value over the 15 corruptions at a severity, in percent."""
    values = _by_corruption(cell, value)
    names = [name for family in evidence_grid.FAMILIES.values() for name in family]
    if not values.keys() >= set(names):
        return None
    return 100 * statistics.mean(values[name][severity - 1] for name in names)


def _rise(cell: Cell, value: str) -> float | None:
    """How much that mean grows from severity 1 to 5, in points."""
    least, most = (_at_severity(cell, value, severity) for severity in (1, 5))
    return None if least is None or most is None else most - least


def _other_corruptions(cell: Cell) -> float | None:
    """How much higher the error on C-bar is than on the 15 corruptions, in points."""
    other, usual = cell.summary.get(CBAR), cell.summary.get(CORRUPTION)
    return None if other is None or usual is None else other - usual


def _centered_box(cell: Cell) -> float | None:
    """MaxBoxAccV2 of the same box in the center of every image, in percent."""
    found = cell.measurements.get("localization", {}).get("metrics", {}).get("center baseline, MaxBoxAccV2")
    return None if found is None else 100 * found


# By title, what isn't in the summary of a suite.
DERIVED: Mapping[str, Callable[[Cell], float | None]] = {
    **{
        f"RMS calibration error at severity {severity}, %": partial(_at_severity, value=CALIBRATION, severity=severity)
        for severity in (1, 5)
    },
    "rise of the corruption error from severity 1 to 5, points": partial(_rise, value=ERROR),
    "rise of the RMS calibration error from severity 1 to 5, points": partial(_rise, value=CALIBRATION),
    "C-bar error minus corruption error, points": _other_corruptions,
    "MaxBoxAccV2 of a centered box, %": _centered_box,
    "training seconds": training_seconds,
}


# ---- over the epochs


def _clock(cell: Cell) -> list[float] | None:
    """The seconds since the start at the end of each epoch; None where those of an epoch are unknown."""
    seconds = cell.history.get("cpu seconds" if on_cpu(cell) else "seconds", [])
    known = [one for one in seconds if one is not None]
    return list(accumulate(known)) if known and len(known) == len(seconds) else None


def seconds_to(cell: Cell, accuracy: float) -> float | None:
    """The seconds until the accuracy on the watched test images, in percent, was first reached; infinite if it wasn't,
    None where they are unknown.
    """
    return _first(cell, _clock(cell), accuracy)


def epochs_to(cell: Cell, accuracy: float) -> float | None:
    """The same in epochs, which are known wherever they were kept, however busy the device was."""
    return _first(cell, cell.history.get("epoch"), accuracy)


def _first(cell: Cell, times: Sequence[float | None] | None, accuracy: float) -> float | None:
    """The first of the times, one for each epoch, at which an accuracy was reached."""
    if not times:
        return None
    errors = cell.history["watched error, %"]
    reached = (time for time, error in zip(times, errors, strict=True) if error is not None and 100 - error >= accuracy)
    return next(reached, float("inf"))


def error_within(cell: Cell, seconds: float) -> float | None:
    """The error on the watched test images after the last epoch that ended within some seconds, in percent; None where
    none did or the seconds are unknown.
    """
    clock = _clock(cell)
    if clock is None:
        return None
    ended = sum(time <= seconds for time in clock)
    return cell.history["watched error, %"][ended - 1] if ended else None
