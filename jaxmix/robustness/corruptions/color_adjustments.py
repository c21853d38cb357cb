"""Brightness, contrast and saturation of images in 0..1, not yet clipped. Constants may be traced."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

__all__ = ["brightness", "contrast", "saturate"]

Images = Float[Array, "b h w 3"]


def brightness(x: Images, addition: ArrayLike) -> Images:
    """HSV's value V = max(R, G, B) raised: `x V' / V`, `V' = clip(V + addition, 0, 1)`; black becomes grey V'."""
    value = _extreme(jnp.maximum, x)
    raised = jnp.clip(value + addition, 0, 1)
    # Black can't be multiplied; there the first term is 0 and the second V'.
    ratio = raised / jnp.where(value > 0, value, 1)
    return x * ratio + jnp.where(value > 0, 0, raised)


def contrast(x: Images, factor: ArrayLike) -> Images:
    """Each channel moved towards its mean over the image: `(x - mean) factor + mean`."""
    # Sums of rows, then of their means: a sum of all pixels in one go loses digits.
    mean = x.mean(1, keepdims=True).mean(2, keepdims=True)
    return (x - mean) * factor + mean


def saturate(x: Images, factor: ArrayLike, addition: ArrayLike) -> Images:
    """HSV's saturation S changed: `V - (V - x) S' / S`, `S' = clip(factor S + addition, 0, 1)`.

    The hue of a grey pixel is 0, red: it becomes (V, V (1 - S'), V (1 - S')).
    """
    value, least = _extreme(jnp.maximum, x), _extreme(jnp.minimum, x)
    spread = value - least
    before = spread / jnp.where(value > 0, value, 1)
    after = jnp.clip(before * factor + addition, 0, 1)
    colored = spread > 0
    ratio = after / jnp.where(colored, before, 1)
    red = np.array([0, 1, 1], np.float32).reshape(1, 1, 1, 3)
    return value - jnp.where(colored, (value - x) * ratio, value * after * red)


def _extreme(of: Callable[[Array, Array], Array], x: Images) -> Float[Array, "b h w 1"]:
    return of(of(x[..., :1], x[..., 1:2]), x[..., 2:])
