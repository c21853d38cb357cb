"""Snow and fog, for images in 0..1 and given random fields; not yet clipped. Constants may be traced."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.numerics import barrier, materialize
from jaxmix.robustness.corruptions import blurs, motion_blur, quantize

__all__ = ["Snow", "amplitudes", "cloud_side", "fog", "plasma", "snow"]

Images = Float[Array, "b h w 3"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


class Snow(NamedTuple):
    """Mean and deviation of the flakes, the threshold below which there are none, and the share s of the image."""

    mean: ArrayLike
    deviation: ArrayLike
    threshold: ArrayLike
    share: ArrayLike


def snow(
    x: Images,
    normals: Float[Array, "b h w"],
    degrees: Float[Array, "b"],
    flakes: Snow,
    kernel: Float[Array, "t"] | np.ndarray,
    zoom: float,
) -> Images:
    """Flakes and their reflection over a brightened image.

        out = s x + (1 - s) max(x, 1.5 grey + 0.5) + flakes + flakes turned by 180 degrees

    flakes: mean + deviation z, zoomed, 0 below the threshold, in 8-bit levels, and blurred along a line.

    Args:
        x: [b h w 3].
        normals: z.
        degrees: the line's angle for each image; the authors sample it from U(-135, -45).
        flakes: may be traced.
        kernel: of the blur, see `motion_blur.weights`; may be traced.
        zoom: of the flakes, static.
    """
    mean, deviation, threshold, share = (jnp.asarray(value, jnp.float32) for value in flakes)
    field = blurs.zoomed((mean + deviation * normals)[..., None], zoom)
    layer = quantize.truncated(jnp.where(field < threshold, 0, field))
    fallen = motion_blur.motion(layer, degrees, kernel).astype(jnp.float32) / 255
    # One value per pixel, computed once and not again for every channel.
    grey = materialize(sum((_GREY[k] * x[..., k : k + 1] for k in (1, 2)), start=_GREY[0] * x[..., :1]))
    veil = materialize(fallen + fallen[:, ::-1, ::-1])
    return share * x + (1 - share) * jnp.maximum(x, grey * 1.5 + 0.5) + veil


def fog(x: Images, clouds: Float[Array, "b h w"], strength: ArrayLike) -> Images:
    """`(x + strength clouds) m / (m + strength)`, m the largest value of the image."""
    most = x.max((1, 2, 3), keepdims=True)
    return (x + strength * clouds[..., None]) * (most / (most + strength))


def amplitudes(side: int, decay: float) -> np.ndarray:
    """Largest addition w^2 at each level of `plasma`; w is 100 at first and 1 / decay of it at every further level."""
    wide = 100.0 / np.cumprod([1.0, *[decay] * (side.bit_length() - 2)])
    return np.square(wide)[: side.bit_length() - 1].astype(np.float32)


def plasma(
    uniform: Float[Array, "b n"], side: int, amplitudes: Float[Array, "l"] | np.ndarray
) -> Float[Array, "b s s"]:
    """Diamond-square clouds on a torus, in 0..1.

    From one value on, each level puts a value into the middle of every four and then between every two, and adds
    w^2 u to each, u ~ U(-1, 1).

    Args:
        uniform: u, in -1..1: for each level of n x n values first n x n for the squares, then n x n each for the points
            between values beside each other, and between values above each other; side^2 - 1 in all.
        side: of the map, a power of two.
        amplitudes: w^2 of each level; may be traced.
    """
    size = uniform.shape[0]
    grid, start = jnp.zeros((size, 1, 1), jnp.float32), 0
    for amplitude in amplitudes:
        n = grid.shape[1]
        added = uniform[:, start : start + 3 * n * n].reshape(size, 3, n, n) * amplitude
        below, right = jnp.roll(grid, -1, 1), jnp.roll(grid, -1, 2)
        middle = (grid + below + right + jnp.roll(below, -1, 2)) / 4 + added[:, 0]
        beside = (grid + right + middle + jnp.roll(middle, 1, 1)) / 4 + added[:, 1]
        above = (grid + below + middle + jnp.roll(middle, 1, 2)) / 4 + added[:, 2]
        rows = jnp.stack([jnp.stack([grid, beside], -1), jnp.stack([above, middle], -1)], 2)
        grid = barrier(rows.reshape(size, 2 * n, 2 * n))
        start += 3 * n * n
    least, most = grid.min((1, 2), keepdims=True), grid.max((1, 2), keepdims=True)
    return (grid - least) / jnp.where(most > least, most - least, 1)


def cloud_side(height: int, width: int) -> int:
    """The least power of two that is at least as long as both sides."""
    return 1 << (max(height, width) - 1).bit_length()
