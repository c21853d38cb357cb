"""Images and labels from disk, as uint8 and int32 arrays in memory. Nothing here downloads, retries or runs code from
a file.

digits              the 1,797 handwritten digits of scikit-learn, 8x8; always there
cifar10, cifar100   the official folders cifar-10-batches-py and cifar-100-python, or as tensorflow-datasets prepared
                    them
npz                 one file with the arrays x_train, y_train, x_test, y_test
folder              images in a folder per class, brought to one size

What is too large for memory is read while it is trained on: see `layouts` and `streamed`.
"""

from collections.abc import Callable
from pathlib import Path

from inputs.cifar_files import cifar10, cifar100
from inputs.dataset import Dataset, describe, some
from inputs.digits import digits
from inputs.folder_arrays import folder_arrays
from inputs.npz_file import npz

__all__ = ["READERS", "Dataset", "describe", "load", "some"]

READERS: dict[str, Callable[[Path], Dataset]] = {
    "digits": digits,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "npz": npz,
    "folder": folder_arrays,
}


def load(name: str, folder: Path, *, side: int | None = None) -> Dataset:
    """The data set `name`, from files under `folder`; `side` is of the images that "folder" makes.

    Raises ValueError: an unknown name; a side for other data; files that are missing (it says where it looked and what
    to do), broken, or of another shape than they should have.
    """
    if name not in READERS:
        raise ValueError(f"There is no data set {name!r}. There are: {', '.join(READERS)}.")
    if side is None:
        return READERS[name](folder)
    if name != "folder":
        raise ValueError(f"--side is {side}; wanted none with --dataset {name}, whose images have one size.")
    return folder_arrays(folder, side=side)
