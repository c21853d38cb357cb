"""Parse and validate class ids."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int

from jaxmix.arguments.tracing import concrete

__all__ = ["class_ids"]


def class_ids(
    values: ArrayLike, axes: Sequence[int | str] = "b", classes: int | None = None, *, name: str = "labels"
) -> Int[Array, "..."]:
    """Validate class ids and convert them to int32.

    An axis is a length, or a letter for any length of 1 or more. With `classes`, known ids are in 0..classes - 1.
    """
    values = values if isinstance(values, jax.Array) else np.asarray(values)
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
    if classes is not None and known is not None and (known.min() < 0 or known.max() >= classes):
        raise ValueError(f"{name} go from {known.min()} to {known.max()}; wanted class ids, 0 to {classes - 1}")
    return jnp.asarray(values).astype(jnp.int32)
