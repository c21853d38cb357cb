"""Patch Gaussian (Lopes et al., 2019) and Patch Uniform: noise on a square of the image."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, dtypes, masks, sampling
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from jaxmix.sharding import sharded_like

__all__ = ["noisy_patch", "patch", "patch_gaussian", "patch_uniform"]

Range = tuple[ArrayLike, ArrayLike]


@arguments.method
def patch_gaussian(
    key: jax.Array, batch: arguments.Batch, *, width: ArrayLike | Range = 25.0, sigma: ArrayLike = 1.0
) -> tuple[jax.Array, Mix]:
    """Add Gaussian noise to a square of each image; labels stay.

        x' = clip(x + patch s z, 0, 1),   s ~ U(0, sigma),   patch = square of side W around a uniform pixel

    The square is cut at the border: rows c - floor(W / 2) to c + ceil(W / 2) - 1 around row c, and columns alike.
    Every draw is per image.

    Args:
        key: PRNG key.
        batch: images [b h w c], uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized: that
            comes after.
        width: W in pixels, 0 or more, or its (lowest, highest), between which it is uniform; may be traced. CIFAR:
            25, ImageNet: (0, 250).
        sigma: highest standard deviation of the noise, 0 or more, where white is 1; may be traced.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; negative width
            or sigma.

    Reference: Raphael Gontijo Lopes, Dong Yin, Ben Poole, Justin Gilmer, Ekin D. Cubuk. Improving Robustness Without
    Sacrificing Accuracy with Patch Gaussian Augmentation. arXiv 1906.02611, 2019.

    >>> images, mix = jax.jit(patch_gaussian)(jax.random.key(0), jnp.full((2, 8, 8, 3), 0.5), width=4)
    >>> mix.weight.tolist()
    [[1.0], [1.0]]
    """
    x = arguments.images(batch)
    place_key, sigma_key, noise_key = jax.random.split(key, 3)
    where = _patches(place_key, x, width)
    most = arguments.number("sigma", sigma)
    scale = sampling.uniform(sigma_key, jnp.float32(0), most, x.shape[0])
    noise = jax.random.normal(noise_key, x.shape, jnp.float32)
    return _changed(arguments.unit(x), x, noisy_patch, where, scale, noise), identity(x.shape[0])


@arguments.method
def patch_uniform(key: jax.Array, batch: arguments.Batch, *, width: ArrayLike | Range = 25.0) -> tuple[jax.Array, Mix]:
    """Replace a square of each image by uniform noise; labels stay.

        x' = (1 - patch) x + patch u,   u ~ U(0, 1),   patch as in `patch_gaussian`

    A baseline of AugMix's comparison, of which no definition was found: that noise replaces the pixels, its range and
    the side of the square are choices made here.

    Args:
        key: PRNG key.
        batch: images as in `patch_gaussian`.
        width: as in `patch_gaussian`.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; negative width.

    Reference: Dan Hendrycks, Norman Mu, Ekin D. Cubuk, Barret Zoph, Justin Gilmer, Balaji Lakshminarayanan. AugMix: A
    Simple Data Processing Method to Improve Robustness and Uncertainty. ICLR 2020.

    >>> images, mix = jax.jit(patch_uniform)(jax.random.key(0), jnp.full((2, 8, 8, 3), 0.5), width=4)
    >>> (images != 0.5).any((1, 2, 3)).tolist()
    [True, True]
    """
    x = arguments.images(batch)
    place_key, noise_key = jax.random.split(key)
    where = _patches(place_key, x, width)
    noise = jax.random.uniform(noise_key, x.shape, jnp.float32)
    return _changed(arguments.unit(x), x, _replaced, where, noise), identity(x.shape[0])


def patch(
    row: Int[Array, "b"], column: Int[Array, "b"], width: Float[Array, "b"], height_of: int, width_of: int
) -> Float[Array, "b h w"]:
    """1 in a square around each pixel, cut at the border; a side may have a fraction."""
    low, high = jnp.floor(width / 2).astype(jnp.int32), jnp.ceil(width / 2).astype(jnp.int32)
    rows = masks.window(row - low, row + high, height_of)
    columns = masks.window(column - low, column + high, width_of)
    return rows[:, :, None] * columns[:, None]


def noisy_patch(
    x: Float[Array, "b h w c"], where: Float[Array, "b h w"], scale: Float[Array, "b"], noise: Float[Array, "b h w c"]
) -> Float[Array, "b h w c"]:
    """Add scaled noise to images in 0..1 where a mask is 1, and clip there."""
    added = jnp.clip(x + scale[:, None, None, None] * noise, 0, 1)
    return jnp.where(where[..., None] > 0, added, x)


def _patches(key: Array, x: Array, width: ArrayLike | Range) -> Float[Array, "b h w"]:
    """Sample a square for each image."""
    center_key, width_key = jax.random.split(key)
    size, height, across, _ = x.shape
    if isinstance(width, tuple | list):
        low, high = arguments.interval("width", (width[0], width[1]) if len(width) == 2 else width, low=0.0, high=1e6)
    else:
        low = high = arguments.number("width", width, high=1e6)
    sides = sampling.uniform(width_key, low, high, size)
    row, column = masks.uniform_center(center_key, size, height, across)
    return patch(row, column, sides, height, across)


def _replaced(
    x: Float[Array, "b h w c"], where: Float[Array, "b h w"], noise: Float[Array, "b h w c"]
) -> Float[Array, "b h w c"]:
    return jnp.where(where[..., None] > 0, noise, x)


@sharded_like("x")
def _changed(x: Array, given: Array, change: Callable[..., Array], *drawn: Array) -> Array:
    """Change images x, of values in range, in 0..1 and in float32; NaN where the given ones aren't in range."""
    return arguments.nan_outside(given, dtypes.from_unit(change(dtypes.to_unit(x), *drawn), x.dtype))
