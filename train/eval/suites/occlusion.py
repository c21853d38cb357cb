"""Error on images whose center, or all but the center, is hidden (CutMix, section 4.4)."""

from pathlib import Path

import jax
import numpy as np

from eval import figures
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, Options, Program, Suite, Table, no_settings, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import occlusion

__all__ = ["SUITE"]

OCCLUSIONS = {"center": occlusion.center, "border": occlusion.border}


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The error at nine sizes of the square, from 0 to the whole side."""
    side = max(trained.images.shape[1:3])
    for kind, hide in OCCLUSIONS.items():
        hidden = jax.jit(lambda x, size, hide=hide: trained.network(hide(to_unit(x), size)))
        for eighths in range(9):
            size = side * eighths / 8

            def one_error(hidden: Program = hidden, size: float = size, kind: str = kind) -> float:
                title = f"{kind} {size:g}"
                logits = trained.batched(lambda x: hidden(x, np.float32(size)), trained.images, title=title)
                return error(logits, trained.labels)

            section.once(f"{kind} {size:g}", one_error)


def tabulate(measurements: Measurements) -> Table:
    """A row per size, and the mean over sizes of each kind."""
    curves = _curves(measurements)
    summary: dict[str, float | None] = {
        f"{kind} occlusion, mean error, %": 100 * float(np.mean(list(curve.values()))) for kind, curve in curves.items()
    }
    sizes = list(curves["center"])
    rows = [(f"{size:g}", *(percent(curves[kind][size]) for kind in OCCLUSIONS)) for size in sizes]
    notes = (
        "Size is the side in pixels of the square that is hidden (center) or kept (border); hidden pixels are black.",
    )
    return Table(summary, ("size", "center hidden: error, %", "all but the center hidden: error, %"), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error over the size, a curve per kind."""
    curves = {
        f"{kind} occlusion": ([*curve], [100 * value for value in curve.values()])
        for kind, curve in _curves(measurements).items()
    }
    figures.curves(folder / "occlusion.png", curves, "side of the square, pixels", "error, %")
    return ["occlusion.png"]


def _curves(measurements: Measurements) -> dict[str, dict[float, float]]:
    return {
        kind: {float(name.split()[1]): value for name, value in measurements.items() if name.startswith(kind)}
        for kind in OCCLUSIONS
    }


SUITE = Suite("Occlusion", no_settings, measure, tabulate, plot)
