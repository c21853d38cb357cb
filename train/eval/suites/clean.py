"""The test pictures as they are."""

import jax.numpy as jnp
import numpy as np

import jaxmix
from eval.load_run import Trained, error
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, no_figure, nothing, percent

LOGITS = "logits.npz"


def compute(trained: Trained, section: Section, options: Options) -> None:
    """Error and loss; the logits and labels are left in logits.npz."""

    def clean() -> dict[str, float]:
        logits = trained.logits(trained.images, "clean")
        np.savez(section.folder / LOGITS, logits=logits, labels=trained.labels)
        loss = jaxmix.cross_entropy(jnp.asarray(logits), jnp.asarray(trained.labels)).mean()
        return {"error": error(logits, trained.labels), "loss": float(loss), "pictures": len(logits)}

    section.once("clean", clean)


def show(parts: Parts) -> Shown:
    """One row."""
    found = parts["clean"]
    summary = {"clean error, %": 100 * found["error"], "clean loss": found["loss"]}
    row = (f"{found['pictures']:,}", percent(found["error"]), f"{found['loss']:.4f}")
    return Shown(summary, ("test pictures", "error, %", "loss"), [row])


SUITE = Suite("Clean pictures", nothing, compute, show, no_figure)
