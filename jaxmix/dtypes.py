"""Conversions between the dtypes of images: float32 for arithmetic, 0..1 for pixel values, uint8 for 8-bit levels."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

__all__ = ["from_uint8", "from_unit", "narrow", "to_uint8", "to_unit", "widen"]


def widen(x: Array) -> Float[Array, "..."]:
    """Convert to float32, in which everything is blended; float64 stays."""
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def narrow(x: Float[Array, "..."], dtype: jnp.dtype) -> Array:
    """Convert back to a dtype; uint8 is rounded to nearest and clipped to 0..255, never wrapped."""
    if dtype != jnp.uint8:
        return x.astype(dtype)
    # Clipped as integers, which costs less than as floats; what no integer holds saturates at their ends.
    return jnp.clip(jnp.round(x).astype(jnp.int32), 0, 255).astype(jnp.uint8)


def to_unit(images: Array) -> Float[Array, "..."]:
    """Convert images to float32 in 0..1: uint8 divided by 255, floats as they are."""
    return images.astype(jnp.float32) / 255 if images.dtype == jnp.uint8 else images.astype(jnp.float32)


def to_uint8(images: Array) -> UInt8[Array, "..."]:
    """Convert images to 8-bit levels: uint8 as they are, floats in 0..1 clipped and rounded to the nearest of 256."""
    if images.dtype == jnp.uint8:
        return images
    return jnp.round(jnp.clip(images.astype(jnp.float32), 0, 1) * 255).astype(jnp.uint8)


def from_uint8(levels: UInt8[Array, "..."], dtype: jnp.dtype) -> Array:
    """Convert 8-bit levels to the dtype of images: uint8 as they are, floats in 0..1."""
    return levels if dtype == jnp.uint8 else (levels.astype(jnp.float32) / 255).astype(dtype)


def from_unit(images: Float[Array, "..."], dtype: jnp.dtype) -> Array:
    """Convert images in 0..1 to the dtype of images: uint8 scaled to 0..255 and rounded to nearest."""
    return narrow(images * 255 if dtype == jnp.uint8 else images, dtype)
