"""Motion blur along a line, as ImageMagick does it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxmix.robustness.corruptions import quantize


def motion(
    pictures: UInt8[Array, "b h w c"], degrees: Float[Array, "b"], radius: int, sigma: float
) -> UInt8[Array, "b h w c"]:
    """Every picture blurred to one side, in 16-bit levels, truncated.

        out[y, x] = sum over i of k[i] in[clip(y - dy_i), clip(x - dx_i)],   k[i] ~ exp(-i^2 / 2 sigma^2), sum 1,
        dy_i = -ceil(i sin a - 1/2),   dx_i = -ceil(i cos a - 1/2),   i = 0, ..., 2 radius

    Args:
        pictures: 8-bit levels.
        degrees: the angle a of each picture, counted clockwise from the right.
        radius: half the number of taps.
        sigma: in taps.
    """
    size, height, width, channels = pictures.shape
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    angle = jnp.deg2rad(degrees.astype(jnp.float32))[:, None]
    shifts = jnp.stack([jnp.ceil(steps[None].astype(np.float32) * of(angle) - 0.5) for of in (jnp.sin, jnp.cos)], -1)
    reach = 2 * radius
    planes = pictures.transpose(0, 3, 1, 2).astype(jnp.float32)
    padded = jnp.pad(planes, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")

    def one(item):
        plane, shift = item
        total = jnp.zeros((channels, height, width), jnp.float32)
        for i, weight in enumerate(weights):
            start = (np.int32(0), shift[i, 0] + reach, shift[i, 1] + reach)
            total += np.float32(weight) * jax.lax.dynamic_slice(plane, start, total.shape)
        return quantize.quantum(total).astype(jnp.uint8)

    return each(one, (padded, shifts.astype(jnp.int32))).transpose(0, 2, 3, 1)


def each(one: Callable, items):
    """A function of every item: one after the other on CPU, where a slice then is a slice; else all at once."""

    def loop(items):
        return jax.lax.map(one, items)

    return jax.lax.platform_dependent(items, cpu=loop, default=jax.vmap(one))


def angle(uniform: Float[Array, "b"], low: float, high: float) -> Float[Array, "b"]:
    """Degrees between two bounds for draws from [0, 1)."""
    return np.float32(low) + np.float32(high - low) * uniform
