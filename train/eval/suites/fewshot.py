"""Few-shot classification of held-out classes by the features before the network's last layer."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval import figures, held_out
from eval.image_files import RESIZED
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, MissingError, Options, Suite, Table
from jaxmix.dtypes import to_unit
from jaxmix.robustness import few_shot

__all__ = ["SUITE"]

WAYS, QUERIES, EPISODES = 5, 15, 2000
SHOTS = (1, 5)
CLASSIFIERS = {"centroid": "nearest centroid", "logistic": "logistic regression"}


def settings(options: Options) -> dict[str, Any]:
    """The files, how many of their images are read, and the episodes."""
    sizes = {"ways": WAYS, "shots": list(SHOTS), "queries": QUERIES, "episodes": EPISODES}
    return {"held out": held_out.files(options.held_out), "limit": options.limit, "resized": RESIZED} | sizes


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The accuracy in episodes of one shot and of five, by both classifiers."""
    path = options.held_out
    if path is None:
        raise MissingError("it needs images of classes that the run wasn't trained on: --held-out PATH.")

    @cache
    def found() -> held_out.HeldOut:
        return held_out.read(path, trained.images.shape[1:], trained.dataset.classes, options.limit)

    @cache
    def features() -> Float[np.ndarray, "n d"]:
        @jax.jit
        def averaged(x: Array) -> Float[Array, "b d"]:
            return trained.maps(to_unit(x)).mean((1, 2))

        return trained.batched(averaged, found().images, title="features")

    section.once("images", lambda: len(found().images))
    section.once("classes", lambda: len(np.unique(found().labels)))
    for shots, key in zip(SHOTS, jax.random.split(jax.random.key(options.seed), len(SHOTS)), strict=True):

        def accuracies(shots: int = shots, key: Array = key) -> dict[str, dict[str, float]]:
            sizes = {"ways": WAYS, "shots": shots, "queries": QUERIES, "episodes": EPISODES}
            made = few_shot(key, jnp.asarray(features()), jnp.asarray(found().labels), **sizes)
            return {
                name: {"mean": float(estimate.mean), "half width": float(estimate.half_width)}
                for name, estimate in made._asdict().items()
            }

        section.once(_title(shots), accuracies)


def _title(shots: int) -> str:
    return f"{WAYS}-way {shots}-shot"


def _interval(estimate: dict[str, float]) -> str:
    return f"{100 * estimate['mean']:.2f} ± {100 * estimate['half width']:.2f}"


def tabulate(measurements: Measurements) -> Table:
    """A row per classifier, a column per number of shots."""
    titles = [_title(shots) for shots in SHOTS]
    rows = [(words, *(_interval(measurements[title][name]) for title in titles)) for name, words in CLASSIFIERS.items()]
    summary: dict[str, float | None] = {
        f"{title} by logistic regression, %": 100 * measurements[title]["logistic"]["mean"] for title in titles
    }
    notes = (
        f"Accuracy, not error: mean ± half of its 95 % interval over {EPISODES:,} episodes of {WAYS} of "
        f"{measurements['classes']:,} classes and {QUERIES} images of each to classify, from "
        f"{measurements['images']:,} images. The interval is of these images and this network: another training moves "
        "the mean by more. Features are divided by their L2 norm.",
    )
    return Table(summary, ("classifier", *(f"{title}, %" for title in titles)), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """A bar per classifier and number of shots."""
    values = {
        f"{_title(shots)}, {words}": 100 * measurements[_title(shots)][name]["mean"]
        for shots in SHOTS
        for name, words in CLASSIFIERS.items()
    }
    figures.bars(folder / "fewshot.png", values, "accuracy, %", 100 / WAYS)
    return ["fewshot.png"]


SUITE = Suite("Few-shot classification", settings, measure, tabulate, plot)
