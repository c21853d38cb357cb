"""Validate pixel values, uint8 in 0..255 or floats in 0..1, and shares of pixels."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.arguments.tracing import concrete, numeric

__all__ = ["keep_nan", "shares", "unit"]


def unit(x: jax.Array, name: str = "images") -> jax.Array:
    """Validate that x, images [... h w c], is uint8, or floating and from 0 to 1.

    Where values are known, floats outside 0..1 are an error. Where they are traced, those in -0.1..1.1 (what an
    interpolation leaves) are clipped, and an image with any value beyond that, or NaN, is NaN as a whole: so that
    normalized images, or floats in 0..255, show in the loss at once.
    """
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
    fine = ((x >= -0.1) & (x <= 1.1)).all((-3, -2, -1), keepdims=True)
    # Not jnp.clip, which halves the gradient of a pixel that is 0 or 1.
    clipped = jnp.where(x < 0, jnp.zeros_like(x), jnp.where(x > 1, jnp.ones_like(x), x))
    return jnp.where(fine, clipped, jnp.full_like(x, jnp.nan))


def keep_nan(x: jax.Array, result: jax.Array) -> jax.Array:
    """Restore what `unit` made NaN in a result of the same shape and dtype, computed from 8-bit levels, say."""
    return jnp.where(x == x, result, x)


def shares(name: str, values: ArrayLike) -> Float[Array, "..."]:
    """Validate shares of pixels, as float32 in 0..1 where they are known, or were integers."""
    array = numeric(name, values)
    known = concrete(array)
    if known is not None and known.size and not (known.min() >= 0 and known.max() <= 1):
        scale = " (divide 8-bit levels by 255)" if array.dtype == jnp.uint8 else ""
        raise ValueError(
            f"the {name} has values from {known.min()} to {known.max()}; wanted shares of pixels, 0 to 1{scale}"
        )
    wide = jnp.asarray(array).astype(jnp.float32)
    return wide if jnp.issubdtype(array.dtype, jnp.floating) else jnp.clip(wide, 0, 1)
