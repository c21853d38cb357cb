"""What benchmarks/evidence.py shows of its cells: docs/results.md, the table of README.md and the listing of what is
missing.
"""

import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import evidence_cells
import evidence_devices
import evidence_figures
import evidence_grid
import evidence_statistics
import evidence_tables
import evidence_values
from eval.report import markdown, mean_and_deviation
from evidence_cells import Cell
from evidence_grid import Setting
from evidence_tables import WIDTH, paragraph

__all__ = ["MARKERS", "filled", "listing", "page", "places", "snippet"]

# Between them README.md has the table that `snippet` writes.
MARKERS = "<!-- results -->", "<!-- /results -->"
CLEAN, ROBUST = evidence_grid.TABLES["Clean images"], evidence_grid.TABLES["Corruptions, attacks and noise"]
README_COLUMNS = {
    **{label: CLEAN[label] for label in ("clean error, %", "clean loss")},
    "corruption error, %": ROBUST["corruption error, %"],
    "RMS calibration error, %": CLEAN["RMS calibration error, %"],
}

HEAD = """\
# Results

Trainings with each method, tested on clean, corrupted, attacked and occluded images.
`python benchmarks/evidence.py --table` wrote this page from the files in `benchmarks/results/evidence`, one for each
training; they hold all values, options, versions and seconds.

Values are the mean ± standard deviation (n - 1 in its divisor) over n trainings that differ in their seed: the first
state of the network, the order of the images and everything random in the augmentation. **With n = 1 there is no
standard deviation: such a row shows what one training gave, not that one method is better than another. No difference
is claimed without seeds.** A table holds one copy of the data, one setting and one dtype; no training was chosen or
left out by its result. [Claims](claims.md) has what papers claim of these methods beside what these trainings gave.
"""

EMPTY = """\
There are no results yet.
"""

COMMON = """\
## What the values are

All methods of a setting train with the same options, though their papers differ in some of them (weight decay, loss,
crops): the rows differ in the augmentation, AugMix also in its consistency loss (augmix-no-jsd: without it), SAGE and
Co-Mixup in that they train on the clean images too, as their authors do. How often and with what values a method mixes
is its paper's, as `train/cifar.py --method` has it.

- Training accuracy: on the training images as they are, without crops, flips and mixing, after the last step.
- Clean error and loss, RMS calibration error: on all test images, after the last step. Nothing is chosen by them; 512
  of CIFAR-10's and all of other data are watched in the training, too. All other tests of CIFAR-10 are on the first
  2,000, those between classes and with strong edges on 1,000, flips on 500.
- Corruption error: the mean over 15 corruptions, `frost_like` in place of frost, each at five severities, computed with
  the constants of CIFAR-C. C-bar: ten others, which no method was tuned on.
- Flips: how often the prediction changes from one frame of a slowly perturbed image to the next, as in CIFAR-P.
- FGSM 8/255: the error with every pixel moved by 8/255 along the sign of the loss's gradient, within 0 and 1. Robust
  accuracy: the mean accuracy under Gaussian noise of five sizes and FGSM of four, which the suite `noise` names.
- Center hidden: the mean error behind black squares of 0, 4, .., 32 pixels a side; border hidden: of all but such
  squares.
- Between: the mean error on mixtures of two images of different classes at eleven shares, by mixup and by CutMix, where
  either class counts as right. AUROC: of noise of four sorts against test images, by the highest softmax probability.
- Strong edges: a grey frame or, as a control, a window with soft edges is put on the image. Latch: how much more of the
  class activation map lies in it than in the same place without it.
- Top-1 Loc: the share of images that are classified right and whose class activation map, cut at 15 % of its maximum,
  has a largest region that overlaps with the annotated box by half or more (intersection over union). MaxBoxAccV2: the
  same whatever the class, the mean over overlaps of .3, .5 and .7 or more, each at its best threshold; of a centered
  box: with the same box in every image instead. All are of 500 test images.
- BG-Gap: the accuracy in front of a background of the same class minus that in front of one of any class; the lower,
  the less a network relies on backgrounds.
- 5-way 1-shot and 5-shot: the accuracy of logistic regression on the features of the network, in episodes of 5 of the
  classes that were held out, with 1 or 5 labelled images of each.
- Training: on CPUs the seconds of the processor, over all cores, as other work may run beside it; elsewhere by the
  clock, if no other training ran on the device.
"""


def places(cells: Sequence[Cell]) -> list[tuple[str, str, list[Cell]]]:
    """The settings of the grid and copies of the data that there are cells of, with those."""
    found = []
    for setting in evidence_grid.SETTINGS:
        own = [cell for cell in cells if cell.setting == setting]
        for copy in dict.fromkeys(cell.data["name"] for cell in own):
            found.append((setting, copy, [cell for cell in own if cell.data["name"] == copy]))
    return found


def page(cells: Sequence[Cell], pilots: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/results.md, with a part for each setting, and in it tables and figures for each copy of the data.

    Args:
        cells: all of them.
        pilots: how a setting was chosen, by its name: `question` in words and `runs`, rows of a table.
    """
    parts = [HEAD, COMMON]
    for name, setting in evidence_grid.SETTINGS.items():
        copies = [place for place in places(cells) if place[0] == name]
        twins = {copy: own for other, copy, own in places(cells) if other == setting.like}
        parts += _setting(name, setting, copies, pilots.get(name), twins)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _setting(
    name: str,
    setting: Setting,
    copies: Sequence[tuple[str, str, list[Cell]]],
    pilot: Mapping[str, Any] | None,
    twins: Mapping[str, list[Cell]],
) -> list[str]:
    parts = [f"## Setting `{name}`: {setting.title}\n"]
    options = [
        f"--{option.replace('_', '-')} {_word(value)}".rstrip()
        for option, value in setting.train.items()
        if value is not None
    ]
    parts.append(textwrap.fill(f"Trained with `{' '.join(options)}`.", WIDTH, break_on_hyphens=False) + "\n")
    if pilot is not None:
        parts.append(_pilot(pilot))
    for _, copy, cells in copies:
        parts += [f"### {copy}\n", *_copy(cells), *evidence_devices.compared(twins.get(copy, []), cells)]
    parts += [] if copies else [EMPTY]
    command = f"python benchmarks/evidence.py --setting {name} --data-dir DIR --data-name NAME --minutes 60"
    text = "To go on, with the cells that are missing, the most wanted ones first"
    text += f" (DIR has {setting.data}):" if setting.data else ":"
    parts.append(f"{textwrap.fill(text, WIDTH, break_on_hyphens=False)}\n\n    {command}\n")
    return parts


def _word(value: Any) -> str:
    """The value of an option as a command line has it; empty for True, whose option stands alone."""
    return "" if value is True else str(value)


def _pilot(pilot: Mapping[str, Any]) -> str:
    rows = [tuple(map(str, row.values())) for row in pilot["runs"]]
    lines = markdown(tuple(pilot["runs"][0]), rows)
    return "\n".join([textwrap.fill(f"How it was chosen: {pilot['question']}", WIDTH), "", *lines, ""])


def _copy(cells: Sequence[Cell]) -> list[str]:
    """The tables, notes and figures of one setting and copy of the data.

    Raises ValueError for cells of several settings, copies or dtypes.
    """
    evidence_tables.check(cells)
    figures, shown = [], evidence_figures.data(cells)
    for name in shown:
        file = evidence_figures.name_of(name, cells[0].setting, cells[0].data["name"])
        figures += [f"![{evidence_figures.titles()[name]}](results/{file})", ""]
    if figures:
        figures = [
            "#### Figures",
            "",
            *paragraph(f"{evidence_figures.about(cells, *shown.values())}. A ring is one training."),
            *figures,
        ]
    return [
        *evidence_tables.tables(cells),
        *evidence_tables.notes(cells),
        *figures,
        *evidence_tables.differences(cells),
        *evidence_tables.cost(cells),
    ]


# ---- README.md


def snippet(cells: Sequence[Cell]) -> str:
    """The table of README.md: some methods in the first setting that has cells, on the copy with most of them."""
    if not places(cells):
        return "There are no results yet."
    setting = places(cells)[0][0]
    _, copy, own = max((place for place in places(cells) if place[0] == setting), key=lambda place: len(place[2]))
    rows = []
    shown = [cell for cell in own if cell.method in evidence_grid.README]
    for method in evidence_grid.README:
        known = [cell for cell in own if cell.method == method and not cell.failed]
        values = [_emphasized(own, method, title) for title in README_COLUMNS.values()]
        rows += [(method, str(len(known)), *values)] if known else []
    header = ("", "n", *README_COLUMNS)
    single = all(row[1] == "1" for row in rows)
    seeds = "One training each, so that no difference is claimed" if single else "Mean ± standard deviation over seeds"
    bold = "" if single else " **Bold**: differs from none (95 %, paired by seed)."
    text = (
        f"{seeds}: {evidence_grid.SETTINGS[setting].title}, on {copy}, {own[0].data['sizes']['test'][0]:,} test "
        f"images; trained on {evidence_tables.devices(shown)}.{bold} [Results](docs/results.md) has all "
        f"{len({cell.method for cell in own})} methods and variants and more tests, "
        "[claims](docs/claims.md) what papers say of them."
    )
    return "\n".join([*paragraph(text), *markdown(header, rows)])


def _emphasized(cells: Sequence[Cell], method: str, title: str) -> str:
    """The mean of a value and its deviation, bold where it differs from that without mixing."""
    values, plain = (evidence_values.by_seed(cells, name, title) for name in (method, "none"))
    text = mean_and_deviation(list(values.values()))
    difference = evidence_statistics.paired([(1, values), (-1, plain)])
    return f"**{text}**" if difference is not None and difference.sign else text


def filled(text: str, content: str) -> str:
    """A text with what stands between its markers replaced; as it is where it has none.

    Raises ValueError for one marker without the other.
    """
    start, end = MARKERS
    if start not in text and end not in text:
        return text
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"wanted {start} and then {end}, once each, or neither.")
    return f"{text.partition(start)[0]}{start}\n{content}\n{end}{text.partition(end)[2]}"


# ---- what there is


def listing(cells: Sequence[Cell]) -> str:
    """For each setting and copy of the data, a row for each method and a column for each seed: done, failed, in part
    (suites are missing) or empty; and what a cell took.
    """
    lines: list[str] = []
    for name, setting in evidence_grid.SETTINGS.items():
        own = [cell for cell in cells if cell.setting == name]
        for copy in dict.fromkeys(cell.data["name"] for cell in own) or [None]:
            of_copy = {(cell.method, cell.seed): cell for cell in own if cell.data["name"] == copy}
            total = len(setting.names) * len(evidence_grid.SEEDS)
            complete = sum(evidence_cells.is_complete(cell, setting) for cell in of_copy.values())
            lines += [f"{name}: {setting.title}", f"{copy or 'no data yet'}: {complete} of {total} cells"]
            lines.append(f"  {'seed':<24}{''.join(f'{seed:<10}' for seed in evidence_grid.SEEDS)}minutes a cell")
            for method in setting.names:
                row = [of_copy.get((method, seed)) for seed in evidence_grid.SEEDS]
                states = [_state(cell, setting) for cell in row]
                both = [(c.seconds.get("train"), c.seconds.get("evaluate")) for c in row if c]
                took = [train + evaluate for train, evaluate in both if train is not None and evaluate is not None]
                minutes = f"{statistics.mean(took) / 60:.1f}" if took else ""
                lines.append(f"  {method:<24}{''.join(f'{state:<10}' for state in states)}{minutes}".rstrip())
            lines.append("")
    return "\n".join(lines).rstrip()


def _state(cell: Cell | None, setting: Setting) -> str:
    if cell is None:
        return "-"
    if cell.failed:
        return "failed"
    return "done" if evidence_cells.is_complete(cell, setting) else "in part"
