"""Accuracy under Gaussian noise, FGSM and PGD: the curves of SAGE's robustness experiment (Ma et al., 2022)."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eval import figures
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites import attacks
from eval.suites.base import Measurements, Options, Program, Suite, Table, percent
from jaxmix.dtypes import to_unit

__all__ = ["SUITE"]

SIGMAS = (0.02, 0.04, 0.06, 0.08, 0.1)  # of images in 0..1
GAUSSIAN = "Gaussian noise"
NAMES = {GAUSSIAN: GAUSSIAN, "fgsm": "FGSM", "pgd": f"PGD-{attacks.STEPS}"}


def settings(options: Options) -> dict[str, Any]:
    """The number of attacked images, and all standard deviations, epsilons and steps."""
    found = {"attacked": options.attacked, "sigmas": list(SIGMAS), "epsilons of 255": list(attacks.EPSILONS)}
    return found | ({"steps": attacks.STEPS} if options.pgd else {})


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The accuracy without noise and at every size of each kind; PGD takes half of the attacked images."""
    noise_key, attack_key = jax.random.split(jax.random.key(options.seed))

    @jax.jit
    def noisy(x: Array, label: Int[Array, "b"], row: Int[Array, "b"], sigma: Array) -> Float[Array, "b k"]:
        # The same noise at every standard deviation, clipped and not rounded to levels.
        normal = jax.random.normal(jax.random.fold_in(noise_key, row[0]), x.shape, jnp.float32)
        return trained.network(jnp.clip(to_unit(x) + sigma * normal, 0, 1))

    made = {GAUSSIAN: noisy} | attacks.programs(trained, attack_key)
    counts = {GAUSSIAN: len(trained.images), "fgsm": options.attacked, "pgd": max(options.attacked // 2, 1)}
    for kind in list(counts)[: 2 + options.pgd]:
        images, labels = trained.some(counts[kind])

        def accuracy(
            size: float,
            name: str,
            program: Program = made[kind],
            images: np.ndarray = images,
            labels: np.ndarray = labels,
        ) -> float:
            return 1 - attacks.attacked_error(trained, program, images, labels, size, name, fitted=True)

        section.once(f"{kind} images", partial(len, images))
        section.once(f"{kind} 0", partial(_clean, trained, images, labels))
        for name, size in _sizes(kind).items():
            section.once(f"{kind} {name}", partial(accuracy, size, f"{kind} {name}"))


def _clean(trained: Trained, images: np.ndarray, labels: np.ndarray) -> float:
    return 1 - error(trained.logits(images), labels)


def _sizes(kind: str) -> dict[str, float]:
    """The sizes of a kind of noise, by their names."""
    if kind == GAUSSIAN:
        return {f"{sigma:g}": sigma for sigma in SIGMAS}
    return {f"{epsilon}/255": epsilon / 255 for epsilon in attacks.EPSILONS}


def _curves(measurements: Measurements) -> dict[str, list[float]]:
    """By kind of noise, the accuracy without it and at each of its sizes."""
    kinds = [kind for kind in NAMES if f"{kind} 0" in measurements]
    return {kind: [measurements[f"{kind} {size}"] for size in ("0", *_sizes(kind))] for kind in kinds}


def tabulate(measurements: Measurements) -> Table:
    """A row per size of each kind, and their means."""
    rows: list[tuple[str, ...]] = []
    every: list[float] = []
    curves = _curves(measurements)
    for kind, curve in curves.items():
        images = f"{measurements[f'{kind} images']:,}"
        rows += [
            (NAMES[kind], size, images, percent(value)) for size, value in zip(("0", *_sizes(kind)), curve, strict=True)
        ]
        rows.append((NAMES[kind], "mean but for 0", images, percent(float(np.mean(curve[1:])))))
        every += curve[1:]
    mean = float(np.mean(every))
    rows.append(("all", f"mean of {len(every)}", "", percent(mean)))
    kinds = ", ".join(NAMES[kind] for kind in curves)
    summary: dict[str, float | None] = {
        "clean accuracy, %": 100 * curves[GAUSSIAN][0],
        f"robust accuracy, mean of {len(every)} ({kinds}), %": 100 * mean,
    }
    notes = [
        f"Accuracy, not error. Gaussian noise has the standard deviations {', '.join(_sizes(GAUSSIAN))} of images in "
        f"0..1, which are clipped and not rounded; attacks move values by up to {', '.join(_sizes('fgsm'))}.",
        "SAGE's standard deviations and epsilons aren't in its code: compare the order of methods, not values.",
    ]
    if "pgd" in curves:
        notes.append(
            f"PGD takes {attacks.STEPS} steps of a quarter of epsilon from a random start and keeps the image with the "
            "highest loss; it has half of the attacked images."
        )
    return Table(summary, ("noise", "size", "images", "accuracy, %"), rows, tuple(notes))


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Accuracy over the size of the noise: Gaussian noise left, attacks right."""
    curves = {kind: [100 * value for value in curve] for kind, curve in _curves(measurements).items()}
    left = {NAMES[GAUSSIAN]: ([0, *SIGMAS], curves.pop(GAUSSIAN))}
    right = {NAMES[kind]: ([0, *attacks.EPSILONS], curve) for kind, curve in curves.items()}
    parts = [
        figures.Panel(left, "standard deviation, images in 0..1", "accuracy, %", (0, 100)),
        figures.Panel(right, "epsilon in the maximum norm, of 255", "accuracy, %", (0, 100)),
    ]
    figures.panels(folder / "noise.png", parts)
    return ["noise.png"]


SUITE = Suite("Noise", settings, measure, tabulate, plot)
