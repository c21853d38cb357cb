"""Dead leaves: discs of one color each, painted one over the other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix.methods.pixmix.generation import from_keys

__all__ = ["leaves", "paint"]

DISCS = 200


def leaves(key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Make images of discs, whose radii have the density r^-3 from side / 24 to side / 2, as objects in photographs.

    Args:
        key: PRNG key.
        n: number of images, static.
        side: in pixels, 8 or more, static.

    Returns:
        [n side side 3], uint8.

    Raises:
        ValueError: what isn't a key; n or side out of range.

    >>> leaves(jax.random.key(0), 2, 16).shape
    (2, 16, 16, 3)
    """
    return from_keys(_one, key, n, side)


def _one(key: Array, side: int) -> Float[Array, "side side 3"]:
    place_key, radius_key, color_key = jax.random.split(key, 3)
    row, column = jax.random.uniform(place_key, (2, DISCS), jnp.float32, 0, side)
    share = jax.random.uniform(radius_key, (DISCS,), jnp.float32)
    smallest, largest = jnp.float32(side / 24), jnp.float32(side / 2)
    radius = 1 / jnp.sqrt(smallest**-2 + share * (largest**-2 - smallest**-2))
    return paint(row, column, radius, jax.random.uniform(color_key, (DISCS, 3), jnp.float32), side)


def paint(
    row: Float[Array, "m"], column: Float[Array, "m"], radius: Float[Array, "m"], color: Float[Array, "m 3"], side: int
) -> Float[Array, "side side 3"]:
    """Paint discs in their order on grey; a pixel belongs to those that its center lies in.

    Args:
        row: of the center, in pixels from the upper edge.
        column: of the center, in pixels from the left edge.
        radius: in pixels.
        color: in 0..1.
        side: in pixels.

    Returns:
        [side side 3] in 0..1.
    """
    middle = jnp.arange(side, dtype=jnp.float32) + 0.5

    def step(image: Array, disc: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        y, x, r, c = disc
        inside = jnp.square(middle[:, None] - y) + jnp.square(middle[None] - x) <= r * r
        return jnp.where(inside[..., None], c[None, None], image), None

    return jax.lax.scan(step, jnp.full((side, side, 3), 0.5, jnp.float32), (row, column, radius, color))[0]
