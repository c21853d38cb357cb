"""Conversions of floats to 8-bit levels in the authors' way: truncated, not rounded."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

__all__ = ["quantum", "truncated"]

# A level that is an integer in exact arithmetic must not become the one below by a rounding in float32.
_ROUNDING = np.float32(2**-14)


def truncated(x: Float[Array, "..."]) -> UInt8[Array, "..."]:
    """`floor(255 clip(x, 0, 1))`."""
    return jnp.floor(jnp.clip(x, 0, 1) * 255 + _ROUNDING).astype(jnp.uint8)


def quantum(y: Float[Array, "..."]) -> Int[Array, "..."]:
    """Levels 0..255 as ImageMagick stores and writes them: rounded to 16 bits, then truncated to 8."""
    return jnp.floor(jnp.floor(257 * y + 0.5) / 257 + np.float32(1e-6)).astype(jnp.int32)
