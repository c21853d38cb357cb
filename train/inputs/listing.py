"""A split of a data set on disk: its encoded images by index, and their labels. Nothing is decoded here.

`len(listing)` and `listing[i]`, the bytes of an image, as grain's and tensorflow-datasets' sources have them.
"""

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Chosen", "Files", "Joined", "Listing", "Splits", "joined"]


class Listing(ABC):
    """Encoded images with labels.

    name, classes: of the data set and its classes
    boxes: x0, y0, x1, y1 of each image as the data set has them, or None
    labels_known: whether labels are at hand without reading the images
    """

    labels_known = True

    def __init__(self, name: str, classes: tuple[str, ...], boxes: Float[np.ndarray, "n 4"] | None = None) -> None:
        self.name, self.classes, self.boxes = name, classes, boxes

    @property
    @abstractmethod
    def labels(self) -> Int[np.ndarray, "n"]:
        """The class id of every image."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def example(self, index: int) -> tuple[bytes, int]:
        """The bytes and the class id of an image. Raises ValueError, which names its file, if it can't be read."""

    @abstractmethod
    def path(self, index: int) -> str:
        """What names an image in a message: its file, or its place in a file of records."""

    @abstractmethod
    def item(self, index: int) -> str:
        """The name of an image in this listing, wherever its folder is."""

    @abstractmethod
    def checksum(self) -> int:
        """Of the names, sizes and labels of the images, not of their pixels, nor of where their folder is."""

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes without an image; none where labels aren't known, as it would take all images to know."""
        if not self.labels_known:
            return ()
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return tuple(name for name, count in zip(self.classes, counts, strict=True) if not count)

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return self.example(index)[0]

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))

    def chosen(self, indices: Iterable[int]) -> "Listing":
        """Some of the images, in the order of the indices."""
        return Chosen(self, np.fromiter(indices, np.int64))

    def first(self, count: int | None) -> "Listing":
        """The first images, or all."""
        return self if count is None or count >= len(self) else self.chosen(range(count))


class Splits(NamedTuple):
    """What a data set is split into. The labels of all of them are class ids of the same classes."""

    train: Listing
    test: Listing
    validation: Listing | None = None


class Files(Listing):
    """Image files below a folder.

    root: the folder
    items: the path of each file below it, with forward slashes
    sizes: of the files, in bytes
    """

    def __init__(
        self,
        name: str,
        classes: tuple[str, ...],
        root: Path,
        items: Sequence[str],
        labels: Iterable[int],
        sizes: Iterable[int],
        boxes: Float[np.ndarray, "n 4"] | None = None,
    ) -> None:
        super().__init__(name, classes, boxes)
        self.root, self.items = root, tuple(items)
        self._labels, self.sizes = np.fromiter(labels, np.int32), np.fromiter(sizes, np.int64)

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        return self._labels

    def __len__(self) -> int:
        return len(self.items)

    def example(self, index: int) -> tuple[bytes, int]:
        path = self.path(index)
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read(), int(self._labels[index])
        except OSError as error:
            raise ValueError(f"{path} can't be read: {error.strerror}.") from error

    def path(self, index: int) -> str:
        return os.path.join(self.root, self.items[index])

    def item(self, index: int) -> str:
        return self.items[index]

    def checksum(self) -> int:
        total = 0
        for item, size, label in zip(self.items, self.sizes.tolist(), self._labels.tolist(), strict=True):
            total = zlib.crc32(os.fsencode(f"{item}\0{size}\0{label}\n"), total)
        return total


class Chosen(Listing):
    """Some of the images of a listing."""

    def __init__(self, whole: Listing, indices: Int[np.ndarray, "n"]) -> None:
        super().__init__(whole.name, whole.classes, None if whole.boxes is None else whole.boxes[indices])
        self.whole, self.indices, self.labels_known = whole, indices, whole.labels_known

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        if self.labels_known:
            return self.whole.labels[self.indices]
        return np.fromiter((self.example(index)[1] for index in range(len(self))), np.int32)

    def __len__(self) -> int:
        return len(self.indices)

    def example(self, index: int) -> tuple[bytes, int]:
        return self.whole.example(int(self.indices[index]))

    def path(self, index: int) -> str:
        return self.whole.path(int(self.indices[index]))

    def item(self, index: int) -> str:
        return self.whole.item(int(self.indices[index]))

    def checksum(self) -> int:
        return zlib.crc32(self.indices.tobytes(), self.whole.checksum())


class Joined(Listing):
    """The images of one listing, then those of another one with the same classes."""

    def __init__(self, first: Listing, second: Listing) -> None:
        boxes = None
        if first.boxes is not None and second.boxes is not None:
            boxes = np.concatenate([first.boxes, second.boxes])
        super().__init__(f"{first.name}+{second.name}", first.classes, boxes)
        self.pair, self._begin = (first, second), len(first)
        self.labels_known = first.labels_known and second.labels_known
        self._labels: np.ndarray | None = None

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        if self._labels is None:
            self._labels = np.concatenate([listing.labels for listing in self.pair])
        return self._labels

    def __len__(self) -> int:
        return sum(map(len, self.pair))

    def example(self, index: int) -> tuple[bytes, int]:
        second = index >= self._begin
        return self.pair[second].example(index - self._begin * second)

    def path(self, index: int) -> str:
        second = index >= self._begin
        return self.pair[second].path(index - self._begin * second)

    def item(self, index: int) -> str:
        second = index >= self._begin
        return f"{self.pair[second].name}/{self.pair[second].item(index - self._begin * second)}"

    def checksum(self) -> int:
        return zlib.crc32(f"{self.pair[0].checksum()} {self.pair[1].checksum()}".encode())


def joined(first: Listing, second: Listing) -> Listing:
    """The images of both, for training on two sources at once, as ImageNet beside Stylized-ImageNet.

    Raises ValueError unless they have the same classes.
    """
    if first.classes != second.classes:
        only = sorted(set(first.classes) ^ set(second.classes))
        raise ValueError(
            f"{first.name} has {len(first.classes)} classes and {second.name}, which is to be joined to it, "
            f"{len(second.classes)}; wanted the same, by name. In one of them only: {', '.join(only[:5])}."
        )
    return Joined(first, second)
