"""SmoothMix's profiles with soft edges: trapezoids and a Gaussian bump."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments

__all__ = ["bump", "ramp", "relative_ramp"]

# No edge is narrower than a ten-thousandth of a pixel of a large image, so nothing is divided by 0.
_NARROWEST = 1e-7


@arguments.annotated
def ramp(middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int, k: ArrayLike = 0.2) -> Float[Array, "d side"]:
    """Trapezoid `clip(1/2 + (sigma/2 - |u - middle|) / 2k, 0, 1)`: one half at the nominal edges, ramps 2k wide.

    `middle`, `sigma` and `k` are fractions of the side, `u = (i + 1/2) / side`. The peak is below 1 where sigma < 2k.
    """
    width = jnp.maximum(2 * arguments.number("k", k), _NARROWEST)
    return jnp.clip(0.5 + (sigma[:, None] / 2 - _distance(middle, side)) / width, 0, 1)


@arguments.annotated
def relative_ramp(
    middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int, k: ArrayLike = 0.2
) -> Float[Array, "d side"]:
    """The trapezoid whose ramps are 2 k sigma wide: the peak is always 1, and the edges sharpen as sigma shrinks."""
    width = jnp.maximum(2 * arguments.number("k", k) * sigma, _NARROWEST)[:, None]
    return jnp.clip(0.5 + (sigma[:, None] / 2 - _distance(middle, side)) / width, 0, 1)


@arguments.annotated
def bump(middle: Float[Array, "d"], sigma: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
    """Gaussian `exp(-(u - middle)^2 / (2 sigma^2))`, 1 at its middle; `sigma` > 0 is a fraction of the side."""
    return jnp.exp(-jnp.square(_distance(middle, side) / jnp.maximum(sigma, _NARROWEST)[:, None]) / 2)


def _distance(middle: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
    # A narrow ramp magnifies the rounding of a pixel's place, so the place is held as a sum of two floats.
    place = (np.arange(side)[None, :] + 0.5) / side
    whole = place.astype(np.float32)
    rest = (place - whole).astype(np.float32)
    return jnp.abs((whole - middle[:, None]) + rest)
