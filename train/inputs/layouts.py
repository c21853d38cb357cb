"""Data sets of image files, by the layout of their folder on disk. Nothing is downloaded or decoded.

folder          any folder of classes: train/CLASS/.. and val/CLASS/.. or test/CLASS/..
imagenet        ImageNet as its archives or Kaggle's unpack
tiny-imagenet   Tiny-ImageNet as its archive unpacks
tfds            what tensorflow-datasets prepared, in array records
cub             CUB-200-2011
cars            Stanford Cars
aircraft        FGVC-Aircraft
"""

from collections.abc import Callable
from pathlib import Path

from inputs.aircraft_files import aircraft
from inputs.cars_files import cars
from inputs.class_folders import class_folders
from inputs.cub_files import cub
from inputs.imagenet_files import imagenet
from inputs.listing import Splits
from inputs.tfds_records import tfds_records
from inputs.tiny_imagenet_files import tiny_imagenet

__all__ = ["LAYOUTS", "read"]

LAYOUTS: dict[str, Callable[..., Splits]] = {
    "folder": class_folders,
    "imagenet": imagenet,
    "tiny-imagenet": tiny_imagenet,
    "tfds": tfds_records,
    "cub": cub,
    "cars": cars,
    "aircraft": aircraft,
}


def read(layout: str, root: Path, *, allow_empty: bool = False) -> Splits:
    """The splits of the data set in `root`. With `allow_empty` a class may have no training image.

    Raises ValueError: an unknown layout; files that are missing (it says where it looked) or don't suit each other.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"There is no layout {layout!r}. There are: {', '.join(LAYOUTS)}.")
    return LAYOUTS[layout](root, allow_empty=allow_empty)
