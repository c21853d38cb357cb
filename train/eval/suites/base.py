"""What a suite of an evaluation is made of, and what it is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from eval.load_run import Trained
from eval.report import Section

Parts = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What the suites look at, besides the run."""

    limit: int | None = None
    """Test on the first so many test pictures only, for a quick look."""
    attacked: int = 1000
    """How many of them are attacked: attacks take tens of passes through the network."""
    corrupted: Path | None = None
    """Folder of the published CIFAR-10-C or CIFAR-100-C (fog.npy, ..., labels.npy), or of tensorflow-datasets with
    cifar10_corrupted prepared. Without it the corruptions are computed."""
    frost: Path | None = None
    """Folder with photographs of frost, for that corruption; without it there is none, only frost_like."""
    outside: tuple[Path, ...] = ()
    """npz files with pictures of other things (an array x_test or x): what the network should find strange."""
    boxes: Path | None = None
    """Folder with val/CLASS/*.jpg and val_boxes.csv (file,x0,y0,x1,y1), for localization and backgrounds; CLASS in the
    order of the classes of the run."""
    variants: Path | None = None
    """Folder of ImageNet-9 as its authors publish it (original/val/CLASS/*.JPEG, mixed_same/..., ...), for
    backgrounds."""
    batch_size: int = 500
    """Pictures that go through the network at once, over all devices together."""
    seed: int = 0
    """Everything random follows from it."""


class Shown(NamedTuple):
    """The result of a suite for people.

    summary: the few numbers by which runs are compared, each under its full name
    header, rows: a table
    notes: sentences under it
    """

    summary: dict[str, float | None]
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


class Suite(NamedTuple):
    """Part of an evaluation.

    title: of its section
    settings: what its numbers depend on, besides the run, the test pictures and the seed
    compute: fills the parts of the section, one by one
    show: what the parts say
    plot: makes figures of the parts in a folder; returns the names of their files
    """

    title: str
    settings: Callable[[Options], dict[str, Any]]
    compute: Callable[[Trained, Section, Options], None]
    show: Callable[[Parts], Shown]
    plot: Callable[[Parts, Path], list[str]]


class MissingError(ValueError):
    """A suite needs data that are not there."""


def percent(share: float | None) -> str:
    """A share for people."""
    return "" if share is None else f"{100 * share:.2f}"


def nothing(*_: Any) -> dict[str, Any]:
    """The settings of a suite that has none."""
    return {}


def no_figure(*_: Any) -> list[str]:
    """The figures of a suite that has none."""
    return []
