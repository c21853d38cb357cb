"""Pictures with their middle, or all but their middle, hidden (CutMix, section 4.4)."""

from pathlib import Path

import jax
import numpy as np

from eval import figures
from eval.load_run import Trained, error
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, nothing, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import occlusion

KINDS = {"center": occlusion.center, "border": occlusion.border}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The error at nine sizes, from nothing to the whole side."""
    side = max(trained.images.shape[1:3])
    for kind, hide in KINDS.items():
        hidden = jax.jit(lambda x, size, hide=hide: trained.network(hide(to_unit(x), size)))
        for eighths in range(9):
            size = side * eighths / 8

            def errors(hidden=hidden, size=size, kind=kind) -> float:
                logits = trained.over(lambda x: hidden(x, np.float32(size)), trained.images, title=f"{kind} {size:g}")
                return error(logits, trained.labels)

            section.once(f"{kind} {size:g}", errors)


def show(parts: Parts) -> Shown:
    """A row per size, and the mean over sizes of each kind."""
    curves = _curves(parts)
    summary: dict[str, float | None] = {
        f"{kind} occlusion, mean error, %": 100 * float(np.mean(list(curve.values()))) for kind, curve in curves.items()
    }
    sizes = list(curves["center"])
    rows = [(f"{size:g}", *(percent(curves[kind][size]) for kind in KINDS)) for size in sizes]
    notes = (
        "Size is the side of the square that is hidden (center) or that stays (border), in pixels; hidden is black.",
    )
    return Shown(summary, ("size", "center hidden: error, %", "all but the center hidden: error, %"), rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """Two curves."""
    curves = {
        f"{kind} occlusion": ([*curve], [100 * value for value in curve.values()])
        for kind, curve in _curves(parts).items()
    }
    figures.curves(folder / "occlusion.png", curves, "side of the square, pixels", "error, %")
    return ["occlusion.png"]


def _curves(parts: Parts) -> dict[str, dict[float, float]]:
    return {
        kind: {float(name.split()[1]): value for name, value in parts.items() if name.startswith(kind)}
        for kind in KINDS
    }


SUITE = Suite("Occlusion", nothing, compute, show, plot)
