"""Error and loss on the test images."""

import jax.numpy as jnp
import numpy as np

import jaxmix
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, no_figure, no_settings, percent

__all__ = ["SUITE"]

LOGITS = "logits.npz"


def measure(trained: Trained, section: Section, options: Options) -> None:
    """Error and loss; the logits and labels are written to logits.npz."""

    def clean() -> dict[str, float]:
        logits = trained.logits(trained.images, "clean")
        np.savez(section.folder / LOGITS, logits=logits, labels=trained.labels)
        loss = jaxmix.cross_entropy(jnp.asarray(logits), jnp.asarray(trained.labels)).mean()
        return {"error": error(logits, trained.labels), "loss": float(loss), "images": len(logits)}

    section.once("clean", clean, files=[LOGITS])


def tabulate(measurements: Measurements) -> Table:
    """One row."""
    clean = measurements["clean"]
    summary = {"clean error, %": 100 * clean["error"], "clean loss": clean["loss"]}
    row = (f"{clean['images']:,}", percent(clean["error"]), f"{clean['loss']:.4f}")
    return Table(summary, ("test images", "error, %", "loss"), [row])


SUITE = Suite("Clean images", no_settings, measure, tabulate, no_figure)
