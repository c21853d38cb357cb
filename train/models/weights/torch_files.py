"""The two forms of the files of `torch.save`, read without torch and without running what is in them.

Since torch 1.6: a zip archive, ROOT/data.pkl beside ROOT/data/KEY, a file per storage. Before: pickles one after the
other (a magic number, the protocol, a dictionary of sizes, the object, the keys of its storages), then of each storage
its number of elements and its data.
"""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from .pickle_machine import read_pickle
from .pickle_names import RefusedError, Storage, Tensor

__all__ = ["read_torch"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

Bytes = Callable[[Storage], memoryview]


def read_torch(path: Path) -> Any:
    """What `torch.save` wrote. Tensors in the dictionaries of the two top levels become NumPy arrays; of others nothing
    is read.

    Raises ValueError for a file of another form, a damaged one, and one that requests anything that weights don't need.
    """
    content = path.read_bytes()
    found, data = _zip(content) if content.startswith(b"PK") else _legacy(content)
    return _resolved(found, data, depth=2)


def _resolved(value: Any, data: Bytes, depth: int) -> Any:
    if isinstance(value, Tensor):
        return _array(value, data)
    if isinstance(value, dict) and depth:
        return {key: _resolved(inner, data, depth - 1) for key, inner in value.items()}
    return value


def _array(tensor: Tensor, data: Bytes) -> np.ndarray:
    """The view of its storage, within which its description has been found to lie."""
    dtype = np.dtype(jnp.bfloat16 if tensor.storage.dtype == "bfloat16" else tensor.storage.dtype)
    if not math.prod(tensor.shape):
        return np.zeros(tensor.shape, dtype)
    strides = [stride * dtype.itemsize for stride in tensor.strides]
    return np.ndarray(tensor.shape, dtype, data(tensor.storage), tensor.offset * dtype.itemsize, strides)


def _itemsize(storage: Storage) -> int:
    return 2 if storage.dtype == "bfloat16" else np.dtype(storage.dtype).itemsize


def _zip(content: bytes) -> tuple[Any, Bytes]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"it is a broken zip archive ({error}): was it downloaded whole?") from error
    members = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in members.values()):
        raise RefusedError("it has compressed or encrypted members, which torch.save never writes: refused")
    if sum(info.file_size for info in members.values()) > len(content):
        raise RefusedError("its members overlap: refused")
    root = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if root is None or root.count("/") != 1:
        raise RefusedError("it is a zip archive without data.pkl in a folder, so not one of torch.save")

    def member(name: str) -> bytes:
        try:
            return archive.read(members[root + name])
        except KeyError as error:
            raise ValueError(f"{root}{name} is missing in it") from error
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise ValueError(f"{root}{name} in it is damaged ({error})") from error

    if root + "byteorder" in members and member("byteorder") != b"little":
        raise RefusedError("its byte order isn't little-endian: save it on a common machine")

    def data(storage: Storage) -> memoryview:
        found, wanted = member(f"data/{storage.key}"), storage.size * _itemsize(storage)
        if len(found) != wanted:
            raise RefusedError(f"its storage {storage.key!r} declares {wanted} bytes and has {len(found)}")
        return memoryview(found)

    return read_pickle(io.BytesIO(member("data.pkl")))[0], data


def _legacy(content: bytes) -> tuple[Any, Bytes]:
    file = io.BytesIO(content)
    try:
        magic, _ = read_pickle(file)
    except ValueError:
        magic = None
    if magic != MAGIC:
        raise RefusedError("it is neither of safetensors nor of torch.save")
    (protocol, _), (system, _), (found, storages), (keys, _) = (read_pickle(file) for _ in range(4))
    if protocol != PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedError("its protocol or byte order is another than 1001, little-endian")
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise RefusedError("its list of storages isn't that of its tensors")
    places: dict[str, memoryview] = {}
    whole, position = memoryview(content), file.tell()
    for key in keys:
        count, size = storages[key].size, storages[key].size * _itemsize(storages[key])
        if int.from_bytes(whole[position : position + 8], "little") != count:
            raise RefusedError(f"its storage {key[:40]!r} has another size than the {count} elements declared")
        places[key] = whole[position + 8 : position + 8 + size]
        if len(places[key]) != size:
            raise ValueError(f"its storage {key[:40]!r} ends after {len(places[key])} of {size} bytes: is it whole?")
        position += 8 + size

    def data(storage: Storage) -> memoryview:
        if storage.key not in places:
            raise RefusedError(f"its storage {storage.key[:40]!r} is missing")
        return places[storage.key]

    return found, data
