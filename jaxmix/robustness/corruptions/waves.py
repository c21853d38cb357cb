"""Grey waves added to images in 0..1, for given samples; not yet clipped."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.numerics import materialize

__all__ = ["cocentric_sine_waves", "single_frequency"]

Images = Float[Array, "b h w c"]


def single_frequency(
    x: Images, frequency: Float[Array, "b 2"], phase: Float[Array, "b"], amplitude: ArrayLike
) -> Images:
    """`x + amplitude sin(column f0 + row f1 + phase)`, f in radians per pixel."""
    right, down = _places(x)
    wave = jnp.sin(right * frequency[:, 0, None, None] + down * frequency[:, 1, None, None] + phase[:, None, None])
    return x + amplitude * materialize(wave)[..., None]


def cocentric_sine_waves(
    x: Images,
    center: Float[Array, "b 2"],
    frequency: Float[Array, "b"],
    wave: Float[Array, "b"],
    ring: Float[Array, "b"],
    amplitude: ArrayLike,
) -> Images:
    """Rings of a rising brightness around a center, with waves along them.

        x + amplitude (((r + wave sin(frequency t)) mod ring) / ring - 1/2),   r, t: polar coordinates about the center

    Args:
        x: [b h w c].
        center: (column, row) in pixels.
        frequency: of the waves, in radians per radian.
        wave: their amplitude in pixels.
        ring: its width in pixels.
        amplitude: of the brightness.
    """
    right, down = _places(x)
    dx, dy = right - center[:, 0, None, None], down - center[:, 1, None, None]
    frequency, wave, ring = (value[:, None, None] for value in (frequency, wave, jnp.maximum(ring, 1e-6)))
    radius = jnp.sqrt(dx * dx + dy * dy) + wave * jnp.sin(frequency * jnp.arctan2(dx, dy))
    turns = radius / ring
    return x + amplitude * materialize(turns - jnp.floor(turns) - 0.5)[..., None]


def _places(x: Images) -> tuple[Float[Array, "1 1 w"], Float[Array, "1 h 1"]]:
    """The columns and rows of the pixels."""
    height, width = x.shape[1:3]
    columns, rows = jnp.arange(width, dtype=jnp.float32), jnp.arange(height, dtype=jnp.float32)
    return columns[None, None], rows[None, :, None]
