"""Weighted sums of shifted pictures [b h w c]: separable Gaussians and small kernels."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import materialize

# Longer rows of taps become a matrix: one product then takes less time than the sum.
_LONGEST = 101

# What lies beyond the border, as numpy.pad names it.
Border = Literal["edge", "reflect", "symmetric"]


def gaussian(x: Float[Array, "b h w c"], sigma: float, *, truncate: float = 4.0, mode: Border = "edge") -> Array:
    """Separable Gaussian of radius int(truncate sigma + 1/2), weights exp(-t^2 / 2 sigma^2) of sum 1."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return x
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (1, 2):
        x = _along(x, taps, axis, mode)
    return x


def _along(x: Array, taps: np.ndarray, axis: int, mode: Border) -> Array:
    side, radius = x.shape[axis], len(taps) // 2
    if len(taps) > _LONGEST:
        places = np.pad(np.arange(side), radius, mode=mode)
        matrix = np.zeros((side, side))
        for t, tap in enumerate(taps):
            np.add.at(matrix, (np.arange(side), places[t : t + side]), tap)
        moved = jnp.tensordot(jnp.asarray(matrix, jnp.float32), x, (1, axis), precision=jax.lax.Precision.HIGHEST)
        return jnp.moveaxis(moved, 0, axis)
    kernel = taps[:, None] if axis == 1 else taps[None]
    return kernel_sum(x, kernel, mode)


def kernel_sum(x: Float[Array, "b h w c"], kernel: np.ndarray, mode: Border) -> Float[Array, "b h w c"]:
    """`out[y, x] = sum over u, v of kernel[u, v] x[y + u - n // 2, x + v - m // 2]`, n, m odd."""
    size, height, width, channels = x.shape
    reach = [side // 2 for side in kernel.shape]
    padded = jnp.pad(x, ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, 0)), mode=mode)
    # Rows as one axis of columns and channels: shifts are then contiguous.
    rows = materialize(padded).reshape(size, height + 2 * reach[0], -1)
    total = jnp.zeros((), jnp.float32)
    for weight, alike in _alike(kernel):
        parts = [rows[:, u : u + height, channels * v : channels * (v + width)] for u, v in alike]
        total = total + np.float32(weight) * sum(parts[1:], start=parts[0])
    return materialize(total).reshape(x.shape)


def _alike(kernel: np.ndarray) -> list[tuple[float, list[tuple[int, int]]]]:
    """The weights that count, and where they occur: neighbours in a row first, so that reading them is local."""
    places: dict[float, list[tuple[int, int]]] = {}
    for u, v in np.argwhere(np.abs(kernel) > 1e-9):
        places.setdefault(float(np.float32(kernel[u, v])), []).append((int(u), int(v)))
    return list(places.items())
