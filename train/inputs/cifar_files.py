"""CIFAR-10 and CIFAR-100, from the official folders or as tensorflow-datasets prepared them."""

import io
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from inputs import tfds_prepared
from inputs.dataset import Dataset, check, create
from inputs.plain_unpickler import PlainUnpickler

__all__ = ["cifar10", "cifar100"]


def cifar10(folder: Path) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009): 50,000 and 10,000 images of 32x32 in 10 classes."""
    return _cifar(
        "cifar10",
        folder,
        official="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        labels="labels",
        meta=("batches.meta", "label_names"),
        classes=10,
        archive="cifar-10-python.tar.gz",
    )


def cifar100(folder: Path) -> Dataset:
    """CIFAR-100 (Krizhevsky, 2009): 50,000 and 10,000 images of 32x32 in 100 classes, the fine labels."""
    return _cifar(
        "cifar100",
        folder,
        official="cifar-100-python",
        train=("train",),
        test="test",
        labels="fine_labels",
        meta=("meta", "fine_label_names"),
        classes=100,
        archive="cifar-100-python.tar.gz",
    )


def _unpickle(path: Path) -> dict[str, Any]:
    """The dictionary in an official CIFAR file; keys as text (Python 2 wrote bytes)."""
    if not path.is_file():
        raise ValueError(f"{path} is missing. Unpack the archive again.")
    try:
        content = PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in content.items()}
    except Exception as error:  # a broken pickle can raise nearly anything
        raise ValueError(f"{path} is broken or not a CIFAR file ({error}). Unpack the archive again.") from error


def _cifar(
    name: str,
    folder: Path,
    *,
    official: str,
    train: tuple[str, ...],
    test: str,
    labels: str,
    meta: tuple[str, str],
    classes: int,
    archive: str,
) -> Dataset:
    plain = tuple(map(str, range(classes)))
    for place in (folder / official, folder):
        if any((place / file).is_file() for file in train):
            read = [_official(place / file, labels, classes) for file in train]
            read.append(_official(place / test, labels, classes))
            train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*read[:-1], strict=True))
            parts = (train_images, train_labels, *read[-1])
            names = _names(place / meta[0], meta[1]) if (place / meta[0]).is_file() else plain
            return create(name, parts, names if len(names) == classes else plain, padding=4, flip=True)
    prepared = sorted(folder.glob(f"{name}/*/dataset_info.json"), key=_version)
    if prepared:
        parts, names = tfds_prepared.read(prepared[-1].parent, classes)
        return create(name, parts, names, padding=4, flip=True)
    where = shlex.quote(str(folder))
    raise ValueError(
        f"No {name} under --data-dir {folder.absolute()}. It looked for\n"
        f"  {folder.absolute() / official / train[0]}   (the official folder)\n"
        f"  {folder.absolute() / name / '*' / 'dataset_info.json'}   (prepared by tensorflow-datasets)\n"
        "Get one of them with\n"
        f"  mkdir -p {where} && curl -O https://www.cs.toronto.edu/~kriz/{archive} && tar -xzf {archive} -C {where}\n"
        f"  tfds build {name} --data_dir {where} --file_format array_record     (this alone needs TensorFlow)\n"
        "or point --data-dir to the folder that holds it."
    )


def _version(path: Path) -> list[int]:
    """The version in the name of the folder of a file: 3.0.10 comes after 3.0.2."""
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


def _official(path: Path, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one official file: rows of 3,072 bytes, channel after channel."""
    content = _unpickle(path)
    if not {"data", key} <= set(content):
        raise ValueError(
            f"{path} has {sorted(content)}; wanted 'data' and {key!r}. Is it the file of another data set?"
        )
    try:
        rows, labels = content["data"], np.asarray(content[key])
    except ValueError as error:
        raise ValueError(f"{path}: {key} isn't a list of class ids ({error}). Unpack the archive again.") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3072 or rows.dtype != np.uint8:
        raise ValueError(f"{path}: data is {getattr(rows, 'shape', type(rows))}; wanted uint8 [n 3072].")
    images = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return images, check(str(path), images, labels, classes)


def _names(path: Path, key: str) -> tuple[str, ...]:
    found = _unpickle(path).get(key, ())
    if not isinstance(found, list | tuple):
        raise ValueError(f"{path}: {key} is {type(found).__name__}; wanted a list of names. Unpack the archive again.")
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in found)
