"""Tiny-ImageNet as its archive unpacks: 200 classes of 64x64 pixels, a box for each image."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from inputs import scanning
from inputs.class_folders import class_folders
from inputs.listing import Files, Splits

__all__ = ["tiny_imagenet"]

NAME = "tiny-imagenet"
ARCHIVE = "tiny-imagenet-200"
ANNOTATIONS = Path("val/val_annotations.txt")


def tiny_imagenet(root: Path, *, allow_empty: bool = False) -> Splits:
    """Tiny-ImageNet: train/WNID/images/*.JPEG with boxes in train/WNID/WNID_boxes.txt, and val/images/*.JPEG with
    labels and boxes in val/val_annotations.txt; or with the validation images moved to folders of classes.

    The images in test/ have no labels and are left out.

    Raises ValueError: a folder that is missing, a table that doesn't suit the images.
    """
    root = root / ARCHIVE if (root / ARCHIVE).is_dir() else root
    if not (root / ANNOTATIONS).is_file() or not (root / "val" / "images").is_dir():
        return class_folders(root, name=NAME, allow_empty=allow_empty)
    classes = scanning.subfolders(root / "train")
    train = scanning.by_class(NAME, root, "train", classes)
    if not allow_empty:
        scanning.require_images(train, root / "train")
    train.boxes = _training_boxes(root, train, classes)
    return Splits(train, _validation(root, classes))


def _validation(root: Path, classes: tuple[str, ...]) -> Files:
    table = _table(root / ANNOTATIONS, columns=6)
    found = scanning.below_itself(root / "val" / "images")
    missing = [name for name, _ in found if name not in table]
    if missing:
        raise ValueError(f"{root / ANNOTATIONS} has no line for {missing[0]}, one of {len(missing)} such images.")
    rows = [table[name] for name, _ in found]
    known = {name: label for label, name in enumerate(classes)}
    unknown = sorted({row[0] for row in rows} - set(classes))
    if unknown:
        raise ValueError(f"{root / ANNOTATIONS} has the class {unknown[0]}, of which {root / 'train'} has no folder.")
    boxes = np.array([row[1:] for row in rows], np.float32).reshape(-1, 4)
    items = [f"val/images/{name}" for name, _ in found]
    return Files(NAME, classes, root, items, [known[row[0]] for row in rows], [size for _, size in found], boxes)


def _training_boxes(root: Path, train: Files, classes: tuple[str, ...]) -> Float[np.ndarray, "n 4"] | None:
    """The boxes of all training images, or None where a table or a line is missing."""
    paths = [root / "train" / name / f"{name}_boxes.txt" for name in classes]
    if not all(path.is_file() for path in paths):
        return None
    table = {name: row for path in paths for name, row in _table(path, columns=5).items()}
    rows = [table.get(item.rpartition("/")[2]) for item in train.items]
    return None if None in rows else np.array(rows, np.float32)


def _table(path: Path, columns: int) -> dict[str, list[str]]:
    """The rest of each line by its first column, a file name; columns are separated by tabs."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    wrong = [number for number, row in enumerate(rows, 1) if len(row) != columns]
    if wrong:
        raise ValueError(f"{path}, line {wrong[0]}: {len(rows[wrong[0] - 1])} columns; wanted {columns}.")
    return {row[0]: row[1:] for row in rows}
