"""Pictures between two classes (CutMix, section 4.4): right is either class."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from eval import figures
from eval.load_run import Trained
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, nothing, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import in_between

KINDS = {"mixup": in_between.mixup, "cutmix": in_between.cutmix}
SHARES = [tenths / 10 for tenths in range(11)]


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The error at eleven shares of the partner, the next picture of another class in a shuffled batch."""
    order = np.random.default_rng(options.seed).permutation(len(trained.images))
    images, labels = trained.images[order], trained.labels[order]
    for kind, mix in KINDS.items():

        def hits(x, label, share, mix=mix):
            mixed, how = mix(to_unit(x), share, partner=in_between.other_class(label))
            return jnp.stack([in_between.hit(trained.network(mixed), label, how), how.weight[:, 1]], 1)

        jitted = jax.jit(hits)
        for share in SHARES:

            def error(jitted=jitted, share=share, kind=kind) -> dict[str, float]:
                title = f"in_between, {kind} {share}"
                found = trained.over(lambda *rows: jitted(*rows, np.float32(share)), images, labels, title=title)
                hit, pasted = found.mean(0)
                return {"error": float(1 - hit), "share": float(pasted)}

            section.once(f"{kind} {share}", error)


def show(parts: Parts) -> Shown:
    """A row per share, and the mean over shares of each kind."""
    summary: dict[str, float | None] = {
        f"between classes by {kind}, mean error, %": 100
        * float(np.mean([parts[f"{kind} {s}"]["error"] for s in SHARES]))
        for kind in KINDS
    }
    rows = [
        (
            f"{share:.1f}",
            percent(parts[f"mixup {share}"]["error"]),
            f"{parts[f'cutmix {share}']['share']:.3f}",
            percent(parts[f"cutmix {share}"]["error"]),
        )
        for share in SHARES
    ]
    notes = (
        "Wrong is a prediction of neither class that has a share of the picture. CutMix pastes whole pixels around the "
        "middle, so its share is not quite the one asked for.",
    )
    header = ("share of the other picture", "mixup: error, %", "share pasted", "cutmix: error, %")
    return Shown(summary, header, rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """Two curves."""
    found = {kind: [parts[f"{kind} {share}"] for share in SHARES] for kind in KINDS}
    curves = {
        kind: ([part["share"] for part in row], [100 * part["error"] for part in row]) for kind, row in found.items()
    }
    figures.curves(folder / "in_between.png", curves, "share of the other picture", "error, %")
    return ["in_between.png"]


SUITE = Suite("Between two classes", nothing, compute, show, plot)
