"""RandAugment (Cubuk et al., 2020): N of 14 operations, drawn for every image, all of magnitude M."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.pixels import affine, search_spaces
from jaxmix.pixels.random_operations import Sampled, augment

__all__ = ["randaugment"]

BINS = 31
MOVES = [move for name, move in search_spaces.autoaugment(BINS).items() if name != "invert"]


@arguments.method
def randaugment(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    number: int = 2,
    magnitude: ArrayLike = 9.0,
    interpolation: affine.Interpolation = affine.nearest,
) -> tuple[jax.Array, Mix]:
    """Apply operations to each image, drawn with repetition from 14, all of one magnitude; labels stay.

    Operations work on 8-bit levels with Pillow's arithmetic; slopes, angles, shifts and factors get a random sign.
    Pixels from outside the image are black.

    Args:
        key: PRNG key.
        batch: images [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        number: the paper's N, operations one after another; static. CIFAR: 3, ImageNet: 2.
        magnitude: the paper's M, an integer from 0 to 30; may be traced. WRN-28-10 on CIFAR: 5, ResNet-50 on
            ImageNet: 9.
        interpolation: of slopes and angles, `nearest` or `bilinear` of `jaxmix.pixels.affine`, static.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels; number below 1, magnitude outside 0..30.

    Reference: Ekin D. Cubuk, Barret Zoph, Jonathon Shlens, Quoc V. Le. RandAugment: Practical Automated Data
    Augmentation with a Reduced Search Space. NeurIPS 2020.

    >>> images, mix = jax.jit(randaugment)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    sampled = sample(key, x.shape[0], arguments.count("number", number), magnitude)
    return augment(x, sampled, MOVES, interpolation)


def sample(key: Array, size: int, number: int, magnitude: ArrayLike) -> Sampled:
    """Sample operations for each image, and their signs."""
    move_key, sign_key = jax.random.split(key)
    shape = (size, 1, number)
    level = jnp.broadcast_to(arguments.number("magnitude", magnitude, high=BINS - 1.0), shape)
    move = jax.random.randint(move_key, shape, 0, len(MOVES), jnp.int32)
    return Sampled(move, level, jax.random.bernoulli(sign_key, 0.5, shape))
