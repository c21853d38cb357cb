"""Out-of-distribution detection by the highest softmax probability, on noise and on images of other classes."""

import glob
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval import datasets, figures
from eval.fingerprints import fingerprint
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, percent
from jaxmix.robustness import detection
from jaxmix.robustness.detection import outliers

__all__ = ["SUITE"]

# Noise in 0..1, and noise that replaces normalized images.
PIXEL_NOISE = {"uniform noise": outliers.uniform, "Gaussian noise": outliers.gaussian}
NORMALIZED_NOISE = {"Rademacher noise": outliers.rademacher, "blobs": outliers.blobs}
METRICS = {
    "AUROC": detection.auroc,
    "AUPR in": detection.aupr_inside,
    "AUPR out": detection.aupr_outside,
    "TNR at TPR 95": detection.tnr_at_tpr,
    "detection accuracy": detection.accuracy,
    "FPR95": detection.fpr_at_recall,
}


def settings(options: Options) -> dict[str, Any]:
    """The files."""
    return {"outside": {str(path): fingerprint(path.parent, [glob.escape(path.name)]) for path in options.outside}}


def measure(trained: Trained, section: Section, options: Options) -> None:
    """All metrics for each kind of noise, a fifth as many images as there are test images, and for each file."""

    @cache
    def inside() -> np.ndarray:
        return _confidence(trained.logits(trained.images, "test images"))

    def metrics(logits: np.ndarray) -> dict[str, float]:
        outside = _confidence(logits)
        return {name: metric(inside(), outside) for name, metric in METRICS.items()} | {"images": len(outside)}

    shape = (max(len(trained.images) // 5, 1), *trained.images.shape[1:])
    keys = jax.random.split(jax.random.key(options.seed), len(PIXEL_NOISE) + len(NORMALIZED_NOISE))
    normalized = jax.jit(lambda x: trained.model(x, train=False))
    for key, name in zip(keys, [*PIXEL_NOISE, *NORMALIZED_NOISE], strict=True):

        def on_noise(key: Array = key, name: str = name) -> dict[str, float]:
            if name in PIXEL_NOISE:
                return metrics(trained.logits(np.asarray(PIXEL_NOISE[name](key, shape)), name))
            return metrics(trained.batched(normalized, np.asarray(NORMALIZED_NOISE[name](key, shape)), title=name))

        section.once(name, on_noise)
    for path in options.outside:

        def on_file(path: Path = path) -> dict[str, float]:
            return metrics(trained.logits(_read(path, trained), path.name))

        section.once(str(path), on_file)


def _read(path: Path, trained: Trained) -> np.ndarray:
    try:
        return datasets.read_outside(path, trained.images.shape[1:])
    except ValueError as error:
        raise ValueError(f"--outside: {error}") from error


def _confidence(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
    return np.asarray(jax.nn.softmax(jnp.asarray(logits)).max(1))


def tabulate(measurements: Measurements) -> Table:
    """A row per set of out-of-distribution images."""
    rows = [
        (name, f"{metrics['images']:,}", *(percent(metrics[metric]) for metric in METRICS))
        for name, metrics in measurements.items()
    ]
    means = {metric: float(np.mean([metrics[metric] for metrics in measurements.values()])) for metric in METRICS}
    rows.append(("mean", "", *(percent(means[metric]) for metric in METRICS)))
    notes = (
        "Scores are the highest softmax probability. FPR95 takes the out-of-distribution images for the positive class "
        "as Outlier Exposure does: it isn't 1 - TNR at TPR 95.",
    )
    return Table({"AUROC, mean, %": 100 * means["AUROC"]}, ("out of distribution", "images", *METRICS), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """The AUROC, a bar per set."""
    titles = {name: name if len(name) <= 30 else f"...{name[-27:]}" for name in measurements}
    percentages = {titles[name]: 100 * metrics["AUROC"] for name, metrics in measurements.items()}
    figures.bars(folder / "detection.png", percentages, "AUROC, %", 50)
    return ["detection.png"]


SUITE = Suite("Out-of-distribution detection", settings, measure, tabulate, plot)
