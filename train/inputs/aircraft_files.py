"""FGVC-Aircraft, as its archive unpacks."""

from pathlib import Path

from inputs import tables
from inputs.listing import Files, Splits

__all__ = ["aircraft"]

ARCHIVE = "fgvc-aircraft-2013b"


def aircraft(root: Path, *, allow_empty: bool = False) -> Splits:
    """FGVC-Aircraft (Maji et al., 2013): 6,667 and 3,333 images of 100 variants, a box for each.

    Trains on the images for training and for validation. Read from data/images/, data/variants.txt,
    data/images_variant_{train,val,test}.txt and data/images_box.txt. The lowest 20 rows of an image are a line of
    text, which stays.

    Raises ValueError: a file that is missing, tables that don't suit each other.
    """
    del allow_empty
    root = root / ARCHIVE if (root / ARCHIVE).is_dir() else root
    root = root / "data" if (root / "data").is_dir() else root
    classes = [name for (name,) in tables.lines(root / "variants.txt", 1)]
    boxes = tables.keyed(root / "images_box.txt", 5)
    known = {name: label for label, name in enumerate(classes)}

    def chosen(*splits: str) -> Files:
        rows = []
        for split in splits:
            table = root / f"images_variant_{split}.txt"
            for image, variant in tables.lines(table, 2):
                if variant not in known:
                    raise ValueError(f"{table}: image {image} is a {variant}, which isn't in variants.txt.")
                if image not in boxes:
                    raise ValueError(f"{table}: image {image} isn't in images_box.txt.")
                rows.append((image, variant))
        rows.sort()
        corners = [[float(corner) for corner in boxes[image]] for image, _ in rows]
        items, labels = [f"images/{image}.jpg" for image, _ in rows], [known[variant] for _, variant in rows]
        return tables.files("aircraft", classes, root, items, labels, corners)

    return Splits(chosen("train", "val"), chosen("test"))
