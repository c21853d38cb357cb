"""PixMix: an image, or an augmentation of it, added to and multiplied with others in up to k rounds."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxmix import arguments, dtypes
from jaxmix.methods import augmix
from jaxmix.methods.augmix import THIRTEEN
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from jaxmix.numerics import barrier, materialize
from jaxmix.pixels import packing
from jaxmix.pixels.random_operations import RangedOperation, Sampled, apply_sampled_chains
from jaxmix.sharding import sharded_like

__all__ = ["Draws", "combine", "pixmix", "sample"]

# In place of a 0 that is raised to a negative power.
_SMALLEST = 1e-37


@arguments.method
def pixmix(
    key: jax.Array,
    batch: arguments.Batch,
    mixing_set: ArrayLike,
    *,
    k: int = 4,
    beta: ArrayLike = 3.0,
    severity: ArrayLike = 3.0,
    operations: Sequence[RangedOperation] = THIRTEEN,
) -> tuple[jax.Array, Mix]:
    """Mix each image with augmentations of it and an image of no class, in up to k rounds; labels stay.

        add:       x := (a (2 x - 1) + b (2 q - 1) + 1) / 2
        multiply:  x := (2 x)^a max(2 q, 1e-37)^b / 2,      each clipped to 0..1

    x begins as the image or one operation on it. In each of 0 to k rounds, q is the mixing image of this sample, the
    same crop in every round, or a new operation on the image; (a, b) are (Beta(beta, 1), Beta(1, beta)) or
    (1 + Beta(1, beta), -Beta(1, beta)): 1 and 0 on average. Every choice of two is even, and every draw is per image.

    Args:
        key: PRNG key.
        batch: images [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        mixing_set: images [m H W c] to mix with, uint8 or floats in 0..1, H and W at least h and w, such as those of
            `mixing_images`. In a jitted step pass it as an argument: a constant is compiled into the program. With
            `per_device` bind it before, `functools.partial(pixmix, mixing_set=images)`, or each device draws from its
            own part.
        k: the highest number of rounds, static.
        beta: Beta parameter, above 0; may be traced. CIFAR: 3, ImageNet: 4.
        severity: highest level of the operations, from 0.1 to 10; may be traced. CIFAR: 3, ImageNet: 1.
        operations: what to draw from, `THIRTEEN` or `NINE` of `jaxmix.methods.augmix`. The four that only THIRTEEN has
            (color, contrast, brightness, sharpness) overlap the corruptions of CIFAR-C and ImageNet-C: the paper's
            results have them, a comparison with AugMix is fair without.

    Returns:
        Images of the same shape and dtype (floats aren't rounded to levels again after the mixing), and the identity
        `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels; a mixing set of smaller images or of other channels; k, beta or severity out of range; no
            operations.

    Differs from the authors' code: none in what is drawn and computed.

    Reference: Dan Hendrycks, Andy Zou, Mantas Mazeika, Leonard Tang, Bo Li, Dawn Song, Jacob Steinhardt. PixMix:
    Dreamlike Pictures Comprehensively Improve Safety Measures. CVPR 2022.

    >>> from jaxmix.methods.pixmix.spectral_noise import noise
    >>> images, mix = pixmix(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5), noise(jax.random.key(1), 2, 12))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    others = _mixing_set(mixing_set, x)
    given, x = x, packing.packable(x)
    number = len(arguments.some("operations", operations, RangedOperation))
    draws = sample(key, x.shape[0], arguments.count("k", k), beta, severity, number, _crops(x, others))
    return arguments.nan_outside(given, mixed(x, others, draws, operations)), identity(x.shape[0])


class Draws(NamedTuple):
    """What is drawn for each image.

    chains: one operation for the start and for each round, -1 where there is none
    is_mixing: whether the partner of a round is the mixing image
    is_multiply, a, b: operation and coefficients of each round
    rounds: their number
    crop: of the mixing image: its index, the first row and the first column
    """

    chains: Sampled
    is_mixing: Bool[Array, "b k"]
    is_multiply: Bool[Array, "b k"]
    a: Float[Array, "b k"]
    b: Float[Array, "b k"]
    rounds: Int[Array, "b"]
    crop: Int[Array, "b 3"]


def sample(
    key: Array, size: int, k: int, beta: ArrayLike, severity: ArrayLike, choices: int, crops: tuple[int, int, int]
) -> Draws:
    """Sample all that is drawn for a number of images; `crops` are the numbers of images, rows and columns."""
    chain_key, coin_key, share_key, round_key, crop_key = jax.random.split(key, 5)
    coins = jax.random.bernoulli(coin_key, 0.5, (4, size, k))
    start, is_mixing, is_multiply, is_above = coins[0, :, :1], coins[1], coins[2], coins[3]
    rounds = jax.random.randint(round_key, (size,), 0, k + 1, jnp.int32)
    crop = jax.random.randint(crop_key, (size, 3), 0, jnp.array([crops], jnp.int32), jnp.int32)
    chains = augmix.sample(chain_key, size, k + 1, severity, 1, choices)
    later = ~is_mixing & (jnp.arange(k, dtype=jnp.int32)[None] < rounds[:, None])
    needed = jnp.concatenate([start, later], 1)[..., None]
    a, b = coefficients(share_key, beta, is_above)
    chains = chains._replace(operation=jnp.where(needed, chains.operation, -1))
    return Draws(chains, is_mixing, is_multiply, a, b, rounds, crop)


def coefficients(key: Array, beta: ArrayLike, is_above: Bool[Array, "b k"]) -> tuple[Array, Array]:
    """Sample a and b: Beta(beta, 1) is U^(1 / beta) and Beta(1, beta) is 1 - U^(1 / beta), U uniform."""
    exponent = 1 / arguments.number("beta", beta, above=0.0)
    shares = jax.random.uniform(key, (2, *is_above.shape), jnp.float32)
    own, other = 1 - barrier(shares ** barrier(exponent))
    return jnp.where(is_above, 1 + own, 1 - own), jnp.where(is_above, -other, other)


@sharded_like("x")
def mixed(x: Array, mixing_set: Array, draws: Draws, operations: Sequence[RangedOperation]) -> Array:
    """Mix images x from what was drawn."""
    ends = apply_sampled_chains(dtypes.to_uint8(x), draws.chains, operations)
    image = dtypes.to_unit(x)
    is_augmented = (draws.chains.operation[:, 0, 0] >= 0)[:, None, None, None]
    start = jnp.where(is_augmented, dtypes.to_unit(ends[:, 0]), image)
    mixing = materialize(cropped(mixing_set, draws.crop, x.shape[1:3]), draws.crop[0, 0] >= 0)
    if mixing.dtype != jnp.uint8:
        ends = dtypes.to_unit(ends)
    partners = jnp.where(draws.is_mixing[:, :, None, None, None], mixing[:, None], ends[:, 1:])
    out = combine(start, partners, draws.is_multiply, draws.a, draws.b, draws.rounds)
    return dtypes.from_unit(out, x.dtype)


def combine(
    start: Float[Array, "b h w c"],
    partners: Shaped[Array, "b k h w c"],
    is_multiply: Bool[Array, "b k"],
    a: Float[Array, "b k"],
    b: Float[Array, "b k"],
    rounds: Int[Array, "b"],
) -> Float[Array, "b h w c"]:
    """Add or multiply an image with its partners, one after the other, clipping to 0..1 after each.

    Args:
        start: [b h w c] in 0..1, what the rounds begin with.
        partners: [b k h w c] of each round, floats in 0..1 or uint8.
        is_multiply: whether a round multiplies.
        a: coefficient of the image.
        b: coefficient of the partner.
        rounds: the number of rounds of each image, 0 to k.

    Returns:
        [b h w c] in 0..1, float32.
    """
    x = start
    for n in range(partners.shape[1]):
        own, other = a[:, n, None, None, None], b[:, n, None, None, None]
        partner = dtypes.to_unit(partners[:, n])
        chosen = is_multiply[:, n, None, None, None]
        next_x = jnp.where(chosen, multiply(x, partner, own, other), add(x, partner, own, other))
        # XLA on CPU would compute every round again wherever the next one reads it.
        x = materialize(jnp.where((n < rounds)[:, None, None, None], next_x, x))
    return x


def add(x: Array, partner: Array, a: Array, b: Array) -> Array:
    """(a (2 x - 1) + b (2 q - 1) + 1) / 2, clipped to 0..1."""
    return jnp.clip((a * (2 * x - 1) + b * (2 * partner - 1) + 1) / 2, 0, 1)


def multiply(x: Array, partner: Array, a: Array, b: Array) -> Array:
    """(2 x)^a max(2 q, 1e-37)^b / 2, clipped to 0..1.

    As one power of e, so that no factor overflows: with q = 0 and b < 0 it is up to 1e37. Where x is 0, so is the
    product, and the logarithm is kept from its gradient.
    """
    positive = x > 0
    exponent = a * jnp.log(jnp.where(positive, 2 * x, 1)) + b * jnp.log(jnp.maximum(2 * partner, _SMALLEST))
    return jnp.where(positive, jnp.exp(jnp.minimum(exponent - jnp.log(jnp.float32(2)), 0)), 0)


def cropped(
    mixing_set: Shaped[Array, "m H W c"], crop: Int[Array, "b 3"], shape: tuple[int, ...]
) -> Shaped[Array, "b h w c"]:
    """Crop from the mixing set at an index, a row and a column for each image."""
    size = (1, *shape, mixing_set.shape[3])

    def one(place: Int[Array, "3"]) -> Array:
        return jax.lax.dynamic_slice(mixing_set, (*place, jnp.int32(0)), size)[0]

    return jax.vmap(one)(crop)


def _mixing_set(values: ArrayLike, x: Array) -> Array:
    """Validate a mixing set for images x."""
    if not isinstance(values, jax.Array | np.ndarray) or values.ndim != 4 or 0 in values.shape:
        came = f"has shape {values.shape}" if hasattr(values, "shape") else f"came as {type(values).__name__}"
        raise ValueError(
            f"mixing_set {came}; wanted images [m H W c]: jaxmix.mixing_images(jax.random.key(0), 2000, 36)"
        )
    if values.shape[3] != x.shape[3]:
        raise ValueError(
            f"mixing_set has {values.shape[3]} channels, but the images have {x.shape[3]}; wanted the same: for grey "
            "images pass mixing_set.mean(3, keepdims=True).astype(mixing_set.dtype)"
        )
    if values.shape[1] < x.shape[1] or values.shape[2] < x.shape[2]:
        raise ValueError(
            f"mixing_set has images of {values.shape[1]} x {values.shape[2]}, but the images are {x.shape[1]} x "
            f"{x.shape[2]}; wanted at least as many rows and columns: make them with side={max(x.shape[1:3]) + 4}"
        )
    return arguments.unit(jnp.asarray(values), "mixing_set")


def _crops(x: Array, mixing_set: Array) -> tuple[int, int, int]:
    """The number of mixing images, and of rows and columns at which a crop may begin."""
    m, height, width, _ = mixing_set.shape
    return m, height - x.shape[1] + 1, width - x.shape[2] + 1
