"""TrivialAugment (Mueller and Hutter, 2021): one operation for every image, of a random magnitude."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.pixels import affine, search_spaces
from jaxmix.pixels.random_operations import Sampled, augment

__all__ = ["trivialaugment"]

BINS = 31
MOVES = [move for name, move in search_spaces.trivialaugment_wide(BINS).items() if name != "invert"]


@arguments.method
def trivialaugment(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    interpolation: affine.Interpolation = affine.nearest,
) -> tuple[jax.Array, Mix]:
    """Apply one of 14 operations to each image, of one of 31 magnitudes (the wide ranges); labels stay.

    Operations work on 8-bit levels with Pillow's arithmetic; slopes, angles, shifts and factors get a random sign.
    Pixels from outside the image are black.

    Args:
        key: PRNG key.
        batch: images [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        interpolation: of slopes and angles, `nearest` or `bilinear` of `jaxmix.pixels.affine`, static.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels.

    Reference: Samuel G. Mueller, Frank Hutter. TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation.
    ICCV 2021.

    >>> images, mix = jax.jit(trivialaugment)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    return augment(x, sample(key, x.shape[0]), MOVES, interpolation)


def sample(key: Array, size: int) -> Sampled:
    """Sample an operation for each image, its magnitude and its sign."""
    move_key, level_key, sign_key = jax.random.split(key, 3)
    shape = (size, 1, 1)
    move = jax.random.randint(move_key, shape, 0, len(MOVES), jnp.int32)
    level = jax.random.randint(level_key, shape, 0, BINS, jnp.int32).astype(jnp.float32)
    return Sampled(move, level, jax.random.bernoulli(sign_key, 0.5, shape))
