"""Motion blur along a line, in ImageMagick's arithmetic."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxmix.robustness.corruptions import per_image, quantize

__all__ = ["angle", "motion", "weights"]


def weights(radius: int, sigma: float) -> np.ndarray:
    """`k[i] ~ exp(-i^2 / 2 sigma^2)` of sum 1, i = 0, ..., 2 radius, float32."""
    kernel = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    return (kernel / kernel.sum()).astype(np.float32)


def motion(
    images: UInt8[Array, "b h w c"], degrees: Float[Array, "b"], kernel: Float[Array, "t"] | np.ndarray
) -> UInt8[Array, "b h w c"]:
    """Blur every image to one side, in 16-bit levels, truncated.

        out[y, x] = sum over i of k[i] in[clip(y - dy_i), clip(x - dx_i)],
        dy_i = -ceil(i sin a - 1/2),   dx_i = -ceil(i cos a - 1/2),   i = 0, ..., t - 1

    Args:
        images: 8-bit levels.
        degrees: the angle a of each image, counted clockwise from the right.
        kernel: k, of `weights`; may be traced.
    """
    size, height, width, channels = images.shape
    taps = kernel.shape[0]
    angle = jnp.deg2rad(degrees.astype(jnp.float32))[:, None]
    steps = np.arange(taps, dtype=np.float32)[None]
    shifts = jnp.stack([jnp.ceil(steps * of(angle) - 0.5) for of in (jnp.sin, jnp.cos)], -1)
    reach = taps - 1
    planes = images.transpose(0, 3, 1, 2).astype(jnp.float32)
    padded = jnp.pad(planes, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")

    def one(item: tuple[Array, Array]) -> Array:
        plane, shift = item
        total = jnp.zeros((channels, height, width), jnp.float32)
        for i in range(taps):
            start = (np.int32(0), shift[i, 0] + reach, shift[i, 1] + reach)
            total += kernel[i] * jax.lax.dynamic_slice(plane, start, total.shape)
        return quantize.quantum(total).astype(jnp.uint8)

    return per_image.each(one, (padded, shifts.astype(jnp.int32))).transpose(0, 2, 3, 1)


def angle(uniform: Float[Array, "b"], low: float, high: float) -> Float[Array, "b"]:
    """Degrees from `low` to `high` for uniform samples of [0, 1)."""
    return np.float32(low) + np.float32(high - low) * uniform
