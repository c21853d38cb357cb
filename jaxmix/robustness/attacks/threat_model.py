"""The pictures within epsilon of given ones: where an attack may look, and how it moves there."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments

Norm = Literal["inf", "2"]


class ThreatModel:
    """The pictures within epsilon of given ones, in 0..1, and how to move among them."""

    def __init__(self, images: arguments.Batch, epsilon: ArrayLike, norm: Norm):
        if norm not in ("inf", "2"):
            raise ValueError(f'norm is {norm!r}; wanted "inf" or "2"')
        x = jax.lax.stop_gradient(arguments.unit(arguments.images(images)))
        self.dtype, self.norm = x.dtype, norm
        wide = x.dtype if x.dtype == jnp.float64 else jnp.dtype(jnp.float32)
        self.clean = x.astype(wide) / 255 if x.dtype == jnp.uint8 else jnp.clip(x.astype(wide), 0, 1)
        self.diameter = 1.0 if norm == "inf" else float(self.clean[0].size) ** 0.5
        self.epsilon = self.distance("epsilon", epsilon)

    def distance(self, name: str, value: ArrayLike) -> Array:
        """A length in the norm, no more than from black to white."""
        return arguments.number(name, value, high=self.diameter).astype(self.clean.dtype)

    def start(self, key: Array) -> Array:
        """Uniform in the ball, clipped to 0..1."""
        shape, dtype = self.clean.shape, self.clean.dtype
        if self.norm == "inf":
            return self.inside(self.clean + self.epsilon * jax.random.uniform(key, shape, dtype, -1, 1))
        direction_key, radius_key = jax.random.split(key)
        direction = self.direction(jax.random.normal(direction_key, shape, dtype))
        radius = jax.random.uniform(radius_key, (shape[0], 1, 1, 1), dtype) ** (1 / self.clean[0].size)
        return self.inside(self.clean + self.epsilon * radius * direction)

    def step(self, x: Array, gradient: Array, length: Array) -> Array:
        """From x so far up the gradient, and back inside."""
        return self.inside(x + length * self.direction(gradient))

    def direction(self, gradient: Array) -> Array:
        """Of length 1, or 0 where the gradient is 0 or isn't a number."""
        if self.norm == "inf":
            return jnp.where(jnp.isnan(gradient), 0, jnp.sign(gradient))
        # Scaled first, so that no square overflows or vanishes.
        largest = jnp.abs(gradient).max((1, 2, 3), keepdims=True)
        fine = jnp.isfinite(largest) & (largest > 0)
        scaled = jnp.where(fine, gradient / jnp.where(fine, largest, 1), 0)
        return scaled / jnp.maximum(length_of(scaled), 1)

    def inside(self, x: Array) -> Array:
        """The nearest point of the ball, then of 0..1, which takes it no further from the middle of the ball."""
        change = x - self.clean
        if self.norm == "inf":
            change = jnp.clip(change, -self.epsilon, self.epsilon)
        else:
            tiny = jnp.finfo(x.dtype).tiny
            change = change * jnp.minimum(1, self.epsilon / jnp.maximum(length_of(change), tiny))
        return jnp.clip(self.clean + change, 0, 1)

    def seen(self, x: Array) -> Array:
        """What the dtype of the pictures can hold of them; levels are rounded towards the clean picture."""
        if self.dtype != jnp.uint8:
            return x.astype(self.dtype).astype(x.dtype)
        change = (x - self.clean) * 255
        # A change of a whole number of levels may come out a little short of it.
        levels = jnp.sign(change) * jnp.floor(jnp.abs(change) + 1e-3)
        return jnp.round(self.clean * 255 + levels) / 255

    def pictures(self, x: Array) -> Array:
        """In the dtype that came, without a gradient."""
        x = jax.lax.stop_gradient(self.seen(x))
        return jnp.round(x * 255).astype(jnp.uint8) if self.dtype == jnp.uint8 else x.astype(self.dtype)


def length_of(x: Array) -> Float[Array, "b 1 1 1"]:
    """Square root of the sum of the squares of each picture."""
    return jnp.sqrt(jnp.square(x).sum((1, 2, 3), keepdims=True))
