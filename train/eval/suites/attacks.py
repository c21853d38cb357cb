"""White-box attacks: error under FGSM and PGD, within epsilon of the image in the maximum or the L2 norm."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import jaxmix
from eval import figures
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, Options, Program, Suite, Table, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import attacks

__all__ = ["EPSILONS", "STEPS", "SUITE", "attacked_error", "programs"]

Norm = Literal["inf", "2"]
STEPS = 10
EPSILONS = (1, 2, 4, 8)  # of 255, in the maximum norm
L2_EPSILONS = (0.125, 0.25, 0.5, 1.0)  # of pixels in 0..1


def settings(options: Options) -> dict[str, Any]:
    """The number of images and of steps."""
    return {"attacked": options.attacked} | ({"steps": STEPS} if options.pgd else {})


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The error under FGSM and PGD in the maximum norm, and under PGD in the L2 norm."""
    images, labels = trained.some(options.attacked)
    made = programs(trained, jax.random.key(options.seed))
    levels = [(f"{epsilon}/255", epsilon / 255) for epsilon in EPSILONS]
    cases = [(attack, made[attack], levels) for attack in ("fgsm", "pgd")]
    cases.append(("pgd L2", made["pgd L2"], [(f"{epsilon:g}", epsilon) for epsilon in L2_EPSILONS]))
    cases = cases if options.pgd else cases[:1]
    section.once("none", lambda: error(trained.logits(images), labels))
    section.once("images", lambda: len(images))
    for attack, program, epsilons in cases:
        for size, epsilon in epsilons:
            name = f"{attack} {size}"
            section.once(name, partial(attacked_error, trained, program, images, labels, epsilon, name))


def programs(trained: Trained, key: Array) -> dict[str, Program]:
    """By attack, the logits of attacked images: (images, labels, rows, epsilon) -> [b k]."""

    def fgsm(x: Array, label: Int[Array, "b"], row: Int[Array, "b"], epsilon: Array) -> Float[Array, "b k"]:
        return trained.network(attacks.fgsm(_loss(trained, label), to_unit(x), epsilon))

    def pgd(x: Array, label: Int[Array, "b"], row: Int[Array, "b"], epsilon: Array, norm: Norm) -> Float[Array, "b k"]:
        # 2.5 times epsilon in all, as Madry et al. suggest.
        step, own = 2.5 * epsilon / STEPS, jax.random.fold_in(key, row[0])
        loss = _loss(trained, label)
        return trained.network(attacks.pgd(own, loss, to_unit(x), epsilon, step=step, steps=STEPS, norm=norm))

    return {
        "fgsm": jax.jit(fgsm),
        "pgd": jax.jit(partial(pgd, norm="inf")),
        "pgd L2": jax.jit(partial(pgd, norm="2")),
    }


def attacked_error(
    trained: Trained,
    program: Program,
    images: np.ndarray,
    labels: np.ndarray,
    epsilon: float,
    title: str,
    *,
    fitted: bool = False,
) -> float:
    """The error of the images that one of the `programs` has attacked; `fitted` as in `Trained.batched`."""
    rows = np.arange(len(images), dtype=np.int32)

    def attacked(*batch: Array) -> Any:
        return program(*batch, jnp.float32(epsilon))

    return error(trained.batched(attacked, images, labels, rows, title=title, fitted=fitted), labels)


def _loss(trained: Trained, labels: Int[Array, "b"]) -> attacks.Loss:
    return lambda x: jaxmix.cross_entropy(trained.network(x), labels)


def tabulate(measurements: Measurements) -> Table:
    """A row per epsilon."""
    by_pgd = f"pgd {EPSILONS[0]}/255" in measurements
    rows = [("0", *[percent(measurements["none"])] * (1 + by_pgd))]
    rows += [
        (f"{e}/255", *(percent(measurements[f"{attack} {e}/255"]) for attack in ("fgsm", "pgd")[: 1 + by_pgd]))
        for e in EPSILONS
    ]
    rows += [(f"{e:g} in L2", "", percent(measurements[f"pgd L2 {e:g}"])) for e in L2_EPSILONS if by_pgd]
    summary: dict[str, float | None] = {"FGSM 8/255, error, %": 100 * measurements["fgsm 8/255"]}
    notes = [f"{measurements['images']:,} images. All in pixel space, within 0..1."]
    if by_pgd:
        summary["PGD 8/255, error, %"] = 100 * measurements["pgd 8/255"]
        notes.append(
            f"PGD takes {STEPS} steps of a quarter of epsilon from a random start and keeps the image with the highest "
            "loss."
        )
    header = ("epsilon", "FGSM: error, %", "PGD: error, %")[: 2 + by_pgd]
    return Table(summary, header, rows, tuple(notes))


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error over epsilon in the maximum norm, a curve per attack."""
    curves = {
        attack.upper(): (
            [0, *EPSILONS],
            [100 * measurements["none"], *(100 * measurements[f"{attack} {epsilon}/255"] for epsilon in EPSILONS)],
        )
        for attack in ("fgsm", "pgd")
        if f"{attack} {EPSILONS[0]}/255" in measurements
    }
    figures.curves(folder / "attacks.png", curves, "epsilon in the maximum norm, of 255", "error, %")
    return ["attacks.png"]


SUITE = Suite("Attacks", settings, measure, tabulate, plot)
