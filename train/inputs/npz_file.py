"""One npz file with the arrays x_train, y_train, x_test, y_test."""

from pathlib import Path

import numpy as np

from inputs.dataset import Dataset, check, create

__all__ = ["npz"]


def npz(path: Path) -> Dataset:
    """One npz file: x_train and x_test uint8 [n h w c] or [n h w], y_train and y_test integers [n]."""
    if not path.is_file():
        raise ValueError(
            f"No data: {path} is not a file. --dataset npz reads the file that --data-dir names; make one with\n"
            f"  numpy.savez({str(path)!r}, x_train=..., y_train=..., x_test=..., y_test=...)\n"
            "where x are uint8 images [n h w c] and y integer labels [n]."
        )
    wanted = ("x_train", "y_train", "x_test", "y_test")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it holds a single array, as numpy.save writes it; numpy.savez writes several")
        with archive as arrays:
            found = {name: arrays[name] for name in wanted if name in arrays.files}
    except Exception as error:
        raise ValueError(f"{path} cannot be read as an npz file of plain arrays: {error}") from error
    missing = [name for name in wanted if not isinstance(found.get(name), np.ndarray)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; wanted the plain arrays {', '.join(wanted)}.")
    parts = []
    for split in ("train", "test"):
        images, labels = found[f"x_{split}"], found[f"y_{split}"]
        if images.ndim == 3:
            images = images[..., None]
        parts += [images, check(f"{path} (x_{split}, y_{split})", images, labels)]
    train_images, train_labels, test_images, test_labels = parts
    classes = max(int(labels.max()) for labels in (train_labels, test_labels)) + 1
    if classes > len(train_images):
        raise ValueError(
            f"{path}: labels go up to {classes - 1}, which makes {classes:,} classes for {len(train_images):,} "
            "training images. Number the classes 0, 1, 2, ...; numpy.unique(labels, return_inverse=True) does."
        )
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(f"{path}: training images are {train_images.shape[1:]}, test images {test_images.shape[1:]}.")
    # The classes are unknown: crop by the usual padding (an eighth of the side), don't mirror.
    padding = min(train_images.shape[1:3]) // 8
    names = tuple(map(str, range(classes)))
    return create("npz", (train_images, train_labels, test_images, test_labels), names, padding=padding, flip=False)
