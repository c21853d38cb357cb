"""Figures with axes: schedules of hyper-parameters, and reliability diagrams."""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from canvas import Card
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import jaxmix
from jaxmix.robustness import calibration

__all__ = ["reliability", "schedules"]

_BLUE, _ORANGE, _GREEN, _SKY, _GREY = "#0072b2", "#e69f00", "#009e73", "#56b4e9", "#59636e"
_STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5}


def schedules(path: Path) -> None:
    """Plot p and alpha over the progress of training, and what batches drawn with them have."""
    progress = np.linspace(0, 1, 21, dtype=np.float32)
    x = jnp.zeros((4096, 8, 8, 1), jnp.float32)

    @jax.jit
    def mixed_share(key, p):
        return (jaxmix.sometimes(jaxmix.mixup, p)(key, x)[1].weight[:, 0] < 1).mean()

    @jax.jit
    def partner_share(key, alpha):
        return jnp.quantile(jaxmix.mixup(key, x, alpha=alpha)[1].weight.min(1), jnp.array([0.1, 0.5, 0.9]))

    keys, key = jax.random.split(jax.random.key(0), len(progress)), jax.random.key(1)
    shapes = {
        "linear: Scheduled CutMix": (progress, _BLUE),
        "cosine": ((1 - np.cos(np.pi * progress)) / 2, _ORANGE),
        "off for the last 15 %": (np.where(progress < 0.85, 0.5, 0), _GREEN),
    }
    with matplotlib.rc_context(_STYLE):
        figure = Figure((8.3, 3.2), 200, layout="constrained")
        left, right = figure.subplots(1, 2)
        for name, (p, color) in shapes.items():
            style = {"drawstyle": "steps-post"} if "off" in name else {}
            left.plot(progress, p, color=color, label=name, **style)
            drawn = [mixed_share(key, value) for key, value in zip(keys, p, strict=True)]
            left.plot(progress, drawn, "o", color=color, ms=3.5)
        left.set(title="sometimes(method, p): samples that are mixed", xlabel="progress of training", ylabel="share")
        left.legend(frameon=False, fontsize=8.5, loc="upper left")
        alphas = 0.1 * 10**progress
        low, middle, high = np.array([partner_share(key, alpha) for alpha in alphas]).T
        right.fill_between(progress, low, high, color=_BLUE, alpha=0.18, lw=0, label="10th to 90th percentile")
        right.plot(progress, middle, "o-", color=_BLUE, ms=3.5, label="median")
        right.set(title="mixup(alpha=alpha): the smaller of the two shares", ylim=(0, 0.52))
        right.set_xlabel("progress of training, alpha from 0.1 to 1")
        right.legend(frameon=False, fontsize=8.5, loc="upper left")
        _save(figure, path)


def reliability(path: Path) -> None:
    """Train a small network on digits without and with mixing, and plot accuracy against confidence."""
    digits = load_digits()
    x, y = digits.images[..., None].astype(np.float32) / 16, digits.target
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:300], order[300:]
    methods = {"no mixing": None, "mixup": jaxmix.mixup, "cutmix": jaxmix.cutmix}
    with matplotlib.rc_context(_STYLE):
        figure = Figure((8.3, 3.1), 200, layout="constrained")
        for axes, (name, method) in zip(figure.subplots(1, 3, sharey=True), methods.items(), strict=True):
            logits = _logits(method, x[train], y[train], x[test])
            confidence, correct = calibration.top_label(logits, y[test])
            bins = calibration.reliability(confidence, correct, bins=10)
            _diagram(axes, bins)
            error = calibration.expected_error(confidence, correct, bins=10)
            axes.set_title(f"{name}: error {100 * (1 - correct.mean()):.1f} %, ECE {100 * error:.1f} %")
        figure.axes[0].set_ylabel("accuracy")
        figure.axes[0].legend(frameon=False, fontsize=8.5, loc="upper left")
        _save(figure, path)


def _diagram(axes, bins) -> None:
    """Plot the bins that hold samples: their accuracy, and the gap to their confidence."""
    filled = np.asarray(bins.number) > 0
    edges = np.linspace(0, 1, len(filled) + 1)[:-1][filled]
    confidence, accuracy = (np.asarray(values)[filled] for values in (bins.confidence, bins.accuracy))
    width = 1 / len(bins.number)
    both = np.minimum(accuracy, confidence)
    parts = (
        (np.zeros_like(both), both, _BLUE, None),
        (both, accuracy - both, _SKY, "underconfident"),
        (both, confidence - both, _ORANGE, "overconfident"),
    )
    for bottom, height, color, label in parts:
        axes.bar(edges, height, width, bottom, align="edge", color=color, ec="white", label=label)
    axes.plot([0, 1], [0, 1], "--", color=_GREY, lw=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", aspect="equal")


def _logits(method, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Train a network of one hidden layer of 256 units, 600 steps of Adam on all samples, and evaluate it."""
    optimizer = optax.adam(3e-3)
    first, second, key = jax.random.split(jax.random.key(0), 3)
    parameters = {
        "hidden": jax.random.normal(first, (64, 256)) / 8,
        "bias": jnp.zeros(256),
        "out": jax.random.normal(second, (256, 10)) / 16,
    }

    def network(parameters, x):
        hidden = jax.nn.relu(x.reshape(len(x), -1) @ parameters["hidden"] + parameters["bias"])
        return hidden @ parameters["out"]

    @jax.jit
    def step(carry, key):
        def loss(parameters):
            images, mix = (x, None) if method is None else method(key, x)
            return jaxmix.cross_entropy(network(parameters, images), y, mix).mean()

        parameters, state = carry
        updates, state = optimizer.update(jax.grad(loss)(parameters), state)
        return (optax.apply_updates(parameters, updates), state), None

    carry = parameters, optimizer.init(parameters)
    (parameters, _), _ = jax.lax.scan(step, carry, jax.random.split(key, 600))
    return np.asarray(network(parameters, test))


def _save(figure: Figure, path: Path) -> None:
    """Place a figure on a card."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    height, width = pixels.shape[:2]
    card = Card(width + 48, height + 48)
    card.tile(np.ascontiguousarray(pixels), (24, 24), (width, height))
    card.save(path, quality=90)
