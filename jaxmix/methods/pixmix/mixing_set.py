"""A mixing set for PixMix, made on the device: fractals, noise and patterns, of no class and free of licenses."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, UInt8

from jaxmix import arguments
from jaxmix.methods.pixmix.escape_time import julia
from jaxmix.methods.pixmix.feature_patterns import patterns
from jaxmix.methods.pixmix.function_systems import flames
from jaxmix.methods.pixmix.generation import Generator
from jaxmix.methods.pixmix.spectral_noise import noise

__all__ = ["KINDS", "mixing_images"]

KINDS = (julia, flames, noise, patterns)
# An image whose values deviate from the mean of their channel by less than this (in 0..1), or that is darker than this
# level in all but a fiftieth of its pixels, is as good as empty.
_BLANK, _DARK, _FILLED = 0.05, 8, 0.02


def mixing_images(
    key: jax.Array, n: int, side: int, *, kinds: Sequence[Generator] = KINDS
) -> UInt8[Array, "n side side 3"]:
    """Make images of no class for `pixmix`: Julia sets, flames, 1/f noise and feature-like patterns.

    The authors' set, of fractals collected from the web and feature visualizations, can't be passed on. Images that
    come out blank are replaced by noise. Memory is bounded: few images are made at a time.

    Args:
        key: PRNG key.
        n: number of images, static. For small images 2,000, for ImageNet 512.
        side: in pixels, 8 or more, static: a little more than that of the images that they are mixed with, since they
            are cropped at random: 36 for 32, 256 for 224.
        kinds: an equal share of each, in this order: `julia`, `flames`, `noise`, `patterns`, `leaves` of
            `jaxmix.methods.pixmix`, or functions `(key, n, side)` of your own; static.

    Returns:
        [n side side 3], uint8. The standard deviation of every image is above 0.05 of the range.

    Raises:
        ValueError: what isn't a key; n or side out of range; no kinds, or one that makes something else.

    Reference: Dan Hendrycks, Andy Zou, Mantas Mazeika, Leonard Tang, Bo Li, Dawn Song, Jacob Steinhardt. PixMix:
    Dreamlike Pictures Comprehensively Improve Safety Measures. CVPR 2022.

    >>> from jaxmix.methods.pixmix import julia, noise
    >>> mixing_images(jax.random.key(0), 4, 16, kinds=[julia, noise]).shape
    (4, 16, 16, 3)
    """
    arguments.key(key, "mixing_images")
    n, side = arguments.count("n", n), arguments.count("side", side, low=8)
    kinds = tuple(arguments.some("kinds", kinds))
    if others := [kind for kind in kinds if not callable(kind)]:
        raise ValueError(f"kinds has the element {others[0]!r}; wanted functions, such as jaxmix.methods.pixmix.julia")
    made = []
    for number, kind in enumerate(kinds):
        if share := (n + len(kinds) - 1 - number) // len(kinds):
            kind_key, noise_key = jax.random.split(jax.random.fold_in(key, number))
            images = _made(kind, kind_key, share, side)
            made.append(images if kind is noise else _replaced(images, noise(noise_key, share, side)))
    return jnp.concatenate(made)


def _made(kind: Generator, key: Array, n: int, side: int) -> UInt8[Array, "n side side 3"]:
    """Call a generator, and check what it makes."""
    images, wanted = kind(key, n, side), (n, side, side, 3)
    if getattr(images, "shape", None) != wanted or images.dtype != jnp.uint8:
        came = f"{images.dtype} {images.shape}" if hasattr(images, "dtype") else type(images).__name__
        name = getattr(kind, "__name__", kind)
        raise ValueError(f"kinds: {name} made {came}; wanted uint8 images {wanted}")
    return jnp.asarray(images)


@jax.jit
def _replaced(images: UInt8[Array, "n h w 3"], others: UInt8[Array, "n h w 3"]) -> UInt8[Array, "n h w 3"]:
    """Take the other image in place of each that is blank."""
    return jnp.where(blank(images)[:, None, None, None], others, images)


def blank(images: UInt8[Array, "n h w 3"]) -> Bool[Array, "n"]:
    """Find images that are nearly of one color, or nearly empty."""
    filled = (images.max(3) >= _DARK).mean((1, 2), dtype=jnp.float32)
    x = images.astype(jnp.float32) / 255
    deviation = jnp.sqrt(jnp.square(x - x.mean((1, 2), keepdims=True)).mean((1, 2, 3)))
    return (deviation <= _BLANK) | (filled < _FILLED)
