"""GridMixup (Dobrynin, 2021): a lattice of holes is filled from the partner."""

import jax
from jax.typing import ArrayLike

from jaxmix import arguments, masks, sampling
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, pair

__all__ = ["gridmixup"]


@arguments.method
def gridmixup(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    alpha: ArrayLike = 1.0,
    holes: int = 4,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Fill square holes, `holes` along the width, from the partner.

        period = ceil(width / holes),   hole side = int(period * sqrt(s)) in [1, period - 1],   s ~ Beta(alpha, alpha)

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        alpha: Beta parameter, above 0; may be traced.
        holes: holes along the width, 1 up to half the width.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one hole size for the whole batch, as in the author's code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, alpha not above 0, holes
            out of range.

    Reference: Ilya Dobrynin. GridMixup. Source code, 2021; OpenMixup's "GridMix" is this method (with 20 holes).

    >>> images, mix = jax.jit(gridmixup)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> mix.mask.shape
    (4, 2, 8, 8)
    """
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    height, width = x.shape[1:3]
    if width < 2:
        raise ValueError(f"images are {height} x {width}; wanted 2 pixels or more of width for a lattice of holes")
    number = arguments.count("holes", holes, high=width // 2)
    rows, columns = masks.holes(sampling.beta(key, alpha, draws), number, height, width)
    mix = pair(partner, *masks.outer(rows, columns))
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix
