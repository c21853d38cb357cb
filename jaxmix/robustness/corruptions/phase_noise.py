"""Fields of noise with a given power and random phases: pixels kept where blue noise is high, brownish noise added."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

__all__ = ["blue_noise", "blue_power", "brownish_noise", "brownish_power", "field", "field_side"]


def field_side(height: int, width: int) -> int:
    """The side of the square field from which an image's is cropped: even, and no shorter than the image's sides."""
    longest = max(height, width)
    return longest + longest % 2


def blue_power(side: int) -> np.ndarray:
    """The distance of each frequency from 0, in cycles per side: 0 in the middle of the map."""
    places = np.arange(side) - side // 2
    return np.hypot(places[:, None], places[None]).astype(np.float32)


def brownish_power(side: int) -> np.ndarray:
    """`1 / (d^2 + 1)`, d the distance of a frequency from 0."""
    return (1 / (blue_power(side).astype(np.float64) ** 2 + 1)).astype(np.float32)


def field(phases: Float[Array, "... s q"], power: Float[Array, "s s"] | np.ndarray) -> Float[Array, "... s s"]:
    """`real(ifft2(power e^(i phase)))`, divided by its standard deviation.

    Args:
        phases: of the left half of the frequencies, q = s / 2; the right half has them turned by 180 degrees.
        power: of each frequency, 0 in the middle of the map.
    """
    side = power.shape[0]
    full = jnp.concatenate([phases, phases[..., ::-1, ::-1]], -1)
    power = power.reshape(*[1] * (full.ndim - 2), side, side)
    spectrum = jax.lax.complex(power * jnp.cos(full), power * jnp.sin(full))
    made = jnp.fft.ifft2(jnp.roll(spectrum, (side // 2, side // 2), (-2, -1))).real
    deviation = made.std((-2, -1), keepdims=True)
    return made / jnp.where(deviation > 0, deviation, 1)


def blue_noise(x: Float[Array, "b h w c"], kept: Bool[Array, "b h w"]) -> Float[Array, "b h w c"]:
    """The pixels that are kept; the others are black."""
    return jnp.where(kept[..., None], x, 0)


def brownish_noise(
    x: Float[Array, "b h w c"], fields: Float[Array, "b h w c"], amplitude: ArrayLike
) -> Float[Array, "b h w c"]:
    """`x + amplitude field`, a field for each channel."""
    return x + amplitude * fields
