"""TrivialAugment (Mueller and Hutter, 2021): one operation for every picture, of a random magnitude."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.pixels import affine, search_spaces
from jaxmix.pixels.random_operations import Sampled, changed

BINS = 31
MOVES = [move for name, move in search_spaces.wide(BINS).items() if name != "invert"]


def trivialaugment(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    interpolation: affine.Interpolation = affine.nearest,
) -> tuple[jax.Array, Mix]:
    """Change each picture by one of 14 operations, of a magnitude drawn from 31 (the wide ranges); labels stay.

    Operations work on 8-bit levels with Pillow's arithmetic; slopes, angles, shifts and factors get a random sign.
    Outside of the picture is black.

    Args:
        key: PRNG key.
        batch: pictures [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        interpolation: of slopes and angles, `nearest` or `bilinear` of `jaxmix.pixels.affine`, static.

    Returns:
        Pictures of the same shape and dtype, and a `Mix` of one slot with weight 1, which leaves alone what it is
        applied to.

    Raises:
        ValueError: images that aren't [b h w c] or, where their numbers are known, floats outside 0..1; another number
            of channels.

    Reference: Samuel G. Mueller, Frank Hutter. TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation.
    ICCV 2021.

    >>> images, mix = jax.jit(trivialaugment)(jax.random.key(0), jnp.full((4, 32, 32, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 32, 32, 3), (4, 1))
    """
    x = arguments.images(batch)
    return changed(x, draw(key, x.shape[0]), MOVES, interpolation)


def draw(key: Array, size: int) -> Sampled:
    """An operation for each picture, its magnitude and its sign."""
    move_key, level_key, sign_key = jax.random.split(key, 3)
    shape = (size, 1, 1)
    move = jax.random.randint(move_key, shape, 0, len(MOVES), jnp.int32)
    level = jax.random.randint(level_key, shape, 0, BINS, jnp.int32).astype(jnp.float32)
    return Sampled(move, level, jax.random.bernoulli(sign_key, 0.5, shape))
