"""A folder of classes as arrays in memory: images of anyone's, at a side that small networks take."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from inputs import memory
from inputs.class_folders import class_folders
from inputs.crops import resized_center_crop
from inputs.dataset import Dataset, create
from inputs.decoding import fastest
from inputs.listing import Listing

__all__ = ["folder_arrays"]

# The largest side that is taken without being requested.
LARGEST = 128


def folder_arrays(root: Path, *, side: int | None = None) -> Dataset:
    """The images of `class_folders`, each resized to a shorter side of `side` pixels and cropped to the square in its
    center; a square of that side stays as it is. The default is the shorter side of the first image.

    Raises ValueError: a folder or an image that can't be read, too many images for memory, a first image of more than
    128 pixels without a `side`.
    """
    splits = class_folders(root)
    if side is None:
        first = splits.train.path(0)
        side = min(fastest()(splits.train[0], first).size)
        if side > LARGEST:
            raise ValueError(
                f"{first} has a shorter side of {side} pixels, many for the networks of small images: choose --side, "
                "such as --side 32 or --side 64, to which images are resized."
            )
    count = sum(len(split) for split in splits if split is not None)
    memory.require(
        count * side**2 * 3,
        f"The {count:,} images of {root} at a side of {side} pixels",
        "Choose a smaller --side, or train/imagenet.py, which reads images while it trains on them.",
    )
    train, test = _pixels(splits.train, side), _pixels(splits.test, side)
    # Whether a mirrored image is still of its class is unknown: as with npz, images aren't mirrored.
    dataset = create(
        "folder",
        (train, splits.train.labels, test, splits.test.labels),
        splits.train.classes,
        padding=side // 8,
        flip=False,
    )
    if splits.validation is None:
        return dataset
    images, labels = _pixels(splits.validation, side), splits.validation.labels
    return dataset._replace(validation_images=images, validation_labels=labels)


def _pixels(listing: Listing, side: int) -> UInt8[np.ndarray, "n side side 3"]:
    decode, images = fastest(), np.empty((len(listing), side, side, 3), np.uint8)

    def read(index: int) -> None:
        image = decode(listing[index], listing.path(index))
        images[index] = resized_center_crop(image, size=side, resized=side)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(read, range(len(listing))):
            pass
    return images
