"""Pictures and labels from disk, as uint8 and int32 arrays in memory. Nothing here downloads, retries or runs code from
a file.

digits              the 1,797 handwritten digits of scikit-learn, 8x8; always there
cifar10, cifar100   the official folders cifar-10-batches-py and cifar-100-python, or what tensorflow-datasets prepared
npz                 one file with the arrays x_train, y_train, x_test, y_test
"""

import io
import pickle
import re
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Dataset(NamedTuple):
    """A data set for classification.

    train_images, test_images: uint8 [n h w c]
    train_labels, test_labels: int32 [n], in 0 .. len(names) - 1
    names: of the classes
    mean, std: of each channel over the training pictures, as a share of 255
    padding: pixels of mean color around a picture before a random crop of its size
    flip: whether a mirrored picture is still of its class
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int
    flip: bool


Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load(name: str, folder: Path) -> Dataset:
    """The data set `name`, from files under `folder`.

    Raises ValueError: an unknown name; files that are missing (it says where it looked and what to do), broken, or of
    another shape than they should have.
    """
    if name not in READERS:
        raise ValueError(f"There is no data set {name!r}. There are: {', '.join(READERS)}.")
    return READERS[name](folder)


def describe(dataset: Dataset) -> dict[str, Any]:
    """What tells one data set from another, as JSON holds it: sizes, classes, mean and spread, and a checksum."""
    arrays = {"train": dataset.train_images, "test": dataset.test_images}
    arrays |= {"train labels": dataset.train_labels, "test labels": dataset.test_labels}
    return {
        "name": dataset.name,
        "names": list(dataset.names),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "sizes": {name: list(array.shape) for name, array in arrays.items()},
        "crc32": {name: zlib.crc32(np.ascontiguousarray(array).data) for name, array in arrays.items()},
    }


def digits(folder: Path) -> Dataset:
    """Scikit-learn's digits. Every fifth picture of each class is for testing (the file has no split of its own)."""
    del folder
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images[..., None] * (255 / 16)).astype(np.uint8)
    labels = source.target.astype(np.int32)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[::5]] = True
    names = tuple(map(str, range(10)))
    return _dataset("digits", (images[~test], labels[~test], images[test], labels[test]), names, padding=1, flip=False)


def cifar10(folder: Path) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009): 50,000 and 10,000 pictures of 32x32 in 10 classes."""
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
    """CIFAR-100 (Krizhevsky, 2009): 50,000 and 10,000 pictures of 32x32 in 100 classes, the fine labels."""
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


def npz(path: Path) -> Dataset:
    """One npz file: x_train and x_test uint8 [n h w c] or [n h w], y_train and y_test integers [n]."""
    if not path.is_file():
        raise ValueError(
            f"No data: {path} is not a file. --dataset npz reads the file that --data-dir names; make one with\n"
            f"  numpy.savez({str(path)!r}, x_train=..., y_train=..., x_test=..., y_test=...)\n"
            "where x are uint8 pictures [n h w c] and y integer labels [n]."
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
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{path}: y_{split} is {labels.dtype}; wanted integer labels [n].")
        parts += [images, labels]
    train_images, train_labels, test_images, test_labels = parts
    classes = max([int(labels.max(initial=0)) for labels in (train_labels, test_labels)]) + 1
    for split, images, labels in (("train", train_images, train_labels), ("test", test_images, test_labels)):
        _check(f"{path} ({split})", images, labels, classes)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"{path}: training pictures are {train_images.shape[1:]}, test pictures {test_images.shape[1:]}."
        )
    # Nothing is known of the pictures: crop as much as is usual (an eighth of the side), don't mirror.
    padding = min(train_images.shape[1:3]) // 8
    names = tuple(map(str, range(classes)))
    return _dataset("npz", (train_images, train_labels, test_images, test_labels), names, padding=padding, flip=False)


READERS: dict[str, Callable[[Path], Dataset]] = {"digits": digits, "cifar10": cifar10, "cifar100": cifar100, "npz": npz}


class PlainUnpickler(pickle.Unpickler):
    """Reads the official CIFAR pickles: numbers, text, lists, dictionaries and numpy arrays, and refuses all else.

    A pickle may name any function of the machine and have it called, and may set the state of whatever it made. These
    are the only names that numpy arrays and byte strings need, and none gives numpy's own function or class: numpy
    trusts the state of a dtype, so a forged one reads and writes memory that isn't its own.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return _number_type
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs: refused")


# What a pickle gets for numpy.ndarray: something to hand to `_reconstruct`, which can't be called.
_NDARRAY = "numpy.ndarray"
_NUMBER_TYPES = ("u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8")


def _empty_array(subtype: Any, shape: Any, code: Any) -> np.ndarray:
    """In place of numpy's `_reconstruct`: the array that takes its shape, type and bytes from the state to come."""
    del shape, code
    if subtype is not _NDARRAY:
        raise pickle.UnpicklingError(f"it asks for an array of the class {subtype!r}: refused")
    return np.ndarray((0,), np.uint8)


def _number_type(code: Any, *options: Any) -> np.dtype:
    """In place of `numpy.dtype`: a built-in type, which every state set on it leaves as it is."""
    del options
    name = code.decode("latin1") if isinstance(code, bytes) else code
    if name not in _NUMBER_TYPES:
        raise pickle.UnpicklingError(f"it asks for an array of {name!r}, which no CIFAR file needs: refused")
    return np.dtype(name)


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 pickles bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}, which no CIFAR file needs: refused")
    return text.encode("latin1")


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
            return _dataset(name, parts, names if len(names) == classes else plain, padding=4, flip=True)
    prepared = sorted(folder.glob(f"{name}/*/dataset_info.json"), key=_version)
    if prepared:
        parts, names = _prepared(prepared[-1].parent, classes)
        return _dataset(name, parts, names, padding=4, flip=True)
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
    """The numbers in the name of the folder of a file: 3.0.10 comes after 3.0.2."""
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


def _official(path: Path, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels of one official file: rows of 3,072 bytes, channel after channel."""
    content = _unpickle(path)
    if not {"data", key} <= set(content):
        raise ValueError(
            f"{path} has {sorted(content)}; wanted 'data' and {key!r}. Is it the file of another data set?"
        )
    rows, labels = content["data"], np.asarray(content[key])
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3072 or rows.dtype != np.uint8:
        raise ValueError(f"{path}: data is {getattr(rows, 'shape', type(rows))}; wanted uint8 [n 3072].")
    images = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    _check(str(path), images, labels, classes)
    return images, labels.astype(np.int32)


def _names(path: Path, key: str) -> tuple[str, ...]:
    found = _unpickle(path).get(key, ())
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in found)


def _prepared(folder: Path, classes: int) -> tuple[Parts, tuple[str, ...]]:
    """What tensorflow-datasets prepared in `folder`: both splits and the names of the classes."""
    train_images, train_labels = prepared_split(folder, "train")
    test_images, test_labels = prepared_split(folder, "test")
    _check(f"{folder} (train)", train_images, train_labels, classes)
    _check(f"{folder} (test)", test_images, test_labels, classes)
    return (train_images, train_labels, test_images, test_labels), tuple(_builder(folder).info.features["label"].names)


def prepared_split(folder: Path, split: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first pictures and labels of a split that tensorflow-datasets prepared, without TensorFlow or any server."""
    try:
        source = _builder(folder).as_data_source(split=split)
        examples = [(source[i]["image"], source[i]["label"]) for i in range(len(source))[:limit]]
        return np.stack([image for image, _ in examples]), np.asarray([label for _, label in examples])
    except Exception as error:
        raise _unprepared(folder, error) from error


def _builder(folder: Path) -> Any:
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


def _check(where: str, images: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if images.ndim != 4 or images.dtype != np.uint8 or images.size == 0:
        raise ValueError(
            f"{where}: pictures are {images.dtype} {list(images.shape)}; wanted uint8 [n h w c], all above 0."
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{where}: {len(images)} pictures, but labels of shape {list(labels.shape)}.")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"{where}: labels go from {labels.min()} to {labels.max()}; wanted 0 to {classes - 1}.")


def _dataset(name: str, parts: Parts, names: tuple[str, ...], *, padding: int, flip: bool) -> Dataset:
    train_images, train_labels, test_images, test_labels = parts
    mean, std = [], []
    levels = np.arange(256) / 255
    for channel in range(train_images.shape[-1]):
        # By counting levels: exact, and without a wider copy of more than a few pictures at a time.
        counts = np.zeros(256, np.int64)
        for start in range(0, len(train_images), 1000):
            counts += np.bincount(train_images[start : start + 1000, ..., channel].ravel(), minlength=256)
        shares = counts / counts.sum()
        mean.append(float(shares @ levels))
        # A channel of one value gets the spread of one level, so that nothing is divided by zero.
        std.append(max(float(np.sqrt(shares @ (levels - mean[-1]) ** 2)), 1 / 255))
    return Dataset(
        name,
        train_images,
        train_labels.astype(np.int32),
        test_images,
        test_labels.astype(np.int32),
        names,
        tuple(mean),
        tuple(std),
        padding,
        flip,
    )
