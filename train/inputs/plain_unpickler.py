"""A reader of pickles that runs no code from the file."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["PlainUnpickler"]


class PlainUnpickler(pickle.Unpickler):
    """Reads the official CIFAR pickles: scalars, text, lists, dictionaries and numpy arrays, and refuses all else.

    A pickle may name any function of the machine and have it called, and may set the state of whatever it made. These
    are the only names that numpy arrays and byte strings need, and none gives numpy's own function or class: numpy
    trusts the state of a dtype, so a forged one reads and writes memory that isn't its own.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _Called(_empty_array)
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return _Called(_scalar_type)
        if (module, name) == ("_codecs", "encode"):
            return _Called(_latin1)
        raise pickle.UnpicklingError(f"it requests {module}.{name}, which no CIFAR file needs: refused")


class _Called:
    """A function to a pickle, which may set the attributes of any other function that it has."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets the state of a function, which no CIFAR file does: refused")


# Stands for numpy.ndarray: an argument of `_reconstruct` that can't be called.
_NDARRAY = "numpy.ndarray"
_SCALAR_TYPES = ("u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8")


def _empty_array(subtype: Any, shape: Any, code: Any) -> np.ndarray:
    """In place of numpy's `_reconstruct`: the array that takes its shape, type and bytes from the state to come."""
    del shape, code
    if subtype is not _NDARRAY:
        raise pickle.UnpicklingError(f"it requests an array of the class {subtype!r}: refused")
    return np.ndarray((0,), np.uint8)


def _scalar_type(code: Any, *options: Any) -> np.dtype:
    """In place of `numpy.dtype`: a built-in type, which every state set on it leaves as it is."""
    del options
    name = code.decode("latin1") if isinstance(code, bytes) else code
    if name not in _SCALAR_TYPES:
        raise pickle.UnpicklingError(f"it requests an array of {name!r}, which no CIFAR file needs: refused")
    return np.dtype(name)


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 pickles them for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it requests the encoding {encoding!r}, which no CIFAR file needs: refused")
    return text.encode("latin1")
