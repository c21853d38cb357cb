"""Does the network find pictures strange that are of none of its classes?"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmix.robustness.detection.outliers as noise
from eval import datasets, figures
from eval.load_run import Trained
from eval.report import Section
from eval.suites.base import MissingError, Options, Parts, Shown, Suite, percent
from jaxmix.robustness import detection

# Noise in 0..1, and noise that takes the place of normalized pictures.
PIXELS = {"uniform noise": noise.uniform, "Gaussian noise": noise.gaussian}
NORMALIZED = {"Rademacher noise": noise.rademacher, "blobs": noise.blobs}
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
    return {"outside": [str(path) for path in options.outside]}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """All metrics for each set, by the highest probability of a class; a fifth as many noise pictures as test ones."""
    confidence: list[np.ndarray] = []

    def inside() -> np.ndarray:
        if not confidence:
            confidence.append(_confidence(trained.logits(trained.images, "test pictures")))
        return confidence[0]

    def metrics(outside: np.ndarray) -> dict[str, float]:
        return {name: metric(inside(), outside) for name, metric in METRICS.items()} | {"pictures": len(outside)}

    count = max(len(trained.images) // 5, 1)
    shape = (count, *trained.images.shape[1:])
    keys = jax.random.split(jax.random.key(options.seed), len(PIXELS) + len(NORMALIZED))
    network = jax.jit(lambda x: trained.model(x, train=False))
    for key, name in zip(keys, [*PIXELS, *NORMALIZED], strict=True):

        def of_noise(key=key, name=name) -> dict[str, float]:
            if name in PIXELS:
                return metrics(_confidence(trained.logits(np.asarray(PIXELS[name](key, shape)), name)))
            return metrics(_confidence(trained.over(network, np.asarray(NORMALIZED[name](key, shape)), title=name)))

        section.once(name, of_noise)
    for path in options.outside:

        def of_file(path: Path = path) -> dict[str, float]:
            return metrics(_confidence(trained.logits(_read(path, trained), path.name)))

        section.once(str(path), of_file)


def _read(path: Path, trained: Trained) -> np.ndarray:
    try:
        return datasets.strange(path, trained.images.shape[1:])
    except ValueError as error:
        raise MissingError(f"--outside: {error}") from error


def _confidence(logits: np.ndarray) -> np.ndarray:
    return np.asarray(jax.nn.softmax(jnp.asarray(logits)).max(1))


def show(parts: Parts) -> Shown:
    """A row per set."""
    rows = [
        (name, f"{part['pictures']:,}", *(percent(part[metric]) for metric in METRICS)) for name, part in parts.items()
    ]
    means = {metric: float(np.mean([part[metric] for part in parts.values()])) for metric in METRICS}
    rows.append(("mean", "", *(percent(means[metric]) for metric in METRICS)))
    notes = (
        "Scores are the highest softmax probability. FPR95 takes the strange pictures for the positive class, as "
        "Outlier Exposure does: it isn't 1 - TNR at TPR 95.",
    )
    return Shown({"AUROC, mean, %": 100 * means["AUROC"]}, ("strange pictures", "number", *METRICS), rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """A bar per set."""
    shares = {name if len(name) <= 30 else f"...{name[-27:]}": 100 * part["AUROC"] for name, part in parts.items()}
    figures.bars(folder / "detection.png", shares, "AUROC, %", 50)
    return ["detection.png"]


SUITE = Suite("Detection of strange pictures", settings, compute, show, plot)
