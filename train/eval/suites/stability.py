"""Stability of the predictions over sequences of perturbed images, as on CIFAR-10-P and ImageNet-P."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval import figures, progress
from eval.fingerprints import fingerprint
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, percent
from eval.suites.corruptions import SETTING, constants_for, to_grey
from jaxmix.robustness import sequences, stability

__all__ = ["SUITE"]

EXAMPLES = "stability_examples.png"
# Of the frames that are made at once.
MOST_BYTES = 2**28


def settings(options: Options) -> dict[str, Any]:
    """How many images have sequences, by which perturbations, and AlexNet's values."""
    alexnet = options.alexnet_flips
    return {
        "sequences": options.sequences,
        "perturbations": list(options.perturbations),
        "alexnet_flips": alexnet and fingerprint(alexnet.parent, [alexnet.name]),
    }


def measure(trained: Trained, section: Section, options: Options) -> None:
    """Flip probability and the distances of rankings for each perturbation, and a sheet of the first image.

    The logits [sequences n k] and the frames of the first image are written to stability_PERTURBATION.npz.
    """
    constants, (images, _) = constants_for(trained), trained.some(options.sequences)
    names = _names(options, constants)
    alexnet = _alexnet(options.alexnet_flips, names)

    def distances(name: str) -> dict[str, float]:
        logits, first = _logits(trained, images, options, name, constants)
        np.savez(section.folder / _file(name), logits=logits, first=first)
        noise = name in sequences.NOISE
        return {
            "flips": stability.flip_probability(logits.argmax(-1), noise=noise),
            "top5": stability.top5_distance(logits, noise=noise),
            "zipf": stability.zipf_distance(logits, noise=noise),
            "frames": logits.shape[1],
        }

    for name in names:
        section.once(name, partial(distances, name), files=[_file(name)])
    section.once(EXAMPLES, lambda: _sheet(section.folder, names), files=[EXAMPLES])
    setting = {"constants": constants, "images": len(images), "names": list(names), "alexnet": alexnet}
    section.once(SETTING, lambda: setting)


def _names(options: Options, constants: str) -> tuple[str, ...]:
    """The perturbations to measure. Raises ValueError for those without constants for these images."""
    known = sequences.names(constants)
    lacking = [name for name in options.perturbations if name not in known]
    if lacking:
        raise ValueError(
            f"--perturbations: there are no {constants} constants for {', '.join(lacking)}; wanted some of "
            f"{', '.join(known)}"
        )
    return options.perturbations or tuple(name for name in known if name in sequences.MAIN)


def _alexnet(path: Path | None, names: tuple[str, ...]) -> dict[str, float] | None:
    """AlexNet's flip probabilities in percent, of the user's file."""
    if path is None:
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"--alexnet-flips {path} can't be read as JSON ({error}); wanted {{name: percent}}") from error
    wrong = [n for n in names if not isinstance(values, dict) or not _positive(values.get(n))]
    if wrong:
        raise ValueError(f"--alexnet-flips {path} has no value in 0..100 for {', '.join(wrong)}; wanted one of each")
    return {name: float(values[name]) for name in names}


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 100


def _file(name: str) -> str:
    return f"stability_{name}.npz"


def _logits(
    trained: Trained, images: np.ndarray, options: Options, name: str, constants: str
) -> tuple[np.ndarray, np.ndarray]:
    """Logits [sequences n k] of all frames, and the frames of the first image."""
    most = max(1, MOST_BYTES // (41 * 3 * images[0, ..., 0].size))
    size = min(most, len(images))
    found, first = [], None
    for start in progress.bar(range(0, len(images), size), f"{name}, sequences"):
        rows = np.arange(start, start + size) % len(images)  # the same number in every call, which compiles once
        frames = _frames(images[rows], options, name, constants, start)[: len(images) - start]
        first = frames[0].copy() if first is None else first
        logits = trained.logits(frames.reshape(-1, *frames.shape[2:]))
        found.append(logits.reshape(*frames.shape[:2], -1))
    assert first is not None
    return np.concatenate(found), first


def _frames(images: np.ndarray, options: Options, name: str, constants: str, start: int) -> np.ndarray:
    """Frames [b n h w c]; of grey images those of three channels, made grey."""
    number = (*sequences.MAIN, *sequences.EXTRA).index(name)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(options.seed), number), start)
    grey = images.shape[-1] == 1
    x = jnp.asarray(np.repeat(images, 3, -1) if grey else images)
    made = sequences.perturb(key, x, name, constants=constants)
    if not grey:
        return np.asarray(made)
    return np.asarray(to_grey(made.reshape(-1, *made.shape[2:]), name in sequences.NOISE)).reshape(*made.shape[:-1], 1)


def _sheet(folder: Path, names: tuple[str, ...]) -> list[str]:
    rows = []
    for name in names:
        with np.load(folder / _file(name)) as arrays:
            frames = arrays["first"]
        rows.append([frames[int(place)] for place in np.linspace(0, len(frames) - 1, 7)])
    figures.sheet(folder / EXAMPLES, rows, names, ["first", *[""] * 5, "last"])
    return [EXAMPLES]


def tabulate(measurements: Measurements) -> Table:
    """A row per perturbation, and the means."""
    setting = measurements[SETTING]
    names, alexnet = setting["names"], setting["alexnet"]
    means = {part: float(np.mean([measurements[name][part] for name in names])) for part in ("flips", "top5", "zipf")}
    # AlexNet's values are percentages, and so are the rates.
    rates = {name: 100 * (100 * measurements[name]["flips"] / alexnet[name]) for name in names} if alexnet else {}
    rows = [_row(name, measurements[name], measurements[name]["frames"], rates.get(name)) for name in names]
    rows.append(_row(f"mean of {len(names)}", means, "", float(np.mean(list(rates.values()))) if rates else None))
    of = f"mean of {len(names)}"
    summary: dict[str, float | None] = {
        f"flip probability, {of}, %": 100 * means["flips"],
        f"top-5 distance, {of}": means["top5"],
        f"Zipf distance, {of}": means["zipf"],
    }
    header = ("perturbation", "frames", "flip probability, %", "top-5 distance", "Zipf distance")
    if alexnet:
        summary[f"mFR, {of}, by your values of AlexNet, %"] = float(np.mean(list(rates.values())))
    return Table(summary, (*header, *(["flip rate, %"] if alexnet else [])), rows, _notes(setting))


def _row(title: str, values: dict[str, float], frames: int | str, rate: float | None) -> tuple[str, ...]:
    cells = (title, str(frames), percent(values["flips"]), f"{values['top5']:.3f}", f"{values['zipf']:.3f}")
    return cells if rate is None else (*cells, f"{rate:.1f}")


def _notes(setting: dict[str, Any]) -> tuple[str, ...]:
    benchmark = "CIFAR-10-P" if setting["constants"] == "cifar" else "ImageNet-P"
    notes = [
        f"Sequences of {setting['images']:,} test images, computed with the constants of {benchmark}, difficulty 1. "
        "Noise is compared with the clean image, every other frame with the one before it. The values are not divided "
        "by AlexNet's."
    ]
    missing = [name for name in sequences.MAIN if name not in setting["names"]]
    if missing:
        notes.append(
            f"The mean is of {len(setting['names'])} perturbations; of the paper's ten it lacks {', '.join(missing)}."
        )
    if setting["alexnet"]:
        notes.append("Flip rates and the mFR are divided by the values of AlexNet that you gave.")
    return tuple(notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Flip probability by perturbation."""
    flips = {name: 100 * measurements[name]["flips"] for name in measurements[SETTING]["names"]}
    figures.points(folder / "stability.png", {"flip probability": flips}, "flip probability, %")
    return ["stability.png", EXAMPLES]


SUITE = Suite("Stability over perturbed sequences", settings, measure, tabulate, plot)
