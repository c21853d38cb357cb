"""The cells of benchmarks/evidence.py: one training and its evaluation as one small JSON file each.

A cell is at FOLDER/SETTING/DATA/METHOD-sSEED.json. It is written whole or not at all.
"""

import re
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cifar
import configuration
import evidence_grid
import run_dir
from evidence_grid import Setting

__all__ = ["Cell", "expected_seconds", "is_complete", "lacks", "path_of", "read", "read_all", "slug", "write"]

# The parts of a file, and of what type each is.
PARTS = {
    **{"setting": str, "method": str, "seed": int, "failed": str, "date": str, "device": str},
    **{"data": dict, "training": dict, "images": dict, "summary": dict, "measurements": dict},
    **{"seconds": dict, "versions": dict},
}
# Options of a training that its device chooses: how many steps are one dispatch changes no value.
OF_DEVICE = ("steps_per_call",)
# Parts that cells from before them lack.
YOUNGER = {"history": dict, "later": list}


class Cell(NamedTuple):
    """What is known of one training.

    failed: why the training ended early; empty if it didn't
    data: the name of the copy of the data, sizes and checksums
    training: the options of train/cifar.py, every one with its value
    images: by suite, the number of first test images that it took, None for all
    summary: the values of the table, by name
    measurements: by suite, all that it measured
    seconds: "train" and "evaluate", and the processor's in "train cpu" and "evaluate cpu", None where they are unknown
    device, versions, date: of its end
    history: by epoch, lists: its number, the error on the test images that are watched in the training, in percent, and
        the seconds of the epoch, its test included, by the clock and of the processor (None: unknown)
    later: for suites that were added after the others: their names, device, versions and date
    """

    setting: str
    method: str
    seed: int
    failed: str
    data: dict[str, Any]
    training: dict[str, Any]
    images: dict[str, int | None]
    summary: dict[str, float]
    measurements: dict[str, dict[str, Any]]
    seconds: dict[str, float | None]
    device: str
    versions: dict[str, Any]
    date: str
    history: dict[str, list[float | None]] = {}  # noqa: RUF012 (never changed)
    later: list[dict[str, Any]] = []  # noqa: RUF012


def slug(name: str) -> str:
    """The name of a copy of the data as a folder has it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def path_of(folder: Path, setting: str, data: str, method: str, seed: int) -> Path:
    return folder / setting / slug(data) / f"{method}-s{seed}.json"


def write(folder: Path, cell: Cell) -> Path:
    """Write the file of a cell, whole or not at all; returns its path."""
    path = path_of(folder, cell.setting, cell.data["name"], cell.method, cell.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    run_dir.write_json(path, cell._asdict())
    return path


def read(folder: Path, path: Path) -> Cell:
    """The cell in a file.

    Raises ValueError, naming the file, if it is damaged, in the place of another cell, or of a setting that isn't that
    of the grid.
    """
    content = run_dir.read_json(path, dict)
    advice = "Move it away, and the cell is trained again."
    wrong = [name for name, kind in PARTS.items() if type(content.get(name)) is not kind]
    wrong += [name for name, kind in YOUNGER.items() if type(content.get(name, kind())) is not kind]
    unknown = content.keys() - PARTS.keys() - YOUNGER.keys()
    if wrong or unknown:
        listed = ", ".join([*wrong, *sorted(unknown)])
        raise ValueError(f"{path} is no cell of this program: {listed} missing, unknown or of another type. {advice}")
    cell = Cell(**content)
    if path != path_of(folder, cell.setting, str(cell.data.get("name")), cell.method, cell.seed):
        raise ValueError(
            f"{path} holds the cell {cell.setting}, {cell.data.get('name')}, {cell.method}, seed {cell.seed}, which "
            f"belongs elsewhere. {advice}"
        )
    _check_setting(path, cell)
    return cell


def _check_setting(path: Path, cell: Cell) -> None:
    if cell.setting not in evidence_grid.SETTINGS:
        raise ValueError(
            f"{path}: there is no setting {cell.setting!r}. There are: {', '.join(evidence_grid.SETTINGS)}."
        )
    setting = evidence_grid.SETTINGS[cell.setting]
    _, train = evidence_grid.training(cell.setting, cell.method)
    own = {name: value for name, value in train.items() if name in cell.training}
    differing = [name for name, value in own.items() if cell.training[name] != value]
    images = [suite for suite, count in cell.images.items() if setting.suites.get(suite, count) != count]
    if differing or images:
        raise ValueError(
            f"{path}: {', '.join([*differing, *images])} differ from the setting {cell.setting} in "
            "benchmarks/evidence_grid.py. A setting that changes gets another name."
        )


def read_all(folder: Path) -> list[Cell]:
    """All cells of a folder, by path.

    Raises ValueError for a file that is no cell, or two that don't belong into one table though they have its name:
    other data, or other options for the same method.
    """
    paths = sorted(folder.glob("*/*/*.json"))
    cells = [read(folder, path) for path in paths]
    first: dict[tuple[str, ...], tuple[Path, Any]] = {}
    for path, cell in zip(paths, cells, strict=True):
        place = (cell.setting, cell.data["name"])
        stored = configuration.completed(cifar.Config, cell.training)
        free = ("seed", *OF_DEVICE, *configuration.FREE_ON_RESUME)
        training = {name: value for name, value in stored.items() if name not in free}
        for key, value in (((*place, "data"), cell.data), ((*place, cell.method), training)):
            known, other = first.setdefault(key, (path, value))
            if other != value:
                differing = sorted(name for name in value.keys() | other.keys() if value.get(name) != other.get(name))
                raise ValueError(
                    f"{path} and {known} differ in {', '.join(differing)}: they can't stand in one table. Move the "
                    "one away that isn't as the grid has it."
                )
    return cells


def is_complete(cell: Cell, setting: Setting) -> bool:
    """Whether nothing is missing of a setting."""
    return not lacks(cell, setting.suites)


def lacks(cell: Cell, suites: Iterable[str]) -> bool:
    """Whether a suite is missing; none is after a training that ended early, which it would do again."""
    return not cell.failed and not set(suites) <= cell.images.keys()


def _seconds(cell: Cell, name: str) -> float | None:
    """By the clock, whatever else the device worked on, which its name says."""
    known = [seconds for title, seconds in cell.seconds.items() if re.fullmatch(rf"{name}(, \d+ at once)?", title)]
    return next((seconds for seconds in known if seconds is not None), None)


def expected_seconds(
    cells: Iterable[Cell], setting: str, method: str, device: str, *, trained: bool = False
) -> float | None:
    """What a cell takes on a device by those that are known: the median of its method, otherwise of all by the costs
    of their methods. None if there is none of that setting and device. One that is `trained` is only evaluated.
    """
    known: Mapping[str, list[float]] = {"own": [], "all": []}
    for cell in cells:
        train, evaluate = (_seconds(cell, name) for name in ("train", "evaluate"))
        if (cell.setting, cell.device) != (setting, device) or train is None or evaluate is None or cell.failed:
            continue
        train = 0.0 if trained else train
        known["all"].append(train / evidence_grid.cost(cell.method) * evidence_grid.cost(method) + evaluate)
        if cell.method == method:
            known["own"].append(train + evaluate)
    found = known["own"] or known["all"]
    return statistics.median(found) if found else None
