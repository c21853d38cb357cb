"""AutoAugment (Cubuk et al., 2019): one of 25 pairs of operations that a search found, drawn for every image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.pixels import affine, search_spaces
from jaxmix.pixels.policies import CIFAR10, Policy
from jaxmix.pixels.random_operations import Sampled, augment

__all__ = ["autoaugment", "random_autoaugment"]

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


@arguments.method
def random_autoaugment(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    pairs: int = 25,
    interpolation: affine.Interpolation = affine.nearest,
) -> tuple[jax.Array, Mix]:
    """Apply a pair of operations from a random policy to each image, each with its probability; labels stay.

    AutoAugment without a search: the policy, of as many pairs as a searched one, is drawn for every batch. Each step is
    one of 14 operations with a probability of 0, 0.1, .., 1 and a magnitude of 0 to 9, all uniform.

    Args:
        key: PRNG key.
        batch: images as in `autoaugment`.
        pairs: the number of sub-policies, static.
        interpolation: as in `autoaugment`.

    Returns:
        Images of the same shape and dtype, and the identity `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels; pairs below 1.

    Differs from the authors' code: none is known. AugMix's paper has it in a table, and no definition was found; that
    a policy is drawn for every batch, and its distribution, are choices made here.

    Reference: Dan Hendrycks, Norman Mu, Ekin D. Cubuk, Barret Zoph, Justin Gilmer, Balaji Lakshminarayanan. AugMix: A
    Simple Data Processing Method to Improve Robustness and Uncertainty. ICLR 2020.

    >>> images, mix = jax.jit(random_autoaugment)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    policy_key, sample_key = jax.random.split(key)
    policy = sample_policy(policy_key, arguments.count("pairs", pairs))
    return augment(x, sample_steps(sample_key, x.shape[0], *policy), list(_MOVES.values()), interpolation)


def sample(key: Array, size: int, policy: Policy) -> Sampled:
    """Sample a sub-policy for each image, which of its steps are applied, and their signs."""
    return sample_steps(key, size, *(jnp.asarray(table) for table in tables(policy)))


def sample_policy(key: Array, pairs: int) -> tuple[Int[Array, "n 2"], Float[Array, "n 2"], Float[Array, "n 2"]]:
    """Sample the index of the operation, the probability and the magnitude of each step; none is the identity."""
    move_key, p_key, level_key = jax.random.split(key, 3)
    used = [number for number, name in enumerate(_MOVES) if name != "identity"]
    move = jnp.array(used, jnp.int32)[jax.random.randint(move_key, (pairs, 2), 0, len(used), jnp.int32)]
    p = jax.random.randint(p_key, (pairs, 2), 0, 11, jnp.int32).astype(jnp.float32) / 10
    return move, p, jax.random.randint(level_key, (pairs, 2), 0, BINS, jnp.int32).astype(jnp.float32)


def sample_steps(
    key: Array, size: int, move: Int[Array, "n 2"], p: Float[Array, "n 2"], level: Float[Array, "n 2"]
) -> Sampled:
    """Sample one of n sub-policies for each image, which of its steps are applied, and their signs."""
    pair_key, done_key, sign_key = jax.random.split(key, 3)
    pair = jax.random.randint(pair_key, (size,), 0, len(move), jnp.int32)
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
