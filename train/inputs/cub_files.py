"""CUB-200-2011, the birds of Caltech and UCSD, as its archive unpacks."""

from pathlib import Path

from inputs import tables
from inputs.listing import Files, Splits

__all__ = ["cub"]

ARCHIVE = "CUB_200_2011"


def cub(root: Path, *, allow_empty: bool = False) -> Splits:
    """CUB (Wah et al., 2011): 5,994 and 5,794 images of 200 species, a box for each.

    Read from images/, images.txt, classes.txt, image_class_labels.txt, train_test_split.txt and bounding_boxes.txt.

    Raises ValueError: a file that is missing, tables that don't suit each other.
    """
    del allow_empty
    root = root / ARCHIVE if (root / ARCHIVE).is_dir() else root
    paths = tables.keyed(root / "images.txt", 2)
    names = tables.keyed(root / "classes.txt", 2)
    labels, split = tables.keyed(root / "image_class_labels.txt", 2), tables.keyed(root / "train_test_split.txt", 2)
    boxes = tables.keyed(root / "bounding_boxes.txt", 5)
    for table, file in (
        (labels, "image_class_labels.txt"),
        (split, "train_test_split.txt"),
        (boxes, "bounding_boxes.txt"),
    ):
        missing = sorted(set(paths) - set(table))
        if missing:
            raise ValueError(f"{root / file} has no line for image {missing[0]} of images.txt.")
    classes = {key: label for label, key in enumerate(names)}
    unknown = sorted({label for (label,) in labels.values()} - set(classes))
    if unknown:
        raise ValueError(f"{root / 'image_class_labels.txt'} has the class {unknown[0]}, which classes.txt lacks.")

    def chosen(flag: str) -> Files:
        keys = [key for key in paths if split[key] == [flag]]
        corners = []
        for x, y, width, height in (map(float, boxes[key]) for key in keys):
            corners.append((x, y, x + width, y + height))
        items, ids = [f"images/{paths[key][0]}" for key in keys], [classes[labels[key][0]] for key in keys]
        return tables.files("cub", [name for (name,) in names.values()], root, items, ids, corners)

    return Splits(chosen("1"), chosen("0"))
