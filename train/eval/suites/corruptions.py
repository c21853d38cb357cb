"""Error and calibration on the corruptions of CIFAR-10-C, CIFAR-100-C and ImageNet-C, published or computed."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from eval import datasets, figures
from eval.fingerprints import fingerprint
from eval.image_files import RESIZED
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, percent
from jaxmix.robustness import calibration, corruptions, mce
from jaxmix.robustness.calibration import probabilities

__all__ = [
    "CALIBRATION",
    "ERROR",
    "SETTING",
    "SEVERITIES",
    "SUITE",
    "by_corruption",
    "constants_for",
    "corrupted",
    "to_grey",
]

SEVERITIES = range(1, 6)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter_like", "saturate")
# By their places here corruptions have their keys.
NUMBERED = (*corruptions.MAIN, *corruptions.EXTRA, *corruptions.LIKE, *corruptions.CBAR["cifar"])
NUMBERED = tuple(dict.fromkeys((*NUMBERED, *corruptions.CBAR["imagenet"])))
# The classes of the set on which AlexNet's errors are known.
IMAGENET = 1000
# Measurements that are no values of a corruption at a severity, and the names of those values.
SETTING, FIGURES = "setting", "figures"
ERROR, CALIBRATION = "error", "RMS calibration error"

Images = tuple[np.ndarray, np.ndarray]


def settings(options: Options) -> dict[str, Any]:
    """The published images and how many of them are read, and the photographs of frost."""
    return {
        "corrupted": fingerprint(options.corrupted, datasets.PUBLISHED_FILES),
        **({"limit": options.limit, "resized": RESIZED} if options.corrupted else {"limit": None}),
        "frost": fingerprint(options.frost, ["*"]),
    }


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The error and the calibration error for each corruption at each severity, and a sheet of the first image."""
    published = None
    if options.corrupted:
        published = datasets.Published(options.corrupted, trained.images.shape[1:], trained.dataset.classes)
    known: list[np.ndarray] = []  # the labels of each part that is measured now

    def values(read: Callable[[], Images], title: str) -> dict[str, float]:
        images, labels = read()
        known.append(labels)
        logits = trained.logits(images, title)
        return {
            ERROR: error(logits, labels),
            CALIBRATION: calibration.rms_error(*probabilities.top_label(logits, labels)),
        }

    cases = [*(_computed(trained, options) if published is None else _published(published, options))]
    for name, severity, read in cases:
        section.once(f"{name} {severity}", partial(values, read, f"{name} {severity}"))
    setting: dict[str, Any] = {"constants": constants_for(trained), "classes": len(trained.dataset.classes)}
    if published is None:
        setting |= {"source": "computed", "images": len(trained.images), "note": ""}
        section.once(FIGURES, lambda: _sheet(trained, section.folder, options), files=["corrupted.png"])
    else:
        setting |= _about(published, known or [cases[0][2]()[1]], trained)
    section.once(SETTING, lambda: setting)


def _about(published: datasets.Published, known: list[np.ndarray], trained: Trained) -> dict[str, Any]:
    """Describe published images: how many there are, and notes on what may be wrong about their classes."""
    counts = sorted({len(labels) for labels in known})
    notes = [published.note] if published.note else []
    if len(counts) > 1:
        notes.append(f"Some of the corruptions have {counts[0]:,} images only.")
    same_size = [labels for labels in known if published.ordered and len(labels) == len(trained.labels)]
    different = max([int((labels != trained.labels).sum()) for labels in same_size], default=0)
    if different:
        notes.append(
            f"{different:,} of {len(trained.labels):,} labels of the published images aren't those of the run's test "
            "images: the errors are right only if these are other images or in another order."
        )
    return {"source": "published", "images": counts[-1], "note": " ".join(notes)}


def _published(published: datasets.Published, options: Options) -> Iterator[tuple[str, int, Callable[[], Images]]]:
    for name in published.names:
        for severity in SEVERITIES:
            yield name, severity, partial(published.read, name, severity, options.limit)


def _computed(trained: Trained, options: Options) -> Iterator[tuple[str, int, Callable[[], Images]]]:
    def read(name: str, severity: int) -> Images:
        return corrupted(trained, trained.images, options, name, severity), trained.labels

    for name in names(options):
        for severity in SEVERITIES:
            yield name, severity, partial(read, name, severity)


def names(options: Options) -> tuple[str, ...]:
    """The computed corruptions: the 15, with frost_like where there are no photographs of frost, and four more."""
    frost = {"frost": "frost" if options.frost else "frost_like"}
    return (*(frost.get(name, name) for name in corruptions.MAIN), *EXTRA)


def corrupted(trained: Trained, images: np.ndarray, options: Options, name: str, severity: int) -> np.ndarray:
    """The corrupted images; of grey ones, the first or the mean of three channels.

    Not inside a jit of its own, so that the severities and the sheet of examples share the programs of the library.
    """
    number = NUMBERED.index(name)
    key = jax.random.fold_in(jax.random.key(options.seed), 5 * number + severity)
    photographs = options.frost if name == "frost" else None
    grey = images.shape[-1] == 1

    def corrupt(x: UInt8[Array, "b h w c"], row: Int[Array, "b"]) -> UInt8[Array, "b h w c"]:
        colored = jnp.repeat(x, 3, -1) if grey else x
        own, constants = jax.random.fold_in(key, row[0]), constants_for(trained)
        made = corruptions.corrupt(own, colored, name, severity, constants=constants, photographs=photographs)
        return to_grey(made, name.endswith("noise")) if grey else made

    rows = np.arange(len(images), dtype=np.int32)
    return trained.batched(corrupt, images, rows, title=f"making {name} {severity}")


@partial(jax.jit, static_argnums=1)
def to_grey(images: UInt8[Array, "b h w 3"], noise: bool) -> UInt8[Array, "b h w 1"]:
    """One channel of three: the first where they have noise of their own, which a mean would reduce."""
    if noise:
        return images[..., :1]
    return jnp.rint(images.astype(jnp.float32).mean(-1, keepdims=True)).astype(jnp.uint8)


def constants_for(trained: Trained) -> str:
    """The constants for images of this size."""
    return "cifar" if min(trained.images.shape[1:3]) < 100 else "imagenet"


def _sheet(trained: Trained, folder: Path, options: Options) -> list[str]:
    rows = names(options)
    first = trained.images[:1]
    figures.sheet(
        folder / "corrupted.png",
        [[corrupted(trained, first, options, name, severity)[0] for severity in SEVERITIES] for name in rows],
        rows,
        [f"severity {severity}" for severity in SEVERITIES],
    )
    return ["corrupted.png"]


def tabulate(measurements: Measurements) -> Table:
    """A row per corruption, and the mean of the 15."""
    errors, setting = by_corruption(measurements), measurements[SETTING]
    rows = [_row(name, np.array(values)) for name, values in errors.items()]
    substituted = "frost_like" in errors and "frost" not in errors
    fifteen = "15 with frost_like" if substituted else "15"
    known = [name for name in corruptions.MAIN if name in errors or (substituted and name == "frost")]
    complete = len(known) == len(corruptions.MAIN)
    mean = partial(mce.mean_corruption_error, errors, substitutes=substituted)
    summary: dict[str, float | None] = {
        f"corruption error, mean of {fifteen}, %": mean(normalizer=None) if complete else None,
    }
    notes = [
        f"{setting['images']:,} test images, corruptions {setting['source']}{_made(setting)}. The mean is not "
        "normalized by another network's errors, as is usual on CIFAR-C."
    ]
    if not complete:
        missing = ", ".join(name for name in corruptions.MAIN if name not in known)
        notes.append(f"There is no mean: these are {len(known)} of the 15 corruptions; missing are {missing}.")
    elif setting["constants"] == "imagenet" and setting.get("classes") == IMAGENET:
        name, value = f"mCE of {fifteen}, normalized by AlexNet, %", mean(normalizer=mce.ALEXNET)
        summary[name] = value
        notes.append(f"{name}: {value:.2f}.")
    if substituted:
        notes.append(
            "frost_like replaces frost, whose photographs can't be shipped (--frost FOLDER): the mean isn't the "
            "published benchmark's."
        )
    notes += [setting["note"]] if setting.get("note") else []
    main = [name for name in errors if name.removesuffix("_like") in corruptions.MAIN]
    confidence = by_corruption(measurements, CALIBRATION)
    if complete:
        means = [_row(f"mean of {fifteen}", np.mean([errors[name] for name in main], 0))]
        if confidence.keys() >= set(main):
            means.append(_row(f"{CALIBRATION}, mean", np.mean([confidence[name] for name in main], 0)))
        rows[len(main) : len(main)] = means
    header = ("corruption", *(f"severity {severity}" for severity in SEVERITIES), "mean error, %")
    return Table(summary, header, rows, tuple(notes))


def _made(setting: Mapping[str, Any]) -> str:
    """How corruptions were made that weren't published."""
    if setting["source"] == "published":
        return ""
    if setting["constants"] == "cifar":
        return " with the constants of CIFAR-C"
    return " with the constants of ImageNet-C, but not saved as JPEG of quality 85, as the published ones are"


def _row(name: str, values: Float[np.ndarray, "severities"]) -> tuple[str, ...]:
    """The values at the severities, and their mean."""
    return (name, *map(percent, values.tolist()), percent(float(values.mean())))


def by_corruption(measurements: Measurements, value: str = ERROR) -> dict[str, list[float]]:
    """A value at the five severities by corruption, the 15 first; without those that don't have it.

    Measurements from before the calibration error are errors alone.
    """
    whole = {
        name: one if isinstance(one, dict) else {ERROR: one}
        for name, one in measurements.items()
        if name not in (SETTING, FIGURES)
    }
    lacking = {name.rsplit(" ", 1)[0] for name, one in whole.items() if value not in one}
    found = [name for name in dict.fromkeys(name.rsplit(" ", 1)[0] for name in whole) if name not in lacking]
    found.sort(key=lambda name: name.removesuffix("_like") not in corruptions.MAIN)
    return {name: [whole[f"{name} {severity}"][value] for severity in SEVERITIES] for name in found}


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error by corruption and severity."""
    errors = by_corruption(measurements)
    values, severities = 100 * np.array(list(errors.values())), [str(severity) for severity in SEVERITIES]
    figures.grid(folder / "corruptions.png", values, list(errors), severities, "severity", "error, %")
    return ["corruptions.png", *measurements.get(FIGURES, [])]


SUITE = Suite("Corruptions", settings, measure, tabulate, plot)
