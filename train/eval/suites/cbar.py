"""Error on the corruptions of CIFAR-10-C-bar and ImageNet-C-bar, computed; they resemble no training augmentation."""

from functools import partial
from pathlib import Path

import numpy as np

from eval import figures
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, no_settings, percent
from eval.suites.corruptions import SETTING, SEVERITIES, constants_for, corrupted
from jaxmix.robustness import corruptions

__all__ = ["SUITE"]

EXAMPLES = "cbar_examples.png"


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The errors for each corruption at each severity, and a sheet of the first image.

    The predictions [severity n] of a corruption and the labels are written to cbar_CORRUPTION.npz.
    """
    names = corruptions.CBAR[constants_for(trained)]

    def errors(name: str) -> list[float]:
        predictions = np.stack([_predictions(trained, options, name, severity) for severity in SEVERITIES])
        np.savez_compressed(section.folder / _file(name), predictions=predictions, labels=trained.labels)
        return [float((row != trained.labels).mean()) for row in predictions]

    for name in names:
        section.once(name, partial(errors, name), files=[_file(name)])
    section.once(EXAMPLES, lambda: _sheet(trained, section.folder, options), files=[EXAMPLES])
    section.once(SETTING, lambda: {"constants": constants_for(trained), "images": len(trained.images)})


def _file(name: str) -> str:
    return f"cbar_{name}.npz"


def _predictions(trained: Trained, options: Options, name: str, severity: int) -> np.ndarray:
    images = corrupted(trained, trained.images, options, name, severity)
    return trained.logits(images, f"{name} {severity}").argmax(1).astype(np.int32)


def _sheet(trained: Trained, folder: Path, options: Options) -> list[str]:
    names = corruptions.CBAR[constants_for(trained)]
    first = trained.images[:1]
    rows = [[corrupted(trained, first, options, name, severity)[0] for severity in SEVERITIES] for name in names]
    figures.sheet(folder / EXAMPLES, rows, names, [f"severity {severity}" for severity in SEVERITIES])
    return [EXAMPLES]


def _errors(measurements: Measurements) -> dict[str, list[float]]:
    """Errors at the five severities, by corruption."""
    return {name: measurements[name] for name in corruptions.CBAR[measurements[SETTING]["constants"]]}


def tabulate(measurements: Measurements) -> Table:
    """A row per corruption, and the mean of the ten."""
    errors, setting = _errors(measurements), measurements[SETTING]
    mean = float(np.mean(list(errors.values())))
    rows = [(name, *map(percent, row), percent(float(np.mean(row)))) for name, row in errors.items()]
    of = f"mean of {len(errors)}"
    rows.append((of, *map(percent, np.mean(list(errors.values()), 0).tolist()), percent(mean)))
    benchmark = "CIFAR-10-C-bar" if setting["constants"] == "cifar" else "ImageNet-C-bar"
    note = (
        f"{setting['images']:,} test images, corruptions computed with the constants of {benchmark}. Its published "
        "files have other samples, and those of ImageNet-C-bar JPEG compression on top. The names are its authors'."
    )
    header = ("corruption", *(f"severity {severity}" for severity in SEVERITIES), "mean error, %")
    return Table({f"C-bar error, {of}, %": 100 * mean}, header, rows, (note,))


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error by corruption and severity."""
    errors = _errors(measurements)
    values, severities = 100 * np.array(list(errors.values())), [str(severity) for severity in SEVERITIES]
    figures.grid(folder / "cbar.png", values, list(errors), severities, "severity", "error, %")
    return ["cbar.png", EXAMPLES]


SUITE = Suite("Corruptions of C-bar", no_settings, measure, tabulate, plot)
