"""Data sets that tensorflow-datasets prepared, read without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from inputs.dataset import Arrays, check

__all__ = ["builder", "encoded", "names", "read", "split"]


def read(folder: Path, classes: int) -> tuple[Arrays, tuple[str, ...]]:
    """Data that tensorflow-datasets prepared in `folder`: both splits and the names of the classes."""
    train_images, train_labels = split(folder, "train")
    test_images, test_labels = split(folder, "test")
    train_labels = check(f"{folder} (train)", train_images, train_labels, classes)
    test_labels = check(f"{folder} (test)", test_images, test_labels, classes)
    return (train_images, train_labels, test_images, test_labels), names(folder)


def names(folder: Path) -> tuple[str, ...]:
    """The names of the classes, by class id."""
    return tuple(builder(folder).info.features["label"].names)


def split(folder: Path, split: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first images and labels of a split that tensorflow-datasets prepared, without TensorFlow or any server."""
    try:
        source = builder(folder).as_data_source(split=split)
        examples = [(source[i]["image"], source[i]["label"]) for i in range(len(source))[:limit]]
        return np.stack([image for image, _ in examples]), np.asarray([label for _, label in examples])
    except Exception as error:
        raise _unprepared(folder, error) from error


def encoded(builder: Any, split: str) -> Any:
    """The records of a split, by index, with their images as bytes of a file."""
    import tensorflow_datasets

    try:
        return builder.as_data_source(split=split, decoders={"image": tensorflow_datasets.decode.SkipDecoding()})
    except Exception as error:
        raise _unprepared(Path(builder.data_dir), error) from error


def builder(folder: Path) -> Any:
    """What reads the data set in a folder with dataset_info.json."""
    try:
        import tensorflow_datasets

        return tensorflow_datasets.builder_from_directory(folder)
    except Exception as error:
        raise _unprepared(folder, error) from error


def _unprepared(folder: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{folder} cannot be read ({error}). This takes the package tensorflow-datasets, and files prepared with "
        "--file_format array_record, the only format that is read without TensorFlow."
    )
