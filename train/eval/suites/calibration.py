"""Calibration: agreement of confidence and accuracy, before and after temperature scaling."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval import figures
from eval.load_run import Trained
from eval.results import Section
from eval.suites.base import Measurements, Options, Suite, Table, no_settings
from jaxmix.robustness import calibration
from jaxmix.robustness.calibration import probabilities

__all__ = ["SUITE"]

METRICS: dict[str, Callable[..., float]] = {
    "RMS calibration error": calibration.rms_error,
    "MAD calibration error": calibration.mad_error,
    "ECE": calibration.expected_error,
    "MCE": calibration.maximum_error,
    "AURRA": calibration.aurra,
}

BIN = 100  # images, as by default in calibration.rms_error


def measure(trained: Trained, section: Section, options: Options) -> None:
    """All metrics on the test images; and on every second one with a temperature fitted to the others."""

    def metrics() -> dict[str, dict[str, float]]:
        logits = trained.logits(trained.images, "calibration")
        fitted, rest = slice(None, None, 2), slice(1, None, 2)
        temperature = probabilities.temperature(logits[fitted], trained.labels[fitted])
        return {
            "uncalibrated": _metrics(logits, trained.labels, 1.0),
            "second half, uncalibrated": _metrics(logits[rest], trained.labels[rest], 1.0),
            "second half, temperature-scaled": _metrics(logits[rest], trained.labels[rest], temperature),
            "temperature": {"value": temperature},
        }

    def bins() -> dict[str, list[float]]:
        confidence, correct = probabilities.top_label(trained.logits(trained.images), trained.labels)
        return {name: array.tolist() for name, array in calibration.reliability(confidence, correct)._asdict().items()}

    section.once("metrics", metrics)
    section.once("reliability", bins)


def _metrics(logits: np.ndarray, labels: np.ndarray, temperature: float) -> dict[str, float]:
    confidence, correct = probabilities.top_label(logits, labels, temperature=temperature)
    scaled = probabilities.softmax(logits.astype(np.float64) / temperature)
    values = {name: metric(confidence, correct) for name, metric in METRICS.items()}
    if len(confidence) >= 2 * BIN:  # with fewer, no bin is left
        values["RMS, last bin dropped"] = calibration.rms_error(confidence, correct, drop_last_bin=True)
    return values | {
        "Brier score": probabilities.brier(scaled, labels),
        "NLL": probabilities.negative_log_likelihood(scaled, labels),
    }


def tabulate(measurements: Measurements) -> Table:
    """A row per metric."""
    metrics = measurements["metrics"]
    columns = [name for name in metrics if name != "temperature"]
    rows = [
        (metric, *(f"{metrics[column][metric]:.4f}" if metric in metrics[column] else "" for column in columns))
        for metric in metrics["uncalibrated"]
    ]
    plain = metrics["uncalibrated"]
    summary: dict[str, float | None] = {
        "RMS calibration error, %": 100 * plain["RMS calibration error"],
        "ECE, %": 100 * plain["ECE"],
        "Brier score": plain["Brier score"],
        "NLL": plain["NLL"],
    }
    images = int(sum(measurements["reliability"]["number"]))
    last = images if images < BIN else BIN + images % BIN
    notes = (
        f"The temperature, {metrics['temperature']['value']:.3f}, was fitted to every second test image (the last two "
        f"columns are of the others). RMS and MAD: bins of {BIN} images by rising confidence; the remainder "
        f"joins the last bin, here of {last} images. The loop of the AugMix authors drops that bin. ECE and MCE: 15 "
        "bins of equal width.",
    )
    return Table(summary, ("metric", *columns), rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """The reliability diagram."""
    figures.reliability(folder / "reliability.png", measurements["reliability"])
    return ["reliability.png"]


SUITE = Suite("Calibration", no_settings, measure, tabulate, plot)
