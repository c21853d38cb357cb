"""Folders of images by class: the class of each folder, and image files as uint8 arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from inputs import crops

__all__ = ["RESIZED", "ClassFolders", "class_folders", "image_paths", "image_size", "image_tree", "read_image"]

# How, as it stands in reports: one of images resized otherwise is not gone on with.
RESIZED = "bilinear, as for training"

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp")


class ClassFolders(NamedTuple):
    """The folders of the classes under one folder.

    places: each folder with its class id
    note: a sentence on their order where their names don't say which class each of them is; empty where they do
    """

    places: list[tuple[Path, int]]
    note: str


def class_folders(folder: Path, classes: Sequence[str]) -> ClassFolders:
    """Find the folders FOLDER/CLASS and the class id of each.

    Folders with the names of the run's `classes` are those classes; some of them may be missing. Otherwise there is one
    for each class: in the order of their values where all names are numbers, else in the order of the names.

    Raises ValueError: a folder that can't be read, another number of classes, or only some names of the run's.
    """
    try:
        found = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    except OSError as error:
        raise ValueError(f"{folder} can't be read ({error.strerror or error}); wanted a folder CLASS/*.jpg.") from error
    names = [place.name for place in found]
    if found and set(names) <= set(classes):
        return ClassFolders([(place, classes.index(place.name)) for place in found], "")
    if len(found) != len(classes):
        raise ValueError(
            f"{folder} has {len(found)} classes; the network has {len(classes)}: {_some(classes)}. Wanted a folder for "
            "each, or folders with these names."
        )
    if all(name.isdecimal() for name in names):
        found.sort(key=lambda place: int(place.name))
        values = [int(place.name) for place in found]
        if len(set(values)) < len(values):
            raise ValueError(f"{folder} has two folders for one number, such as 1 and 01; wanted one for each class.")
        note = "" if values == list(range(len(values))) else _note("numerical", found, classes)
        return ClassFolders([(place, label) for label, place in enumerate(found)], note)
    unknown, known = [name for name in names if name not in classes], [name for name in names if name in classes]
    if known:
        raise ValueError(
            f"{folder}: {_some(unknown)} {'are no classes' if len(unknown) > 1 else 'is no class'} of the run, while "
            f"{_some(known)} {'are' if len(known) > 1 else 'is'}. Wanted the names of the run's classes, as in its "
            f"dataset.json: rename to {_some([name for name in classes if name not in names])}."
        )
    return ClassFolders([(place, label) for label, place in enumerate(found)], _note("alphabetical", found, classes))


def _note(order: str, places: Sequence[Path], classes: Sequence[str]) -> str:
    pairs = [f"{place.name} is class {name}" for place, name in zip(places, classes, strict=True)]
    return (
        f"The class folders don't have the names of the run's classes, so they are taken in {order} order: "
        f"{_some(pairs, 2)}."
    )


def _some(names: Sequence[str], count: int = 3) -> str:
    """The first names and the last one."""
    return ", ".join(names if len(names) <= count + 1 else [*names[:count], "..", names[-1]])


def image_paths(folders: ClassFolders, limit: int | None) -> list[tuple[Path, int]]:
    """The files CLASS/*.jpg, or of another of the SUFFIXES, with their class ids.

    Where there are more than `limit` images, they are taken at even distances. Names that begin with a dot, as of the
    files that macOS and Jupyter add, are left out. Raises ValueError for none.
    """
    found = [
        (path, label)
        for place, label in folders.places
        for path in sorted(place.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not found:
        raise ValueError(f"{folders.places[0][0].parent} has no images CLASS/*.jpg ({', '.join(SUFFIXES)}).")
    if limit is not None and limit < len(found):
        found = [found[place] for place in np.linspace(0, len(found) - 1, limit).astype(int)]
    return found


def image_tree(
    folders: ClassFolders, shape: tuple[int, ...], limit: int | None, *, whole: bool = False
) -> tuple[np.ndarray, np.ndarray, list[Path]]:
    """Read the images of `image_paths`, each as `read_image` does; returns images [n h w c], labels and paths."""
    found = image_paths(folders, limit)
    images = np.stack([read_image(path, shape, whole=whole) for path, _ in found])
    return images, np.array([label for _, label in found], np.int32), [path for path, _ in found]


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, turned as its EXIF orientation says."""
    import PIL.ExifTags
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            turned = image.getexif().get(PIL.ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            return (image.width, image.height) if turned else (image.height, image.width)
    except Exception as error:  # a broken image can raise nearly anything
        raise ValueError(f"{path} can't be read as an image: {error}") from error


def read_image(path: Path, shape: tuple[int, ...], *, whole: bool = False) -> UInt8[np.ndarray, "h w c"]:
    """An image file, turned as its EXIF orientation says, as uint8 [h w c], resized as `--dataset folder` does.

    A square is the center of the image, as in training. With `whole`, and for other shapes, all of the image is warped
    to it, so that the places in it keep their share of its sides.

    Raises ValueError for a file that can't be read.
    """
    import PIL.Image
    import PIL.ImageOps

    height, width, channels = shape
    try:
        with PIL.Image.open(path) as image:
            plain = _eight_bits(PIL.ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
            if whole or height != width:
                made = crops.pixels(crops.resize(plain, (height, width)))
            else:
                made = crops.resized_center_crop(plain, size=height, resized=height)
    except Exception as error:  # a broken image can raise nearly anything
        raise ValueError(f"{path} can't be read as an image: {error}") from error
    return made.reshape(shape)


def _eight_bits(image: Any) -> Any:
    """A grey image of 16 bits with 8: Pillow's own conversion takes all levels above 255 for 255."""
    import PIL.Image

    if not image.mode.startswith("I"):
        return image
    return PIL.Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
