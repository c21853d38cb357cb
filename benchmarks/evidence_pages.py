"""What benchmarks/evidence.py shows of its cells: docs/results.md and the listing of what is missing."""

import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import evidence_cells
import evidence_grid
from eval.report import markdown, mean_and_deviation
from evidence_cells import Cell
from evidence_grid import Setting

__all__ = ["listing", "page", "table"]

WIDTH = 120

HEAD = """\
# Results

Trainings with each method, tested on clean, corrupted, attacked and occluded images.
`python benchmarks/evidence.py --table` wrote this page from the files in `benchmarks/results/evidence`, one for each
training; they hold all values, options, versions and seconds.

Values are the mean ± standard deviation (n - 1 in its divisor) over n trainings that differ in their seed: the first
state of the network, the order of the images and everything random in the augmentation. **With n = 1 there is no
standard deviation: such a row shows what one training gave, not that one method is better than another. No difference
is claimed without seeds.** A table holds one copy of the data, one setting and one dtype; no training was chosen or
left out by its result.
"""

EMPTY = """\
There are no results yet.
"""

COMMON = """\
## What the values are

All methods of a setting train with the same options, though their papers differ in some of them (weight decay, loss,
crops): the rows differ in the augmentation alone, AugMix also in its consistency loss. How often and with what values a
method mixes is its paper's, as `train/cifar.py --method` has it.

- Training accuracy: on the training images as they are, without crops, flips and mixing, after the last step.
- Clean error and loss, RMS calibration error: on all test images, which are used once, at the end. All other tests are
  on the first 2,000 of them.
- Corruption error: the mean over 15 corruptions, `frost_like` in place of frost, each at five severities, computed with
  the constants of CIFAR-C.
- FGSM 8/255: every pixel moved by 8/255, within 0 and 1.
- Center hidden: behind a black square of 0, 4, .., 32 pixels a side; border hidden: all but such a square. The mean
  error over the nine sizes.
- Training: on CPUs the seconds of the processor, over all cores, as other work may run beside it; elsewhere by the
  clock.
"""


def page(cells: Sequence[Cell], pilots: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/results.md, with a part for each setting, and in it a table for each copy of the data.

    Args:
        cells: all of them.
        pilots: how a setting was chosen, by its name: `question` in words and `runs`, rows of a table.
    """
    parts = [HEAD, COMMON]
    for name, setting in evidence_grid.SETTINGS.items():
        parts += _setting(name, setting, [cell for cell in cells if cell.setting == name], pilots.get(name))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _setting(name: str, setting: Setting, cells: Sequence[Cell], pilot: Mapping[str, Any] | None) -> list[str]:
    parts = [f"## Setting `{name}`: {setting.title}\n"]
    options = [f"--{option.replace('_', '-')} {_word(value)}".rstrip() for option, value in setting.train.items()]
    parts.append(textwrap.fill(f"Trained with `{' '.join(options)}`.", WIDTH, break_on_hyphens=False) + "\n")
    if pilot is not None:
        parts.append(_pilot(pilot))
    copies = list(dict.fromkeys(cell.data["name"] for cell in cells))
    for copy in copies:
        parts += [f"### {copy}\n", table([cell for cell in cells if cell.data["name"] == copy])]
    parts += [] if copies else [EMPTY]
    command = f"python benchmarks/evidence.py --setting {name} --data-dir DIR --data-name NAME --minutes 60"
    parts.append(f"To go on, with the cells that are missing, the most wanted ones first:\n\n    {command}\n")
    return parts


def _word(value: Any) -> str:
    """The value of an option as a command line has it; empty for True, whose option stands alone."""
    return "" if value is True else str(value)


def _pilot(pilot: Mapping[str, Any]) -> str:
    rows = [tuple(map(str, row.values())) for row in pilot["runs"]]
    lines = markdown(tuple(pilot["runs"][0]), rows)
    return "\n".join([textwrap.fill(f"How it was chosen: {pilot['question']}", WIDTH), "", *lines, ""])


def table(cells: Sequence[Cell]) -> str:
    """The table of the cells of one setting and one copy of the data, a row for each method, and notes.

    Raises ValueError for cells of several settings, copies or dtypes.
    """
    for name, values in {
        "settings": {cell.setting for cell in cells},
        "copies of the data": {cell.data["name"] for cell in cells},
        "data": {str(cell.data) for cell in cells},
        "dtypes": {cell.training["dtype"] for cell in cells if "dtype" in cell.training},
    }.items():
        if len(values) > 1:
            raise ValueError(f"cells of several {name}: {', '.join(sorted(values))}; wanted one in a table.")
    rows = []
    for method in evidence_grid.METHODS:
        own = [cell for cell in cells if cell.method == method and not cell.failed]
        if own:
            columns = [_column([cell.summary.get(name) for cell in own]) for name in evidence_grid.COLUMNS.values()]
            rows.append((method, str(len(own)), *columns, _column([_training_seconds(cell) for cell in own])))
    on_cpus = all(cell.versions["devices"]["platform"] == "cpu" for cell in cells)
    header = ("method", "n", *evidence_grid.COLUMNS, "training, CPU s" if on_cpus else "training, s")
    lines = [*markdown(header, rows), "", *_notes(cells)] if rows else _notes(cells)
    return "\n".join([*lines, ""])


def _column(values: Sequence[float | None]) -> str:
    """Mean and standard deviation of the values that are known, and their number where that isn't the row's n."""
    known = [value for value in values if value is not None]
    fewer = f" (n = {len(known)})" if 0 < len(known) < len(values) else ""
    return mean_and_deviation(known) + fewer


def _training_seconds(cell: Cell) -> float | None:
    """Of the processor on CPUs, where other work may run beside a training; by the clock elsewhere."""
    name = "train cpu" if cell.versions["devices"]["platform"] == "cpu" else "train"
    return cell.seconds.get(name)


def _notes(cells: Sequence[Cell]) -> list[str]:
    """Lines on the data, the devices, the trainings that ended early and what is missing."""
    crc32 = cells[0].data["crc32"]
    checksums = ", ".join(f"{name} {value:08x}" for name, value in sorted(crc32.items()))
    lines = [f"Data: {cells[0].data['name']}, CRC-32 of {checksums}.", ""]
    places: dict[str, int] = {}
    for cell in cells:
        where = f"{cell.device}, jax {cell.versions['jax']}, flax {cell.versions['flax']}"
        places[where] = places.get(where, 0) + 1
    lines += [f"Trained on {'; '.join(f'{place} ({count} of {len(cells)})' for place, count in places.items())}.", ""]
    ended = [f"{cell.method}, seed {cell.seed}: {cell.failed}" for cell in cells if cell.failed]
    lines += [f"Trainings that ended early: {'; '.join(ended)}.", ""] if ended else []
    known = {(cell.method, cell.seed) for cell in cells}
    missing = {
        method: [str(seed) for seed in evidence_grid.SEEDS if (method, seed) not in known]
        for method in evidence_grid.METHODS
    }
    listed = "; ".join(f"{method} {', '.join(seeds)}" for method, seeds in missing.items() if seeds)
    return lines + ([textwrap.fill(f"Not trained yet, by seed: {listed}.", WIDTH), ""] if listed else [])


def listing(cells: Sequence[Cell]) -> str:
    """For each setting and copy of the data, a row for each method and a column for each seed: done, failed, in part
    (suites are missing) or empty; and what a cell took.
    """
    lines: list[str] = []
    for name, setting in evidence_grid.SETTINGS.items():
        own = [cell for cell in cells if cell.setting == name]
        for copy in dict.fromkeys(cell.data["name"] for cell in own) or [None]:
            of_copy = {(cell.method, cell.seed): cell for cell in own if cell.data["name"] == copy}
            total = len(evidence_grid.METHODS) * len(evidence_grid.SEEDS)
            complete = sum(evidence_cells.is_complete(cell, setting) for cell in of_copy.values())
            lines += [f"{name}: {setting.title}", f"{copy or 'no data yet'}: {complete} of {total} cells"]
            lines.append(f"  {'seed':<16}{''.join(f'{seed:<10}' for seed in evidence_grid.SEEDS)}minutes a cell")
            for method in evidence_grid.METHODS:
                row = [of_copy.get((method, seed)) for seed in evidence_grid.SEEDS]
                states = [_state(cell, setting) for cell in row]
                took = [
                    sum(value or 0 for value in (c.seconds.get("train"), c.seconds.get("evaluate"))) for c in row if c
                ]
                minutes = f"{statistics.mean(took) / 60:.1f}" if took else ""
                lines.append(f"  {method:<16}{''.join(f'{state:<10}' for state in states)}{minutes}".rstrip())
            lines.append("")
    return "\n".join(lines).rstrip()


def _state(cell: Cell | None, setting: Setting) -> str:
    if cell is None:
        return "-"
    if cell.failed:
        return "failed"
    return "done" if evidence_cells.is_complete(cell, setting) else "in part"


def _minutes(cell: Cell) -> float:
    """Of the training and the evaluation, by the clock, as far as they are known."""
    return sum(cell.seconds.get(name) or 0.0 for name in ("train", "evaluate")) / 60
