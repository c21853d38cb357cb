"""Threat model: the images within epsilon of given ones, and the steps of an attack among them."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments, dtypes

__all__ = ["Norm", "ThreatModel", "length_of"]

Norm = Literal["inf", "2"]


class ThreatModel:
    """The images in 0..1 within epsilon of given ones: a ball, its projection, and steps within it."""

    def __init__(self, images: arguments.Batch, epsilon: ArrayLike, norm: Norm) -> None:
        if not isinstance(norm, str) or norm not in ("inf", "2"):
            raise ValueError(f'norm is {norm!r}; wanted "inf" or "2"')
        self.given = jax.lax.stop_gradient(arguments.images(images))
        x = arguments.unit(self.given)
        self.dtype, self.norm = x.dtype, norm
        wide = dtypes.widen(x)
        self.clean = wide / 255 if x.dtype == jnp.uint8 else wide
        self.diameter = 1.0 if norm == "inf" else float(self.clean[0].size) ** 0.5
        self.epsilon = self.distance("epsilon", epsilon)

    def distance(self, name: str, value: ArrayLike) -> Array:
        """A length in the norm, at most that from black to white."""
        return arguments.number(name, value, high=self.diameter).astype(self.clean.dtype)

    def start(self, key: Array) -> Array:
        """Uniform sample of the ball, clipped to 0..1."""
        shape, dtype = self.clean.shape, self.clean.dtype
        if self.norm == "inf":
            return self.inside(self.clean + self.epsilon * jax.random.uniform(key, shape, dtype, -1, 1))
        direction_key, radius_key = jax.random.split(key)
        direction = self.direction(jax.random.normal(direction_key, shape, dtype))
        radius = jax.random.uniform(radius_key, (shape[0], 1, 1, 1), dtype) ** (1 / self.clean[0].size)
        return self.inside(self.clean + self.epsilon * radius * direction)

    def step(self, x: Array, gradient: Array, length: Array) -> Array:
        """Move from x by `length` up the gradient, then project."""
        return self.inside(x + length * self.direction(gradient))

    def direction(self, gradient: Array) -> Array:
        """The gradient at length 1, or 0 where it is 0 or NaN."""
        if self.norm == "inf":
            return jnp.where(jnp.isnan(gradient), 0, jnp.sign(gradient))
        # Scaled first, so that no square overflows or vanishes.
        largest = jnp.abs(gradient).max((1, 2, 3), keepdims=True)
        fine = jnp.isfinite(largest) & (largest > 0)
        scaled = jnp.where(fine, gradient / jnp.where(fine, largest, 1), 0)
        return scaled / jnp.maximum(length_of(scaled), 1)

    def inside(self, x: Array) -> Array:
        """Project onto the ball, then onto 0..1, which takes it no further from the center of the ball."""
        change = x - self.clean
        if self.norm == "inf":
            change = jnp.clip(change, -self.epsilon, self.epsilon)
        else:
            tiny = jnp.finfo(x.dtype).tiny
            change = change * jnp.minimum(1, self.epsilon / jnp.maximum(length_of(change), tiny))
        return jnp.clip(self.clean + change, 0, 1)

    def quantized(self, x: Array) -> Array:
        """Round to the dtype of the images; levels are rounded towards the clean image."""
        if self.dtype != jnp.uint8:
            return x.astype(self.dtype).astype(x.dtype)
        change = (x - self.clean) * 255
        # A change of an integer number of levels may come out a little below it.
        levels = jnp.sign(change) * jnp.floor(jnp.abs(change) + 1e-3)
        return jnp.round(self.clean * 255 + levels) / 255

    def images(self, x: Array) -> Array:
        """Convert to the dtype of the images, without a gradient."""
        found = dtypes.from_unit(jax.lax.stop_gradient(self.quantized(x)), self.dtype)
        return arguments.nan_outside(self.given, found)


def length_of(x: Array) -> Float[Array, "b 1 1 1"]:
    """Square root of the sum of the squares of each image."""
    return jnp.sqrt(jnp.square(x).sum((1, 2, 3), keepdims=True))
