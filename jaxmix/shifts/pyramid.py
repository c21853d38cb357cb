"""Pyramid of maps: maps at half their size, and the effect on scores of the detail that is lost there."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["downsample", "lost_detail", "neighborhoods"]

_TINY = 1e-20


def downsample(maps: Float[Array, "b h w"]) -> Float[Array, "b n m"]:
    """Average over 2 x 2 pixels of maps with even sides."""
    size, height, width = maps.shape
    return maps.reshape(size, height // 2, 2, width // 2, 2).mean((2, 4))


def neighborhoods(shifts: Int[Array, "b n 2"]) -> Int[Array, "b m 2"]:
    """Each shift and its eight neighbors, row by row. All are in the frame if the shifts and its sides are even."""
    near = np.stack(np.meshgrid(*[np.arange(-1, 2, dtype=np.int32)] * 2, indexing="ij"), -1).reshape(1, 1, 9, 2)
    return (shifts[:, :, None] + near).reshape(len(shifts), -1, 2)


def lost_detail(own: Float[Array, "b h w"], other: Float[Array, "b h w"]) -> Float[Array, "b"]:
    """An upper bound of the standard deviation, over the shifts, of the part of scores due to detail in single pixels.

    Details d and e of maps a and b together change `2 sum of a b / (a + b)` by `2 sum of d e * 2 a b / (a + b)^3`, to
    second order; the effect of either alone hardly depends on the shift. With random signs, that is without a pattern,
    and `a b / (a + b)^3 <= 1 / (8 sqrt(a b))` the variance is at most a quarter of the sum of d^2/a e^2/b, and that at
    most the product of the two norms, whatever the shift.
    """
    return jnp.sqrt(_roughness(own) * _roughness(other)) / 2


def _roughness(maps: Float[Array, "b h w"]) -> Float[Array, "b"]:
    """The norm of d^2 / a; the root mean square of that down and that across.

    d is the second difference, scaled to the standard deviation of uncorrelated noise, for slopes aren't detail; and a
    is the mean of a pixel, counted twice, and the two beside it.
    """

    def square(before: Array, here: Array, after: Array) -> Float[Array, "b"]:
        ratio = jnp.square(before - 2 * here + after) / jnp.maximum(before + 2 * here + after, _TINY)
        # Summed by a product, since a sum along the last axis is not vectorized on CPU.
        return jnp.matmul(jnp.square(ratio * (4 / 6)), jnp.ones(ratio.shape[2], jnp.float32), precision="highest").sum(
            1
        )

    down = square(maps[:, :-2], maps[:, 1:-1], maps[:, 2:])
    across = square(maps[:, :, :-2], maps[:, :, 1:-1], maps[:, :, 2:])
    return jnp.sqrt((down + across) / 2)
