"""The type of a data set in memory, and what every reader checks and measures."""

import zlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

__all__ = ["Arrays", "Dataset", "check", "class_ids", "create", "describe", "some"]


class Dataset(NamedTuple):
    """A data set for classification.

    train_images, test_images: uint8 [n h w c]
    train_labels, test_labels: int32 [n], in 0 .. len(classes) - 1
    classes: their names
    mean, std: of each channel over the training images, as a share of 255
    padding: pixels around an image before a random crop of its size
    flip: whether a mirrored image is still of its class
    validation_images, validation_labels: like those for testing, if there are any
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int
    flip: bool
    validation_images: np.ndarray | None = None
    validation_labels: np.ndarray | None = None

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes without a training image."""
        counts = np.bincount(self.train_labels, minlength=len(self.classes))
        return tuple(name for name, count in zip(self.classes, counts, strict=True) if not count)

    def limited(self, train: int | None, test: int | None) -> "Dataset":
        """Some images of either split, chosen as by `some`, or all."""
        of_train, of_test = some(self.train_labels, train), some(self.test_labels, test)
        return self._replace(
            train_images=self.train_images[of_train],
            train_labels=self.train_labels[of_train],
            test_images=self.test_images[of_test],
            test_labels=self.test_labels[of_test],
        )


def some(labels: np.ndarray, count: int | None) -> slice | Int[np.ndarray, "m"]:
    """The rows of `count` images, or all: the first ones, but evenly spaced ones where class stands after class, as in
    folders, so that each class has its share.
    """
    if count is None or count >= len(labels) or (labels[1:] < labels[:-1]).any():
        return slice(count)
    return np.arange(count) * len(labels) // count


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def check(where: str, images: np.ndarray, labels: np.ndarray, classes: int | None = None) -> Int[np.ndarray, "n"]:
    """Validate images, uint8 [n h w c], and their labels; returns the labels as `class_ids` does.

    Raises ValueError, which begins with `where`, for images that are none or have their channels first.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.size == 0:
        raise ValueError(
            f"{where}: images are {images.dtype} {list(images.shape)}; wanted uint8 [n h w c], all above 0."
        )
    height, width, channels = images.shape[1:]
    # A channel count first and an image's side last. Square images of many channels, as of satellites, are accepted.
    if channels > 4 and height != width and (height <= 4 or height < width == channels):
        raise ValueError(
            f"{where}: images are {list(images.shape)}, which looks like channels first, [n c h w]; wanted [n h w c]: "
            "write x.transpose(0, 2, 3, 1) instead."
        )
    return class_ids(where, labels, len(images), classes)


def class_ids(where: str, labels: np.ndarray, count: int, classes: int | None = None) -> Int[np.ndarray, "n"]:
    """Validate the class ids of `count` images, below `classes` if given; returns them as int32 [n].

    A column [n 1] is taken for [n]. Raises ValueError, which begins with `where`, for anything but one id per image.
    """
    ids = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if ids.shape != (count,):
        advice = ": of one-hot labels write labels.argmax(1)" if labels.ndim == 2 and len(labels) == count else ""
        raise ValueError(
            f"{where}: {count} images, but labels of shape {list(labels.shape)}; wanted one class id per image, "
            f"[{count}]{advice}."
        )
    if ids.dtype.kind not in "iu":
        raise ValueError(f"{where}: labels are {ids.dtype}; wanted integer labels [n], a class id per image.")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or (classes is not None and high >= classes) or high > np.iinfo(np.int32).max:
        advice = "0, 1, 2, ..: numpy.unique(labels, return_inverse=True) numbers them"
        wanted = advice if classes is None else f"0 to {classes - 1}"
        raise ValueError(f"{where}: labels go from {low} to {high}; wanted {wanted}.")
    return ids.astype(np.int32)


def create(name: str, parts: Arrays, classes: tuple[str, ...], *, padding: int, flip: bool) -> Dataset:
    train_images, train_labels, test_images, test_labels = parts
    mean, std = [], []
    levels = np.arange(256) / 255
    for channel in range(train_images.shape[-1]):
        # By counting levels: exact, and without a wider copy of more than a few images at a time.
        counts = np.zeros(256, np.int64)
        for start in range(0, len(train_images), 1000):
            counts += np.bincount(train_images[start : start + 1000, ..., channel].ravel(), minlength=256)
        shares = counts / counts.sum()
        mean.append(float(shares @ levels))
        # A channel of one value gets the standard deviation of one level, so that nothing is divided by zero.
        std.append(max(float(np.sqrt(shares @ (levels - mean[-1]) ** 2)), 1 / 255))
    return Dataset(
        name,
        train_images,
        train_labels.astype(np.int32),
        test_images,
        test_labels.astype(np.int32),
        classes,
        tuple(mean),
        tuple(std),
        padding,
        flip,
    )


def describe(dataset: Dataset) -> dict[str, Any]:
    """Describe a data set as JSON holds it: sizes, classes, mean, standard deviation and checksums."""
    arrays = {"train": dataset.train_images, "test": dataset.test_images}
    arrays |= {"train labels": dataset.train_labels, "test labels": dataset.test_labels}
    if dataset.validation_images is not None and dataset.validation_labels is not None:
        arrays |= {"validation": dataset.validation_images, "validation labels": dataset.validation_labels}
    return {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "sizes": {name: list(array.shape) for name, array in arrays.items()},
        "crc32": {name: zlib.crc32(np.ascontiguousarray(array).data) for name, array in arrays.items()},
    }
