"""Gaussian smoothing of saliency maps."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.pixels import separable_blur
from jaxmix.sharding import sharded_like

__all__ = ["smooth"]

# Narrower Gaussians than this many pixels leave a map unchanged.
_NARROWEST = 1e-6


def smooth(maps: Array, *, sigma: ArrayLike = 1.0, size: int = 5) -> Float[Array, "b h w"]:
    """Smooth maps by a Gaussian, as SAGE does before normalizing.

        out[i, j] = sum over t, u of g[t] g[u] maps[i + t, j + u],   g[t] ~ exp(-t^2 / (2 sigma^2)), sum 1

    At the borders a map is mirrored about its outermost pixel.

    Args:
        maps: [b h w].
        sigma: standard deviation in pixels, above 0; may be traced (then 0 and less leave maps unchanged).
        size: number of taps, odd; static. Where a side is shorter than their reach, it is mirrored repeatedly.

    Returns:
        Maps of the same shape, float32.

    Raises:
        ValueError: maps that aren't [b h w], sigma not above 0, an even size.

    >>> [round(float(x), 2) for x in smooth(jnp.array([[[0.0, 0.0, 1.0, 0.0, 0.0]]]), size=3)[0, 0]]
    [0.0, 0.27, 0.45, 0.27, 0.0]
    """
    maps = arguments.ranked("maps", maps, 3).astype(jnp.float32)
    sigma = jnp.maximum(arguments.number("sigma", sigma, above=0.0), _NARROWEST)
    reach = arguments.count("size", size) // 2
    if size % 2 == 0:
        raise ValueError(f"size is {size}; wanted an odd number of taps")
    taps = jnp.exp(-jnp.square(jnp.arange(-reach, reach + 1, dtype=jnp.float32) / sigma) / 2)
    taps = taps / taps.sum()
    return _convolve(maps, taps)


@sharded_like("maps")
def _convolve(maps: Float[Array, "b h w"], taps: Float[Array, "t"]) -> Float[Array, "b h w"]:
    """Convolve rows and columns with the same taps."""
    return separable_blur.blur(maps, (taps, taps), (1, 2), "reflect")
