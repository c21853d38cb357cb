"""SAGE (Ma et al., 2022): the partner is moved to the shift at which the most saliency of both images is visible."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, sampling, shifts, warps
from jaxmix.mix import Mix, apply, pair
from jaxmix.numerics import barrier
from jaxmix.saliency import normalize, smoothing
from jaxmix.sharding import sharded_like

__all__ = ["Search", "arrange", "sage"]

Search = Callable[[Array, Array, Array], Array]

# Neither image's share of the saliency is less than this.
_LEAST = 1e-12


@arguments.method
def sage(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: jax.Array,
    *,
    alpha: ArrayLike = 1.0,
    upper: ArrayLike = 1.0,
    search: Search = shifts.fourier,
    smooth: Callable[[Array], Array] = smoothing.smooth,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Move the partner, and blend each pixel in proportion to both images' saliency there.

        x' = M x + (1 - M) T(x[partner], d),   M = a s / (a s + (1 - a) T(s[partner], d)),
        a = upper t,   t ~ Beta(alpha, alpha)

    T(., d) moves by d = (dy, dx) whole pixels and fills with 0; s is the saliency, smoothed, with sum 1; and d is the
    shift of the highest `jaxmix.shifts.score`, which leaves the most saliency visible. Where neither image has any,
    M = 0. The label is shared as the pixels are, by the mean of M.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: of each image, [b h w], 0 or more, such as `jaxmix.saliency.mean_abs` of an input gradient; or
            coarser, then the smoothing, the search and M are too. A map of zeros, or with a value that isn't finite,
            counts as uniform. No gradient flows into it.
        alpha: Beta parameter, above 0; may be traced.
        upper: the largest a, the share of the own saliency, in [0, 1]; may be traced. The authors' values: 0.6 for
            ResNet-18 on CIFAR-10, 0.5 on CIFAR-100, 0.7 for wider networks there.
        search: `jaxmix.shifts.fourier`, which finds what the exhaustive `rolled` finds; or `sampled`.
        smooth: smooths maps [b h w]; for instance `functools.partial(jaxmix.saliency.smooth, sigma=2.0)`.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one a for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`. Its warp moves the partner.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, one sample and no partner or a wrong one,
            alpha not above 0, upper outside [0, 1].

    Differs from the authors' code: that tries 1 % of the shifts, drawn once for the batch, and may miss even d = 0:
    `search=jaxmix.shifts.sampled`; and it gives NaN for a map of zeros. As in the code a tiny constant guards the
    division of M, where the paper adds one. The authors train on x too, with weight 1 - update ratio.

    Reference: Avery Ma, Nikita Dvornik, Ran Zhang, Leila Pishdad, Konstantinos G. Derpanis, Afsaneh Fazly. SAGE:
    Saliency-Guided Mixup with Optimal Rearrangements. BMVC 2022.

    >>> images, mix = jax.jit(sage)(jax.random.key(0), jnp.ones((4, 8, 8, 3)), jnp.ones((4, 8, 8)))
    >>> mix.mask.shape, mix.warps[1].rows.shape
    ((4, 2, 8, 8), (4, 8))
    """
    share_key, search_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps = normalize(smooth(arguments.maps("saliency", saliency, x)))
    own = barrier(arguments.number("upper", upper, high=1.0) * sampling.beta(share_key, alpha, draws))
    mix = arrange(search_key, maps, own, partner, search, x.shape[1], x.shape[2])
    return apply(mix, x), mix


@sharded_like("maps")
def arrange(
    key: Array,
    maps: Float[Array, "b n m"],
    share: Float[Array, "#b"],
    partner: Int[Array, "b"],
    search: Search,
    height: int,
    width: int,
) -> Mix:
    """Make the mix of images of height and width from normalized maps and the own images' shares of the saliency."""
    own = barrier(jnp.maximum(share, _LEAST)[:, None, None] * maps)
    other = barrier(jnp.maximum(1 - share, _LEAST)[:, None, None] * maps[partner])
    shift = search(key, own, other)
    mask = shifts.own_share(own, _translation(shift, *maps.shape[1:])(other))
    blocks = jnp.array([height // maps.shape[1], width // maps.shape[2]], jnp.int32)
    return pair(partner, 1 - mask, warp=_translation(shift * blocks[None], height, width))


def _translation(shift: Int[Array, "b 2"], height: int, width: int) -> warps.Resample:
    """The warp that moves images by (dy, dx) whole pixels and fills with 0."""

    def source(side: int, offset: Int[Array, "b"]) -> Int[Array, "b side"]:
        return jnp.arange(side, dtype=jnp.int32)[None] - offset[:, None]

    return warps.Resample(source(height, shift[:, 0]), source(width, shift[:, 1]))
