"""Is the network as often right as it is sure?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval import figures
from eval.load_run import Trained
from eval.report import Section
from eval.suites.base import Options, Parts, Shown, Suite, nothing
from jaxmix.robustness import calibration
from jaxmix.robustness.calibration import probabilities

METRICS: dict[str, Callable[..., float]] = {
    "RMS calibration error": calibration.rms_error,
    "MAD calibration error": calibration.mad_error,
    "ECE": calibration.expected_error,
    "MCE": calibration.maximum_error,
    "AURRA": calibration.aurra,
}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """All metrics of the test pictures; and, with a temperature fitted to every second picture, of the others."""

    def found() -> dict[str, dict[str, float]]:
        logits = trained.logits(trained.images, "calibration")
        held, rest = slice(None, None, 2), slice(1, None, 2)
        best = probabilities.temperature(logits[held], trained.labels[held])
        return {
            "as it is": _metrics(logits, trained.labels, 1.0),
            "second half, as it is": _metrics(logits[rest], trained.labels[rest], 1.0),
            "second half, with temperature": _metrics(logits[rest], trained.labels[rest], best),
            "temperature": {"value": best},
        }

    def bins() -> dict[str, list[float]]:
        sure, right = probabilities.top_label(trained.logits(trained.images), trained.labels)
        return {name: array.tolist() for name, array in calibration.reliability(sure, right)._asdict().items()}

    section.once("metrics", found)
    section.once("reliability", bins)


def _metrics(logits: np.ndarray, labels: np.ndarray, temperature: float) -> dict[str, float]:
    sure, right = probabilities.top_label(logits, labels, temperature=temperature)
    shares = probabilities.softmax(logits.astype(np.float64) / temperature)
    found = {name: metric(sure, right) for name, metric in METRICS.items()}
    if len(sure) >= 200:  # with fewer that loop has no bin left
        found["RMS, last bin dropped"] = calibration.rms_error(sure, right, drop_last_bin=True)
    return found | {
        "Brier score": probabilities.brier(shares, labels),
        "NLL": probabilities.negative_log_likelihood(shares, labels),
    }


def show(parts: Parts) -> Shown:
    """A row per metric."""
    found = parts["metrics"]
    columns = [name for name in found if name != "temperature"]
    rows = [
        (metric, *(f"{found[column][metric]:.4f}" if metric in found[column] else "" for column in columns))
        for metric in found["as it is"]
    ]
    summary: dict[str, float | None] = {
        "RMS calibration error, %": 100 * found["as it is"]["RMS calibration error"],
        "ECE, %": 100 * found["as it is"]["ECE"],
        "Brier score": found["as it is"]["Brier score"],
        "NLL": found["as it is"]["NLL"],
    }
    notes = (
        f"The temperature, {found['temperature']['value']:.3f}, was fitted to every second test picture (the last two "
        "columns are of the others). RMS and MAD: bins of a hundred pictures; the loop of the AugMix authors drops the "
        "last bin. ECE and MCE: 15 bins of equal width.",
    )
    return Shown(summary, ("metric", *columns), rows, notes)


def plot(parts: Parts, folder: Path) -> list[str]:
    """The reliability diagram."""
    figures.reliability(folder / "reliability.png", parts["reliability"])
    return ["reliability.png"]


SUITE = Suite("Calibration", nothing, compute, show, plot)
