"""Dependence on the background: the variants of Noise or Signal (Xiao et al., 2021)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from eval import datasets, figures
from eval.fingerprints import fingerprint
from eval.image_files import RESIZED, ClassFolders, image_paths, image_tree
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, MissingError, Options, Suite, Table, percent
from jaxmix.dtypes import to_unit
from jaxmix.robustness import backgrounds

__all__ = ["SUITE"]

FOREGROUNDS = 200
# Measurements that are no accuracies.
FIGURES, CHALLENGED, COUNTED, NOTE = "figures", "challenge foregrounds", "images", "note"

# One program each, instead of one for every operation.
_only_background_black = jax.jit(backgrounds.only_background_black)
_only_foreground, _mixed = jax.jit(backgrounds.only_foreground), jax.jit(backgrounds.mixed)

# Makes the images of a variant; which of them are valid.
Variant = tuple[Callable[[], Any], np.ndarray]


def settings(options: Options) -> dict[str, Any]:
    """The images, how many of them are read, and the number of foregrounds of the challenge."""
    return {
        "boxes": fingerprint(options.boxes, datasets.LOCATED_FILES),
        "variants": fingerprint(options.variants, datasets.VARIANT_FILES),
        "limit": options.limit,
        "resized": RESIZED,
        "foregrounds": FOREGROUNDS,
    }


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The accuracy for each variant: those of the folder, or made here with the boxes for foregrounds."""
    shape, classes = trained.images.shape[1:], trained.dataset.classes
    if options.variants is not None:
        folders = datasets.variant_folders(options.variants, classes)
        for name, own in folders.items():

            def accuracy(name: str = name, own: ClassFolders = own) -> float:
                images, labels, _ = image_tree(own, shape, options.limit)
                return _accuracy(trained, images, labels, name)

            section.once(f"{name}, from the folder", accuracy)
        counts = {name: len(image_paths(own, options.limit)) for name, own in folders.items()}
        section.once(COUNTED, lambda: counts)
        _keep_note(section, next(iter(folders.values())).note)
    elif options.boxes is not None:
        located = datasets.located(options.boxes, shape, classes, options.limit)
        _measure_made(trained, section, located, options.seed)
        _keep_note(section, located.note)
    else:
        raise MissingError("it needs images with boxes, --boxes FOLDER, or ImageNet-9's, --variants FOLDER.")


def _keep_note(section: Section, note: str) -> None:
    if note:
        section.once(NOTE, lambda: note)


def _accuracy(trained: Trained, images: np.ndarray, labels: np.ndarray, name: str) -> float:
    return 1 - error(trained.logits(images, name), labels)


def _measure_made(trained: Trained, section: Section, located: datasets.Located, seed: int) -> None:
    images, labels = located.images, located.labels
    section.once(COUNTED, lambda: {"each variant": len(images)})
    boxes = located.boxes_at(*images.shape[1:3])
    masks = np.zeros(images.shape[:3], np.float32)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = 1
    tiled = np.asarray(backgrounds.only_background_tiled(images, boxes))
    variants = _variants(images, labels, boxes, masks, tiled, len(trained.dataset.classes), jax.random.key(seed))
    for name, (make, valid) in variants.items():

        def accuracy(make: Callable[[], Any] = make, valid: np.ndarray = valid, name: str = name) -> float | None:
            """Over the images that have a background of this kind; None if none has."""
            return _accuracy(trained, np.asarray(make())[valid], labels[valid], name) if valid.any() else None

        section.once(name, accuracy)
    section.once("challenge", lambda: _challenge(trained, images, masks, labels, tiled))
    section.once(CHALLENGED, lambda: min(FOREGROUNDS, len(images)))

    def figure() -> list[str]:
        small = [i for i in range(len(images)) if masks[i].mean() < 0.7] or list(range(len(images)))
        examples = [small[i] for i in np.linspace(0, len(small) - 1, min(6, len(small))).astype(int)]
        figures.sheet(
            section.folder / "backgrounds.png",
            [[np.asarray(make())[i] for i in examples] for make, _ in variants.values()],
            list(variants),
            [trained.dataset.classes[labels[i]] for i in examples],
        )
        return ["backgrounds.png"]

    section.once(FIGURES, figure, files=["backgrounds.png"])


def _variants(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, "n"],
    boxes: Int[np.ndarray, "n 4"],
    masks: Float[np.ndarray, "n h w"],
    tiled: UInt8[np.ndarray, "n h w c"],
    num_classes: int,
    key: jax.Array,
) -> dict[str, Variant]:
    same_key, random_key, next_key = jax.random.split(key, 3)
    ids = jnp.asarray(labels)
    donors = {
        "Mixed-Same": backgrounds.same_class(same_key, ids),
        "Mixed-Rand": backgrounds.random_class(random_key, ids),
        "Mixed-Next": backgrounds.next_class(next_key, ids, num_classes),
    }
    every = np.ones(len(images), bool)
    return {
        "Original": (lambda: images, every),
        "Only-BG-B": (lambda: _only_background_black(images, boxes), every),
        "Only-BG-T": (lambda: tiled, every),
        "Only-FG": (lambda: _only_foreground(images, masks), every),
    } | {
        name: (partial(_mixed, images, masks, tiled[np.asarray(index)]), np.asarray(valid))
        for name, (index, valid) in donors.items()
    }


def _challenge(trained: Trained, images: np.ndarray, masks: np.ndarray, labels: np.ndarray, tiled: np.ndarray) -> float:
    """Accuracy of the challenge: each of n foregrounds in front of each of n backgrounds."""
    chosen = np.linspace(0, len(images) - 1, min(FOREGROUNDS, len(images))).astype(int)
    others = jnp.asarray(tiled[chosen])

    @jax.jit
    def predicted(image: UInt8[Array, "1 h w c"], mask: Float[Array, "1 h w"]) -> Int[Array, "1 n"]:
        images = backgrounds.challenge_images(image, mask, others)
        return trained.network(to_unit(images.reshape(-1, *image.shape[1:]))).argmax(1).reshape(len(image), -1)

    rows = [np.asarray(predicted(images[i : i + 1], masks[i : i + 1]))[0] for i in chosen]
    return float(backgrounds.challenge_accuracy(jnp.asarray(np.stack(rows)), jnp.asarray(labels[chosen])))


def tabulate(measurements: Measurements) -> Table:
    """A row per variant, and the gap."""
    accuracies = {
        name: value for name, value in measurements.items() if name not in (FIGURES, CHALLENGED, COUNTED, NOTE)
    }
    rows = [(name, percent(value)) for name, value in accuracies.items()]
    by_variant = {name.split(",")[0].lower().replace("-", "_"): value for name, value in accuracies.items()}
    same, random = by_variant.get("mixed_same"), by_variant.get("mixed_rand")
    gap = None if same is None or random is None else same - random
    rows.append(("BG-Gap (Mixed-Same less Mixed-Rand)", percent(gap)))
    summary: dict[str, float | None] = {"BG-Gap, points": None if gap is None else 100 * gap}
    counts = measurements[COUNTED]
    listed = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    notes = [f"Accuracy, not error. Images: {listed}."]
    if "challenge" in measurements:
        notes.append(
            "A foreground is the whole box, not a silhouette, so values aren't those of ImageNet-9. Challenge: "
            f"{measurements[CHALLENGED]} foregrounds, each right in front of all of as many backgrounds. Mixed-Same "
            "has the images whose class another image has too."
        )
    notes += [measurements[NOTE]] if NOTE in measurements else []
    return Table(summary, ("images", "accuracy, %"), rows, tuple(notes))


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """The sheet that `measure` has made."""
    return list(measurements.get(FIGURES, []))


SUITE = Suite("Backgrounds", settings, measure, tabulate, plot)
