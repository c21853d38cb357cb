"""Validate the arguments of building blocks, such as masks and samplers, by their annotations."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxmix.arguments.calls import key as validate_key
from jaxmix.arguments.scalars import count
from jaxmix.arguments.tracing import numeric

__all__ = ["annotated"]

_RANGE = np.iinfo(np.int32)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def annotated(function: _Function) -> _Function:
    """Decorate a building block so that an argument that doesn't fit its annotation is a ValueError.

    Arrays must have the dtype and the axes of their annotation, the same letter being the same size in all of them;
    integers are static and 1 or more; what is named `key` is one PRNG key.

    >>> from jaxtyping import Float
    >>> @annotated
    ... def halve(share: Float[Array, "d"], side: int) -> Float[Array, "d"]:
    ...     return share * side / 2
    >>> halve(jnp.ones(2), 0)
    Traceback (most recent call last):
    ...
    ValueError: side is 0; wanted 1 or more
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        signature = _signature(function)
        given = signature.bind(*arguments, **options)
        sizes: dict[str, int] = {}
        for name, value in given.arguments.items():
            parameter = signature.parameters[name]
            if name == "key" and (value is not None or parameter.annotation is Array):
                validate_key(value, function.__name__)
            elif name != "key" and value is not parameter.default:
                given.arguments[name] = _fitting(name, value, parameter.annotation, sizes)
        return function(*given.args, **given.kwargs)

    return cast(_Function, call)


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature with the annotations of the parameters evaluated, which an import leaves as text: types of arrays
    take time to make. That of the result stays text: its type may come from a package that isn't there.
    """
    signature, names = inspect.signature(function), inspect.unwrap(function).__globals__
    parameters = [
        parameter.replace(annotation=eval(parameter.annotation, names))
        if isinstance(parameter.annotation, str)
        else parameter
        for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def _fitting(name: str, value: Any, annotation: Any, sizes: dict[str, int]) -> Any:
    """The value as its annotation says."""
    if annotation is int:
        return count(name, value)
    if annotation is bool and not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {_brief(value)}; wanted True or False")
    if annotation is float and (isinstance(value, list | tuple | dict | str) or np.shape(numeric(name, value)) != ()):
        raise ValueError(f"{name} is {_brief(value)}; wanted one number")
    if hasattr(annotation, "dim_str"):
        return _array(name, value, annotation, sizes)
    either = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    if arrays := [part for part in either if hasattr(part, "dim_str")]:
        return _array(name, value, arrays[0], sizes)
    if annotation is Array:
        return jnp.asarray(numeric(name, value))
    if get_origin(annotation) is tuple:
        parts = get_args(annotation)
        if not isinstance(value, tuple | list) or len(value) != len(parts):
            raise ValueError(f"{name} came as {_brief(value)}; wanted a tuple of {len(parts)} arrays")
        return tuple(_fitting(f"{name}[{i}]", *pair, sizes) for i, pair in enumerate(zip(value, parts, strict=True)))
    if get_origin(annotation) is Callable and not callable(value):
        raise ValueError(f"{name} came as {_brief(value)}; wanted a function")
    if get_origin(annotation) is Mapping and not isinstance(value, Mapping):
        raise ValueError(f"{name} came as {_brief(value)}; wanted a mapping, such as a dict")
    return value  # a batch, a switch: the function itself validates it


def _array(name: str, value: Any, annotation: Any, sizes: dict[str, int]) -> Array:
    given = numeric(name, value)
    whole = isinstance(given, np.ndarray) and given.dtype.kind in "iu" and given.size
    if whole and not (_RANGE.min <= given.min() and given.max() <= _RANGE.max):
        raise ValueError(f"{name} has values from {given.min()} to {given.max()}; wanted integers of 32 bits")
    array = jnp.asarray(given)
    letters = annotation.dim_str.split()
    fits = array.dtype.name in annotation.dtypes and (array.ndim == len(letters) or "*" in annotation.dim_str)
    for letter, size in zip(letters, array.shape, strict=False):
        if letter.isdigit():
            fits &= size == int(letter)
        elif letter.isalpha():
            fits &= size == sizes.setdefault(letter, size) and size > 0
        elif letter[0] == "*":
            fits &= array.size > 0
        elif letter[0] == "#":
            fits &= size in (1, sizes.get(letter[1:], size))
    if not fits:
        known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items() if letter in letters)
        kind = {"Float": "floats", "Int": "integers", "Bool": "booleans"}.get(annotation.dtype.__name__, "numbers")
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; wanted {kind} [{annotation.dim_str}]"
            + (f" with {known}" if known else "")
        )
    return array


def _brief(value: Any) -> str:
    return f"an array of shape {value.shape}" if hasattr(value, "shape") else repr(value)[:60]
