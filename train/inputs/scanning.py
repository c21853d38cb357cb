"""Find image files below folders: names and sizes, without opening them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from inputs.listing import Files

__all__ = ["SUFFIXES", "below", "below_itself", "by_class", "require_images", "subfolders"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def subfolders(folder: Path) -> tuple[str, ...]:
    """The names of the folders in a folder, sorted; hidden ones are left out. Empty if it is none."""
    if not folder.is_dir():
        return ()
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()))


def below(folder: Path) -> list[tuple[str, int]]:
    """The image files anywhere below a folder, with their sizes, sorted by path; names that begin with a dot are left
    out. A file that can't be opened is listed too, with size 0.
    """
    return sorted(_below(str(folder), ""))


def below_itself(folder: Path) -> list[tuple[str, int]]:
    """The image files in a folder, not those in its folders; empty if it is none."""
    return [(item, size) for item, size in below(folder) if "/" not in item] if folder.is_dir() else []


def _below(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _below(entry.path, f"{prefix}{entry.name}/")
            elif entry.name.lower().endswith(SUFFIXES):
                try:
                    yield f"{prefix}{entry.name}", entry.stat().st_size
                except OSError:  # a link to nowhere: it is named when it is read
                    yield f"{prefix}{entry.name}", 0


def by_class(name: str, root: Path, folder: str, classes: Sequence[str]) -> Files:
    """The images ROOT/FOLDER/CLASS/.. of each class; a class may have none, and need not have a folder.

    Paths are relative to `root`.
    """
    items, labels, sizes = [], [], []
    for label, one in enumerate(classes):
        place = root / folder / one
        for item, size in below(place) if place.is_dir() else []:
            items.append(f"{folder}/{one}/{item}")
            labels.append(label)
            sizes.append(size)
    return Files(name, tuple(classes), root, items, labels, sizes)


def require_images(listing: Files, folder: Path) -> None:
    """Raises ValueError, which names them, for classes without an image in `folder`."""
    absent = listing.absent
    if absent:
        empty = ", ".join(str(folder / name) for name in absent[:3]) + ", .." * (len(absent) > 3)
        raise ValueError(
            f"{len(absent)} of {len(listing.classes)} classes have no image ({', '.join(SUFFIXES)}): {empty}. Remove "
            "these folders, or put images in them."
        )
