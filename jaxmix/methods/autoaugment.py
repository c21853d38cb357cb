"""AutoAugment (Cubuk et al., 2019): one of 25 pairs of operations that a search found, drawn for every image."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.pixels import affine, search_spaces
from jaxmix.pixels.policies import CIFAR10, Policy
from jaxmix.pixels.random_operations import Sampled, augment

__all__ = ["autoaugment"]

BINS = 10
_MOVES = search_spaces.autoaugment(BINS)


@arguments.method
def autoaugment(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    policy: Policy = CIFAR10,
    interpolation: affine.Interpolation = affine.nearest,
) -> tuple[jax.Array, Mix]:
    """Apply a pair of operations from a policy to each image, each with its probability; labels stay.

    Operations work on 8-bit levels with Pillow's arithmetic; slopes, angles, shifts and factors get a random sign.
    Pixels from outside the image are black.

    Args:
        key: PRNG key.
        batch: images [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        policy: `CIFAR10`, `IMAGENET` or `SVHN` of `jaxmix.pixels.policies`, or one of your own, static.
        interpolation: of slopes and angles, `nearest` or `bilinear` of `jaxmix.pixels.affine`, static.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels; an unknown operation or a magnitude outside 0..9 in the policy.

    Differs from the authors' code: magnitudes as torchvision has them, 10 bins of the paper's ranges, where the CIFAR
    code shifts by whole pixels up to 10 and leaves 8 - 4 bits fewer; outside is black, not the mean color.

    Reference: Ekin D. Cubuk, Barret Zoph, Dandelion Mane, Vijay Vasudevan, Quoc V. Le. AutoAugment: Learning
    Augmentation Strategies from Data. CVPR 2019.

    >>> images, mix = jax.jit(autoaugment)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    return augment(x, sample(key, x.shape[0], policy), list(_MOVES.values()), interpolation)


def sample(key: Array, size: int, policy: Policy) -> Sampled:
    """Sample a sub-policy for each image, which of its steps are applied, and their signs."""
    pair_key, done_key, sign_key = jax.random.split(key, 3)
    move, p, level = (jnp.asarray(table) for table in tables(policy))
    pair = jax.random.randint(pair_key, (size,), 0, len(policy), jnp.int32)
    done = jax.random.uniform(done_key, (size, 2), jnp.float32) < p[pair]
    negative = jax.random.bernoulli(sign_key, 0.5, (size, 2))
    return Sampled(*(one[:, None] for one in (jnp.where(done, move[pair], -1), level[pair], negative)))


def tables(policy: Policy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tabulate the index of the operation, the probability and the magnitude of each step, [n 2]."""
    names = list(_MOVES)
    for step in (step for pair in arguments.some("policy", policy, tuple) for step in pair):
        if step.name not in names or not 0 <= step.p <= 1 or not 0 <= step.magnitude < BINS:
            raise ValueError(
                f"the policy has the step {tuple(step)}; wanted an operation of {', '.join(names)}, a probability, and "
                f"a magnitude from 0 to {BINS - 1}"
            )
    move = np.array([[names.index(step.name) for step in pair] for pair in policy], np.int32)
    p = np.array([[step.p for step in pair] for pair in policy], np.float32)
    return move, p, np.array([[step.magnitude for step in pair] for pair in policy], np.float32)
