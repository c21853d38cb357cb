"""Images that only an evaluation reads: published corruptions, boxes, backgrounds. Nothing here downloads.

CLASS is the name of a class of the run, or else `image_files.class_folders` says which class it is.

CIFAR-10-C            FOLDER/fog.npy uint8 [5n h w c], the five severities in order, .., and FOLDER/labels.npy
tensorflow-datasets   FOLDER/cifar10_corrupted/fog_1/VERSION/, .., prepared in the array_record format
ImageNet-C            FOLDER/fog/1/CLASS/*.JPEG, ..
boxes                 FOLDER/val/CLASS/*.jpg and FOLDER/val_boxes.csv, with the columns file, x0, y0, x1, y1
ImageNet-9            FOLDER/mixed_same/val/CLASS/*.JPEG, ..
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from eval.image_files import ClassFolders, class_folders, image_size, image_tree, read_image
from inputs import tfds_prepared
from inputs.box_tables import read_boxes
from inputs.dataset import class_ids
from jaxmix.robustness import corruptions, localization

__all__ = [
    "LOCATED_FILES",
    "PUBLISHED_FILES",
    "VARIANT_FILES",
    "Located",
    "Published",
    "located",
    "read_outside",
    "variant_folders",
]

# Names that tensorflow-datasets has for two of the corruptions, and the split with labels of each of its sets.
PREPARED = {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"}
SPLITS = {"cifar10_corrupted": "test", "imagenet2012_corrupted": "validation"}
VARIANTS = (
    "original",
    "only_bg_b",
    "only_bg_t",
    "no_fg",
    "only_fg",
    "mixed_same",
    "mixed_rand",
    "mixed_next",
)
CORRUPTIONS = (*corruptions.MAIN, *corruptions.EXTRA)
# The files that are read below a folder, as patterns, by which measurements belong to them.
PUBLISHED_FILES = (
    *("*.npy", *(f"{name}/*/*/*" for name in SPLITS)),
    *(f"{name}/[1-5]/*/*" for name in CORRUPTIONS),
)
LOCATED_FILES = ("val_boxes.csv", "val/*/*")
VARIANT_FILES = tuple(f"{name}/val/*/*" for name in VARIANTS)


class Published:
    """Corrupted images as their authors published them.

    names: the corruptions that are in the folder
    note: a sentence on the order of the classes where that is a guess; empty otherwise
    ordered: whether they are arrays, which CIFAR-10-C has in the order of the test images
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
        """`shape` is [h w c] of the images. Raises ValueError if none of the layouts is found."""
        self.folder, self.shape, self.classes = folder, shape, classes
        self._set = "cifar10_corrupted" if len(classes) == 10 else "imagenet2012_corrupted"
        layouts = {
            self._array: [name for name in CORRUPTIONS if (folder / f"{name}.npy").is_file()],
            self._prepared: [name for name in CORRUPTIONS if [*self._places(name, 1)]],
            self._tree: [name for name in CORRUPTIONS if (folder / name / "1").is_dir()],
        }
        self._read, self.names = max(layouts.items(), key=lambda layout: len(layout[1]))
        if not self.names:
            raise ValueError(
                f"--corrupted {folder} has no corrupted images. It looked for fog.npy and labels.npy (CIFAR-10-C, "
                "as published), cifar10_corrupted/fog_1/*/dataset_info.json (prepared by tensorflow-datasets) and "
                "fog/1/CLASS/*.JPEG (ImageNet-C), and the like for the other corruptions."
            )
        tree = self._read == self._tree
        self.ordered = self._read == self._array
        self.note = class_folders(folder / self.names[0] / "1", classes).note if tree else ""

    def read(self, name: str, severity: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
        """The first `limit` images of a corruption at a severity from 1 to 5, uint8 [n h w c], and their labels."""
        images, labels = self._read(name, severity, limit)
        if images.dtype != np.uint8 or images.shape[1:] != self.shape or len(images) != len(labels):
            raise ValueError(
                f"{self.folder}: {name} {severity} has {len(labels)} labels and images {images.dtype} "
                f"{list(images.shape)}; the network takes uint8 {list(self.shape)}{_advice(images, self.shape)}."
            )
        return images, labels

    def _array(self, name: str, severity: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
        try:
            images = np.atleast_1d(np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            labels = np.atleast_1d(np.load(self.folder / "labels.npy", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.folder}: {name}.npy or labels.npy can't be read: {error}") from error
        if images.ndim != 4 or len(images) % 5 or labels.shape[:1] not in ((len(images),), (len(images) // 5,)):
            raise ValueError(
                f"{self.folder}: {name}.npy has {len(images)} images and labels.npy {len(labels)} labels; wanted "
                "five severities of the same number of images, one after the other."
            )
        labels = class_ids(str(self.folder / "labels.npy"), labels, len(labels), len(self.classes))
        count = len(images) // 5
        rows = slice((severity - 1) * count, (severity - 1) * count + min(limit or count, count))
        return np.asarray(images[rows]), labels[rows] if len(labels) == len(images) else labels[:limit]

    def _places(self, name: str, severity: int) -> list[Path]:
        return sorted(self.folder.glob(f"{self._set}/{PREPARED.get(name, name)}_{severity}/*/dataset_info.json"))

    def _prepared(self, name: str, severity: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
        places = self._places(name, severity)
        if not places:
            raise ValueError(f"{self.folder} has {name} prepared at severity 1, but not at {severity}.")
        place = places[-1].parent
        images, labels = tfds_prepared.split(place, SPLITS[self._set], limit)
        ids, names = class_ids(str(place), labels, len(images), len(self.classes)), tfds_prepared.names(place)
        if set(names) == set(self.classes):  # perhaps in another order than the run's
            ids = np.array([self.classes.index(name) for name in names], np.int32)[ids]
        return images, ids

    def _tree(self, name: str, severity: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
        folders = class_folders(self.folder / name / str(severity), self.classes)
        images, labels, _ = image_tree(folders, self.shape, limit)
        return images, labels


class Located(NamedTuple):
    """Images with one box each.

    images: uint8 [n h w c], of the network's size
    labels: class ids
    originals: uint8 [n H W c], of the size of the first file
    boxes: Int [n 4], (x0, y0, x1, y1) in pixels of the originals: the first and the last column and row
    note: a sentence on the order of the classes where that is a guess; empty otherwise
    """

    images: np.ndarray
    labels: np.ndarray
    originals: np.ndarray
    boxes: np.ndarray
    note: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the originals."""
        height, width = self.originals.shape[1:3]
        return height, width

    def boxes_at(self, height: int, width: int) -> Int[np.ndarray, "n 4"]:
        """The boxes in images of another size, (x0, y0, x1, y1) in whole pixels, x1 and y1 exclusive."""
        scale = np.array([width, height, width, height]) / np.array([*self.size[::-1], *self.size[::-1]])
        start = np.floor(self.boxes[:, :2] * scale[:2])
        end = np.ceil((self.boxes[:, 2:] + 1) * scale[2:])
        return np.concatenate([start, end], 1).astype(np.int32)


def located(folder: Path, shape: tuple[int, ...], classes: tuple[str, ...], limit: int | None) -> Located:
    """Read the images of FOLDER/val with their boxes in FOLDER/val_boxes.csv.

    Raises ValueError: missing or broken files, or another number of classes than the network has.
    """
    table = folder / "val_boxes.csv"
    if not table.is_file() or not (folder / "val").is_dir():
        raise ValueError(f"--boxes {folder} has no val/CLASS/*.jpg with a val_boxes.csv (file,x0,y0,x1,y1).")
    boxes = read_boxes(table)
    folders = class_folders(folder / "val", classes)
    images, labels, paths = image_tree(folders, shape, limit, whole=True)
    sizes = np.array([image_size(path) for path in paths])
    names = [path.relative_to(folder / "val").as_posix() for path in paths]
    missing = [name for name in names if name not in boxes]
    if missing:
        raise ValueError(f"{table} has no box for {len(missing)} images, such as {missing[0]}.")
    size = sizes[0]
    originals = np.stack([read_image(path, (*size, shape[2]), whole=True) for path in paths])
    try:
        resized = localization.resize_boxes(np.array([boxes[name] for name in names]), sizes, size)
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    return Located(images, labels, originals, resized, folders.note)


def variant_folders(folder: Path, classes: tuple[str, ...]) -> dict[str, ClassFolders]:
    """The class folders of each variant of ImageNet-9 that is in the folder. Raises ValueError if there is none."""
    found = [name for name in VARIANTS if (folder / name / "val").is_dir()]
    if not found:
        raise ValueError(f"--variants {folder} has none of {', '.join(VARIANTS)} with val/CLASS/*.JPEG in it.")
    return {name: class_folders(folder / name / "val", classes) for name in found}


def read_outside(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "n h w c"]:
    """The out-of-distribution images of an npz file, x_test or x, uint8 [n h w c]."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images = arrays["x_test" if "x_test" in arrays.files else "x"]
    except Exception as error:  # a broken archive can raise nearly anything
        raise ValueError(f"{path} can't be read as an npz file with uint8 images x_test or x: {error}") from error
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise ValueError(
            f"{path} has images {images.dtype} {list(images.shape)}; wanted uint8 [n {' '.join(map(str, shape))}]"
            f"{_advice(images, shape)}."
        )
    return images


def _advice(images: np.ndarray, shape: tuple[int, ...]) -> str:
    """What to do with images of another shape than [h w c]."""
    height, width, channels = shape
    if images.shape[1:] == (channels, height, width):
        return ": write x.transpose(0, 2, 3, 1) instead, as their channels come first"
    return ": resize them" if images.ndim == 4 and images.shape[3] == channels else ""
