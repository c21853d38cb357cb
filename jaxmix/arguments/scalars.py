"""Parse and validate hyper-parameters: scalars, ranges, counts and sequences of them."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxmix.arguments.tracing import concrete, numeric

__all__ = ["count", "interval", "number", "numbers", "some"]

_LARGEST = float(np.finfo(np.float32).max)


def number(
    name: str, value: ArrayLike, *, above: float | None = None, low: float = 0.0, high: float = np.inf
) -> jax.Array:
    """Validate a scalar, as float32 in its range; a traced one becomes the nearest allowed value, NaN the lowest."""
    if isinstance(value, str | list | tuple | dict) or not _numeric(value) or np.shape(value) != ():
        what = f"has shape {np.shape(value)}" if hasattr(value, "shape") and _numeric(value) else f"is {value!r}"
        raise ValueError(f"{name} {what}; wanted one number")
    low = low if above is None else above
    known = concrete(value)
    if known is None:
        number = jnp.asarray(value, jnp.float32)
        return jnp.where(number >= low, jnp.clip(number, low, min(high, _LARGEST)), low)
    stored = _float32(known)  # as it is computed with: 1e39 is infinite, and 1e-46 is 0
    if above is not None and not above < stored < np.inf:
        raise ValueError(f"{name} is {known}; wanted a number above {above:g}, at most {_LARGEST:g} (float32)")
    if not low <= known <= high:
        raise ValueError(f"{name} is {known}; wanted a number from {low:g} to {high:g}")
    if not np.isfinite(stored):
        raise ValueError(f"{name} is {known}; wanted a number of at most {_LARGEST:g} (float32)")
    return jnp.asarray(stored)


def _float32(value: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(value).astype(np.float32)


def _numeric(value: object) -> bool:
    dtype = getattr(value, "dtype", type(value))
    if value is None or (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)):
        return False
    return np.dtype(dtype).kind in "biufV"


def numbers(name: str, values: ArrayLike | Sequence[ArrayLike], length: int, wanted: str) -> jax.Array:
    """Validate values of 0 or more, not all 0, as float32 [length]; any may be traced, below 0 they then count as 0."""
    parts: Any = (
        numeric(name, values, any_size=True)
        if isinstance(values, str) or not isinstance(values, Sequence)
        else [numeric(f"{name}[{i}]", value, any_size=True) for i, value in enumerate(values)]
    )
    if isinstance(parts, list) and any(np.shape(part) for part in parts):
        raise ValueError(f"{name} have elements of shapes {[np.shape(part) for part in parts]}; wanted {wanted}")
    known = None if any(concrete(part) is None for part in jax.tree.leaves(parts)) else np.asarray(parts, np.float64)
    found = (len(parts),) if isinstance(parts, list) else np.shape(parts)
    if found != (length,):
        raise ValueError(f"{name} have shape {found}; wanted {wanted}")
    if known is not None and not (np.all(known >= 0) and 0 < _float32(known).max(initial=0) < np.inf):
        raise ValueError(f"{name} are {known.tolist()}; wanted numbers of 0 or more, at least one above 0")
    if isinstance(parts, list):
        return jnp.stack([number(f"{name}[{i}]", part) for i, part in enumerate(parts)])
    array = jnp.asarray(parts, jnp.float32)
    return jnp.where(array > 0, jnp.minimum(array, _LARGEST), 0.0)


def interval(name: str, bounds: tuple[ArrayLike, ArrayLike], *, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    """Validate the two ends of a range, as float32: low <= start <= end <= high."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"{name} is {bounds!r}; wanted two numbers, (lowest, highest)")
    start, end = (number(f"{name}[{i}]", bound, low=low, high=high) for i, bound in enumerate(bounds))
    known = [concrete(bound) for bound in bounds]
    if known[0] is not None and known[1] is not None and known[0] > known[1]:
        raise ValueError(f"{name} is {bounds!r}; wanted the lowest first, then the highest")
    return start, end


def count(name: str, value: int, *, low: int = 1, high: int | None = None) -> int:
    """Validate a static whole number, such as a number of cells: it shapes arrays, so it can't be traced."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} is {value!r}; wanted a Python int: it is static, so it can't be traced under jit")
    if value > np.iinfo(np.int32).max:
        raise ValueError(f"{name} is {value}; wanted a whole number of 32 bits")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} is {value}; wanted {low} or more" + ("" if high is None else f", at most {high}"))
    return int(value)


def some(name: str, values: Sequence[Any], kind: type = object) -> Sequence[Any]:
    """Validate a sequence to choose from, which mustn't be empty, of elements of a kind."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"{name} is {values!r}; wanted a sequence of one or more")
    if others := [value for value in values if not isinstance(value, kind)]:
        raise ValueError(f"{name} has the element {others[0]!r}; wanted each to be a {kind.__name__}")
    return values
