"""Figures of an evaluation, written as PNG files."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

__all__ = ["Panel", "bars", "boxes", "curves", "grid", "panels", "points", "reliability", "sheet"]

# The colors of Okabe and Ito (2008), which people with color blindness distinguish, grey instead of black.
COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#555555", "#f0e442"]
MARKERS = "osD^vP*X"
# Of a box, so that it is seen on any image and on a white page.
OUTLINE = [withStroke(linewidth=2.8, foreground="black")]
STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "font.size": 10,
    "savefig.dpi": 130,
    "figure.constrained_layout.use": True,
}


def curves(
    path: Path, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, *, top: float = 100
) -> None:
    """Plot named curves, each (x, y), with y from 0 to `top`."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.5, 3.8))
        for (name, (places, values)), marker in zip(lines.items(), MARKERS * len(lines), strict=False):
            axes.plot(places, values, label=name, marker=marker, markersize=4, clip_on=False)
        axes.set(xlabel=x, ylabel=y, ylim=(0, top))
        axes.legend(frameon=False)
        _save(figure, path)


class Panel(NamedTuple):
    """One of several plots side by side.

    lines: named curves, each (x, y), or (x, y, standard errors)
    x, y: what the axes are
    limits: of y; None to fit the curves, with a line at 0
    """

    lines: Mapping[str, Sequence[Sequence[float]]]
    x: str
    y: str
    limits: tuple[float, float] | None = None


def panels(path: Path, parts: Sequence[Panel]) -> None:
    """Plot panels of curves side by side; where all have the same names, they share one legend."""
    with plt.rc_context(STYLE):
        figure, plots = plt.subplots(1, len(parts), figsize=(4.6 * len(parts), 3.9), squeeze=False)
        alike = all(part.lines.keys() == parts[0].lines.keys() for part in parts)
        for axes, part in zip(plots[0], parts, strict=True):
            for (name, line), marker in zip(part.lines.items(), MARKERS * len(part.lines), strict=False):
                style: dict[str, Any] = {"label": name, "marker": marker, "markersize": 4, "capsize": 2}
                axes.errorbar(line[0], line[1], line[2] if len(line) > 2 else None, **style)
            axes.set(xlabel=part.x, ylabel=part.y, ylim=part.limits)
            if part.limits is None:
                axes.axhline(0, color="#555555", linewidth=1)
            if not alike:
                axes.legend(frameon=False)
        if alike:
            handles, names = plots[0][0].get_legend_handles_labels()
            figure.legend(handles, names, frameon=False, loc="outside upper center", ncols=len(names))
        _save(figure, path)


def bars(path: Path, values: Mapping[str, float], label: str, chance: float) -> None:
    """Plot a bar per name, 0 to 100, and a line at the value of a random guess."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.5, 0.6 + 0.4 * len(values)))
        axes.barh(list(values), list(values.values()), color=COLORS[0], height=0.6)
        axes.axvline(chance, color="#555555", linestyle="--", linewidth=1)
        axes.text(chance, -0.62, " random guess", color="#555555", fontsize=8, va="center")
        for row, value in enumerate(values.values()):
            axes.text(value + 1, row, f"{value:.1f}", va="center", fontsize=9)
        axes.set(xlabel=label, xlim=(0, 108), ylim=(len(values) - 0.5, -0.9))
        axes.set_xticks(range(0, 101, 20))
        axes.grid(visible=False, axis="y")
        _save(figure, path)


def points(path: Path, values: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Plot a row per group and a point in it for each series, `values[series][group]`; any number of either fits."""
    groups = list(dict.fromkeys(group for row in values.values() for group in row))
    with plt.rc_context(STYLE):
        lines = len(values) + sum(len(name) > 80 for name in values)
        figure, axes = plt.subplots(figsize=(7, 1.2 + 0.28 * len(groups) + 0.21 * lines))
        for place, (name, row) in enumerate(values.items()):
            turn = place + place // len(COLORS)  # from the ninth series on, colors have other markers
            offset = 0.5 * ((place + 0.5) / len(values) - 0.5)  # so that points of equal values are seen
            where = [groups.index(group) + offset for group in row]
            style: dict[str, Any] = {"color": COLORS[place % len(COLORS)], "marker": MARKERS[turn % len(MARKERS)]}
            style |= {"markersize": 5, "linestyle": "none", "alpha": 0.85, "clip_on": False}
            axes.plot(list(row.values()), where, label=textwrap.fill(name, 80), **style)
        axes.set(xlabel=label, xlim=(0, None), ylim=(len(groups) - 0.5, -0.5))
        axes.set_yticks(range(len(groups)), groups)
        figure.legend(frameon=False, loc="outside upper left")
        _save(figure, path)


def grid(path: Path, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], x: str, label: str) -> None:
    """Plot values [rows columns] from 0 to 100 as colors, with the values on them."""
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(figsize=(2.2 + 0.75 * len(columns), 0.8 + 0.3 * len(rows)))
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            color = "white" if value < 60 else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=color, fontsize=8)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(x)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.colorbar(image, label=label)
        _save(figure, path)


def reliability(path: Path, bins: Mapping[str, Sequence[float]]) -> None:
    """Plot accuracy over confidence, and the share of the samples in each bin of confidence."""
    edges, number = np.array(bins["edges"]), np.array(bins["number"])
    some = number > 0
    width = np.diff(edges)
    with plt.rc_context(STYLE):
        figure, (axes, counts) = plt.subplots(
            2, 1, figsize=(4.6, 5.2), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
        )
        accuracy, confidence = np.array(bins["accuracy"]), np.array(bins["confidence"])
        axes.bar(edges[:-1][some], accuracy[some], width[some], align="edge", color=COLORS[0], label="accuracy")
        low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
        axes.bar(
            edges[:-1][some],
            (high - low)[some],
            width[some],
            bottom=low[some],
            align="edge",
            facecolor="none",
            edgecolor=COLORS[5],
            hatch="///",
            linewidth=0,
            label="gap to the mean confidence",
        )
        axes.plot([0, 1], [0, 1], color="#555555", linestyle="--", linewidth=1)
        axes.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        figure.legend(frameon=False, loc="outside upper center", ncols=2)
        counts.bar(edges[:-1], number / number.sum(), width, align="edge", color="#a0a0a0")
        counts.set(xlabel="confidence", ylabel="share of samples")
        _save(figure, path)


def sheet(path: Path, images: Sequence[Sequence[np.ndarray]], rows: Sequence[str], columns: Sequence[str]) -> None:
    """Plot images [h w c] in rows and columns with titles."""
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            len(rows), len(columns), figsize=(1.6 + 0.9 * len(columns), 0.4 + 0.9 * len(rows)), squeeze=False
        )
        for line, title, row in zip(axes, rows, images, strict=True):
            for place, (one, image) in enumerate(zip(line, row, strict=True)):
                _image(one, image)
                if place == 0:
                    one.set_ylabel(title, rotation=0, ha="right", va="center")
        for one, title in zip(axes[0], columns, strict=True):
            one.set_title(title, fontsize=9)
        _save(figure, path)


def boxes(
    path: Path,
    images: np.ndarray,
    overlays: np.ndarray,
    annotated: np.ndarray,
    predicted: Sequence[np.ndarray],
    titles: Sequence[str],
) -> None:
    """Plot images and their maps, six a row, with the annotated boxes (white) and the predicted ones (orange)."""
    count, across = len(titles), min(6, len(titles))
    lines = -(-count // across)
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(2 * lines, across, figsize=(1.7 * across, 3.5 * lines), squeeze=False)
        for one in axes.flat:
            one.axis("off")
        for place, title in enumerate(titles):
            line, column = divmod(place, across)
            for one, array in ((axes[2 * line, column], images), (axes[2 * line + 1, column], overlays)):
                _image(one, array[place])
                _box(one, annotated[place], "white")
                _box(one, predicted[place], COLORS[1])
            axes[2 * line, column].set_title(title, fontsize=9)
        handles: list[Any] = [
            Rectangle((0, 0), 1, 1, facecolor="#777777", edgecolor=color, linewidth=1.4, path_effects=OUTLINE)
            for color in ("white", COLORS[1])
        ]
        columns = 1 if across == 1 else 2  # beside each other they are wider than one image
        figure.legend(handles, ["annotated", "predicted"], frameon=False, loc="outside lower center", ncols=columns)
        _save(figure, path)


def _image(axes: Any, image: np.ndarray) -> None:
    axes.imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def _box(axes: Any, box: np.ndarray, color: str) -> None:
    x0, y0, x1, y1 = box
    place = {"xy": (x0 - 0.5, y0 - 0.5), "width": x1 - x0 + 1, "height": y1 - y0 + 1, "fill": False}
    axes.add_patch(Rectangle(**place, edgecolor=color, linewidth=1.4, path_effects=OUTLINE))


def _save(figure: Any, path: Path) -> None:
    # Whole or not at all: an interrupt leaves no half of a figure.
    part = path.with_suffix(".part.png")
    figure.savefig(part)
    part.replace(path)
    plt.close(figure)
