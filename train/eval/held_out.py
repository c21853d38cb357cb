"""Images of classes that a run wasn't trained on, with their class ids. Nothing here downloads.

npz file     x_test uint8 [n h w c] and y_test [n], or x and y
CIFAR        FOLDER/cifar-100-python or FOLDER/cifar-10-batches-py, of which the test images are read
folder       FOLDER/val/CLASS/*.jpg, FOLDER/test/CLASS/*.jpg or FOLDER/CLASS/*.jpg, resized to the network's size
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import inputs
from eval.fingerprints import fingerprint
from eval.image_files import ClassFolders, image_tree
from inputs.dataset import class_ids

__all__ = ["HeldOut", "files", "read"]

CIFAR = {"cifar-100-python": "cifar100", "cifar-10-batches-py": "cifar10"}
SPLITS = ("val", "test", ".")


class HeldOut(NamedTuple):
    """Images, uint8 [n h w c], of a size that the network takes, and their class ids [n]."""

    images: np.ndarray
    labels: np.ndarray


def files(path: Path | None) -> dict[str, int] | None:
    """The fingerprint of what `read` reads."""
    if path is None or path.is_file():
        return None if path is None else fingerprint(path.parent, [path.name])
    return fingerprint(path, ["*/*", "val/*/*", "test/*/*"])


def read(path: Path, shape: tuple[int, ...], classes: Sequence[str], limit: int | None) -> HeldOut:
    """Read the images [h w c] of held-out classes; `classes` are the names of those that the run was trained on.

    Raises ValueError, which begins with the option: nothing there, broken files, images of another shape, or a class
    of the run among them.
    """
    try:
        images, labels, names = _npz(path) if path.is_file() else _folder(path, shape, limit)
    except ValueError as error:
        raise ValueError(f"--held-out: {error}") from error
    if known := sorted(set(names) & set(classes)):
        raise ValueError(
            f"--held-out {path} has the class {known[0]}, which the run was trained on ({len(known)} of {len(names)} "
            "classes are); wanted other classes only."
        )
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        raise ValueError(
            f"--held-out {path} has images {images.dtype} {list(images.shape)}; wanted uint8 "
            f"[n {' '.join(map(str, shape))}], as the network takes them: resize them."
        )
    rows = inputs.some(labels, limit)
    return HeldOut(images[rows], labels[rows])


# Images, class ids and the names of the classes, none where they have numbers only.
Found = tuple[np.ndarray, np.ndarray, Sequence[str]]


def _npz(path: Path) -> Found:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            suffix = "_test" if "x_test" in arrays.files else ""
            images, labels = arrays[f"x{suffix}"], arrays[f"y{suffix}"]
    except Exception as error:  # a broken archive can raise nearly anything
        raise ValueError(f"{path} can't be read as an npz file with x_test and y_test, or x and y: {error}") from error
    images = images[..., None] if images.ndim == 3 else images
    return images, class_ids(str(path), labels, len(images)), ()


def _folder(path: Path, shape: tuple[int, ...], limit: int | None) -> Found:
    for name, dataset in CIFAR.items():
        if (path / name).is_dir():
            found = inputs.load(dataset, path)
            return found.test_images, found.test_labels, found.classes
    for split in SPLITS:
        places = sorted(place for place in path.glob(f"{split}/*") if place.is_dir() and not place.name.startswith("."))
        if places:
            folders = ClassFolders([(place, label) for label, place in enumerate(places)], "")
            images, labels, _ = image_tree(folders, shape, limit)
            return images, labels, [place.name for place in places]
    raise ValueError(
        f"{path} has no images of held-out classes. It looked for an npz file, cifar-100-python, cifar-10-batches-py, "
        "val/CLASS/*.jpg, test/CLASS/*.jpg and CLASS/*.jpg."
    )
