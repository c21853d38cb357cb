"""PixMix: an image, or an augmentation of it, added to and multiplied with others in up to k rounds."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Shaped

from jaxmix import arguments, dtypes, platforms, sharding
from jaxmix.methods.augmix import THIRTEEN
from jaxmix.methods.pixmix.arithmetic import add, combine, multiply
from jaxmix.methods.pixmix.sampling import Draws, sample
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from jaxmix.pixels import packing
from jaxmix.pixels.operation_chains import BILINEAR, Operation, apply_chains, apply_operation
from jaxmix.pixels.random_operations import RangedOperation, indices_and_amounts
from jaxmix.sharding import sharded_like

__all__ = ["cropped", "loop_over_images", "mixed", "pixmix", "vectorized"]


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


@sharded_like("x")
def mixed(x: Array, mixing_set: Array, draws: Draws, operations: Sequence[RangedOperation]) -> Array:
    """Mix images x from what was drawn."""
    steps, index, amount = indices_and_amounts(draws.chains, operations, *x.shape[1:3])
    return _mixed(steps, x, mixing_set, draws, index, amount)


@functools.partial(jax.jit, static_argnums=0)
def _mixed(
    steps: tuple[Operation, ...], x: Array, mixing_set: Array, draws: Draws, index: Array, amount: Array
) -> Array:
    loop, batched = (functools.partial(form, steps) for form in (loop_over_images, vectorized))
    return platforms.form(x, mixing_set, draws, index, amount, cpu=loop, accelerator=batched)


def loop_over_images(
    steps: Sequence[Operation], x: Array, mixing_set: Array, draws: Draws, index: Array, amount: Array
) -> Array:
    """Mix image after image, computing only the operations and the rounds that were drawn."""
    channels, shape = x.shape[3], x.shape[1:3]
    branches = [functools.partial(apply_operation, step, BILINEAR, channels) for step in steps]

    def one(item: tuple[Array, Draws, Array, Array]) -> Array:
        image, drawn, index, amount = item
        levels = packing.pack(dtypes.to_uint8(image))
        mixing = _crop(mixing_set, drawn.crop, shape)

        def augmented(index: Array, amount: Array) -> Array:
            changed = sharding.varying(x, jax.lax.switch(index, branches, levels, amount))
            return dtypes.to_unit(packing.unpack(changed, channels))

        def mix(running: Array, chosen: tuple[Array, ...]) -> Array:
            is_mixing, is_multiply, a, b, index, amount = chosen
            partner = jax.lax.cond(is_mixing, lambda: dtypes.to_unit(mixing), lambda: augmented(index, amount))
            return jax.lax.cond(is_multiply, multiply, add, running, partner, a, b)

        def step(running: Array, chosen: tuple[Array, ...]) -> tuple[Array, None]:
            is_on, *rest = chosen
            return jax.lax.cond(is_on, mix, lambda running, _: running, running, tuple(rest)), None

        is_on = jnp.arange(len(drawn.a), dtype=jnp.int32) < drawn.rounds
        start = jax.lax.cond(
            index[0] < len(steps) - 1, lambda: augmented(index[0], amount[0]), lambda: dtypes.to_unit(image)
        )
        coefficients = drawn.is_mixing, drawn.is_multiply, drawn.a, drawn.b
        out, _ = jax.lax.scan(step, start, (is_on, *coefficients, index[1:], amount[1:]))
        return dtypes.from_unit(out, x.dtype)

    return jax.lax.map(one, (x, draws, index[..., 0], amount[..., 0]))


def vectorized(
    steps: Sequence[Operation], x: Array, mixing_set: Array, draws: Draws, index: Array, amount: Array
) -> Array:
    """Mix all images at once, one pass over them for each operation and each round."""
    ends = apply_chains(steps, dtypes.to_uint8(x), index, amount)
    is_augmented = (index[:, 0, 0] < len(steps) - 1)[:, None, None, None]
    start = jnp.where(is_augmented, dtypes.to_unit(ends[:, 0]), dtypes.to_unit(x))
    mixing = cropped(mixing_set, draws.crop, x.shape[1:3])
    if mixing.dtype != jnp.uint8:
        mixing, ends = dtypes.to_unit(mixing), dtypes.to_unit(ends)
    partners = jnp.where(draws.is_mixing[:, :, None, None, None], mixing[:, None], ends[:, 1:])
    out = combine(start, partners, draws.is_multiply, draws.a, draws.b, draws.rounds)
    return dtypes.from_unit(out, x.dtype)


def cropped(
    mixing_set: Shaped[Array, "m H W c"], crop: Int[Array, "b 3"], shape: tuple[int, ...]
) -> Shaped[Array, "b h w c"]:
    """Crop from the mixing set at an index, a row and a column for each image."""
    return jax.vmap(lambda place: _crop(mixing_set, place, shape))(crop)


def _crop(mixing_set: Array, place: Int[Array, "3"], shape: tuple[int, ...]) -> Shaped[Array, "h w c"]:
    return jax.lax.dynamic_slice(mixing_set, (*place, jnp.int32(0)), (1, *shape, mixing_set.shape[3]))[0]


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
    known = jnp.asarray(arguments.numeric("mixing_set", arguments.pixels(values, "mixing_set")))
    return arguments.nan_outside(known, arguments.unit(known, "mixing_set"))


def _crops(x: Array, mixing_set: Array) -> tuple[int, int, int]:
    """The number of mixing images, and of rows and columns at which a crop may begin."""
    m, height, width, _ = mixing_set.shape
    return m, height - x.shape[1] + 1, width - x.shape[2] + 1
