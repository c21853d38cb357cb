"""Attentive CutMix (Walawalkar et al., 2020): the cells of the partner with the highest attention are pasted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments, masks
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, pair
from jaxmix.numerics import barrier, hide_constant
from jaxmix.saliency import flat_unless_finite
from jaxmix.sharding import sharded_like

__all__ = ["attentivemix"]


@arguments.method
def attentivemix(
    key: jax.Array,
    batch: arguments.Batch,
    attention: jax.Array,
    *,
    cells: ArrayLike = 6,
    alpha: ArrayLike | None = None,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Paste the cells of the partner with the highest attention, and weight the labels by their area.

        x' = x[partner] in the top cells of attention[partner], x elsewhere

    With `alpha` it is AttentiveMix+ of OpenMixup, which draws the number of cells: max(1, floor(n m s)),
    s ~ Beta(alpha, 8). Of equal cells the first are taken, row by row; so a map with a value that isn't finite, taken
    as flat, gives the first cells.

    Args:
        key: PRNG key; only spent with `alpha`.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        attention: of each image, [b n m], one value per cell: the features of a pretrained network averaged over
            channels, 7 x 7 in the paper. Cells differ by a pixel where n and m don't divide h and w. No gradient flows
            into it.
        cells: the number of cells pasted, from 1 to n m; may be traced (rounded down). 6 of 7 x 7 are 12 %.
        alpha: Beta parameter for drawing the number of cells, above 0; may be traced. `cells` isn't used then.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one number of cells drawn for the whole batch, as in OpenMixup, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, more cells than there are, one sample and no
            partner or a wrong one, alpha not above 0.

    Differs from the public code (the authors' isn't public): xden2331/attentive_cutmix takes the last channel alone for
    attention and pastes onto any image of the data set.

    Reference: Devesh Walawalkar, Zhiqiang Shen, Zechun Liu, Marios Savvides. Attentive CutMix: An Enhanced Data
    Augmentation Approach for Deep Learning Based Image Classification. ICASSP 2020.

    >>> attention = jnp.broadcast_to(jnp.arange(16.0).reshape(1, 4, 4), (2, 4, 4))
    >>> images, mix = jax.jit(attentivemix)(jax.random.key(0), jnp.zeros((2, 8, 8, 3)), attention, cells=4)
    >>> mix.mask[0, 1, :, 0].tolist(), mix.weight[0].tolist()
    ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], [0.75, 0.25])
    """
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps, (height, width) = _coarse(attention, x), x.shape[1:3]
    grid = maps.shape[1] * maps.shape[2]
    count = _given(cells, grid) if alpha is None else _sampled(key, alpha, grid, draws)
    mix = pair(partner, *masks.cells(_top(maps, partner, count), height, width))
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix


def _coarse(attention: jax.Array, x: jax.Array) -> Float[Array, "b n m"]:
    """Check that maps have no more cells than the images have pixels."""
    maps, (height, width) = arguments.maps("attention", attention, x, any_size=True), x.shape[1:3]
    rows, columns = maps.shape[1:]
    if rows > height or columns > width:
        raise ValueError(f"attention has {rows} x {columns} cells for {height} x {width} pixels; wanted a coarser grid")
    return maps


@sharded_like("maps")
def _top(maps: Float[Array, "b n m"], of: Int[Array, "b"], count: Float[Array, "#b"]) -> Bool[Array, "b n m"]:
    """Mark the highest cells of the maps of some samples; of those equal to the least of them the first."""
    flat = flat_unless_finite(maps)[of].reshape(maps.shape[0], -1)
    whole = jnp.broadcast_to(jnp.floor(count).astype(jnp.int32), flat.shape[:1])[:, None]
    least = jnp.take_along_axis(jnp.sort(flat, 1, descending=True), jnp.maximum(whole - 1, 0), 1)
    above, equal = flat > least, (flat == least).astype(jnp.int32)
    left = whole - above.sum(1, keepdims=True, dtype=jnp.int32)
    return (above | ((equal > 0) & (jax.lax.cumsum(equal, 1) <= left))).reshape(maps.shape)


def _given(cells: ArrayLike, grid: int) -> Float[Array, "1"]:
    """The same number of cells for all samples."""
    return arguments.number("cells", cells, low=1, high=grid)[None]


def _sampled(key: Array, alpha: ArrayLike, grid: int, draws: int) -> Float[Array, "d"]:
    """Sample numbers of cells; 0 where alpha is traced and not above 0."""
    alpha = arguments.number("alpha", alpha, above=0.0)
    parameters = hide_constant(jnp.stack([jnp.where(alpha > 0, alpha, 1.0), jnp.float32(8)]), key)
    share = jax.random.beta(key, parameters[0], parameters[1], (draws,), jnp.float32)
    return jnp.where(alpha > 0, jnp.maximum(jnp.floor(barrier(grid * share)), 1), 0)
