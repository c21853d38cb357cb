"""SmoothMix (Lee et al., 2020): blending under a mask with soft edges."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments, masks, sampling
from jaxmix.mix import Mix, apply, pair

__all__ = ["smoothmix_c", "smoothmix_s"]


@arguments.method
def smoothmix_s(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    sigma: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    k: ArrayLike = 0.2,
    ramp: Callable[..., jax.Array] = masks.ramp,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Blend the partner in under a square with soft edges.

        x' = (1 - G) x + G x[partner],   G = trapezoid of the rows x trapezoid of the columns,   weight = mean of G

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        sigma: lowest and highest size of the square, as a fraction of the side, drawn uniformly; may be traced.
        k: half the width of the soft edge as a fraction of the side, above 0; may be traced.
        ramp: `jaxmix.masks.ramp` (edges 2k wide) or `jaxmix.masks.relative_ramp` (edges 2 k sigma wide).
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one mask for the whole batch instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, sigma outside [0, 1], k
            not above 0.

    The ramp as printed in the paper would let the mask exceed 1; `masks.ramp` is the consistent reading of it,
    `masks.relative_ramp` the one that resembles its figure 3.

    Reference: Jin-Ha Lee, Muhammad Zaigham Zaheer, Marcella Astrid, Seung-Ik Lee. SmoothMix: a Simple Yet Effective
    Data Augmentation to Train Robust Classifiers. CVPR Workshops 2020.

    >>> images, mix = jax.jit(smoothmix_s)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> mix.weight.shape
    (4, 2)
    """
    k = arguments.number("k", k, above=0.0)

    def profile(middle: Float[Array, "d"], width: Float[Array, "d"], side: int) -> Float[Array, "d side"]:
        return ramp(middle, width, side, k)

    return _blend(key, batch, arguments.interval("sigma", sigma, low=0.0, high=1.0), profile, partner, per_batch)


@arguments.method
def smoothmix_c(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    sigma: tuple[ArrayLike, ArrayLike] = (0.25, 0.5),
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Blend the partner in under a Gaussian bump (an ellipse where height and width differ).

        x' = (1 - G) x + G x[partner],   weight = mean of G
        G = exp(-(u - mu)^2 / 2 sigma^2) of the rows x the same of the columns

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        sigma: lowest and highest standard deviation, as a fraction of the side, 0.01 or more, drawn uniformly; may be
            traced.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one mask for the whole batch instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, sigma below 0.01 or
            descending.

    Reference: Jin-Ha Lee, Muhammad Zaigham Zaheer, Marcella Astrid, Seung-Ik Lee. SmoothMix: a Simple Yet Effective
    Data Augmentation to Train Robust Classifiers. CVPR Workshops 2020.

    >>> images, mix = jax.jit(smoothmix_c)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> mix.weight.shape
    (4, 2)
    """
    bounds = arguments.interval("sigma", sigma, low=0.01, high=float("inf"))
    return _blend(key, batch, bounds, masks.bump, partner, per_batch)


def _blend(
    key: Array,
    batch: arguments.Batch,
    sigma: tuple[Array, Array],
    profile: Callable[[Array, Array, int], Array],
    partner: ArrayLike | None,
    per_batch: bool,
) -> tuple[jax.Array, Mix]:
    """Blend the partner in under the outer product of two profiles of random center and size."""
    middle_key, sigma_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    middle = jax.random.uniform(middle_key, (2, draws), jnp.float32)
    low, high = sigma
    size = sampling.uniform(sigma_key, low, high, draws)
    rows, columns = profile(middle[0], size, x.shape[1]), profile(middle[1], size, x.shape[2])
    mix = pair(partner, *masks.outer(rows, columns))
    return apply(mix, x), mix
