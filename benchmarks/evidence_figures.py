"""The figures of docs/results.md as SVG files: what they plot is in their metadata, too, as JSON."""

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.transforms import Bbox

import evidence_grid
import evidence_values
from evidence_cells import Cell, slug

__all__ = ["about", "data", "name_of", "plotted", "titles", "write"]

GREY = "#59636e"
# By group of methods; the colors of Okabe and Ito (2008), which people with color blindness distinguish.
COLORS = dict(zip(evidence_grid.GROUPS, ("#1f2328", "#0072b2", "#d55e00", "#009e73"), strict=True))
STYLE: Any = {
    **{"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5},
    **{"axes.grid": True, "axes.axisbelow": True, "grid.color": "#e4e7ea", "axes.edgecolor": GREY},
    # Text stays text, and no file depends on the time or on chance.
    **{"svg.fonttype": "none", "svg.hashsalt": "jaxmix", "font.family": ["DejaVu Sans"]},
}
# Where a label may stand, in points from its point, and how it is aligned: the first place that is free.
PLACES = [
    (sign_x * x, sign_y * y, {1: "left", -1: "right", 0: "center"}[sign_x])
    for x, y in ((7, 0), (0, 10), (6, 8), (7, 14), (0, 19), (9, 22), (14, 28), (20, 34), (24, 42), (30, 52))
    for sign_x in ((1, -1) if x else (0,))
    for sign_y in ((1, -1) if y else (1,))
]

Values = dict[str, tuple[float, float | None, int]]  # by method: mean, standard deviation, n


class Points(NamedTuple):
    """A figure of points: a value against another, or one value in several panels.

    axes: the titles of x and y; of panels, the title of each
    panels: whether they stand side by side, a row for each method
    """

    title: str
    axes: tuple[str, ...]
    panels: bool = False


SECONDS = "training seconds"  # of the trainings whose seconds compare, and of no other
CLEAN, CORRUPTION = "clean error, %", "corruption error, mean of 15 with frost_like, %"
FIGURES = {
    "corruption": Points("Corruption error against clean error", (CLEAN, CORRUPTION)),
    "families": Points("Error by family of corruptions", tuple(evidence_grid.FAMILIES), panels=True),
    "calibration": Points("Calibration against error", (CLEAN, "RMS calibration error, %")),
    "cost": Points("Error against the cost of the training", (SECONDS, CLEAN)),
}


def titles() -> dict[str, str]:
    """The title of each figure, by its name."""
    return {name: figure.title for name, figure in FIGURES.items()}


def name_of(figure: str, setting: str, copy: str) -> str:
    """The file of a figure."""
    return f"{setting}-{slug(copy)}-{figure}.svg"


def data(cells: Sequence[Cell]) -> dict[str, dict[str, Values]]:
    """What the figures of one setting and copy plot, `[figure][axis][method]`, but for those that have no point."""
    timed = evidence_values.timed(cells)
    chosen = {name: timed if SECONDS in figure.axes else cells for name, figure in FIGURES.items()}
    found = {name: {axis: _values(chosen[name], axis) for axis in figure.axes} for name, figure in FIGURES.items()}
    shown = {name: set.intersection(*(set(values) for values in axes.values())) for name, axes in found.items()}
    return {
        name: {axis: {m: v for m, v in values.items() if m in shown[name]} for axis, values in axes.items()}
        for name, axes in found.items()
        if shown[name]
    }


def _values(cells: Sequence[Cell], axis: str) -> Values:
    found: Values = {}
    for method in (method for methods in evidence_grid.GROUPS.values() for method in methods):
        own = [cell for cell in cells if cell.method == method and not cell.failed]
        known = [evidence_values.families(cell).get(axis) for cell in own]
        if axis not in evidence_grid.FAMILIES:
            known = [evidence_values.value(cell, axis) for cell in own]
        values = [round(value, 4) for value in known if value is not None]
        if values:
            deviation = round(statistics.stdev(values), 4) if len(values) > 1 else None
            found[method] = (round(statistics.mean(values), 4), deviation, len(values))
    return found


def plotted(path: Path) -> dict[str, Any]:
    """What a file plots, as its metadata have it."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", path.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(found[1].replace("&quot;", '"')) if found else {}


def about(cells: Sequence[Cell], *figures: Mapping[str, Values]) -> str:
    """What figures of one setting and copy are of, in a line."""
    counts = sorted({n for axes in figures for values in axes.values() for _, _, n in values.values()})
    n = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    network = evidence_grid.SETTINGS[cells[0].setting].train["model"]
    over = "" if counts[-1] == 1 else ", mean and standard deviation over seeds"
    return f"{network} on {cells[0].data['name']}, n = {n}{over}"


def write(folder: Path, cells: Sequence[Cell]) -> list[Path]:
    """Write the figures of one setting and copy; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, axes in data(cells).items():
        with matplotlib.rc_context(STYLE):
            plain = FIGURES[name]
            on_cpu = all(evidence_values.on_cpu(cell) for cell in evidence_values.timed(cells))
            figure = _panels(axes) if plain.panels else _scatter(axes, on_cpu)
            height = figure.get_figheight()
            figure.text(0.02, 1 - 0.12 / height, plain.title, fontsize=11.5, fontweight="bold", va="top")
            figure.text(0.02, 1 - 0.36 / height, about(cells, axes), color=GREY, fontsize=8.5, va="top")
            _card(figure)
            paths.append(folder / name_of(name, cells[0].setting, cells[0].data["name"]))
            part = paths[-1].with_suffix(".part")
            metadata = {"Date": None, "Description": json.dumps(axes)}
            figure.savefig(part, format="svg", metadata=metadata, facecolor="none")
            part.replace(paths[-1])
    return paths


def _card(figure: Figure) -> None:
    """A white ground with round corners, legible on light and on dark pages alike."""
    width, height = figure.get_size_inches()
    card = FancyBboxPatch(
        (0.12, 0.12),
        width - 0.24,
        height - 0.24,
        boxstyle="round,pad=0.12",
        transform=figure.dpi_scale_trans,
        facecolor="#ffffff",
        edgecolor="none",
        zorder=-10,
    )
    figure.add_artist(card)


def _color(method: str) -> str:
    return next(COLORS[group] for group, methods in evidence_grid.GROUPS.items() if method in methods)


# ---- a value against another


def _scatter(axes: Mapping[str, Values], on_cpu: bool) -> Figure:
    """A point for each method, with bars of one standard deviation; a single training is a ring."""
    figure = Figure((7.6, 5.0), 100)
    ax = figure.add_axes((0.1, 0.12, 0.87, 0.69))
    (x_title, x), (y_title, y) = axes.items()
    for method in x:
        (x_mean, x_deviation, n), (y_mean, y_deviation, _) = x[method], y[method]
        color = _color(method)
        ax.errorbar(x_mean, y_mean, y_deviation, x_deviation, fmt="none", ecolor=color, elinewidth=1, alpha=0.35)
        ax.plot(x_mean, y_mean, "o", ms=6, color=color, mfc=color if n > 1 else "#ffffff", mew=1.5)
    seconds = "training, seconds of the processor" if on_cpu else "training, seconds"
    ax.set(xlabel=seconds if x_title == SECONDS else x_title, ylabel=y_title)
    ax.margins(0.1)
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())  # they don't move any more
    _legend(figure, x)
    _label(figure, ax, {method: (x[method][0], y[method][0]) for method in x})
    return figure


def _legend(figure: Figure, values: Values) -> None:
    """The groups of the methods that are there, and what a ring is if there is one."""
    groups = [group for group, methods in evidence_grid.GROUPS.items() if set(methods) & set(values)]
    handles = [Line2D([], [], marker="o", ls="", color=COLORS[group], label=group) for group in groups]
    if any(n == 1 for _, _, n in values.values()):
        handles.append(Line2D([], [], marker="o", ls="", color=GREY, mfc="#ffffff", mew=1.5, label="one training"))
    place = (0.005, 1 - 0.46 / figure.get_figheight())
    figure.legend(handles=handles, frameon=False, fontsize=8.5, ncols=5, loc="upper left", bbox_to_anchor=place)


def _label(figure: Figure, ax: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Name each point at the first place around it where no other label or point is; a far one has a line to it."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    pixels = {method: ax.transData.transform(point) for method, point in points.items()}
    radius = 5 * figure.dpi / 72
    taken = [Bbox.from_extents(x - radius, y - radius, x + radius, y + radius) for x, y in pixels.values()]
    frame = Bbox.from_extents(*ax.get_window_extent(renderer).min, figure.bbox.x1 - 8, figure.bbox.y1)
    for method in sorted(points, key=lambda name: tuple(-pixels[name][::-1])):
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9, "color": _color(method)}
        style["bbox"] = {"facecolor": "#ffffff", "alpha": 0.65, "edgecolor": "none", "pad": 0.5}  # over bars
        label = ax.annotate(method, points[method], (0, 0), **style)

        def covered(place: tuple[int, int, str], label: Any = label) -> float:
            label.set(position=place[:2], ha=place[2])
            box = label.get_window_extent(renderer)
            outside = box.width * box.height - _overlap(box, frame)
            return 100 * outside + sum(_overlap(box, other) for other in taken)

        best = min(PLACES, key=covered)
        covered(best)
        taken.append(label.get_window_extent(renderer))
        if math.hypot(*best[:2]) > 15:
            arrow = {"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 2, "shrinkB": 3}
            ax.annotate("", points[method], best[:2], textcoords="offset points", arrowprops=arrow)


def _overlap(first: Bbox, second: Bbox) -> float:
    both = Bbox.intersection(first, second)
    return 0.0 if both is None else both.width * both.height


# ---- one value in several panels


def _panels(axes: Mapping[str, Values]) -> Figure:
    """A panel for each axis, with a row for each method, from the lowest mean up."""
    methods = sorted(next(iter(axes.values())), key=lambda m: statistics.mean(axes[axis][m][0] for axis in axes))
    figure = Figure((7.6, 1.8 + 0.26 * len(methods)), 100)
    bottom, top = 0.55 / figure.get_figheight(), 1 - 1.1 / figure.get_figheight()
    panels = figure.subplots(1, len(axes), sharey=True, gridspec_kw={"wspace": 0.12})
    figure.subplots_adjust(0.165, bottom, 0.975, top)
    _legend(figure, next(iter(axes.values())))
    for ax, (title, values) in zip(panels, axes.items(), strict=True):
        for row, method in enumerate(methods):
            mean, deviation, n = values[method]
            color = _color(method)
            style: dict[str, Any] = {"color": color, "mfc": color if n > 1 else "#ffffff", "lw": 1, "mew": 1.5}
            ax.errorbar(mean, row, xerr=deviation, fmt="o", ms=5.5, **style)
        ax.set_title(title, loc="left")
        ax.set_xlabel("error, %", fontsize=9)
        ax.margins(0.16, 0)
        ax.set(ylim=(len(methods) - 0.5, -0.5))
        ax.tick_params(labelsize=9)
        ax.set_yticks(range(len(methods)), methods)
    return figure
