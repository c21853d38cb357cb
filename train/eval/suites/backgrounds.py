"""How much does the network go by the background? Noise or Signal (Xiao et al., 2021)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval import datasets, figures
from eval.load_run import Trained
from eval.report import Section
from eval.suites.base import MissingError, Options, Parts, Shown, Suite, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import backgrounds

CHALLENGED = 200
# Parts that are no accuracies.
FIGURES, CHALLENGED_NUMBER = "figures", "challenged"


def settings(options: Options) -> dict[str, Any]:
    """Where the pictures are, and how many are challenged."""
    return {"boxes": str(options.boxes), "variants": str(options.variants), "challenged": CHALLENGED}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The accuracy for each variant: those of the folder, or made here with the boxes for foregrounds."""
    if options.variants is not None:
        for name, images, labels in datasets.variants(
            options.variants, trained.images.shape[1:], trained.dataset.names
        ):
            section.once(f"{name}, from the folder", partial(_accuracy, trained, images, labels, name))
    elif options.boxes is not None:
        _made(trained, section, options)
    else:
        raise MissingError("it needs pictures with boxes, --boxes FOLDER, or ImageNet-9's, --variants FOLDER.")


def _accuracy(trained: Trained, images: np.ndarray, labels: np.ndarray, name: str) -> float:
    return float((trained.logits(images, name).argmax(1) == labels).mean())


def _made_accuracy(
    trained: Trained, make: Callable[[], Any], labels: np.ndarray, valid: np.ndarray, name: str
) -> float | None:
    """Over the pictures that have a background of the kind; None if none has."""
    if not valid.any():
        return None
    return _accuracy(trained, np.asarray(make())[valid], labels[valid], name)


def _made(trained: Trained, section: Section, options: Options) -> None:
    assert options.boxes is not None
    located = datasets.located(options.boxes, trained.images.shape[1:], trained.dataset.names, options.limit)
    images, labels = located.images, located.labels
    box = located.frames(*images.shape[1:3])
    masks = np.zeros(images.shape[:3], np.float32)
    for mask, (x0, y0, x1, y1) in zip(masks, box, strict=True):
        mask[y0:y1, x0:x1] = 1
    tiled = np.asarray(backgrounds.only_background_tiled(images, box))
    keys = jax.random.split(jax.random.key(options.seed), 3)
    ids = jnp.asarray(labels)
    partners = {
        "Mixed-Same": backgrounds.same_class(keys[0], ids),
        "Mixed-Rand": backgrounds.random_class(keys[1], ids),
        "Mixed-Next": backgrounds.next_class(keys[2], ids, len(trained.dataset.names)),
    }
    everything = np.ones(len(images), bool)
    made = {
        "Original": (lambda: images, everything),
        "Only-BG-B": (lambda: backgrounds.only_background_black(images, box), everything),
        "Only-BG-T": (lambda: tiled, everything),
        "Only-FG": (lambda: backgrounds.only_foreground(images, masks), everything),
    } | {
        name: (lambda index=index: backgrounds.mixed(images, masks, tiled[np.asarray(index)]), np.asarray(valid))
        for name, (index, valid) in partners.items()
    }
    for name, (make, valid) in made.items():
        section.once(name, partial(_made_accuracy, trained, make, labels, valid, name))
    section.once("challenge", lambda: _challenge(trained, images, masks, labels, tiled))
    section.once(CHALLENGED_NUMBER, lambda: min(CHALLENGED, len(images)))

    def figure() -> list[str]:
        small = [i for i in range(len(images)) if masks[i].mean() < 0.7] or list(range(len(images)))
        first = [small[i] for i in np.linspace(0, len(small) - 1, min(6, len(small))).astype(int)]
        figures.sheet(
            section.folder / "backgrounds.png",
            [[np.asarray(make())[i] for i in first] for make, _ in made.values()],
            list(made),
            [trained.dataset.names[labels[i]] for i in first],
        )
        return ["backgrounds.png"]

    section.once(FIGURES, figure)


def _challenge(trained: Trained, images: np.ndarray, masks: np.ndarray, labels: np.ndarray, tiled: np.ndarray) -> float:
    """Every one of some foregrounds before every one of as many backgrounds."""
    chosen = np.linspace(0, len(images) - 1, min(CHALLENGED, len(images))).astype(int)
    others = jnp.asarray(tiled[chosen])

    def predicted(image: jax.Array, mask: jax.Array) -> jax.Array:
        crossed = backgrounds.crossed(image, mask, others)
        return trained.network(to_unit(crossed.reshape(-1, *image.shape[1:]))).argmax(1).reshape(len(image), -1)

    jitted = jax.jit(predicted)
    rows = [np.asarray(jitted(images[i : i + 1], masks[i : i + 1]))[0] for i in chosen]
    return float(backgrounds.challenge_accuracy(jnp.asarray(np.stack(rows)), jnp.asarray(labels[chosen])))


def show(parts: Parts) -> Shown:
    """A row per variant, and the gap."""
    found = {name: value for name, value in parts.items() if name not in (FIGURES, CHALLENGED_NUMBER)}
    rows = [(name, percent(value)) for name, value in found.items()]
    named = {name.split(",")[0].lower().replace("-", "_"): value for name, value in found.items()}
    same, random = named.get("mixed_same"), named.get("mixed_rand")
    gap = None if same is None or random is None else same - random
    rows.append(("BG-Gap (Mixed-Same less Mixed-Rand)", percent(gap)))
    summary: dict[str, float | None] = {"BG-Gap, points": None if gap is None else 100 * gap}
    notes = ["Accuracy, not error."]
    if "challenge" in parts:
        notes.append(
            "Foregrounds are all that lies in the box, not silhouettes, so figures aren't those of ImageNet-9. "
            f"Challenge: {parts[CHALLENGED_NUMBER]} foregrounds, each right before all of as many backgrounds. "
            "Mixed-Same counts the pictures that share their class with another."
        )
    return Shown(summary, ("pictures", "accuracy, %"), rows, tuple(notes))


def plot(parts: Parts, folder: Path) -> list[str]:
    """The sheet that `compute` has made."""
    return list(parts.get(FIGURES, []))


SUITE = Suite("Backgrounds", settings, compute, show, plot)
