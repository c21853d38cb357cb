"""Plasma and Perlin noise blended with images in 0..1, for given samples; not yet clipped."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix.numerics import materialize

__all__ = ["PERIOD", "Lattice", "Plasma", "perlin", "perlin_noise", "plasma", "plasma_noise"]

# Lattice points after which Perlin noise repeats.
PERIOD = 256
# Octaves of its turbulence, as factors of the frequency.
_OCTAVES = (1, 2, 4, 8, 16)
_MOST_ITERATIONS = 6


class Plasma(NamedTuple):
    """Time in 0..6 pi, iterations from 4 to 6, sharpness in 0.5..1 and scale in pixels, of each image."""

    time: Float[Array, "b"]
    iterations: Int[Array, "b"]
    sharpness: Float[Array, "b"]
    scale: Float[Array, "b"]


def plasma(samples: Plasma, height: int, width: int) -> Float[Array, "b h w 3"]:
    """Waves whose places are moved by waves, in -1..1.

    From the place (x, y) / scale and i = (1, 1, 1), at each iteration

        r = (cos(y i0 + T / i1), sin(x i0 + T / i1)) / i2,   r += 0.3 (-r1, r0),   (x, y) += r,
        i0 *= 1.93,   i1 *= 1.15,   i2 *= 2.25 - sharpness

    and the channels are sin(x - T), sin((x + y + sin T) / 2), sin(y + T).
    """
    time, scale, sharpness = (value[:, None, None] for value in (samples.time, samples.scale, samples.sharpness))
    x = jnp.arange(width, dtype=jnp.float32)[None, None] / scale
    y = jnp.arange(height, dtype=jnp.float32)[None, :, None] / scale
    x, y = jnp.broadcast_arrays(x, y)
    frequency, slowing, damping = 1.0, 1.0, jnp.ones_like(sharpness)
    for iteration in range(_MOST_ITERATIONS):
        right = jnp.cos(y * frequency + time / slowing) / damping
        down = jnp.sin(x * frequency + time / slowing) / damping
        right, down = right - 0.3 * down, down + 0.3 * right
        goes_on = iteration < samples.iterations[:, None, None]
        x, y = materialize(jnp.where(goes_on, x + right, x)), materialize(jnp.where(goes_on, y + down, y))
        frequency, slowing, damping = frequency * 1.93, slowing * 1.15, damping * (2.25 - sharpness)
    return jnp.stack([jnp.sin(x - time), jnp.sin((x + y + jnp.sin(time)) / 2), jnp.sin(y + time)], -1)


def plasma_noise(x: Float[Array, "b h w 3"], noise: Float[Array, "b h w 3"], share: ArrayLike) -> Array:
    """`(1 - share) x + share noise`, noise in -1..1."""
    share = jnp.asarray(share, jnp.float32)
    return (1 - share) * x + share * noise


class Lattice(NamedTuple):
    """For Perlin noise: a permutation of 0 to 255 and a unit vector (first, second axis) for each, of each image."""

    permutation: Int[Array, "b 256"]
    gradients: Float[Array, "b 256 2"]


def perlin(lattice: Lattice, height: int, width: int, period: float) -> Float[Array, "b h w"]:
    """`clip(turbulence / 2 + 1 / 2, 0, 1)`: the sum over the octaves f = 1, 2, 4, 8, 16 of |noise(f y, f x)| / f.

    Args:
        lattice: samples.
        height: of the image.
        width: of the image.
        period: of the first octave's lattice, in pixels.
    """
    octaves = np.array(_OCTAVES, float)[:, None]
    points = [octaves * np.arange(side) / period for side in (height, width)]
    cells = [np.floor(place).astype(np.int32) % PERIOD for place in points]
    shares = [(place % 1).astype(np.float32) for place in points]

    def add(total: Array, octave: tuple[Array, ...]) -> tuple[Array, None]:
        weight, *grid = octave
        return total + jnp.abs(_gradient_noise(lattice.permutation, gradients, *grid)) * weight, None

    # The gradient of a hash is that of its permutation.
    order = lattice.permutation[..., None]
    gradients = materialize(jnp.take_along_axis(lattice.gradients, order, 1, mode="promise_in_bounds"))
    start = jnp.zeros((lattice.permutation.shape[0], height, width), jnp.float32)
    each = (1 / np.array(_OCTAVES, np.float32), *cells, *shares)
    total, _ = jax.lax.scan(add, start, jax.tree.map(jnp.asarray, each))
    return jnp.clip(total / 2 + 0.5, 0, 1)


def _gradient_noise(
    permutation: Int[Array, "b p"],
    gradients: Float[Array, "b p 2"],
    rows: Int[Array, "h"],
    columns: Int[Array, "w"],
    down: Float[Array, "h"],
    right: Float[Array, "w"],
) -> Float[Array, "b h w"]:
    """Perlin's noise on a grid of points: products with the gradients at four lattice points, faded into each other.

    A point lies in the cell (row, column) at the shares (down, right) of its sides.
    """
    size = permutation.shape[0]
    down, right = down[None, :, None], right[None, None]
    faded = [share * share * (3 - 2 * share) for share in (down, right)]
    hashes = [permutation[:, (rows + k) % PERIOD] for k in (0, 1)]

    def corner(k: int, m: int) -> Float[Array, "b h w"]:
        place = (hashes[k][:, :, None] + ((columns + m) % PERIOD)[None, None]) % PERIOD
        index = materialize(place).reshape(size, -1, 1)
        vector = jnp.take_along_axis(gradients, index, 1, mode="promise_in_bounds").reshape(*place.shape, 2)
        return (down - k) * vector[..., 0] + (right - m) * vector[..., 1]

    along = [corner(k, 0) + faded[1] * (corner(k, 1) - corner(k, 0)) for k in (0, 1)]
    return materialize(1.5 * (along[0] + faded[0] * (along[1] - along[0])))


def perlin_noise(x: Float[Array, "b h w c"], noise: Float[Array, "b h w"], share: ArrayLike) -> Array:
    """`(1 - share) x + share noise`, noise in 0..1."""
    share = jnp.asarray(share, jnp.float32)
    return (1 - share) * x + share * noise[..., None]
