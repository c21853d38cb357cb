"""How much does the network go by the background? Noise or Signal (Xiao et al., 2021)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import figures
import sets
from jaxmix.robustness import backgrounds
from results import Section
from suites.base import MissingError, Options, Parts, Shown, Suite, percent
from trained import Trained, unit

CHALLENGED = 200


def settings(options: Options) -> dict[str, Any]:
    """Where the pictures are, and how many are challenged."""
    return {"boxes": str(options.boxes), "variants": str(options.variants), "challenged": CHALLENGED}


def compute(trained: Trained, section: Section, options: Options) -> None:
    """The accuracy for each variant: those of the folder, or made here with the boxes for foregrounds."""
    if options.variants is not None:
        for name, images, labels in sets.variants(options.variants, trained.images.shape[1:], trained.dataset.names):
            section.once(f"{name}, from the folder", partial(_accuracy, trained, images, labels, name))
    elif options.boxes is not None:
        _made(trained, section, options)
    else:
        raise MissingError("it needs pictures with boxes, --boxes FOLDER, or ImageNet-9's, --variants FOLDER.")


def _accuracy(trained: Trained, images: np.ndarray, labels: np.ndarray, name: str) -> float:
    return float((trained.logits(images, name).argmax(1) == labels).mean())


def _made_accuracy(trained: Trained, make: Callable[[], Any], labels: np.ndarray, name: str) -> float:
    return _accuracy(trained, np.asarray(make()), labels, name)


def _made(trained: Trained, section: Section, options: Options) -> None:
    assert options.boxes is not None
    located = sets.located(options.boxes, trained.images.shape[1:], trained.dataset.names, options.limit)
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
    made = {
        "Original": lambda: images,
        "Only-BG-B": lambda: backgrounds.only_background_black(images, box),
        "Only-BG-T": lambda: tiled,
        "Only-FG": lambda: backgrounds.only_foreground(images, masks),
    } | {
        name: (lambda index=index: backgrounds.mixed(images, masks, tiled[np.asarray(index)]))
        for name, (index, _) in partners.items()
    }
    for name, make in made.items():
        section.once(name, partial(_made_accuracy, trained, make, labels, name))
    section.once("challenge", lambda: _challenge(trained, images, masks, labels, tiled))
    first = [i for i in range(len(images)) if masks[i].mean() < 0.7][:6]
    figures.sheet(
        section.folder / "backgrounds.png",
        [[np.asarray(make())[i] for i in first] for make in made.values()],
        list(made),
        [trained.dataset.names[labels[i]] for i in first],
    )


def _challenge(trained: Trained, images: np.ndarray, masks: np.ndarray, labels: np.ndarray, tiled: np.ndarray) -> float:
    """Every one of some foregrounds before every one of as many backgrounds."""
    chosen = np.linspace(0, len(images) - 1, min(CHALLENGED, len(images))).astype(int)
    others = jnp.asarray(tiled[chosen])

    def predicted(image: jax.Array, mask: jax.Array) -> jax.Array:
        crossed = backgrounds.crossed(image, mask, others)
        return trained.network(unit(crossed.reshape(-1, *image.shape[1:]))).argmax(1).reshape(len(image), -1)

    jitted = jax.jit(predicted)
    rows = [np.asarray(jitted(images[i : i + 1], masks[i : i + 1]))[0] for i in chosen]
    return float(backgrounds.challenge_accuracy(jnp.asarray(np.stack(rows)), jnp.asarray(labels[chosen])))


def show(parts: Parts) -> Shown:
    """A row per variant, and the gap."""
    rows = [(name, percent(value)) for name, value in parts.items()]
    named = {name.split(",")[0].lower().replace("-", "_"): value for name, value in parts.items()}
    gap = named["mixed_same"] - named["mixed_rand"] if {"mixed_same", "mixed_rand"} <= named.keys() else None
    rows.append(("BG-Gap (Mixed-Same less Mixed-Rand)", percent(gap)))
    summary: dict[str, float | None] = {"BG-Gap, points": None if gap is None else 100 * gap}
    notes = ["Accuracy, not error."]
    if "challenge" in parts:
        notes.append(
            "Foregrounds are all that lies in the box, not silhouettes, so figures aren't those of ImageNet-9. "
            f"Challenge: {CHALLENGED} foregrounds, each right before all of as many backgrounds."
        )
    return Shown(summary, ("pictures", "accuracy, %"), rows, tuple(notes))


def draw(parts: Parts, folder: Path) -> list[str]:
    """The sheet that `compute` has made."""
    return ["backgrounds.png"] if (folder / "backgrounds.png").exists() else []


SUITE = Suite("Backgrounds", settings, compute, show, draw)
