"""SAGE (Ma et al., 2022): the partner is moved to where most of what is salient in both pictures can be seen."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, sampling, sharding, shifts, warps
from jaxmix.mix import Mix, apply, pair
from jaxmix.numerics import barrier
from jaxmix.saliency import normalize, smooth

Search = Callable[[Array, Array, Array], Array]

# So that neither picture's share of the saliency vanishes.
_LEAST = 1e-12


def sage(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: jax.Array,
    *,
    alpha: ArrayLike = 1.0,
    upper: ArrayLike = 1.0,
    search: Search = shifts.fourier,
    smooth: Callable[[Array], Array] = smooth,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Move the partner, and let each pixel show both pictures in proportion to their saliency there.

        x' = M x + (1 - M) T(x[partner], d),   M = a s / (a s + (1 - a) T(s[partner], d)),
        a = upper t,   t ~ Beta(alpha, alpha)

    T(., d) moves by d = (dy, dx) whole pixels and fills with 0; s is the saliency, smoothed, with sum 1; and d is the
    shift that leaves the most saliency in sight, the highest `jaxmix.shifts.score`. Where neither picture has any,
    M = 0. The label is shared as the pixels are, by the mean of M; a only tilts it.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: of each picture, [b h w], 0 or more, such as `jaxmix.saliency.mean_abs` of an input gradient; or
            coarser, then the search, the smoothing and M are too. A map of zeros, or with a number that isn't finite,
            counts as uniform. No gradient flows into it.
        alpha: Beta parameter, above 0; may be traced.
        upper: the largest a, the share of the own saliency, in [0, 1]; may be traced. The authors' values: 0.6 for
            ResNet-18 on CIFAR-10, 0.5 on CIFAR-100, 0.7 for wider networks there.
        search: `jaxmix.shifts.fourier`, which finds what `rolled` finds, trying all shifts one by one; or `sampled`.
        smooth: makes maps [b h w] smooth, `jaxmix.saliency.smooth` or `functools.partial(smooth, sigma=2.0)`.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one a for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`. Its warp moves the partner.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, one sample and no partner or a wrong one,
            alpha not above 0, upper outside [0, 1].

    Differs from the authors' code: that tries 1 % of the shifts, drawn once for the batch, and may miss even d = 0:
    `search=jaxmix.shifts.sampled`; and it gives NaN for a map of zeros. As in the code a tiny number guards the
    division of M, where the paper adds one. The authors train on x too, with weight 1 - update ratio.

    Reference: Avery Ma, Nikita Dvornik, Ran Zhang, Leila Pishdad, Konstantinos G. Derpanis, Afsaneh Fazly. SAGE:
    Saliency-Guided Mixup with Optimal Rearrangements. BMVC 2022.

    >>> x = jax.random.uniform(jax.random.key(1), (4, 8, 8, 3))
    >>> images, mix = jax.jit(sage)(jax.random.key(0), x, x.mean(3))
    >>> bool(jnp.allclose(mix.weight, mix.mask.mean((2, 3)), atol=1e-6))
    True
    """
    share_key, search_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps = normalize(smooth(arguments.maps("saliency", saliency, x)))
    own = barrier(arguments.number("upper", upper, high=1.0) * sampling.beta(share_key, alpha, draws))
    solve = functools.partial(arrange, search, x.shape[1], x.shape[2])
    mix = sharding.like(x, 1, solve, search_key, maps, own, partner)
    return apply(mix, x), mix


def arrange(
    search: Search,
    height: int,
    width: int,
    key: Array,
    maps: Float[Array, "b n m"],
    share: Float[Array, "#b"],
    partner: Int[Array, "b"],
) -> Mix:
    """The mix of pictures of height and width for normalized maps and the own pictures' shares of the saliency."""
    own = barrier(jnp.maximum(share, _LEAST)[:, None, None] * maps)
    other = barrier(jnp.maximum(1 - share, _LEAST)[:, None, None] * maps[partner])
    shift = search(key, own, other)
    mask = shifts.own_share(own, moved_by(shift, *maps.shape[1:])(other))
    blocks = jnp.array([height // maps.shape[1], width // maps.shape[2]], jnp.int32)
    return pair(partner, 1 - mask, warp=moved_by(shift * blocks[None], height, width))


def moved_by(shift: Int[Array, "b 2"], height: int, width: int) -> warps.Resample:
    """The warp that moves pictures by (dy, dx) whole pixels and fills with 0."""

    def source(side, moved):
        return jnp.arange(side, dtype=jnp.int32)[None] - moved[:, None]

    return warps.Resample(source(height, shift[:, 0]), source(width, shift[:, 1]))
