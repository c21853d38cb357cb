"""GridMix (Baek, Bang and Shim, 2021): every cell of a grid comes from one of two images."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxmix import arguments, masks, sampling
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, pair

__all__ = ["gridmix"]


@arguments.method
def gridmix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    alpha: ArrayLike = 1.0,
    cells: int = 4,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Fill each cell of a grid from the partner with probability s.

        x' = x or x[partner], cell by cell,   s ~ Beta(alpha, alpha),   weight = share of the pixels

    The paper adds a local loss, a head that predicts the label of every cell. Its targets are
    `jaxmix.apply(mix, jnp.broadcast_to(one_hot[:, None, None], (b, cells, cells, k)))`, where `cells` divides both
    sides.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        alpha: Beta parameter, above 0; may be traced.
        cells: cells along each side, 1 up to the shorter side.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one grid for the whole batch instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, alpha not above 0, cells
            out of range.

    The paper's grid size and the distribution of its cells could not be found; both are our reading. What OpenMixup
    calls GridMix is another method, `jaxmix.gridmixup`.

    Reference: Kyungjune Baek, Duhyeon Bang, Hyunjung Shim. GridMix: Strong Regularization through Local Context
    Mapping. Pattern Recognition 109, 2021.

    >>> images, mix = jax.jit(gridmix)(jax.random.key(0), jnp.zeros((4, 8, 8, 3)))
    >>> mix.mask.shape
    (4, 2, 8, 8)
    """
    share_key, cell_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    height, width = x.shape[1:3]
    number = arguments.count("cells", cells, high=min(height, width))
    share = sampling.beta(share_key, alpha, draws)
    chosen = jax.random.uniform(cell_key, (draws, number, number), jnp.float32) < share[:, None, None]
    mix = pair(partner, *masks.cells(chosen, height, width))
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix
