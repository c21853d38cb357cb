"""The tables of docs/results.md for the cells of one setting and one copy of the data."""

import math
import statistics
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import evidence_grid
import evidence_statistics
import evidence_values
from eval.report import markdown, mean_and_deviation
from evidence_cells import Cell

__all__ = ["WIDTH", "check", "cost", "devices", "differences", "notes", "paragraph", "tables"]

WIDTH = 120


def paragraph(text: str) -> list[str]:
    """The lines of a paragraph, and an empty one."""
    return [*textwrap.wrap(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False), ""]


def check(cells: Sequence[Cell]) -> None:
    """Raises ValueError for cells of several settings, copies or dtypes."""
    for name, values in {
        "settings": {cell.setting for cell in cells},
        "copies of the data": {cell.data["name"] for cell in cells},
        "data": {str(cell.data) for cell in cells},
        "dtypes": {cell.training["dtype"] for cell in cells if "dtype" in cell.training},
    }.items():
        if len(values) > 1:
            raise ValueError(f"cells of several {name}: {', '.join(sorted(values))}; wanted one in a table.")


def _by_method(cells: Sequence[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    for method in evidence_grid.METHODS:
        own = [cell for cell in cells if cell.method == method and not cell.failed]
        if own:
            yield method, own


def _column(values: Sequence[float | None]) -> str:
    """Mean and standard deviation of the values that are known, and their number where that isn't the row's n."""
    known = [value for value in values if value is not None]
    fewer = f" (n = {len(known)})" if 0 < len(known) < len(values) else ""
    return mean_and_deviation(known) + fewer


# ---- values


def tables(cells: Sequence[Cell]) -> list[str]:
    """The lines of the tables of values, a row for each method; a column that no cell has is left out and named."""
    lines, unknown = [], []
    for part in evidence_grid.SETTINGS[cells[0].setting].tables:
        table = evidence_grid.TABLES[part]
        known = _known(cells, table)
        unknown += [label for label in table if label not in known]
        if known:
            rows = []
            for method, own in _by_method(cells):
                columns = [[evidence_values.value(cell, title) for cell in own] for title in known.values()]
                rows.append((method, str(len(own)), *map(_column, columns)))
            lines += [f"#### {part}", "", *markdown(("method", "n", *known), rows), ""]
    return lines + (paragraph(f"Not measured yet: {'; '.join(unknown)}.") if unknown else [])


def _known(cells: Sequence[Cell], columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of which a cell has the value."""
    usable = [cell for cell in cells if not cell.failed]
    return {
        label: title
        for label, title in columns.items()
        if any(evidence_values.value(cell, title) is not None for cell in usable)
    }


def notes(cells: Sequence[Cell]) -> list[str]:
    """Lines on the data, the devices, the trainings that ended early, and what is in part or missing."""
    checksums = ", ".join(f"{name} {value:08x}" for name, value in sorted(cells[0].data["crc32"].items()))
    lines = paragraph(f"Data: {cells[0].data['name']}, CRC-32 of {checksums}.")
    lines += paragraph(f"Trained on {_places(cells)}.")
    added: dict[str, list[str]] = {}
    for one in (one for cell in cells for one in cell.later):
        added.setdefault(_place(one["device"], one["versions"]), []).append(", ".join(one["suites"]))
    for where, suites in added.items():
        listed = "; ".join(f"{which} (of {suites.count(which)})" for which in dict.fromkeys(suites))
        lines += paragraph(f"Not measured with the training but later, on {where}: {listed}.")
    ended = [f"{cell.method}, seed {cell.seed}: {cell.failed}" for cell in cells if cell.failed]
    lines += paragraph(f"Trainings that ended early: {'; '.join(ended)}.") if ended else []
    setting = evidence_grid.SETTINGS[cells[0].setting]
    lacking: dict[str, list[str]] = {}
    for cell in cells:
        without = [] if cell.failed else [suite for suite in setting.suites if suite not in cell.images]
        if without:
            lacking.setdefault(", ".join(without), []).append(f"{cell.method} {cell.seed}")
    for listed, names in lacking.items():
        lines += paragraph(f"In part, without {listed}: {', '.join(names)}.")
    known = {(cell.method, cell.seed) for cell in cells}
    missing = {
        method: [str(seed) for seed in evidence_grid.SEEDS if (method, seed) not in known] for method in setting.names
    }
    left = "; ".join(f"{method} {', '.join(seeds)}" for method, seeds in missing.items() if seeds)
    return lines + (paragraph(f"Not trained yet, by seed: {left}.") if left else [])


def _places(cells: Sequence[Cell]) -> str:
    """Devices with their versions, and which trainings each is of."""
    by_place: dict[str, list[Cell]] = {}
    for cell in cells:
        by_place.setdefault(_place(cell.device, cell.versions), []).append(cell)
    if len(by_place) == 1:
        return next(iter(by_place))
    return "; ".join(f"{where}: {_trainings(own, cells)}" for where, own in by_place.items())


def _trainings(some: Sequence[Cell], cells: Sequence[Cell]) -> str:
    """The methods of some cells, with their seeds where those of the method aren't all among them."""
    names = []
    for method, own in _by_method(some):
        seeds = "" if len(own) == sum(cell.method == method for cell in cells) else f" {_listed(own)}"
        names.append(f"{method}{seeds}")
    return ", ".join(names)


def _listed(cells: Sequence[Cell]) -> str:
    return " and ".join(str(cell.seed) for cell in sorted(cells, key=lambda cell: cell.seed))


def devices(cells: Sequence[Cell]) -> str:
    """The devices that trained some cells, without their versions."""
    return "; on ".join(dict.fromkeys(cell.device for cell in cells))


def _place(device: str, versions: Mapping[str, Any]) -> str:
    """A device with the versions that a reader asks for."""
    return f"{device}, jax {versions['jax']}, flax {versions['flax']}"


# ---- differences

DEVICES = (
    "Not all methods were trained on the same device (above), so a difference has that of the devices in it: the state "
    "of the network and the order of the images are the same for a seed, but a GPU rounds the factors of float32 "
    "products to 11 bits by JAX's default, and sums in another order."
)


def differences(cells: Sequence[Cell]) -> list[str]:
    """The lines of the tables of differences from each baseline, paired by seed."""
    found: dict[str, dict[tuple[str, str], evidence_statistics.Difference | None]] = {}
    setting = evidence_grid.SETTINGS[cells[0].setting]
    compared = {title: evidence_grid.COMPARED[title] for title in setting.tables}
    for index, baseline in enumerate(evidence_grid.BASELINES):
        others = [method for method in setting.names if method not in evidence_grid.BASELINES[: index + 1]]
        own = {
            (method, label): evidence_statistics.paired(
                [
                    (1, evidence_values.by_seed(cells, method, title)),
                    (-1, evidence_values.by_seed(cells, baseline, title)),
                ]
            )
            for columns in compared.values()
            for label, title in columns.items()
            for method in others
        }
        if any(own.values()):
            found[baseline] = own
    if not found:
        return []
    known = {label for own in found.values() for (_, label), one in own.items() if one is not None}
    lines = ["#### Against none and CutMix", "", *_legend(known), ""]
    if len({cell.versions["devices"]["platform"] for cell in cells}) > 1:
        alike = [name for name, other in evidence_grid.SETTINGS.items() if other.like == cells[0].setting]
        lines += paragraph(" ".join([DEVICES, *(f"Setting `{name}` compares some of them." for name in alike)]))
    lines += paragraph(evidence_statistics.tally([one for own in found.values() for one in own.values()]))
    for baseline, own in found.items():
        most = max(one.n for one in own.values() if one is not None)
        for title, columns in compared.items():
            lines += _differences(baseline, title, columns, own, most)
    return lines


def _legend(known: Container[str]) -> list[str]:
    upward = [label.removesuffix(", %") for label in evidence_grid.MORE_IS_BETTER if label in known]
    better = f"; above 0 for {', '.join(upward)}" if upward else ""
    return paragraph(
        f"Mean difference from the baseline, in points, over the seeds that both have, ± half the width of its "
        f"{100 * evidence_statistics.LEVEL:.0f} % interval (Student's t, paired by seed: the same first state of the "
        f"network and order of the images). Below 0 is better{better}. **Bold**: the interval excludes 0. n.s.: not "
        "significant, it contains 0. A value without ± is of one pair, and of no use for other seeds; two pairs have "
        "wide intervals, as t is 12.7 for them, and 4.3 for three."
    )[:-1]


def _differences(
    baseline: str,
    title: str,
    columns: Mapping[str, str],
    found: Mapping[tuple[str, str], evidence_statistics.Difference | None],
    most: int,
) -> list[str]:
    known = [label for label in columns if any(one and key[1] == label for key, one in found.items())]
    rows = [
        (method, *(evidence_statistics.text(found[method, label], most) for label in known))
        for method in evidence_grid.METHODS
        if any(found.get((method, label)) for label in known)
    ]
    if not rows:
        return []
    head = f"{title}, minus {'CutMix' if baseline == 'cutmix' else baseline}; n = {most} unless given"
    return [*paragraph(f"{head}:"), *markdown(("method", *known), rows), ""]


# ---- cost


def cost(cells: Sequence[Cell]) -> list[str]:
    """The lines of the tables of how soon trainings reach an accuracy, in epochs and in seconds, and what they cost."""
    setting = evidence_grid.SETTINGS[cells[0].setting]
    targets, watched = setting.targets, setting.train["limit_test"] or cells[0].data["sizes"]["test"][0]
    rows = []
    for method, own in _by_method(cells):
        error = _column([evidence_values.value(cell, "clean error, %") for cell in own])
        reached = [_reached([evidence_values.epochs_to(cell, target) for cell in own]) for target in targets]
        rows.append((method, str(len(own)), error, *reached))
    header = ("method", "n", "clean error, %", *(f"epochs to {target} %" for target in targets))
    lines = ["#### Cost", "", *markdown(header, rows), ""]
    text = (
        f"Epochs to {' and '.join(f'{target} %' for target in targets)}: until the accuracy on the {watched:,} test "
        "images that are watched in the training was first that high (its standard error is at most "
        f"{100 * math.sqrt(0.25 / watched):.1f} points). The learning rate falls along a cosine over all epochs, so a "
        "training that was planned for less time would be better at that time."
    )
    if not any(cell.history for cell in cells):
        text += " No training kept its epochs yet, so these columns are empty."
    return [*lines, *paragraph(text), *_seconds(evidence_values.timed(cells), targets)]


def _seconds(cells: Sequence[Cell], targets: Sequence[int]) -> list[str]:
    """The lines of the table in seconds, of trainings on one device."""
    if not cells:
        return paragraph("No training had a device to itself, so there are no seconds to compare.")
    unit = "CPU s" if evidence_values.on_cpu(cells[0]) else "s"
    plain = _mean([evidence_values.training_seconds(cell) for cell in cells if cell.method == "none"])
    rows = []
    for method, own in _by_method(cells):
        seconds = [evidence_values.training_seconds(cell) for cell in own]
        mean = _mean(seconds)
        times = "" if plain is None or mean is None else f"{mean / plain:.2f}"
        reached = [_reached([evidence_values.seconds_to(cell, target) for cell in own]) for target in targets]
        within = "" if plain is None else _column([evidence_values.error_within(cell, plain) for cell in own])
        rows.append((method, str(len(own)), _column(seconds), times, *reached, within))
    reach = (f"{unit} to {target} %" for target in targets)
    header = ("method", "n", f"training, {unit}", "times none", *reach, "error in the time of none, %")
    head = (
        f"In seconds, of the {len(cells)} trainings on {cells[0].device} whose seconds are known. The "
        "last column has the error on the watched images after the last epoch within the time that the training "
        "without mixing takes."
    )
    return [*paragraph(head), *markdown(header, rows), ""]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def _reached(values: Sequence[float | None]) -> str:
    """The mean of the times, and how many of the trainings got there where some didn't."""
    known = [value for value in values if value is not None]
    there = [value for value in known if math.isfinite(value)]
    if not known:
        return ""
    some = "" if len(there) == len(values) else f" ({len(there)} of {len(known)})"
    return (mean_and_deviation(there) if there else "not reached") + some
