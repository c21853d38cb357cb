"""Data sets that are read from files while a training goes on: their splits, and their test images in memory."""

import json
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from image_options import NORMALIZATION
from inputs import broken, crops, memory
from inputs.dataset import Dataset
from inputs.decoded import DecodedImages, TestCrop, TrainCrop
from inputs.listing import Listing, Splits, joined
from inputs.streamed import Streamed
from run_dir import read_json
from training import Finished, Training, newest_state

__all__ = [
    "BROKEN",
    "Data",
    "decoded",
    "describe",
    "finished",
    "limited",
    "padded_crop",
    "part_crop",
    "prepare",
    "source",
    "test_crop",
    "threads",
    "train_crop",
    "whole_crop",
]

# The file in the folder of a run that lists the images that are left out.
BROKEN = "broken.json"


class Data(NamedTuple):
    """The splits of a data set as a training takes them.

    left_out: of each split, by its name, the images that are left out: what is wrong with each, by the name of its file
    """

    splits: Splits
    left_out: Mapping[str, Mapping[str, str]] = {}

    @property
    def files(self) -> dict[str, str]:
        """What the folder of a run keeps of it."""
        return {BROKEN: json.dumps(self.left_out, indent=2) + "\n"} if any(self.left_out.values()) else {}


def prepare(splits: Splits, second: Listing | None, config: Any, folder: Path | None) -> Data:
    """Join a second source, leave out broken images and limit the splits, as the options say.

    `folder` is that of a run that goes on: what it has left out before is left out again. Raises ValueError for another
    source with other classes, and for several steps in a call.
    """
    if config.steps_per_call > 1:
        raise ValueError(f"--steps-per-call is {config.steps_per_call}; wanted 1, as each batch comes from files.")
    parts = splits if second is None else splits._replace(train=joined(splits.train, second))
    left_out: dict[str, dict[str, str]] = {}
    if config.skip_broken:
        left_out = _broken(parts, config) if folder is None else _known(folder / BROKEN)
        kept = {name: broken.leave_out(getattr(parts, name), left_out[name]) for name in left_out}
        parts = parts._replace(**kept)
    train, test = limited(parts.train, config.limit_train), limited(parts.test, config.limit_test)
    return Data(parts._replace(train=train, test=test), left_out)


def _broken(splits: Splits, config: Any) -> dict[str, dict[str, str]]:
    """What can't be decoded, of each split."""
    there = {name: listing for name, listing in splits._asdict().items() if listing is not None}
    return {name: broken.scan(listing, threads=threads(config)) for name, listing in there.items()}


def _known(path: Path) -> dict[str, dict[str, str]]:
    """What a run has left out; nothing where it has no such file."""
    return read_json(path, dict) if path.exists() else {}


def describe(splits: Splits) -> dict[str, Any]:
    """The names, sizes and labels of all files, as JSON holds them, without what a training does with them."""
    there = {name: listing for name, listing in splits._asdict().items() if listing is not None}
    return {
        "name": splits.train.name,
        "classes": list(splits.train.classes),
        "sizes": {name: [len(listing)] for name, listing in there.items()},
        "crc32": {name: listing.checksum() for name, listing in there.items()},
    }


def limited(listing: Listing, count: int | None) -> Listing:
    """`count` images, evenly spaced in the order of the listing, so that each class has its share; or all."""
    if count is None or count >= len(listing):
        return listing
    return listing.chosen(position * len(listing) // count for position in range(count))


def source(
    config: Any, data: Data, mesh: jax.sharding.Mesh, train: TrainCrop, test: TestCrop, *, repeats: int = 1
) -> Streamed:
    """The images of a training, by the options of a program; the crops are for training and for testing."""
    mean, std = NORMALIZATION[config.normalization]
    return Streamed(
        *data.splits[:2],
        mesh,
        batch_size=config.batch_size,
        seed=config.seed,
        train_crop=train,
        test_crop=test,
        mean=mean,
        std=std,
        threads=config.threads or None,
        workers=config.workers,
        cache=config.cache,
        accumulate=config.accumulate,
        repeats=repeats,
        validation=data.splits.validation,
    )


def threads(config: Any) -> int:
    """The number of threads that decode: what is requested, or one for each core, 16 at most."""
    return config.threads or min(len(os.sched_getaffinity(0)), 16)


def decoded(splits: Splits, crop: TestCrop, config: Any, limit: int | None) -> Dataset:
    """The test images in memory, all or `limit` of them with the share of each class, and no training images.

    Raises ValueError where memory is too small for them.
    """
    test = limited(splits.test, limit)
    images = DecodedImages(test, crop)
    shape = images.shape
    memory.require(len(test) * math.prod(shape), f"The {len(test):,} test images of {test.name}", "Name a --limit.")
    array = np.empty((len(test), *shape), np.uint8)
    with ThreadPoolExecutor(threads(config)) as pool:
        for index, (pixels, _) in enumerate(pool.map(images.crop, range(len(test)))):
            array[index] = pixels
    none, mean_std = np.empty((0, *shape), np.uint8), NORMALIZATION[config.normalization]
    labels = np.empty(0, np.int32)
    return Dataset(test.name, none, labels, array, test.labels, test.classes, *mean_std, padding=0, flip=config.flip)


def finished(
    made: Training, config: Any, data: Data, folder: Path, *, crop: TestCrop, best: bool, limit: int | None
) -> Finished:
    """A run with a checkpoint, as an evaluation takes it; `limit` as in `decoded`.

    Raises ValueError: no checkpoint, other data than those of the training, or too little memory for the test images.
    """
    state = newest_state(made, folder, config.data_dir, best=best)
    steps = made.source.steps_per_epoch * (config.epochs + sum(config.extend))
    return Finished(config, decoded(data.splits, crop, config, limit), made.setup.graph, state, steps)


# ---- crops of train/imagenet.py


def train_crop(config: Any) -> TrainCrop:
    """How a training image is cropped."""
    interpolation = crops.INTERPOLATIONS[config.interpolation]
    if config.crop_mode == "padded":
        return partial(padded_crop, size=config.crop, interpolation=interpolation)
    area = (config.min_area, 1.0)
    return partial(crops.random_resized_crop, size=config.crop, area=area, interpolation=interpolation)


def padded_crop(
    image: Image.Image, random: np.random.Generator, *, size: int, interpolation: crops.Interpolation
) -> UInt8[np.ndarray, "size size 3"]:
    """A random square of the image, its shorter side resized to `size`, with a sixteenth of that around it in black."""
    resized = crops.resize(image, size, interpolation)
    return crops.random_crop(resized, random, size=size, padding=size // 16)


def test_crop(config: Any) -> TestCrop:
    """How a test image is cropped."""
    interpolation = crops.INTERPOLATIONS[config.test_interpolation]
    return partial(
        crops.resized_center_crop, size=config.test_crop, resized=config.test_resize, interpolation=interpolation
    )


# ---- crops of train/finegrained.py


def part_crop(config: Any) -> TrainCrop:
    """How a training image is cropped: at a random place, after it is resized."""
    return partial(crops.resized_random_crop, size=config.crop, resized=_resized(config))


def whole_crop(config: Any) -> TestCrop:
    """How a test image is cropped: in the center, after it is resized."""
    return partial(crops.resized_center_crop, size=config.crop, resized=_resized(config))


def _resized(config: Any) -> int | tuple[int, int]:
    """The size of an image before it is cropped: its shorter side, or height and width."""
    return (config.resize, config.resize) if config.warp else config.resize
