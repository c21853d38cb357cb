"""Any folder of classes: train/CLASS/.. and val/CLASS/.. or test/CLASS/.."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from inputs import scanning
from inputs.box_tables import read_boxes
from inputs.listing import Files, Listing, Splits

__all__ = ["class_folders"]

HELD_OUT = ("val", "validation", "valid", "test")


def class_folders(root: Path, *, name: str = "folder", allow_empty: bool = False) -> Splits:
    """Images in a folder per class, below ROOT/train and ROOT/val or ROOT/test.

    Classes are sorted by the name of their folder; images may lie deeper, as in train/CLASS/images/. Where both val and
    test have folders of classes, val is for validation and test for testing. ROOT/train_boxes.csv and the like, with
    the columns file (relative to ROOT/train), x0, y0, x1 and y1, hold boxes.

    Raises ValueError: a folder that is missing, fewer than two classes, other classes for testing than for training,
    and, unless `allow_empty`, a class without a training image.
    """
    classes = scanning.subfolders(root / "train")
    if not classes:
        raise ValueError(_nothing(root, "train"))
    if len(classes) < 2:
        raise ValueError(
            f"{root / 'train'} has one folder, {classes[0]}, so there is one class; wanted a folder for each of two "
            "or more."
        )
    train = _split(name, root, "train", classes)
    if not allow_empty:
        scanning.require_images(train, root / "train")
    held_out = [folder for folder in HELD_OUT if set(scanning.subfolders(root / folder)) & set(classes)]
    if not held_out:
        raise ValueError(_nothing(root, "val"))
    splits = [_held_out(name, root, folder, classes) for folder in held_out]
    if len(splits) == 1 or held_out[-1] != "test":
        return Splits(train, splits[0])
    return Splits(train, splits[-1], splits[0])


def _held_out(name: str, root: Path, folder: str, classes: tuple[str, ...]) -> Listing:
    unknown = sorted(set(scanning.subfolders(root / folder)) - set(classes))
    if unknown:
        raise ValueError(
            f"{root / folder / unknown[0]} is of no class: {root / 'train'} has no folder of that name. Rename or "
            f"remove it{f', and {len(unknown) - 1} others' if len(unknown) > 1 else ''}."
        )
    split = _split(name, root, folder, classes)
    if not len(split):
        raise ValueError(f"{root / folder} has no images ({', '.join(scanning.SUFFIXES)}) in its folders of classes.")
    return split


def _split(name: str, root: Path, folder: str, classes: tuple[str, ...]) -> Files:
    split = scanning.by_class(name, root, folder, classes)
    table = root / f"{folder}_boxes.csv"
    if table.is_file():
        split.boxes = _boxes(table, [item.removeprefix(f"{folder}/") for item in split.items])
    return split


def _boxes(table: Path, items: list[str]) -> Float[np.ndarray, "n 4"]:
    boxes = read_boxes(table)
    missing = [item for item in items if item not in boxes]
    if missing:
        raise ValueError(
            f"{table} has no box for {missing[0]}; wanted one for every image. {len(missing)} of {len(items)} lack "
            "one: add them, or move the table away."
        )
    return np.array([boxes[item] for item in items], np.float32).reshape(-1, 4)


def _nothing(root: Path, split: str) -> str:
    given = f"{root.absolute() / split} has no folder of a class"
    if split != "train":
        given = f"None of {', '.join(HELD_OUT)} in {root.absolute()} has a folder of a class of its train"
    names = scanning.subfolders(root)
    found = f"There are: {', '.join(names[:8])}." if names else "It has no folders."
    if not root.is_dir():
        found = "There is no such folder."
    return (
        f"{given}. {found} Wanted images as\n"
        f"  {root / 'train' / 'CLASS' / '*.jpg'}\n  {root / 'val' / 'CLASS' / '*.jpg'}\n"
        "Point --data-dir to the folder that holds train and val."
    )
