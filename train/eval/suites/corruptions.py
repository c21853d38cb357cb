"""The corruptions of CIFAR-10-C, CIFAR-100-C and ImageNet-C, published or computed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval import datasets, figures
from eval.load_run import Trained, error
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, percent
from jaxmix.robustness import corruptions, mce

SEVERITIES = range(1, 6)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter_like", "saturate")
# Parts that are no errors.
SEEN, FIGURES = "what", "figures"


def settings(options: Options) -> dict[str, Any]:
    """Where pictures come from."""
    return {"corrupted": str(options.corrupted), "frost": str(options.frost)}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The error for each corruption at each severity, and a sheet of the first picture."""
    source = "published" if options.corrupted else "computed"
    section.once(SEEN, lambda: {"source": source, "constants": _constants(trained), "pictures": len(trained.images)})
    cases = _published(trained, options) if options.corrupted else _computed(trained, options)
    for name, severity, pictures in cases:

        def errors(pictures=pictures, name=name, severity=severity) -> float:
            images, labels = pictures()
            return error(trained.logits(images, f"{name} {severity}"), labels)

        section.once(f"{name} {severity}", errors)
    if not options.corrupted:
        section.once(FIGURES, lambda: _sheet(trained, section.folder, options))


def _sheet(trained: Trained, folder: Path, options: Options) -> list[str]:
    names = _names(options)
    figures.sheet(
        folder / "corrupted.png",
        [[_corrupted(trained, trained.images[:1], options, name, s)[0] for s in SEVERITIES] for name in names],
        names,
        [f"severity {severity}" for severity in SEVERITIES],
    )
    return ["corrupted.png"]


def _names(options: Options) -> tuple[str, ...]:
    frost = {"frost": "frost" if options.frost else "frost_like"}
    return (*(frost.get(name, name) for name in corruptions.MAIN), *EXTRA)


def _computed(trained: Trained, options: Options) -> Iterator[tuple[str, int, Any]]:
    for name in _names(options):
        for severity in SEVERITIES:
            yield (
                name,
                severity,
                lambda name=name, severity=severity: (
                    _corrupted(trained, trained.images, options, name, severity),
                    trained.labels,
                ),
            )


def _corrupted(trained: Trained, images: np.ndarray, options: Options, name: str, severity: int) -> np.ndarray:
    """The pictures corrupted; grey ones as three equal channels, of which the first or the mean is taken."""
    number = (*corruptions.MAIN, *corruptions.EXTRA, *corruptions.LIKE).index(name)
    key = jax.random.fold_in(jax.random.key(options.seed), 5 * number + severity)
    grey = images.shape[-1] == 1

    def corrupt(x: jax.Array, row: jax.Array) -> jax.Array:
        found = corruptions.corrupt(
            jax.random.fold_in(key, row[0]),
            jnp.repeat(x, 3, -1) if grey else x,
            name,
            severity,
            constants=_constants(trained),
            photographs=options.frost if name == "frost" else None,
        )
        if not grey:
            return found
        if name.endswith("noise"):  # the mean of three would have less of it
            return found[..., :1]
        return jnp.rint(found.astype(jnp.float32).mean(-1, keepdims=True)).astype(jnp.uint8)

    rows = np.arange(len(images), dtype=np.int32)
    return trained.over(corrupt, images, rows, title=f"making {name} {severity}")


def _published(trained: Trained, options: Options) -> Iterator[tuple[str, int, Any]]:
    assert options.corrupted is not None
    published = datasets.Published(options.corrupted, trained.images.shape[1:], trained.dataset.names)
    for name in published.names:
        for severity in SEVERITIES:
            yield (
                name,
                severity,
                lambda name=name, severity=severity: published.read(name, severity, options.limit),
            )


def _constants(trained: Trained) -> str:
    return "cifar" if min(trained.images.shape[1:3]) < 100 else "imagenet"


def show(parts: Parts) -> Shown:
    """A row per corruption, and the mean of the 15."""
    found = by_corruption(parts)
    rows = [(name, *map(percent, row), percent(float(np.mean(row)))) for name, row in found.items()]
    substituted = "frost_like" in found and "frost" not in found
    kind = "15 with frost_like" if substituted else "15"
    known = [name for name in corruptions.MAIN if name in found or (substituted and name == "frost")]
    whole = len(known) == len(corruptions.MAIN)
    summary: dict[str, float | None] = {
        f"corruption error, mean of {kind}, %": _mean(found, None, substituted) if whole else None,
    }
    notes = [
        f"{parts[SEEN]['pictures']:,} test pictures, corruptions {parts[SEEN]['source']}, with the constants of "
        f"{'CIFAR-C' if parts[SEEN]['constants'] == 'cifar' else 'ImageNet-C'}. The mean is not normalized by another "
        "network's errors, as is usual on CIFAR-C."
    ]
    if not whole:
        notes.append(f"There is no mean: these are {len(known)} of the 15 corruptions.")
    elif parts[SEEN]["constants"] == "imagenet":
        name = f"mCE of {kind}, normalized by AlexNet, %"
        summary[name] = _mean(found, mce.ALEXNET, substituted)
        notes.append(f"{name}: {summary[name] or float('nan'):.2f}.")
    if substituted:
        notes.append(
            "frost_like stands in for frost, whose photographs can't be shipped (--frost FOLDER): the mean isn't the "
            "published benchmark's."
        )
    names = [name for name in found if name.removesuffix("_like") in corruptions.MAIN]
    means = [float(np.mean([found[name][place] for name in names])) for place in range(len(SEVERITIES))]
    if whole:
        rows.insert(len(names), (f"mean of {kind}", *map(percent, means), percent(float(np.mean(means)))))
    header = ("corruption", *(f"severity {severity}" for severity in SEVERITIES), "mean error, %")
    return Shown(summary, header, rows, tuple(notes))


def _mean(found: dict[str, list[float]], normalizer: mce.Normalizer | None, substitutes: bool) -> float:
    return mce.mean_corruption_error(found, normalizer=normalizer, substitutes=substitutes)


def by_corruption(parts: Parts) -> dict[str, list[float]]:
    """Errors at the five severities by corruption, the 15 first."""
    names = list(dict.fromkeys(name.rsplit(" ", 1)[0] for name in parts if name not in (SEEN, FIGURES)))
    names.sort(key=lambda name: name.removesuffix("_like") not in corruptions.MAIN)
    return {name: [parts[f"{name} {severity}"] for severity in SEVERITIES] for name in names}


def plot(parts: Parts, folder: Path) -> list[str]:
    """Error by corruption and severity."""
    found = by_corruption(parts)
    errors = 100 * np.array(list(found.values()))
    figures.grid(folder / "corruptions.png", errors, list(found), [f"{s}" for s in SEVERITIES], "severity", "error, %")
    return ["corruptions.png", *parts.get(FIGURES, [])]


SUITE = Suite("Corruptions", settings, compute, show, plot)
