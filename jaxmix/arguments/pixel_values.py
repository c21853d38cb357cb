"""Validate pixel values: uint8 in 0..255 or floats in 0..1."""

import jax
import jax.numpy as jnp

from jaxmix.arguments.tracing import concrete

__all__ = ["unit"]


def unit(x: jax.Array, name: str = "images") -> jax.Array:
    """Validate that x is uint8, or floating and from 0 to 1 where its values are known."""
    if x.dtype == jnp.uint8:
        return x
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name} have dtype {x.dtype}; wanted uint8 in 0..255 or floats in 0..1")
    known = concrete(x)
    if known is not None and not (known.min() >= -1e-3 and known.max() <= 1 + 1e-3):
        raise ValueError(
            f"{name} have values from {float(known.min()):g} to {float(known.max()):g}; wanted 0..1 "
            "(or uint8 in 0..255): undo any normalization first, and normalize afterwards"
        )
    return x
