"""What a suite of an evaluation consists of, and its options."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from eval.load_run import Trained
from eval.results import Section

__all__ = [
    "Measurements",
    "MissingError",
    "Options",
    "Program",
    "Suite",
    "Table",
    "no_figure",
    "no_settings",
    "percent",
    "require_maps",
]

Measurements = dict[str, Any]
Program = Callable[..., Any]  # jitted


@dataclass(frozen=True)
class Options:
    """What the suites read and how much of it."""

    checkpoint: Literal["newest", "best"] = "newest"
    """The state to evaluate: after the last epoch, or after the one best on the validation images of --val-share."""
    limit: int | None = None
    """Test on LIMIT test images only, and on LIMIT images of every other set, for a quick look: the first ones, or
    where class stands after class the same share of each."""
    attacked: int = 1000
    """The number of test images to attack: an attack takes tens of passes through the network. Noise takes half of them
    for PGD."""
    pgd: bool = True
    """Attack by PGD as well as by FGSM; --no-pgd takes a twentieth of the time."""
    corrupted: Path | None = None
    """Folder of the published CIFAR-10-C or CIFAR-100-C (fog.npy, ..., labels.npy), or of tensorflow-datasets with
    cifar10_corrupted prepared. Without it the corruptions are computed."""
    frost: Path | None = None
    """Folder of photographs of frost, for that corruption; without it frost_like replaces frost."""
    outside: tuple[Path, ...] = ()
    """npz files (an array x_test or x) of out-of-distribution images, for detection."""
    boxes: Path | None = None
    """Folder with val/CLASS/*.jpg and val_boxes.csv (file,x0,y0,x1,y1; one box for each image, in pixels of the image
    as its EXIF orientation turns it), for localization and backgrounds. CLASS is the name of a class of the run; where
    none is, the folders are taken in their order, numbers by their value."""
    held_out: Path | None = None
    """Images of classes that the run wasn't trained on, for fewshot: an npz file (x_test and y_test, or x and y), or a
    folder with cifar-100-python, cifar-10-batches-py, val/CLASS/*.jpg or CLASS/*.jpg."""
    variants: Path | None = None
    """Folder of ImageNet-9 as its authors publish it (original/val/CLASS/*.JPEG, mixed_same/..., ...), for
    backgrounds."""
    sequences: int = 500
    """The number of test images whose perturbed sequences the suite stability predicts: each has up to 41 frames of
    every perturbation."""
    perturbations: tuple[str, ...] = ()
    """The perturbations of the suite stability; without them the ten of the paper, as far as there are constants for
    images of this size."""
    alexnet_flips: Path | None = None
    """JSON file of your own with AlexNet's flip probability in % for each perturbation measured, {"tilt": ..., ...}:
    the suite stability then reports flip rates and their mean, the mFR."""
    batch_size: int = 500
    """The number of images in each call of the network, over all devices together; at most that of test images."""
    seed: int = 0
    """The seed of everything random."""


class Table(NamedTuple):
    """The results of a suite as text.

    summary: the few values by which runs are compared, each under its full name
    header, rows: of the table
    notes: sentences below it
    """

    summary: dict[str, float | None]
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


class Suite(NamedTuple):
    """One test of an evaluation.

    title: of its section in the report
    settings: what its measurements depend on, besides the run, the test images and the seed
    measure: fills the section, one measurement at a time
    tabulate: makes a table of the measurements
    plot: plots the measurements into a folder; returns the names of the files
    """

    title: str
    settings: Callable[[Options], dict[str, Any]]
    measure: Callable[[Trained, Section, Options], None]
    tabulate: Callable[[Measurements], Table]
    plot: Callable[[Measurements, Path], list[str]]


class MissingError(ValueError):
    """A suite's data are not given, or the network has nothing to measure."""


def require_maps(trained: Trained) -> None:
    """Raises MissingError for a network without class activation maps."""
    image = jax.ShapeDtypeStruct((1, *trained.images.shape[1:]), jnp.float32)
    if jax.eval_shape(trained.maps, image).shape[1:3] == (1, 1):
        raise MissingError("the network's features have no places, so it has no class activation maps.")


def percent(share: float | None) -> str:
    """A share as a percentage with two decimals; empty for None."""
    return "" if share is None else f"{100 * share:.2f}"


def no_settings(options: Options) -> dict[str, Any]:
    """The settings of a suite that has none."""
    return {}


def no_figure(measurements: Measurements, folder: Path) -> list[str]:
    """The figures of a suite that has none."""
    return []
