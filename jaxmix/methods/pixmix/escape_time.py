"""Julia sets, colored by the number of steps after which a point escapes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix.methods.pixmix.generation import from_keys, palette

__all__ = ["Julia", "escape_values", "julia", "sample"]

STEPS = 48
# Squared distance from the origin beyond which a point has escaped.
_ESCAPED = 256.0


class Julia(NamedTuple):
    """A Julia set of z^2 + c, the part of it in the image, and its colors.

    c, center: real and imaginary part
    zoom: half the side of the image in the plane
    turn: angle, in radians
    frequency, phase: of the palette
    """

    c: Float[Array, "2"]
    center: Float[Array, "2"]
    zoom: Float[Array, ""]
    turn: Float[Array, ""]
    frequency: Float[Array, ""]
    phase: Float[Array, "3"]


def julia(key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Make images of Julia sets, with c a little outside of the main cardioid of the Mandelbrot set.

    Args:
        key: PRNG key.
        n: number of images, static.
        side: in pixels, 8 or more, static.

    Returns:
        [n side side 3], uint8.

    Raises:
        ValueError: what isn't a key; n or side out of range.

    >>> julia(jax.random.key(0), 2, 16).shape
    (2, 16, 16, 3)
    """
    return from_keys(_one, key, n, side)


def _one(key: Array, side: int) -> Float[Array, "side side 3"]:
    of = sample(key)
    values, nearest = escape_values(of, 2 * side)  # of four points in each pixel, whose colors are averaged
    # Points that never escape would be of one color: they are shaded by how near they come to the origin.
    fine = palette(jnp.where(values < 1, values, 1 + nearest), of.frequency, of.phase)
    return fine.reshape(side, 2, side, 2, 3).mean((1, 3))


def sample(key: Array) -> Julia:
    """Sample a Julia set: c = s (e^it / 2 - e^2it / 4), s ~ U(1, 1.06), t ~ U(0, 2 pi)."""
    uniform = jax.random.uniform(key, (10,), jnp.float32)
    low = jnp.array([1.0, 0.0, -0.3, -0.3, 0.3, 0.0, 0.7, 0.0, 0.0, 0.0], jnp.float32)
    high = jnp.array([1.06, 2 * jnp.pi, 0.3, 0.3, 1.4, 2 * jnp.pi, 2.5, 1.0, 1.0, 1.0], jnp.float32)
    values = low + (high - low) * uniform
    scale, angle = values[0], values[1]
    real = jnp.cos(angle) / 2 - jnp.cos(2 * angle) / 4
    imaginary = jnp.sin(angle) / 2 - jnp.sin(2 * angle) / 4
    return Julia(scale * jnp.stack([real, imaginary]), values[2:4], values[4], values[5], values[6], values[7:])


def escape_values(
    of: Julia, side: int, steps: int = STEPS
) -> tuple[Float[Array, "side side"], Float[Array, "side side"]]:
    """Count the steps of z^2 + c until |z| > 16, smoothly: (n - log2(ln |z|)) / steps; 1 where that never happens.

    Args:
        of: the set.
        side: of the image, in pixels.
        steps: number of steps.

    Returns:
        The values [side side], and the smallest |z| of each point's orbit.
    """
    middle = (2 * jnp.arange(side, dtype=jnp.float32) + 1) / side - 1
    across, down = jnp.broadcast_to(middle[None], (side, side)), jnp.broadcast_to(middle[:, None], (side, side))
    cos, sin = of.zoom * jnp.cos(of.turn), of.zoom * jnp.sin(of.turn)
    start = cos * across - sin * down + of.center[0], sin * across + cos * down + of.center[1]

    def step(n: Array, carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        x, y, escaped, nearest = carry
        inside = escaped == 0
        x, y = jnp.where(inside, x * x - y * y + of.c[0], x), jnp.where(inside, 2 * x * y + of.c[1], y)
        square = x * x + y * y
        escaped = jnp.where(inside & (square > _ESCAPED), n.astype(jnp.float32), escaped)
        return x, y, escaped, jnp.minimum(nearest, square)

    zeros, far = jnp.zeros((side, side), jnp.float32), jnp.full((side, side), _ESCAPED, jnp.float32)
    x, y, escaped, nearest = jax.lax.fori_loop(1, steps + 1, step, (*start, zeros, far))
    smooth = escaped - jnp.log2(jnp.log(jnp.maximum(x * x + y * y, _ESCAPED)) / 2)
    return jnp.where(escaped > 0, smooth / steps, 1.0), jnp.sqrt(nearest)
