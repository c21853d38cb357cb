"""What a device does to a training: the same trainings, with the same seeds, on several."""

import math
import statistics
from collections.abc import Sequence

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
    twins = {(cell.method, cell.seed): cell for cell in others if not cell.failed}
    found = [(cell, twins.get((cell.method, cell.seed))) for cell in cells if not cell.failed]
    pairs = [(one, other) for one, other in found if other is not None and one.device != other.device]
    if not pairs:
        return []
    groups: dict[tuple[str, str, str], list[Pair]] = {}
    for one, other in sorted(pairs, key=lambda pair: evidence_grid.METHODS.index(pair[0].method)):
        groups.setdefault((one.method, one.device, other.device), []).append((one, other))
    rows = [(*group, str(len(own)), *_columns(own)) for group, own in groups.items()]
    header = ("method", f"`{cells[0].setting}`", f"minus `{others[0].setting}`", "n", *COLUMNS)
    text = (
        "The method, the seed and all options are the same, so the first state of the network, the order of the images "
        "and every random number are; the devices, and the versions that they need, add in another order and round "
        "otherwise. Mean difference in points, ± half the width of its 95 % interval, as in the tables against none. "
        f"{_scatter(pairs)} {_accelerators(pairs)}"
    )
    return ["#### The same trainings on another device", "", *paragraph(text), *markdown(header, rows), ""]


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
    variances = [statistics.variance(values) for values in by_method.values() if len(values) > 1]
    if not squares or not variances:
        return ""
    return (
        f"For the {label.removesuffix(', %')} the root mean square of the {len(squares)} single differences is "
        f"{math.sqrt(statistics.mean(squares)):.2f} points; of the differences of two seeds on one device it is "
        f"{math.sqrt(2 * statistics.mean(variances)):.2f}."
    )


def _accelerators(pairs: Sequence[Pair]) -> str:
    """A sentence on all pairs of an accelerator and a CPU, whatever the method."""
    found = [pair for pair in pairs if [evidence_values.on_cpu(cell) for cell in pair] == [False, True]]
    if len(found) < 2:
        return ""
    values = [
        f"{text} ({label.removesuffix(', %')})" for label, text in zip(COLUMNS, _columns(found), strict=True) if text
    ]
    return f"All {len(found)} pairs of an accelerator and a CPU, of any method: {'; '.join(values)}."
