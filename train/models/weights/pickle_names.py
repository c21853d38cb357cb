"""What the names in PyTorch's pickles stand for: descriptions of storages and tensors, and dictionaries.

Nothing here imports or calls what a name names.
"""

from typing import Any, NamedTuple

__all__ = ["Name", "RefusedError", "Storage", "Tensor", "is_size", "known", "made", "storage"]

# NumPy's names of the element types. "bfloat16" is that of ml_dtypes.
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
MAPPINGS = ("collections.OrderedDict", "collections.defaultdict", "argparse.Namespace")
TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETER = "torch._utils._rebuild_parameter"


class RefusedError(ValueError):
    """A pickle that isn't one of weights; the message says what it has."""


class Storage(NamedTuple):
    """Memory that tensors lie in: its element type, its key in the file, and its size in elements."""

    dtype: str
    key: str
    size: int


class Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Name(NamedTuple):
    """A name of Python's, which stays one."""

    path: str


def storage(named: Any) -> Storage:
    """What a persistent id refers to: ("storage", type, key, device, count), in old files with None at the end."""
    if not isinstance(named, tuple) or len(named) not in (5, 6) or named[0] != "storage":
        raise RefusedError("it refers to something outside that isn't a storage: refused")
    kind, key, count = named[1], named[2], named[4]
    dtype = STORAGES.get(kind.path.removeprefix("torch.")) if isinstance(kind, Name) else None
    if dtype is None or not isinstance(key, str) or not is_size(count) or named[5:] not in ((), (None,)):
        raise RefusedError("a storage in it has another type, key or size than weights have: refused")
    return Storage(dtype, key, count)


def known(path: str) -> Name:
    """A name that weights need. Raises RefusedError for any other."""
    storages = {f"torch.{kind}" for kind in STORAGES}
    if path in {*MAPPINGS, *TENSORS, PARAMETER, *storages}:
        return Name(path)
    hint = ""
    if path.startswith(("torchvision.models", "timm.models", "torch.nn", "__torch__")):
        hint = "; it holds a whole model: load it where it was made, and save its state_dict()"
    raise RefusedError(f"it requests {path[:80]}, which weights don't need: refused{hint}")


def made(path: str, arguments: tuple[Any, ...]) -> Any:
    """In place of a call of the function or class of that name."""
    if path in MAPPINGS:
        return _pairs(arguments) if path == MAPPINGS[0] else {}
    if path in TENSORS and len(arguments) >= 4:
        return _tensor(*arguments[:4])
    if path == PARAMETER and arguments and isinstance(arguments[0], Tensor):
        return arguments[0]
    raise RefusedError(f"it calls {path} with {len(arguments)} arguments of other types than weights have: refused")


def _pairs(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], ...])."""
    pairs = arguments[0] if arguments else []
    if len(arguments) > 1 or not isinstance(pairs, list):
        raise RefusedError("a dictionary in it isn't made of a list of pairs: refused")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str | int):
            raise RefusedError("a dictionary in it isn't made of pairs of a text and a value: refused")
    return dict(pairs)


def _tensor(memory: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    """A view that lies within its storage, no element twice as often as the storage has any."""
    sizes = [shape, strides]
    if not isinstance(memory, Storage) or not all(isinstance(s, tuple) and all(map(is_size, s)) for s in sizes):
        raise RefusedError("a tensor in it has a storage, sizes or strides of another type: refused")
    if not is_size(offset) or len(shape) != len(strides) or len(shape) > 8:
        raise RefusedError("a tensor in it has an offset, sizes or strides that don't suit each other: refused")
    elements = 1
    for size in shape:
        elements *= size
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if elements > memory.size or (elements and last >= memory.size):
        raise RefusedError(
            f"a tensor of the shape {shape} reaches beyond its storage {memory.key[:40]!r} of {memory.size} elements"
        )
    return Tensor(memory, offset, shape, strides)


def is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
