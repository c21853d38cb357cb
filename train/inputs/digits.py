"""The 1,797 handwritten digits of scikit-learn, 8x8; they come with the package."""

from pathlib import Path

import numpy as np

from inputs.dataset import Dataset, create

__all__ = ["digits"]


def digits(folder: Path) -> Dataset:
    """Scikit-learn's digits. Every fifth image of each class is for testing (the file has no split of its own)."""
    del folder
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images[..., None] * (255 / 16)).astype(np.uint8)
    labels = source.target.astype(np.int32)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[::5]] = True
    names = tuple(map(str, range(10)))
    return create("digits", (images[~test], labels[~test], images[test], labels[test]), names, padding=1, flip=False)
