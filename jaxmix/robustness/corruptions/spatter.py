"""Spatter on the lens: the authors' mud, and a substitute for their water, which OpenCV renders."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxmix.pixels import separable_blur
from jaxmix.pixels.separable_blur import Weights
from jaxmix.robustness.corruptions import filters

__all__ = ["Liquid", "liquid", "mud", "water_like"]

Images = Float[Array, "b h w 3"]

_MUD = np.array([63, 42, 20], np.float32).reshape(1, 1, 1, 3) / 255
_WATER = np.array([175, 238, 238], np.float32).reshape(1, 1, 1, 3) / 255
# Water has the same brightness at all distances from an edge beyond this number of pixels.
_FAR = 20


class Liquid(NamedTuple):
    """Mean, deviation and blur of the noise, and the threshold below which there is no liquid; may be traced."""

    mean: ArrayLike
    deviation: ArrayLike
    taps: Weights
    threshold: ArrayLike


def liquid(normals: Float[Array, "b h w"], constants: Liquid) -> Float[Array, "b h w 1"]:
    """Amount of liquid at each pixel: smoothed noise, 0 below the threshold."""
    mean, deviation, taps, threshold = constants
    noise = (jnp.float32(mean) + jnp.float32(deviation) * normals)[..., None]
    smooth = separable_blur.blur(noise, (taps, taps), (1, 2))
    return jnp.where(smooth < threshold, 0, smooth)


def mud(x: Images, normals: Float[Array, "b h w"], constants: Liquid, taps: Weights) -> Images:
    """`x (1 - m) + brown m`, m the places of the liquid, smoothed with `taps`, 0 below 0.8."""
    there = (liquid(normals, constants) > constants.threshold).astype(jnp.float32)
    share = separable_blur.blur(there, (taps, taps), (1, 2))
    share = jnp.where(share < np.float32(0.8), 0, share)
    return x * (1 - share) + _MUD * share


def water_like(x: Images, normals: Float[Array, "b h w"], constants: Liquid, strength: ArrayLike) -> Images:
    """`x + pale blue m`, m the liquid, brighter towards one side of what is far from its edges.

    Differs from the authors' code: the edges are those pixels beside which the liquid ends (theirs come from Canny's
    detector), and distances count as their share of the largest (theirs are equalized).
    """
    field = liquid(normals, constants)
    inside = field[..., 0] > 0
    distance = _distance(inside != _beside(inside))
    relief = distance - jnp.roll(distance, (1, 1), (1, 2))
    bright = _mean(jnp.clip(distance / _FAR + relief, 0, 1)[..., None])
    share = field * bright
    most = share.max((1, 2), keepdims=True)
    return x + _WATER * (jnp.float32(strength) * share / jnp.where(most > 0, most, 1))


def _beside(inside: Bool[Array, "b h w"]) -> Bool[Array, "b h w"]:
    """Whether the pixel and those above, below, to the left and to the right are all inside."""
    wide = jnp.pad(inside, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return inside & wide[:, :-2, 1:-1] & wide[:, 2:, 1:-1] & wide[:, 1:-1, :-2] & wide[:, 1:-1, 2:]


def _distance(edge: Bool[Array, "b h w"]) -> Float[Array, "b h w"]:
    """Distance to the nearest edge, at most `_FAR`: exact, one axis after the other."""
    squared = jnp.where(edge, 0, np.float32(_FAR**2))
    for axis in (1, 2):
        squared = _lowest(squared, axis)
    return jnp.sqrt(jnp.minimum(squared, np.float32(_FAR**2)))


def _lowest(squared: Array, axis: int) -> Array:
    pad = [(_FAR, _FAR) if a == axis else (0, 0) for a in range(3)]
    wide, side = jnp.pad(squared, pad, constant_values=np.float32(_FAR**2)), squared.shape[axis]

    def step(t: Array, least: Array) -> Array:
        moved = jax.lax.dynamic_slice_in_dim(wide, t, side, axis)
        return jnp.minimum(least, moved + jnp.square((t - _FAR).astype(jnp.float32)))

    return jax.lax.fori_loop(0, 2 * _FAR + 1, step, squared)


def _mean(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    weights, places, shape = filters.grouped(np.full((3, 3), 1 / 9))
    return filters.kernel_sum(x, weights, places, shape, "reflect")
