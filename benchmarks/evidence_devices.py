"""Differences between the same trainings, with the same seeds, on several devices."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence

import evidence_grid
import evidence_statistics
import evidence_values
from eval.report import markdown
from evidence_cells import Cell
from evidence_statistics import Difference
from evidence_tables import paragraph

__all__ = ["compared"]

COLUMNS = ("clean error, %", "RMS calibration error, %", "corruption error, %")
TITLES = {label: title for table in evidence_grid.TABLES.values() for label, title in table.items()}

Pair = tuple[Cell, Cell]  # one training on two devices


def compared(cells: Sequence[Cell], others: Sequence[Cell]) -> list[str]:
    """The lines of a table of the trainings of two settings that differ in nothing but their device, as differences;
    none where there are no such trainings.

    Args:
        cells: of one setting, from which is subtracted what the others have.
        others: of another, which trains in the same way.
    """
    twins = {(cell.method, cell.seed): cell for cell in others if _on_one_device(cell)}
    found = [(cell, twins.get((cell.method, cell.seed))) for cell in cells if _on_one_device(cell)]
    pairs = [
        (one, other)
        for one, other in found
        if other is not None and one.data == other.data and _device(one) != _device(other)
    ]
    if not pairs:
        return []
    groups: dict[tuple[str, str, str], list[Pair]] = {}
    for one, other in sorted(pairs, key=lambda pair: evidence_grid.METHODS.index(pair[0].method)):
        groups.setdefault((one.method, one.device, other.device), []).append((one, other))
    rows = [(*group, str(len(own)), *_columns(own)) for group, own in groups.items()]
    header = ("method", f"`{cells[0].setting}`", f"minus `{others[0].setting}`", "n", *COLUMNS)
    text = (
        "The method, the seed and every option that changes values are the same, so the first state of the network, "
        "the order of the images and all random numbers are. The devices differ, which round in other ways, and with "
        "them the versions of jax and of this project. Mean difference in points, ± half the width of its 95 % "
        f"interval, as in the tables against none. {_scatter(pairs)} {_accelerators(groups)}"
    )
    return ["#### The same trainings on another device", "", *paragraph(text), *markdown(header, rows), ""]


def _on_one_device(cell: Cell) -> bool:
    """Whether a training is whole, and no other device had a part in it."""
    return not cell.failed and "(epochs " not in cell.device


def _device(cell: Cell) -> str:
    return re.sub(r", \d+ trainings at once$", "", cell.device)


def _columns(pairs: Sequence[Pair]) -> list[str]:
    return [evidence_statistics.text(_difference(pairs, label), len(pairs)) for label in COLUMNS]


def _difference(pairs: Sequence[Pair], label: str) -> Difference | None:
    sides = [[evidence_values.value(pair[side], TITLES[label]) for pair in pairs] for side in (0, 1)]
    one, other = ({i: value for i, value in enumerate(side) if value is not None} for side in sides)
    return evidence_statistics.paired([(1, one), (-1, other)])


def _scatter(pairs: Sequence[Pair]) -> str:
    """A sentence on how far apart two devices are with the same seed, and two seeds on the same device."""
    label = COLUMNS[0]
    single = [_difference([pair], label) for pair in pairs]
    squares = [difference.mean**2 for difference in single if difference is not None]
    by_method: dict[tuple[str, str], list[float]] = {}
    for _, other in pairs:
        known = evidence_values.value(other, TITLES[label])
        if known is not None:
            by_method.setdefault((other.method, other.device), []).append(known)
    degrees = sum(len(values) - 1 for values in by_method.values())
    if not squares or not degrees:
        return ""
    within = math.fsum((value - statistics.mean(own)) ** 2 for own in by_method.values() for value in own)
    return (
        f"For the {label.removesuffix(', %')} the root mean square of the {len(squares)} single differences is "
        f"{math.sqrt(statistics.mean(squares)):.2f} points; of the differences of two seeds of a method in "
        f"`{pairs[0][1].setting}` it is {math.sqrt(2 * within / degrees):.2f} ({degrees} degrees of freedom). If a "
        "device changed a training as much as another seed does, the two would be the same on average."
    )


def _accelerators(groups: Mapping[tuple[str, str, str], Sequence[Pair]]) -> str:
    """A sentence on all pairs of an accelerator and a CPU, where several methods have some."""
    some = [own for own in groups.values() if [evidence_values.on_cpu(cell) for cell in own[0]] == [False, True]]
    if len(some) < 2:
        return ""
    pairs = [pair for own in some for pair in own]
    columns = zip(COLUMNS, _columns(pairs), strict=True)
    values = [f"{text} ({label.removesuffix(', %')})" for label, text in columns if text]
    return f"The {len(pairs)} pairs of an accelerator and a CPU, of any method: {', '.join(values)}."
