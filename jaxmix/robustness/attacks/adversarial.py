"""Adversarial noise in mixed images: the adversarial training of PuzzleMix's authors (Kim et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.dtypes import narrow, widen
from jaxmix.mix import Mix, apply, require_mix

__all__ = ["adversarial"]


def adversarial(
    key: jax.Array,
    images: Array,
    mix: Mix,
    gradient: Float[Array, "b h w c"],
    *,
    p: ArrayLike = 0.1,
    epsilon: ArrayLike = 10 / 255,
    step: ArrayLike = 12 / 255,
    start: Array | None = None,
    std: ArrayLike | Sequence[ArrayLike] = 1.0,
) -> Array:
    """Add adversarial noise to mixed images, as if it had been added before mixing, in each slot with probability p.

        out[b] = images[b] + sum over s of u_s mask[b, s] * warp_s(noise[source[b, s]]),
        noise = clip(start + step * sign(gradient), -epsilon, epsilon),   u_s ~ U(0, 1) with probability p, else 0

    A mix is linear, so the images needn't be mixed again. u_s is sampled once for a batch.

    Args:
        key: PRNG key.
        images: mixed images [b h w c], floating or uint8, as a method returned them.
        mix: how they were mixed.
        gradient: of the loss with respect to the images before mixing, [b h w c]: what PuzzleMix's saliency is made of.
            Only its sign counts; where it is NaN nothing is added to the start.
        p: probability, in [0, 1]; may be traced, as all that follow. 0.1 on CIFAR, 0.15 on Tiny-ImageNet.
        epsilon: largest change, in units of [0, 1] of the images, 0 or more.
        step: length of the step along the gradient's sign, in the same units, 0 or more.
        start: where the step starts, [b h w c] in the same units; by default uniform between -epsilon and epsilon. To
            take the gradient there, as the authors do, sample it yourself and add it to the images before.
        std: what the images, or each channel, were divided by to normalize them, above 0. uint8 goes up to 255.

    Returns:
        Images like `images`, of the same dtype. uint8 is rounded and stays in its range; floats may leave that of the
        data by epsilon.

    Raises:
        ValueError: images, gradient or start that aren't [b h w c] of one shape, a value out of range.

    Reference: Jang-Hyun Kim, Wonho Choo, Hyun Oh Song. Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup. ICML 2020.

    >>> from jaxmix.mix import pair
    >>> x, mix = jnp.zeros((2, 1, 1, 1)), pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> changed = adversarial(jax.random.key(0), x, mix, jnp.ones_like(x), p=1.0, start=jnp.zeros_like(x))
    >>> bool((0 < changed).all()), bool((changed < 10 / 255).all())
    (True, True)
    """
    arguments.key(key, "adversarial", images)
    start_key, choice_key, size_key = jax.random.split(key, 3)
    x = arguments.images(images)
    require_mix(mix)
    limit = arguments.number("epsilon", epsilon)
    if start is None:
        start = limit * jax.random.uniform(start_key, x.shape, jnp.float32, -1, 1)
    for name, array in (("gradient", gradient), ("start", start)):
        if arguments.numeric(name, array).shape != x.shape:
            raise ValueError(f"{name} has shape {np.shape(array)}; wanted that of the images, {x.shape}")
    towards = (gradient > 0).astype(jnp.float32) - (gradient < 0).astype(jnp.float32)
    noise = jnp.clip(start + arguments.number("step", step) * towards, -limit, limit) / arguments.color_scale(std, x)
    slots = mix.weight.shape[1:]
    chosen = jax.random.uniform(choice_key, slots, jnp.float32) < arguments.number("p", p, high=1.0)
    strength = jnp.where(chosen, jax.random.uniform(size_key, slots, jnp.float32), 0.0)
    return _add(x, mix, jax.lax.stop_gradient(noise), strength)


def _add(x: Array, mix: Mix, noise: Float[Array, "b h w c"], strength: Float[Array, "s"]) -> Array:
    """Add the mixed noise, each slot's times its strength."""
    change = apply(mix._replace(mask=mix.mask * strength[None, :, None, None]), noise)
    wide = widen(x)
    return narrow(wide + change.astype(wide.dtype), x.dtype)
