"""Validate pixel values, uint8 in 0..255 or floats in 0..1, and shares of pixels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.arguments.tracing import concrete, numeric

__all__ = ["nan_outside", "shares", "unit"]


def unit(x: jax.Array, name: str = "images") -> jax.Array:
    """Validate that x, images [... h w c], is uint8, or floating and from 0 to 1, and clip what rounding leaves.

    Where values are known, floats outside 0..1 are an error. Where they are traced, `nan_outside` marks the result.
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
    # Not jnp.clip, which halves the gradient of a pixel that is 0 or 1.
    return jnp.where(x < 0, jnp.zeros_like(x), jnp.where(x > 1, jnp.ones_like(x), x))


def nan_outside(x: jax.Array, result: jax.Array) -> jax.Array:
    """Make a result of images x [... h w c] NaN where x, traced, is outside -0.1..1.1 or NaN.

    So normalized images, or floats in 0..255, show in the loss at once; what an interpolation leaves was clipped. At
    these values alone, since finding their images takes another pass, up to a tenth of the whole work. Axes that the
    result has more stand first.
    """
    if x.dtype == jnp.uint8 or concrete(x) is not None:  # `unit` has seen the values
        return result
    fine = ((x >= -0.1) & (x <= 1.1)).reshape((1,) * (result.ndim - x.ndim) + x.shape)
    return jnp.where(fine, result, jnp.full_like(result, jnp.nan))


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
