"""AugMix (Hendrycks et al., 2020): chains of simple operations, mixed with each other and with the image."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped, UInt8

from jaxmix import arguments, dtypes, sampling
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from jaxmix.pixels import operations as ops
from jaxmix.pixels import packing
from jaxmix.pixels.random_operations import RangedOperation, Sampled, apply_sampled_chains
from jaxmix.sharding import sharded_like

__all__ = ["NINE", "THIRTEEN", "augmix", "augmix_views"]


def _steps(level: Array, most: float) -> Array:
    """Whole steps of a level, `most` at level 10."""
    return jnp.trunc(level * most / 10)


def _factor(level: Array, side: int) -> Array:
    return 0.18 * level + 0.1


def _slope(level: Array, side: int) -> Array:
    return 0.03 * level


def _shift(level: Array, side: int) -> Array:
    return _steps(level, side / 3)


NINE = (
    RangedOperation(ops.AUTOCONTRAST),
    RangedOperation(ops.EQUALIZE),
    RangedOperation(ops.POSTERIZE, lambda level, side: 4 - _steps(level, 4)),
    RangedOperation(ops.ROTATE, lambda level, side: _steps(level, 30), signed=True),
    RangedOperation(ops.SOLARIZE, lambda level, side: 256 - _steps(level, 256)),
    RangedOperation(ops.SHEAR_X, _slope, signed=True),
    RangedOperation(ops.SHEAR_Y, _slope, signed=True),
    RangedOperation(ops.SHIFT_X, _shift, signed=True),
    RangedOperation(ops.SHIFT_Y, _shift, signed=True, tall=True),
)
THIRTEEN = (
    *NINE,
    RangedOperation(ops.COLOR, _factor),
    RangedOperation(ops.CONTRAST, _factor),
    RangedOperation(ops.BRIGHTNESS, _factor),
    RangedOperation(ops.SHARPNESS, _factor),
)


@arguments.method
def augmix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    severity: ArrayLike = 3.0,
    width: int = 3,
    depth: int | None = None,
    alpha: ArrayLike = 1.0,
    operations: Sequence[RangedOperation] = NINE,
) -> tuple[jax.Array, Mix]:
    """Mix each image with chains of operations on it; labels stay.

        x' = (1 - m) x + m * sum over i of w_i chain_i(x),   w ~ Dirichlet(alpha, ..., alpha),   m ~ Beta(alpha, alpha)

    Each chain is `depth` operations one after another on 8-bit levels, with Pillow's arithmetic, drawn with repetition;
    each has a level L ~ U(0.1, severity) of its own. Every draw is per image.

    Args:
        key: PRNG key.
        batch: images [b h w c] of 1 to 4 channels, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not
            normalized: that comes after.
        severity: highest level, from 0.1 to 10; may be traced. CIFAR: 3, ImageNet: 1.
        width: number of chains, static.
        depth: operations in each chain, static; by default 1, 2 or 3, drawn for each chain.
        alpha: Dirichlet and Beta parameter, above 0; may be traced.
        operations: what to draw from, `NINE` or `THIRTEEN` of `jaxmix.methods.augmix`. THIRTEEN adds color,
            contrast, brightness and sharpness, which overlap the corruptions of CIFAR-C and ImageNet-C: report no
            results on those with it.

    Returns:
        Images of the same shape and dtype (floats aren't rounded to levels again after the mixing), and the identity
        `Mix`, of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; another number
            of channels; severity, width, depth or alpha out of range; no operations.

    Differs from the authors' code: none in what is drawn and computed.

    Reference: Dan Hendrycks, Norman Mu, Ekin D. Cubuk, Barret Zoph, Justin Gilmer, Balaji Lakshminarayanan. AugMix: A
    Simple Data Processing Method to Improve Robustness and Uncertainty. ICLR 2020.

    >>> images, mix = jax.jit(augmix)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 1))
    """
    x = arguments.images(batch)
    return _views(key, x, 1, severity, width, depth, alpha, operations)[0], identity(x.shape[0])


@arguments.method
def augmix_views(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    views: int = 2,
    severity: ArrayLike = 3.0,
    width: int = 3,
    depth: int | None = None,
    alpha: ArrayLike = 1.0,
    operations: Sequence[RangedOperation] = NINE,
) -> Shaped[Array, "v b h w c"]:
    """Stack the clean images and independent AugMix views of each, for `jaxmix.jsd`.

    Args:
        key: PRNG key.
        batch: images as in `augmix`, cropped and mirrored alike for all views.
        views: the number of views besides the clean one, static.
        severity: as in `augmix`.
        width: as in `augmix`.
        depth: as in `augmix`.
        alpha: as in `augmix`.
        operations: as in `augmix`.

    Returns:
        [1 + views, b, h, w, c], of the same dtype.

    Raises:
        ValueError: as `augmix`, and fewer than 1 views.

    >>> jax.jit(augmix_views)(jax.random.key(0), jnp.full((4, 8, 8, 3), 0.5)).shape
    (3, 4, 8, 8, 3)
    """
    x = arguments.images(batch)
    made = _views(key, x, arguments.count("views", views), severity, width, depth, alpha, operations)
    return jnp.concatenate([x[None], made])


def _views(
    key: Array,
    x: Array,
    views: int,
    severity: ArrayLike,
    width: int,
    depth: int | None,
    alpha: ArrayLike,
    operations: Sequence[RangedOperation],
) -> Shaped[Array, "v b h w c"]:
    """Make AugMix views of every image."""
    chains_key, weight_key, skip_key = jax.random.split(key, 3)
    given, x = x, packing.packable(x)
    levels = dtypes.to_uint8(x)
    size, number = x.shape[0], views * arguments.count("width", width)
    sampled = sample(
        chains_key, size, number, severity, depth, len(arguments.some("operations", operations, RangedOperation))
    )
    weight = sampling.dirichlet(weight_key, alpha, size * views, width).reshape(size, views, width)
    skip = sampling.beta(skip_key, alpha, size * views).reshape(size, views)
    return arguments.nan_outside(given, jnp.moveaxis(blend(x, levels, sampled, weight, skip, operations), 1, 0))


def sample(key: Array, size: int, number: int, severity: ArrayLike, depth: int | None, choices: int) -> Sampled:
    """Sample a number of chains for each image."""
    operation_key, level_key, sign_key, depth_key = jax.random.split(key, 4)
    steps = 3 if depth is None else arguments.count("depth", depth)
    shape = (size, number, steps)
    most = arguments.number("severity", severity, low=0.1, high=10.0)
    operation = jax.random.randint(operation_key, shape, 0, choices, jnp.int32)
    if depth is None:
        depths = jax.random.randint(depth_key, (size, number, 1), 1, steps + 1, jnp.int32)
        operation = jnp.where(jnp.arange(steps, dtype=jnp.int32)[None, None] < depths, operation, -1)
    level = sampling.scale_to(jnp.float32(0.1), most, jax.random.uniform(level_key, shape, jnp.float32))
    return Sampled(operation, level, jax.random.bernoulli(sign_key, 0.5, shape))


@sharded_like("x")
def blend(
    x: Array,
    levels: UInt8[Array, "b ..."],
    sampled: Sampled,
    weight: Float[Array, "b v n"],
    skip: Float[Array, "b v"],
    operations: Sequence[RangedOperation],
) -> Array:
    """Make the views [b v h w c] of images x from sampled chains, in the order of the views."""
    size, *shape = x.shape
    ends = apply_sampled_chains(levels, sampled, operations).reshape(size, weight.shape[1], -1, *shape)
    share = (skip[..., None] * weight / 255)[..., None, None, None]
    out = (1 - skip)[..., None, None, None] * dtypes.to_unit(x)[:, None]
    for chain in range(weight.shape[2]):  # a sum over the axis takes ten times as long on CPU
        out += share[:, :, chain] * ends[:, :, chain].astype(jnp.float32)
    return dtypes.from_unit(out, x.dtype)
