"""Images and labels from disk, as uint8 and int32 arrays in memory. Nothing here downloads, retries or runs code from
a file.

digits              the 1,797 handwritten digits of scikit-learn, 8x8; always there
cifar10, cifar100   the official folders cifar-10-batches-py and cifar-100-python, or as tensorflow-datasets prepared
                    them
npz                 one file with the arrays x_train, y_train, x_test, y_test
"""

from collections.abc import Callable
from pathlib import Path

from inputs.cifar_files import cifar10, cifar100
from inputs.dataset import Dataset, describe
from inputs.digits import digits
from inputs.npz_file import npz

__all__ = ["READERS", "Dataset", "describe", "load"]

READERS: dict[str, Callable[[Path], Dataset]] = {"digits": digits, "cifar10": cifar10, "cifar100": cifar100, "npz": npz}


def load(name: str, folder: Path) -> Dataset:
    """The data set `name`, from files under `folder`.

    Raises ValueError: an unknown name; files that are missing (it says where it looked and what to do), broken, or of
    another shape than they should have.
    """
    if name not in READERS:
        raise ValueError(f"There is no data set {name!r}. There are: {', '.join(READERS)}.")
    return READERS[name](folder)
