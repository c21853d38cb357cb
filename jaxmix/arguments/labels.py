"""Parse and validate labels: class ids and soft labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix.arguments.scalars import count
from jaxmix.arguments.tracing import concrete, numeric

__all__ = ["class_ids", "logits", "one_hot", "to_int32"]

_RANGE = np.iinfo(np.int32)


def class_ids(
    values: ArrayLike, axes: Sequence[int | str] = "b", classes: int | None = None, *, name: str = "labels"
) -> Int[Array, "..."]:
    """Validate class ids and convert them to int32.

    An axis is a length, or a letter for any length of 1 or more. With `classes`, known ids are in 0..classes - 1.
    """
    values = numeric(name, values)
    shape, dtype = values.shape, values.dtype
    fits = len(shape) == len(axes) and all(
        side > 0 if isinstance(axis, str) else side == axis for side, axis in zip(shape, axes, strict=True)
    )
    if not fits or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(
            f"{name} have shape {shape} and dtype {dtype}; wanted integer class ids [{' '.join(map(str, axes))}]: "
            "call argmax(-1) on logits or soft labels"
        )
    known = concrete(values)
    if known is not None:
        low, high = int(known.min()), int(known.max())
        if classes is not None and (low < 0 or high >= classes):
            raise ValueError(f"{name} go from {low} to {high}; wanted class ids, 0 to {classes - 1}")
        if low < _RANGE.min or high > _RANGE.max:
            raise ValueError(f"{name} go from {low} to {high}; wanted class ids of 32 bits: number the classes from 0")
    return to_int32(values)


def to_int32(values: Array | np.ndarray) -> Int[Array, "..."]:
    """Convert integers to int32; those beyond its range become its ends, so that they stay out of every other range.

    Class ids in uint8 would be compared with 1,000 classes in uint8, where 1,000 is 232.
    """
    own = np.iinfo(values.dtype)
    if own.min < _RANGE.min or own.max > _RANGE.max:
        clip = jnp.clip if isinstance(values, jax.Array) else np.clip
        values = clip(values, max(own.min, _RANGE.min), _RANGE.max)  # in their own dtype
    return jnp.asarray(values.astype(np.int32))


def one_hot(labels: ArrayLike, num_classes: int | None, ignore: int | None = None) -> Float[Array, "b k"]:
    """Convert labels to float32 [b k]: class ids Int[b] one-hot, soft labels as they are.

    A row is NaN where the id is out of range, and 0 where it is `ignore`.
    """
    array = numeric("labels", labels)
    whole = isinstance(ignore, int | np.integer) and not isinstance(ignore, bool)
    if ignore is not None and not (whole and _RANGE.min <= ignore <= _RANGE.max):
        raise ValueError(f"ignore is {ignore!r}; wanted a class id, a Python int such as -1")
    integer = jnp.issubdtype(array.dtype, jnp.integer)
    if array.ndim == 1 and integer:
        if num_classes is None:
            raise ValueError("labels are class ids, so num_classes is needed: pass num_classes=k")
        classes = count("num_classes", num_classes)
        ids = to_int32(array)[:, None]
        rows = (ids == jnp.arange(classes, dtype=jnp.int32)[None]).astype(jnp.float32)
        rows = jnp.where((ids >= 0) & (ids < classes), rows, jnp.nan)
        return rows if ignore is None else jnp.where(ids == ignore, 0.0, rows)
    if array.ndim != 2 or integer:
        advice = ": make one-hot labels floating, labels.astype(jnp.float32)" if array.ndim == 2 else ""
        raise ValueError(
            f"labels have shape {array.shape} and dtype {array.dtype}; "
            f"wanted integer class ids [b] or floating soft labels [b k]{advice}"
        )
    if ignore is not None:
        raise ValueError(f"ignore is {ignore}, but labels are soft, [b k]; wanted class ids [b]: leave out ignore")
    if num_classes is not None and array.shape[1] != count("num_classes", num_classes):
        raise ValueError(
            f"soft labels have {array.shape[1]} classes, but num_classes is {num_classes}; wanted the same number"
        )
    return jnp.asarray(array).astype(jnp.float32)


def logits(values: Any, axes: str = "b k", advice: str = "", *, least: int = 2) -> tuple[int, ...]:
    """Validate logits, of two classes or more where a softmax follows, and return their shape."""
    array = isinstance(values, jax.Array | np.ndarray)
    if not array or values.ndim != len(axes.split()) or not jnp.issubdtype(values.dtype, jnp.floating):
        what = f"have shape {values.shape} and dtype {values.dtype}" if array else f"came as {type(values).__name__}"
        raise ValueError(f"logits {what}; wanted floating [{axes}]{advice}")
    if values.shape[-1] < least:
        raise ValueError(
            f"logits have shape {values.shape}, one class, whose softmax is always 1; wanted two logits, or a sigmoid: "
            "jaxmix.sigmoid_bce(logits, labels, mix)"
        )
    return values.shape
