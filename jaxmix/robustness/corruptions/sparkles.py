"""Sparkles: rays of light around points of an image in 0..1, and light everywhere but around one; not yet clipped."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix.numerics import materialize

__all__ = ["MOST_RAYS", "inverse_sparkles", "ray_lengths", "sparkles"]

MOST_RAYS = 199

Images = Float[Array, "b h w c"]


def sparkles(
    x: Images, centers: Float[Array, "b n 2"], rays: Int[Array, "b n"], lengths: Float[Array, "b n r"]
) -> Images:
    """Blend with white around one center after the other: `x += F (1 - x)`, F of `_light` with exponent 1.

    Args:
        x: [b h w c].
        centers: (row, column) of each sparkle in pixels.
        rays: the number of rays of each.
        lengths: of the rays in pixels, filled up to r.
    """

    def one(x: Images, sparkle: tuple[Array, Array, Array]) -> tuple[Images, None]:
        light = materialize(_light(x.shape[1], x.shape[2], *sparkle, None))[..., None]
        return x + light * (1 - x), None

    return jax.lax.scan(one, x, jax.tree.map(lambda each: jnp.moveaxis(each, 1, 0), (centers, rays, lengths)))[0]


def inverse_sparkles(
    x: Images, center: Float[Array, "b 2"], rays: Int[Array, "b"], lengths: Float[Array, "b r"], exponent: ArrayLike
) -> Images:
    """`1 + F (x - 1)`: white but around the center; see `sparkles` and `_light`."""
    light = materialize(_light(x.shape[1], x.shape[2], center, rays, lengths, exponent))[..., None]
    return 1 + light * (x - 1)


def ray_lengths(normals: Float[Array, "..."], radius: ArrayLike, least: ArrayLike) -> Float[Array, "..."]:
    """`max(least, radius + radius z / 4)`."""
    radius = jnp.asarray(radius, jnp.float32)
    return jnp.maximum(least, radius + 0.25 * radius * normals)


def _light(
    height: int, width: int, center: Float[Array, "b 2"], rays: Int[Array, "b"], lengths: Float[Array, "b r"],
    exponent: ArrayLike | None,
) -> Float[Array, "b h w"]:  # fmt: skip
    """`clip((1 - (f - 1/2)^2) (l^2 / (d^2 + 1e-4))^exponent, 0, 1)` at the distance d from the center.

    The angle is a ray and a fraction f of the way to the next one, and l is interpolated between the lengths of both.
    An exponent of None is 1.
    """
    size = center.shape[0]
    dx = jnp.arange(width, dtype=jnp.float32)[None, None] - center[:, 1, None, None]
    dy = jnp.arange(height, dtype=jnp.float32)[None, :, None] - center[:, 0, None, None]
    number = rays[:, None, None]
    turn = (jnp.arctan2(dx, dy) + np.float32(np.pi)) * np.float32(0.5 / np.pi) * number.astype(jnp.float32)
    ray = materialize(turn.astype(jnp.int32))
    fraction = turn - ray.astype(jnp.float32)

    def length(ray: Int[Array, "b h w"]) -> Float[Array, "b h w"]:
        place = jnp.clip(ray % number, 0, lengths.shape[1] - 1).reshape(size, -1)
        return jnp.take_along_axis(lengths, place, 1, mode="promise_in_bounds").reshape(ray.shape)

    first = length(ray)
    long = first + fraction * (length(ray + 1) - first)
    near = long * long / (dx * dx + dy * dy + np.float32(1e-4))
    near = near if exponent is None else near ** jnp.asarray(exponent, jnp.float32)
    return jnp.clip((1 - jnp.square(fraction - 0.5)) * near, 0, 1)
