"""Error on images in between two classes (CutMix, section 4.4): either class counts as right."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eval import figures
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, Options, Program, Suite, Table, no_settings, percent
from jaxmix.dtypes import to_unit
from jaxmix.mix import Mix
from jaxmix.robustness import in_between

__all__ = ["SUITE"]

Method = Callable[..., tuple[Array, Mix]]
METHODS: dict[str, Method] = {"mixup": in_between.mixup, "cutmix": in_between.cutmix}
SHARES = [tenths / 10 for tenths in range(11)]


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The error at eleven shares of the partner, the next image of another class in a shuffled batch."""
    order = np.random.default_rng(options.seed).permutation(len(trained.images))
    images, labels = trained.images[order], trained.labels[order]
    for name, method in METHODS.items():

        def hits(x: Array, label: Int[Array, "b"], share: Array, method: Method = method) -> Float[Array, "b 2"]:
            mixed, mix = method(to_unit(x), share, partner=in_between.other_class(label))
            return jnp.stack([in_between.hit(trained.network(mixed), label, mix), mix.weight[:, 1]], 1)

        jitted = jax.jit(hits)
        for share in SHARES:

            def one_error(jitted: Program = jitted, share: float = share, name: str = name) -> dict[str, float]:
                title = f"in_between, {name} {share}"
                rows = trained.batched(lambda *batch: jitted(*batch, np.float32(share)), images, labels, title=title)
                hit, partner_share = rows.mean(0)
                return {"error": float(1 - hit), "share": float(partner_share)}

            section.once(f"{name} {share}", one_error)


def tabulate(measurements: Measurements) -> Table:
    """A row per share, and the mean over shares of each method."""
    errors = {name: [measurements[f"{name} {share}"]["error"] for share in SHARES] for name in METHODS}
    summary: dict[str, float | None] = {
        f"in between classes by {name}, mean error, %": 100 * float(np.mean(row)) for name, row in errors.items()
    }
    rows = [
        (
            f"{share:.1f}",
            percent(errors["mixup"][place]),
            f"{measurements[f'cutmix {share}']['share']:.3f}",
            percent(errors["cutmix"][place]),
        )
        for place, share in enumerate(SHARES)
    ]
    notes = (
        "An error is a prediction of neither class that has a share of the image. CutMix pastes whole pixels around "
        "the center, so its share is not exactly the requested one.",
    )
    return Table(summary, ("share of the partner", "mixup: error, %", "share pasted", "cutmix: error, %"), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error over the share of the partner, a curve per method."""
    by_method = {name: [measurements[f"{name} {share}"] for share in SHARES] for name in METHODS}
    curves = {
        name: ([one["share"] for one in row], [100 * one["error"] for one in row]) for name, row in by_method.items()
    }
    figures.curves(folder / "in_between.png", curves, "share of the partner", "error, %")
    return ["in_between.png"]


SUITE = Suite("In between two classes", no_settings, measure, tabulate, plot)
