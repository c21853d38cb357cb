"""Does the network look where the object is? Class activation maps against boxes that people drew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from eval import datasets, figures
from eval.load_run import Trained
from eval.report import Section
from eval.suites.base import MissingError, Options, Parts, Shown, Suite, percent
from jaxmix import saliency, visualize
from jaxmix.dtypes import to_unit
from jaxmix.robustness import localization

OVERLAPS = (0.3, 0.5, 0.7)
THRESHOLD = 0.15
SHOWN = 12


def settings(options: Options) -> dict[str, Any]:
    """Where the boxes are."""
    return {"boxes": str(options.boxes)}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """All metrics, for maps of the true class at the pictures' own size; and a figure of some."""
    if options.boxes is None:
        raise MissingError("it needs pictures with boxes: --boxes FOLDER.")

    def found() -> dict[str, Any]:
        assert options.boxes is not None
        located = datasets.located(options.boxes, trained.images.shape[1:], trained.dataset.names, options.limit)
        height, width = located.sizes
        jitted = jax.jit(
            lambda x, label: localization.score_maps(
                saliency.cam(trained.maps(to_unit(x)), jnp.asarray(trained.kernel), label), height, width
            )
        )
        scores = trained.over(jitted, located.images, located.labels, title="class activation maps")
        maps = np.asarray(localization.levels(scores))
        right = trained.logits(located.images, "localization").argmax(1) == located.labels
        _plot(section.folder / "cam.png", located, maps, right, trained.dataset.names)
        marked = np.zeros(maps.shape, np.uint8)
        for mask, (x0, y0, x1, y1) in zip(marked, located.boxes, strict=True):
            mask[y0 : y1 + 1, x0 : x1 + 1] = 1
        accuracy = _found(maps, located.boxes, OVERLAPS, localization.every, "MaxBoxAccV2")
        (first,) = _found(maps, located.boxes, (0.5,), localization.largest, "MaxBoxAcc")
        return {
            "pictures": len(maps),
            "classification accuracy": float(right.mean()),
            **{f"MaxBoxAccV2 at {d}": float(a) for d, a in zip(OVERLAPS, accuracy, strict=True)},
            "MaxBoxAccV2": float(accuracy.mean()),
            "MaxBoxAcc": float(first),
            "Top-1 Loc": localization.top_1_accuracy(maps, located.boxes, right, threshold=THRESHOLD),
            "GT-known Loc": localization.top_1_accuracy(
                maps, located.boxes, np.ones(len(maps), bool), threshold=THRESHOLD
            ),
            "PxAP of the boxes": localization.pixel_average_precision(scores, marked),
            "a box in the middle, MaxBoxAccV2": _center(located, height, width),
        }

    section.once("metrics", found)


def _found(
    maps: np.ndarray,
    boxes: np.ndarray,
    overlaps: tuple[float, ...],
    regions: Callable[[np.ndarray], np.ndarray],
    title: str,
    step: float = 0.001,
) -> np.ndarray:
    """`localization.max_box_accuracy`, some pictures at a time, since regions of many maps take minutes."""
    starts = tqdm(range(0, len(maps), 50), desc=title, leave=False, disable=None)
    best = np.concatenate(
        [localization.best_overlap(maps[i : i + 50], boxes[i : i + 50], step=step, regions=regions) for i in starts]
    )
    return np.array([(best >= least).mean(0).max() for least in overlaps])


def _center(located: datasets.Located, height: int, width: int) -> float:
    """What the same map for all pictures reaches, a pyramid in the middle: what is found without looking."""
    y, x = np.abs(np.linspace(-1, 1, height)), np.abs(np.linspace(-1, 1, width))
    pyramid = 1 - np.maximum(y[:, None], x[None])
    maps = np.broadcast_to((255 * pyramid).astype(np.uint8), (len(located.boxes), height, width))
    # Its levels are few, so a coarser step finds the same.
    return float(_found(maps, located.boxes, OVERLAPS, localization.every, "a box in the middle", 0.01).mean())


def _plot(path: Path, located: datasets.Located, maps: np.ndarray, right: np.ndarray, names: tuple[str, ...]) -> None:
    chosen = np.linspace(0, len(maps) - 1, min(SHOWN, len(maps))).astype(int)
    boxes = localization.region_boxes(maps[chosen], threshold=THRESHOLD)
    titles = [f"{names[located.labels[i]]}: {'right' if right[i] else 'wrong'}" for i in chosen]
    pictures = visualize.overlay(located.originals[chosen], maps[chosen])
    figures.boxes(path, located.originals[chosen], pictures, located.boxes[chosen], [box[0] for box in boxes], titles)


def show(parts: Parts) -> Shown:
    """A row per metric."""
    found = parts["metrics"]
    rows = [(name, percent(value)) for name, value in found.items() if name != "pictures"]
    notes = (
        f"{found['pictures']:,} pictures with boxes. Maps are those of the true class; Top-1 and GT-known Loc cut them "
        f"at {THRESHOLD} of their highest level and want an overlap of 0.5; PxAP takes the boxes for the objects. The "
        "last row is one and the same pyramid for all pictures.",
    )
    summary: dict[str, float | None] = {
        "MaxBoxAccV2, %": 100 * found["MaxBoxAccV2"],
        "Top-1 Loc, %": 100 * found["Top-1 Loc"],
    }
    return Shown(summary, ("metric", "%"), rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """The figure that `compute` has made."""
    return ["cam.png"]


SUITE = Suite("Localization", settings, compute, show, plot)
