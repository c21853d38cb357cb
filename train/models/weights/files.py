"""Files of weights: reading safetensors and PyTorch's files as arrays by name, and writing safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.flax
import safetensors.numpy

from .torch_files import read_torch

__all__ = ["read", "write"]

# Where a checkpoint of a training keeps the parameters, in the order in which they are looked for.
PLACES = ("state_dict", "model", "model_ema")
# The prefix that training on several devices gives every name.
PREFIX = "module."
# What is counted beside the parameters.
COUNTERS = ("num_batches_tracked", "n_averaged")


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, as float32: of safetensors, or of `torch.save` in both of its forms.

    Of a checkpoint, the parameters at "state_dict", "model" or "model_ema"; counters of steps are left out. Nothing in
    the file is run. Raises ValueError naming the file if it is missing, damaged or holds anything but weights.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file; wanted weights, .safetensors or .pth.")
    try:
        with path.open("rb") as file:
            start = file.read(9)
        content = safetensors.flax.load_file(path) if start[8:] == b"{" else _parameters(read_torch(path))
        return {name.removeprefix(PREFIX): _float32(name, array) for name, array in content.items() if _counts(name)}
    except MemoryError as error:
        raise ValueError(f"{path} is larger than the memory.") from error
    except Exception as error:  # a broken file can raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} can't be read as weights: {reason}.") from error


def _counts(name: str) -> bool:
    return not name.endswith(COUNTERS)


def _parameters(content: Any) -> Mapping[str, Any]:
    """The dictionary of parameters in what a file holds."""
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}; wanted a state_dict, names with their arrays")
    if not any(isinstance(value, np.ndarray) for value in content.values()):
        inside = [place for place in PLACES if isinstance(content.get(place), dict)]
        if not inside:
            keys = ", ".join(str(key)[:40] for key in list(content)[:5])
            raise ValueError(
                f"it has no arrays, nor a dictionary at {', '.join(PLACES)}; its names are {keys or 'none'}"
            )
        content = content[inside[0]]
    if not content or not all(isinstance(name, str) for name in content):
        raise ValueError("its dictionary of parameters is empty, or not by names")
    return content


def _float32(name: str, value: Any) -> np.ndarray:
    if not hasattr(value, "dtype"):
        raise ValueError(f"{name[:80]} is a {type(value).__name__}; wanted an array")
    array = np.asarray(value)
    if array.dtype.kind not in "fV" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name[:80]} is of {array.dtype}; wanted floats")
    return np.array(array, np.float32, order="C")


def write(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any] | None = None) -> None:
    """Write arrays as safetensors, whole or not at all; `about` is kept as JSON in the header.

    Raises OSError naming the path.
    """
    header = {"format": "pt"} | {key: json.dumps(value) for key, value in (about or {}).items()}
    content = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, header)
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
