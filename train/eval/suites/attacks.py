"""Pictures changed within a ball such that the network errs."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmix
from eval import figures
from eval.load_run import Trained, error
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import attacks

STEPS = 10
LEVELS = (1, 2, 4, 8)  # of 255
LENGTHS = (0.125, 0.25, 0.5, 1.0)  # of the change of a picture, in 0..1 a pixel


def settings(options: Options) -> dict[str, Any]:
    """How many pictures, and how many steps."""
    return {"attacked": options.attacked, "steps": STEPS}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The error under FGSM and PGD in the largest change of a pixel, and under PGD in the length of the change."""
    images, labels = trained.images[: options.attacked], trained.labels[: options.attacked]
    # Attacks keep about three batches of features at once.
    key = jax.random.key(options.seed)

    def fgsm(x, label, row, epsilon):
        return attacks.fgsm(_loss(trained, label), to_unit(x), epsilon)

    def pgd(x, label, row, epsilon, norm):
        # 2.5 times the way to the border in all, as Madry et al. suggest.
        own = jax.random.fold_in(key, row[0])
        step = 2.5 * epsilon / STEPS
        return attacks.pgd(own, _loss(trained, label), to_unit(x), epsilon, step=step, steps=STEPS, norm=norm)

    plans = [
        *((f"fgsm {level}/255", fgsm, level / 255) for level in LEVELS),
        *((f"pgd {level}/255", partial(pgd, norm="inf"), level / 255) for level in LEVELS),
        *((f"pgd L2 {length:g}", partial(pgd, norm="2"), length) for length in LENGTHS),
    ]
    section.once("none", lambda: error(trained.logits(images), labels))
    section.once("pictures", lambda: len(images))
    programs: dict[Any, Any] = {}
    rows = np.arange(len(images), dtype=np.int32)
    for name, attack, epsilon in plans:
        kind = name.rsplit(" ", 1)[0]
        program = programs.setdefault(
            kind, jax.jit(lambda x, y, row, e, attack=attack: trained.network(attack(x, y, row, e)))
        )

        def errors(program=program, epsilon=epsilon, name=name) -> float:
            logits = trained.over(
                lambda x, y, row: program(x, y, row, jnp.float32(epsilon)), images, labels, rows, title=name
            )
            return error(logits, labels)

        section.once(name, errors)


def _loss(trained: Trained, labels: jax.Array) -> attacks.Loss:
    return lambda x: jaxmix.cross_entropy(trained.network(x), labels)


def show(parts: Parts) -> Shown:
    """A row per size of the change."""
    rows = [("none", percent(parts["none"]), percent(parts["none"]))]
    rows += [
        (f"{level}/255", percent(parts[f"fgsm {level}/255"]), percent(parts[f"pgd {level}/255"])) for level in LEVELS
    ]
    rows += [(f"length {length:g}", "", percent(parts[f"pgd L2 {length:g}"])) for length in LENGTHS]
    summary: dict[str, float | None] = {
        "FGSM 8/255, error, %": 100 * parts["fgsm 8/255"],
        "PGD 8/255, error, %": 100 * parts["pgd 8/255"],
    }
    notes = (
        f"{parts['pictures']:,} pictures. PGD takes {STEPS} steps of a quarter of the largest change from a random "
        "start and keeps the worst picture on its way. All in pixel space, within 0..1.",
    )
    return Shown(summary, ("largest change", "FGSM: error, %", "PGD: error, %"), rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """Two curves over the largest change of a pixel."""
    curves = {
        kind.upper(): ([0, *LEVELS], [100 * parts["none"], *(100 * parts[f"{kind} {level}/255"] for level in LEVELS)])
        for kind in ("fgsm", "pgd")
    }
    figures.curves(folder / "attacks.png", curves, "largest change of a pixel, of 255 levels", "error, %")
    return ["attacks.png"]


SUITE = Suite("Attacks", settings, compute, show, plot)
