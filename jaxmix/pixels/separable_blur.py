"""Separable blurs: a weighted sum along one axis after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import materialize

__all__ = ["Border", "Weights", "blur", "gaussian", "kernel", "matrix"]

# What lies beyond the border, as numpy.pad names it.
Border = Literal["edge", "reflect", "symmetric"]
# Along one axis: taps [t], t odd and symmetric about the middle, or the whole map as a matrix [n n].
Weights = Float[Array, "t"] | Float[Array, "n n"] | np.ndarray
# Beyond this number of taps one product with a matrix takes less time than the sum.
_MOST_TAPS = 101


def gaussian(sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Taps `exp(-t^2 / 2 sigma^2)` of sum 1, |t| <= int(truncate sigma + 1/2)."""
    radius = int(truncate * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-9)) ** 2)
    return taps / taps.sum()


def matrix(taps: np.ndarray, side: int, mode: Border) -> np.ndarray:
    """The sum with these taps along an axis of that length, as a matrix."""
    places = np.pad(np.arange(side), len(taps) // 2, mode=mode)
    weights = np.zeros((side, side))
    for t, tap in enumerate(taps):
        np.add.at(weights, (np.arange(side), places[t : t + side]), tap)
    return weights


def kernel(taps: np.ndarray, side: int, mode: Border) -> np.ndarray:
    """The faster of the two forms of these weights, float32."""
    return (matrix(taps, side, mode) if len(taps) > _MOST_TAPS else taps).astype(np.float32)


def blur(x: Float[Array, "..."], weights: Sequence[Weights], axes: Sequence[int], mode: Border = "edge") -> Array:
    """Sum along each of the axes with its weights; what lies beyond the border counts for taps alone.

    The weights may be traced. In order: `out[i] = sum over t of taps[t] x[i + t - radius]`.
    """
    for of_axis, axis in zip(weights, axes, strict=True):
        x = _product(x, of_axis, axis) if of_axis.ndim == 2 else _sum(x, of_axis, axis, mode)
    return x


def _product(x: Array, weights: Weights, axis: int) -> Array:
    moved = jnp.tensordot(jnp.asarray(weights, jnp.float32), x, (1, axis), precision=jax.lax.Precision.HIGHEST)
    return jnp.moveaxis(moved, 0, axis)


def _sum(x: Array, taps: Weights, axis: int, mode: Border) -> Array:
    number = taps.shape[0]
    if number == 1:
        return x
    radius, side = number // 2, x.shape[axis]
    taps = jnp.asarray(taps, jnp.float32)
    padded = jnp.pad(x, [(radius, radius) if a == axis else (0, 0) for a in range(x.ndim)], mode=mode)
    # The axis and those behind it as one: shifts are then contiguous.
    behind = int(np.prod(x.shape[axis + 1 :]))
    rows = materialize(padded).reshape(*x.shape[:axis], -1)
    shifted = [jax.lax.slice_in_dim(rows, t * behind, (t + side) * behind, axis=axis) for t in range(number)]
    total = jnp.zeros((), jnp.float32)
    for t in range(radius):
        total = total + taps[t] * (shifted[t] + shifted[number - 1 - t])
    return materialize(total + taps[radius] * shifted[radius]).reshape(x.shape)
