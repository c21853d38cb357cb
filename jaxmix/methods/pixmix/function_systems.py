"""Flames: the points that walkers visit who apply one of a few contractions at each step."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from jaxmix.methods.pixmix.generation import from_keys

__all__ = ["System", "flames", "sample", "visits"]

MAPS = 4
WARM_UP, STEPS = 20, 64


class System(NamedTuple):
    """Up to four maps of the plane: variation(matrix p + shift), each with a color.

    number: of the maps that are used, 2 to 4
    variation: 0 none, 1 sines, 2 a swirl, 3 an inversion
    """

    number: Int[Array, ""]
    matrix: Float[Array, "4 2 2"]
    shift: Float[Array, "4 2"]
    variation: Int[Array, "4"]
    color: Float[Array, "4 3"]


def flames(key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Make images of the attractors of iterated function systems, brighter where more points fall.

    Args:
        key: PRNG key.
        n: number of images, static.
        side: in pixels, 8 or more, static.

    Returns:
        [n side side 3], uint8. An attractor may be a point: `mixing_images` replaces images that are nearly empty.

    Raises:
        ValueError: what isn't a key; n or side out of range.

    >>> flames(jax.random.key(0), 2, 16).shape
    (2, 16, 16, 3)
    """
    return from_keys(_one, key, n, side)


def _one(key: Array, side: int) -> Float[Array, "side side 3"]:
    system_key, walk_key, ground_key = jax.random.split(key, 3)
    density = visits(walk_key, sample(system_key), 2 * side, max(1024, side**2))
    count, color = density[..., 0], density[..., 1:] / jnp.maximum(density[..., :1], 1)
    bright = jnp.sqrt(jnp.log1p(count) / jnp.maximum(jnp.log1p(count.max()), 1e-6))[..., None]
    vivid = color / jnp.maximum(color.max(2, keepdims=True), 1e-6)
    ground = jax.random.uniform(ground_key, (1, 1, 3), jnp.float32, 0, 0.4)
    shown = bright * vivid + (1 - bright) * ground
    return shown.reshape(side, 2, side, 2, 3).mean((1, 3))


def sample(key: Array) -> System:
    """Sample a system: entries ~ U(-1, 1), matrices scaled to a largest singular value ~ U(0.6, 0.9)."""
    number_key, matrix_key, scale_key, shift_key, variation_key, color_key = jax.random.split(key, 6)
    matrix = jax.random.uniform(matrix_key, (MAPS, 2, 2), jnp.float32, -1, 1)
    # Of a 2 x 2 matrix: s^2 = (q + sqrt(q^2 - 4 det^2)) / 2, q the sum of the squared entries.
    squares = jnp.square(matrix).sum((1, 2))
    determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    root = jnp.sqrt(jnp.maximum(jnp.square(squares) - 4 * jnp.square(determinant), 0))
    largest = jnp.sqrt((squares + root) / 2)
    scale = jax.random.uniform(scale_key, (MAPS,), jnp.float32, 0.6, 0.9)
    return System(
        jax.random.randint(number_key, (), 2, MAPS + 1, jnp.int32),
        matrix * (scale / jnp.maximum(largest, 1e-6))[:, None, None],
        jax.random.uniform(shift_key, (MAPS, 2), jnp.float32, -1, 1),
        jax.random.randint(variation_key, (MAPS,), 0, 4, jnp.int32),
        jax.random.uniform(color_key, (MAPS, 3), jnp.float32),
    )


def visits(key: Array, system: System, side: int, walkers: int) -> Float[Array, "side side 4"]:
    """Count the visits of each cell, and sum up the colors of the visitors, in the window where most of them are.

    Args:
        key: PRNG key.
        system: the maps.
        side: number of cells along each side.
        walkers: number of points that move at the same time.

    Returns:
        [side side 4]: the count, and the sums of three channels.
    """
    start_key, walk_key = jax.random.split(key)
    place = jax.random.uniform(start_key, (walkers, 2), jnp.float32, -1, 1)
    color = jnp.full((walkers, 3), 0.5, jnp.float32)

    def move(n: Array | int, place: Array, color: Array) -> tuple[Array, Array]:
        share = jax.random.uniform(jax.random.fold_in(walk_key, n), (walkers,), jnp.float32)
        chosen = jnp.minimum((share * system.number.astype(jnp.float32)).astype(jnp.int32), system.number - 1)
        return _moved(system, chosen, place), (color + system.color[chosen]) / 2

    place, color = jax.lax.fori_loop(0, WARM_UP, lambda n, carry: move(n, *carry), (place, color))
    middle, spread = place.mean(0, keepdims=True), jnp.maximum(place.std(0, keepdims=True), 1e-3)

    def step(n: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        place, color, counts = carry
        place, color = move(n, place, color)
        cell = jnp.floor(((place - middle) / (4.4 * spread) + 0.5) * side).astype(jnp.int32)
        inside = ((cell >= 0) & (cell < side)).all(1)
        index = jnp.where(inside, cell[:, 1] * side + cell[:, 0], side * side)
        visitor = jnp.concatenate([jnp.ones((walkers, 1), jnp.float32), color], 1)
        return place, color, counts.at[index].add(visitor, mode="drop")

    empty = jnp.zeros((side * side, 4), jnp.float32)
    return jax.lax.fori_loop(WARM_UP, WARM_UP + STEPS, step, (place, color, empty))[2].reshape(side, side, 4)


def _moved(system: System, chosen: Int[Array, "w"], place: Float[Array, "w 2"]) -> Float[Array, "w 2"]:
    """Apply the chosen map to each place."""
    matrix, shift, variation = system.matrix[chosen], system.shift[chosen], system.variation[chosen]
    x = matrix[:, 0, 0] * place[:, 0] + matrix[:, 0, 1] * place[:, 1] + shift[:, 0]
    y = matrix[:, 1, 0] * place[:, 0] + matrix[:, 1, 1] * place[:, 1] + shift[:, 1]
    square = x * x + y * y
    sin, cos, inverse = jnp.sin(square), jnp.cos(square), 1 / (square + 0.1)
    kinds = [variation == kind for kind in range(3)]
    across = jnp.select(kinds, [x, jnp.sin(x), x * sin - y * cos], x * inverse)
    down = jnp.select(kinds, [y, jnp.sin(y), x * cos + y * sin], y * inverse)
    return jnp.stack([across, down], 1)
