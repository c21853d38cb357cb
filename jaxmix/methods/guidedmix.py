"""GuidedMixup (Kang and Kim, 2023): pairs with distant saliency, blended in proportion to it at every pixel."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, partners
from jaxmix.mix import Mix, apply, pair
from jaxmix.saliency import normalize, smooth
from jaxmix.sharding import sharded_like

__all__ = ["distances", "guidedmix"]

Pairs = Callable[[Float[Array, "b b"]], Int[Array, "b"]]
# Of the Gaussian that smooths the maps.
_TAPS = 7


@arguments.method
def guidedmix(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: jax.Array,
    *,
    pairs: Pairs = partners.cover,
    sigma: ArrayLike = 3.0,
    partner: ArrayLike | None = None,
) -> tuple[jax.Array, Mix]:
    """Pair images whose saliency is far apart, and blend each pixel in proportion to both images' saliency there.

        x' = M x + (1 - M) x[partner],   M = u / (u + u[partner]),   u = blur(saliency), normalized to sum 1

    The partners are `pairs(D)`, D[i, j] = |u_i - u_j| the Euclidean distance of two maps: by default one cycle through
    the whole batch. Where neither image has any saliency, M = 1/2. The label is shared as the pixels are, by the mean
    of M. As both maps have the same sum, that is always near a half: 0.50 to 0.51 on synthetic images.

    Args:
        key: PRNG key; nothing is drawn, so it isn't spent.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: of each image, [b h w], 0 or more: `jaxmix.saliency.spectral_residual` (the paper's SR), or
            `jaxmix.saliency.root_mean_square` of an input gradient (its AP); or coarser, then the smoothing and M are
            too. A map of zeros, or with a value that isn't finite, counts as uniform. No gradient flows into it.
        pairs: from distances [b b] to the partner of each sample, Int[b].
        sigma: standard deviation in pixels of the Gaussian of 7 taps that smooths the maps, above 0; may be traced.
            Spectral residual maps were smoothed by the same Gaussian before.
        partner: index of each sample's partner, Int[b]; `pairs` isn't used then.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, one sample and no partner or a wrong one,
            sigma not above 0.

    Under `jaxmix.per_device` distances and partners are of each device's own part. The authors mix a batch with
    probability 0.5 by SR and 0.8 by AP: `jaxmix.sometimes(jaxmix.guidedmix, 0.5, per_batch=True)`.

    Differs from the authors' code: for CIFAR and Tiny-ImageNet that never pairs by distance, since the name of the
    greedy pairing is one that its function doesn't know, and takes a random permutation:
    `partner=jaxmix.partners.shuffle(key, b)`. The code for fine-grained data pairs as here. There a map of zeros gives
    NaN.

    Reference: Minsoo Kang, Suhyun Kim. GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps. AAAI 2023.

    >>> images, mix = jax.jit(guidedmix)(jax.random.key(0), jnp.ones((4, 8, 8, 3)), jnp.ones((4, 8, 8)))
    >>> mix.mask.shape, mix.weight[0].tolist()
    ((4, 2, 8, 8), [0.5, 0.5])
    """
    x = arguments.images(batch)
    maps = normalize(smooth(arguments.maps("saliency", saliency, x), sigma=sigma, size=_TAPS))
    mix = _mix(maps, _partners(maps, pairs) if partner is None else arguments.partners(partner, len(x)))
    return apply(mix, x), mix


def _partners(maps: Float[Array, "b n m"], pairs: Pairs) -> Int[Array, "b"]:
    size = arguments.partners(None, len(maps)).shape[0]  # refuses a batch of one
    return arguments.partners(pairs(distances(maps)), size)


@sharded_like("maps")
def _mix(maps: Float[Array, "b n m"], partner: Int[Array, "b"]) -> Mix:
    """Share each pixel in proportion to the maps of both samples."""
    other = maps[partner]
    total = maps + other
    some = total >= jnp.finfo(jnp.float32).tiny
    own = jnp.where(some, maps / jnp.where(some, total, 1), 0.5)
    return pair(partner, 1 - own)


@sharded_like("maps")
def distances(maps: Float[Array, "b n m"]) -> Float[Array, "b b"]:
    """Compute the Euclidean distances of all pairs of maps.

    As |a|^2 + |b|^2 - 2 a b, of maps without their mean, so that what they have in common loses no digits.

    >>> [round(float(d), 4) for d in distances(jnp.array([[[0.0, 1.0]], [[1.0, 0.0]]]))[0]]
    [0.0, 1.4142]
    """
    flat = maps.reshape(len(maps), -1)
    apart = flat - flat.mean(0, keepdims=True)
    inner = jnp.matmul(apart, apart.T, precision=jax.lax.Precision.HIGHEST)
    inner = (inner + inner.T) / 2  # the same to the bit from both sides: the pairing begins at the first of equals
    square = jnp.diagonal(inner)
    return jnp.sqrt(jnp.maximum(square[:, None] + square[None] - 2 * inner, 0))
