"""The images of a listing, decoded and cropped on the host."""

from collections.abc import Callable
from typing import cast

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inputs import memory
from inputs.decoding import Decoder, fastest
from inputs.listing import Listing

__all__ = ["DecodedImages", "TestCrop", "TrainCrop"]

TrainCrop = Callable[[Image.Image, np.random.Generator], UInt8[np.ndarray, "h w 3"]]
TestCrop = Callable[[Image.Image], UInt8[np.ndarray, "h w 3"]]


class DecodedImages:
    """The images of a listing, decoded and cropped, all to one size.

    listing: of the images
    shape: h, w, 3
    """

    def __init__(
        self,
        listing: Listing,
        crop: TrainCrop | TestCrop,
        *,
        random: bool = False,
        decoder: Decoder | None = None,
        cache: bool = False,
    ) -> None:
        """`random`: whether `crop` takes a generator. `cache` keeps every image as it is before the crop, from the
        first time that it is read.

        Raises ValueError: no image; a first image that can't be read; with `cache`, more images than memory holds.
        """
        if not len(listing):
            raise ValueError(f"{listing.name} has no images.")
        self.listing, self._crop = listing, cast(Callable[..., np.ndarray], crop)
        self._decoder = fastest() if decoder is None else decoder
        self._kept: dict[int, tuple[np.ndarray, int]] | None = {} if cache else None
        if cache:
            self._require_memory()
        generators = (np.random.default_rng(0),) if random else ()
        self.shape = self._cropped(0, *generators)[0].shape

    def __len__(self) -> int:
        return len(self.listing)

    def crop(self, index: int, *generator: np.random.Generator) -> tuple[UInt8[np.ndarray, "h w 3"], int]:
        """The crop of an image, and its label. Raises ValueError, which begins with the path of its file."""
        cropped, label = self._cropped(index, *generator)
        if cropped.shape != self.shape:
            (height, width), wanted = cropped.shape[:2], self.shape
            raise ValueError(
                f"{self.listing.path(index)} has {height} x {width} pixels after its crop, and {self.listing.path(0)} "
                f"{wanted[0]} x {wanted[1]}; wanted one size: resize them."
            )
        return cropped, label

    def _cropped(self, index: int, *generator: np.random.Generator) -> tuple[UInt8[np.ndarray, "h w 3"], int]:
        image, label = self._load(index)
        try:
            return self._crop(image, *generator), label
        except ValueError as error:
            raise ValueError(f"{self.listing.path(index)}: {error}") from error

    def _load(self, index: int) -> tuple[Image.Image, int]:
        if self._kept is not None and index in self._kept:
            levels, label = self._kept[index]
            return Image.fromarray(levels), label
        data, label = self.listing.example(index)
        image = self._decoder(data, self.listing.path(index))
        if self._kept is not None:
            self._kept[index] = np.asarray(image), label
        return image, label

    def _require_memory(self) -> None:
        """Raises ValueError where the images would take too much memory, by the mean of some of them."""
        count = len(self.listing)
        some = np.unique(np.linspace(0, count - 1, min(count, 32)).astype(int))
        mean = np.mean([np.asarray(self._load(int(index))[0]).size for index in some])
        memory.require(int(mean * count), f"The {count:,} images of {self.listing.name}", "Leave out --cache.")
