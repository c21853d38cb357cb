"""Which values are known at trace time."""

import jax
import numpy as np
from jax.typing import ArrayLike

__all__ = ["concrete"]


def concrete(value: ArrayLike) -> np.ndarray | None:
    """Return the value where it is known at trace time, None where it is traced."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)
