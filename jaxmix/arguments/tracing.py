"""Arrays as they arrive: their dtypes, and which values are known at trace time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

__all__ = ["concrete", "numeric", "pure_calls"]

_LARGEST = float(np.finfo(np.float32).max)


def concrete(value: ArrayLike) -> np.ndarray | None:
    """Return the value where it is known at trace time, None where it is traced."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)


def numeric(name: str, values: Any, *, any_size: bool = False) -> Array | np.ndarray:
    """Validate an array of integers, floats or bools, or make one of a list, in the native byte order.

    Floats of NumPy that float32 hasn't are an error where JAX would make them infinite, unless `any_size`.
    """
    if hasattr(values, "_fields"):
        raise ValueError(f"{name} came as {type(values).__name__}; wanted an array: a mix stands where `mix` is named")
    try:
        array = values if isinstance(values, jax.Array) else np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} came as a list of unequal lists; wanted an array") from None
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) or array.dtype.kind not in "biufV":
        raise ValueError(f"{name} have dtype {array.dtype} (of {type(values).__name__}); wanted integers or floats")
    if isinstance(array, jax.Array):
        return array
    narrowed = array.dtype == np.float64 and not (any_size or jax.config.read("jax_enable_x64"))
    if narrowed and not np.abs(array).max(initial=0) <= _LARGEST:
        finite = np.abs(array[np.isfinite(array)]).max(initial=0)
        if finite > _LARGEST:
            raise ValueError(f"{name} have values up to {finite:g}; wanted values of at most {_LARGEST:g} (float32)")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


@contextlib.contextmanager
def pure_calls(advice: str) -> Iterator[None]:
    """Add advice to the error of Flax NNX where a function that is differentiated changes a model outside of it.

    The error is known by its name: Flax isn't needed here.
    """
    try:
        yield
    except Exception as error:
        if type(error).__name__ == "TraceContextError":
            error.add_note(
                "jaxmix: the function to differentiate changes a model outside of it (the averages of BatchNorm, the "
                f"counter of Dropout); {advice}"
            )
        raise
