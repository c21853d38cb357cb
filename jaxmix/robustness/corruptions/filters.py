"""Sums of shifted images [b h w c] with the weights of a small kernel."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import materialize
from jaxmix.pixels.separable_blur import Border

__all__ = ["Places", "grouped", "kernel_sum"]

# The taps [n m] of a kernel by their weights: for every weight the places (row, column) that share it.
Places = tuple[tuple[tuple[int, int], ...], ...]


def grouped(kernel: np.ndarray) -> tuple[np.ndarray, Places, tuple[int, int]]:
    """The distinct weights of a kernel, float32, the places of each, and the kernel's shape.

    Weights of at most 1e-9 are left out. Neighbors in a row come first, so that reading them is local.
    """
    places: dict[float, list[tuple[int, int]]] = {}
    for u, v in np.argwhere(np.abs(kernel) > 1e-9):
        places.setdefault(float(np.float32(kernel[u, v])), []).append((int(u), int(v)))
    weights = np.array(list(places), np.float32)
    return weights, tuple(tuple(of_weight) for of_weight in places.values()), (kernel.shape[0], kernel.shape[1])


def kernel_sum(
    x: Float[Array, "b h w c"], weights: Float[Array, "g"] | np.ndarray, places: Places, shape: tuple[int, int],
    mode: Border,
) -> Float[Array, "b h w c"]:  # fmt: skip
    """`out[y, x] = sum over u, v of kernel[u, v] x[y + u - n // 2, x + v - m // 2]`, n, m odd.

    The kernel [n m] comes as `grouped` gives it; its weights may be traced.
    """
    size, height, width, channels = x.shape
    reach = [side // 2 for side in shape]
    padded = jnp.pad(x, ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, 0)), mode=mode)
    # Rows as one axis of columns and channels: shifts are then contiguous.
    rows = materialize(padded).reshape(size, height + 2 * reach[0], -1)
    total = jnp.zeros((), jnp.float32)
    for weight, alike in zip(jnp.asarray(weights), places, strict=True):
        shifted = [rows[:, u : u + height, channels * v : channels * (v + width)] for u, v in alike]
        total = total + weight * sum(shifted[1:], start=shifted[0])
    return materialize(total).reshape(x.shape)
