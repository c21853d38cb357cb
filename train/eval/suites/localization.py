"""Localization: class activation maps against annotated boxes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from eval import datasets, figures, progress
from eval.fingerprints import fingerprint
from eval.image_files import RESIZED
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, MissingError, Options, Suite, Table, percent, require_maps
from jaxmix import saliency, visualize
from jaxmix.dtypes import to_unit
from jaxmix.robustness import localization

__all__ = ["SUITE"]

OVERLAPS = (0.3, 0.5, 0.7)
THRESHOLD = 0.15
EXAMPLES = 12
EXAMPLES_FIGURE = "cam.png"


def settings(options: Options) -> dict[str, Any]:
    """The images with boxes, and how many of them are read."""
    return {"boxes": fingerprint(options.boxes, datasets.LOCATED_FILES), "limit": options.limit, "resized": RESIZED}


def measure(trained: Trained, section: Section, options: Options) -> None:
    """All metrics, for maps of the true class at the size of the original images; and a figure of examples."""
    boxes = options.boxes
    if boxes is None:
        raise MissingError("it needs images with boxes: --boxes FOLDER.")
    require_maps(trained)
    section.once("metrics", lambda: _metrics(trained, section.folder, boxes, options.limit), files=[EXAMPLES_FIGURE])


def _metrics(trained: Trained, folder: Path, boxes: Path, limit: int | None) -> dict[str, Any]:
    located = datasets.located(boxes, trained.images.shape[1:], trained.dataset.classes, limit)
    scores = _scores(trained, located)
    maps = np.asarray(localization.to_levels(scores))
    right = trained.logits(located.images, "localization").argmax(1) == located.labels
    _plot_examples(folder / EXAMPLES_FIGURE, located, maps, right, trained.dataset.classes)
    inside = np.zeros(maps.shape, np.uint8)
    for mask, (x0, y0, x1, y1) in zip(inside, located.boxes, strict=True):
        mask[y0 : y1 + 1, x0 : x1 + 1] = 1
    accuracy = _max_box_accuracy(maps, located.boxes, OVERLAPS, localization.all_regions, "MaxBoxAccV2")
    (first,) = _max_box_accuracy(maps, located.boxes, (0.5,), localization.largest_region, "MaxBoxAcc")
    known = np.ones(len(maps), bool)
    return {
        "images": len(maps),
        "classification accuracy": float(right.mean()),
        **{f"MaxBoxAccV2 at {d}": float(a) for d, a in zip(OVERLAPS, accuracy, strict=True)},
        "MaxBoxAccV2": float(accuracy.mean()),
        "MaxBoxAcc": float(first),
        "Top-1 Loc": localization.top_1_accuracy(maps, located.boxes, right, threshold=THRESHOLD),
        "GT-known Loc": localization.top_1_accuracy(maps, located.boxes, known, threshold=THRESHOLD),
        "PxAP of the boxes": localization.pixel_average_precision(scores, inside),
        "center baseline, MaxBoxAccV2": _center_baseline(located),
        "note": located.note,
    }


def _scores(trained: Trained, located: datasets.Located) -> Float[np.ndarray, "n h w"]:
    height, width = located.size

    @jax.jit
    def scores(x: UInt8[Array, "b h w c"], label: Int[Array, "b"]) -> Float[Array, "b H W"]:
        maps = saliency.cam(trained.maps(to_unit(x)), jnp.asarray(trained.kernel), label)
        return localization.score_maps(maps, height, width)

    return trained.batched(scores, located.images, located.labels, title="class activation maps")


def _max_box_accuracy(
    maps: UInt8[np.ndarray, "n h w"],
    boxes: Int[np.ndarray, "n 4"],
    overlaps: tuple[float, ...],
    regions: Callable[[np.ndarray], np.ndarray],
    title: str,
    step: float = 0.001,
) -> Float[np.ndarray, "d"]:
    """`localization.max_box_accuracy`, 50 images at a time, with a progress bar: the regions take minutes."""
    starts = progress.bar(range(0, len(maps), 50), title)
    best = np.concatenate(
        [localization.best_overlap(maps[i : i + 50], boxes[i : i + 50], step=step, regions=regions) for i in starts]
    )
    progress.line(title)
    return np.array([(best >= least).mean(0).max() for least in overlaps])


def _center_baseline(located: datasets.Located) -> float:
    """MaxBoxAccV2 of one map for all images, a pyramid at the center."""
    height, width = located.size
    y, x = np.abs(np.linspace(-1, 1, height)), np.abs(np.linspace(-1, 1, width))
    pyramid = (255 * (1 - np.maximum(y[:, None], x[None]))).astype(np.uint8)
    maps = np.broadcast_to(pyramid, (len(located.boxes), height, width))
    # It has few distinct values, so a coarser step finds the same.
    title = "center baseline"
    return float(_max_box_accuracy(maps, located.boxes, OVERLAPS, localization.all_regions, title, 0.01).mean())


def _plot_examples(
    path: Path, located: datasets.Located, maps: np.ndarray, right: np.ndarray, names: tuple[str, ...]
) -> None:
    chosen = np.linspace(0, len(maps) - 1, min(EXAMPLES, len(maps))).astype(int)
    boxes = localization.region_boxes(maps[chosen], threshold=THRESHOLD)
    titles = [f"{names[located.labels[i]]}: {'right' if right[i] else 'wrong'}" for i in chosen]
    originals = located.originals[chosen]
    overlays = visualize.overlay(originals, maps[chosen])
    figures.boxes(path, originals, overlays, located.boxes[chosen], [box[0] for box in boxes], titles)


def tabulate(measurements: Measurements) -> Table:
    """A row per metric."""
    metrics = measurements["metrics"]
    rows = [(name, percent(value)) for name, value in metrics.items() if name not in ("images", "note")]
    notes: tuple[str, ...] = (
        f"{metrics['images']:,} images with boxes. Maps are those of the true class; Top-1 and GT-known Loc cut them "
        f"at {THRESHOLD} of their maximum and require an overlap of 0.5; PxAP takes the boxes for the objects. The "
        "center baseline is one pyramid for all images.",
    )
    notes += (metrics["note"],) if metrics.get("note") else ()
    summary: dict[str, float | None] = {
        "MaxBoxAccV2, %": 100 * metrics["MaxBoxAccV2"],
        "Top-1 Loc, %": 100 * metrics["Top-1 Loc"],
    }
    return Table(summary, ("metric", "%"), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """The figure that `measure` has made."""
    return [EXAMPLES_FIGURE]


SUITE = Suite("Localization", settings, measure, tabulate, plot)
