"""Spatter on the lens: mud as the authors draw it, and a substitute for their water, which is drawn by OpenCV."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.robustness.corruptions import filters

Pictures = Float[Array, "b h w 3"]

_MUD = np.array([63, 42, 20], np.float32).reshape(1, 1, 1, 3) / 255
_WATER = np.array([175, 238, 238], np.float32).reshape(1, 1, 1, 3) / 255
# Farther than this many pixels from an edge water looks the same.
_FAR = 20


def liquid(normals: Float[Array, "b h w"], constants: tuple) -> Float[Array, "b h w 1"]:
    """Where the liquid is, and how much: smoothed noise, 0 below the threshold."""
    mean, deviation, sigma, threshold, _, _ = constants
    smooth = filters.gaussian((np.float32(mean) + np.float32(deviation) * normals)[..., None], sigma)
    return jnp.where(smooth < np.float32(threshold), 0, smooth)


def mud(x: Pictures, normals: Float[Array, "b h w"], constants: tuple) -> Pictures:
    """`x (1 - m) + brown m`, m the smoothed places of the liquid, 0 below 0.8."""
    _, _, _, threshold, strength, _ = constants
    there = (liquid(normals, constants) > np.float32(threshold)).astype(jnp.float32)
    share = filters.gaussian(there, strength)
    share = jnp.where(share < np.float32(0.8), 0, share)
    return x * (1 - share) + _MUD * share


def water_like(x: Pictures, normals: Float[Array, "b h w"], constants: tuple) -> Pictures:
    """`x + pale blue m`, m the liquid, brighter towards one side of what is far from its edges.

    Differs from the authors' code: the edges are those pixels beside which the liquid ends (theirs come from Canny's
    detector), and distances count as their share of the farthest (theirs are equalized).
    """
    field = liquid(normals, constants)
    inside = field[..., 0] > 0
    distance = _distance(inside != _beside(inside))
    relief = distance - jnp.roll(distance, (1, 1), (1, 2))
    bright = _mean(jnp.clip(distance / _FAR + relief, 0, 1)[..., None])
    share = field * bright
    most = share.max((1, 2), keepdims=True)
    return x + _WATER * (np.float32(constants[4]) * share / jnp.where(most > 0, most, 1))


def _beside(inside: Array) -> Array:
    """Whether all of the pixels above, below, to the left and to the right are inside, and the pixel too."""
    wide = jnp.pad(inside, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return inside & wide[:, :-2, 1:-1] & wide[:, 2:, 1:-1] & wide[:, 1:-1, :-2] & wide[:, 1:-1, 2:]


def _distance(edge: Array) -> Float[Array, "b h w"]:
    """To the nearest edge, at most `_FAR`: exact, one axis after the other."""
    squared = jnp.where(edge, 0, np.float32(_FAR**2))
    for axis in (1, 2):
        squared = _lowest(squared, axis)
    return jnp.sqrt(jnp.minimum(squared, np.float32(_FAR**2)))


def _lowest(squared: Array, axis: int) -> Array:
    pad = [(_FAR, _FAR) if a == axis else (0, 0) for a in range(3)]
    wide, side = jnp.pad(squared, pad, constant_values=np.float32(_FAR**2)), squared.shape[axis]

    def step(t, least):
        moved = jax.lax.dynamic_slice_in_dim(wide, t, side, axis)
        return jnp.minimum(least, moved + jnp.square((t - _FAR).astype(jnp.float32)))

    return jax.lax.fori_loop(0, 2 * _FAR + 1, step, squared)


def _mean(x: Array) -> Array:
    return filters.kernel_sum(x, np.full((3, 3), 1 / 9), "reflect")
