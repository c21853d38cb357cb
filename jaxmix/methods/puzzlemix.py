"""PuzzleMix (Kim et al., 2020): salient blocks of both images are chosen, and moved to where they are visible."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Shaped

from jaxmix import arguments, sampling, warps
from jaxmix.blocks import costs, labeling
from jaxmix.blocks.layouts import Layout, finest, layouts, refine
from jaxmix.blocks.transport import refine as refine_sources
from jaxmix.blocks.transport import transport as transport_blocks
from jaxmix.mix import Mix, apply, pair
from jaxmix.saliency import normalize
from jaxmix.sharding import sharded_like, varying

__all__ = ["Weights", "labels", "puzzlemix", "sources"]

# Weights of costs are at most this, so that no sum of them overflows.
_MOST = 1e6


class Weights(NamedTuple):
    """Weights that may be traced: beta, gamma, eta, that of distances, and the units of the images' colors."""

    smoothness: Float[Array, ""]
    data: Float[Array, ""]
    prior: Float[Array, ""]
    distance: Float[Array, ""]
    units: Float[Array, "1 1 1 #c"]


@arguments.method
def puzzlemix(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: Array,
    *,
    alpha: ArrayLike = 1.0,
    blocks: int | Sequence[int] = (2, 4, 8, 16),
    smoothness: ArrayLike = 1.2,
    data_weight: ArrayLike = 0.5,
    prior_weight: ArrayLike = 0.2,
    neighbors: int = 4,
    levels: int = 3,
    transport: bool = True,
    transport_side: int | None = None,
    distance_weight: ArrayLike = 0.8,
    std: ArrayLike | Sequence[ArrayLike] = 1.0,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Fill each block from the image that is more salient there, and move salient blocks that would be hidden.

        x' = z moved(x) + (1 - z) moved(x[partner]),   where the labels z in {0, 1/2, 1} of n x n blocks minimize

        sum over blocks:  z s[partner] + (1 - z) s - (prior_weight / n^2) log P(z),   2 z ~ Binomial(2, 1 - t)
        sum over borders: (smoothness / 16 n) ((z - z')^2 + data_weight * mean difference of the colors on both sides)

    with s each block's share of its image's saliency and t ~ Beta(alpha, alpha). The own weight of the label is the
    mean of z. Then hidden blocks move to visible places, see `jaxmix.blocks.transport`.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: [b n m], at the images' resolution or coarser, of any scale; values below 0 count as 0. Without a
            value above 0, or not finite: uniform. No gradient flows through it.
        alpha: Beta parameter of t, above 0; may be traced.
        blocks: n, blocks along each side; static. Of several values one is drawn for every batch, with equal chance.
        smoothness: beta, cost of neighbors with unlike labels, from 0 to 1e6; may be traced, as all weights.
        data_weight: gamma, cost of visible borders, from 0 to 1.
        prior_weight: eta, cost of labels that t makes improbable, from 0 to 1e6.
        neighbors: side in pixels of the cells of a block whose mean colors are compared across its borders, or the
            next smaller length that fits; static.
        levels: number of labels from 0 to 1; static.
        transport: whether hidden blocks move; static.
        transport_side: side in pixels of the blocks that move, where those of the labels are larger (the default);
            static. The time to solve grows with the square of the number of blocks.
        distance_weight: cost of moving along a whole side of the image, in shares of saliency, 0 or more.
        std: what normalized images, or each channel, were divided by, so that colors are compared in units of [0, 1];
            above 0, may be traced. uint8 images are divided by 255 as well.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one t for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`, its mask and warps at the resolution of the finest
        blocks (the least common multiple, if they don't nest). Where t is 0 or 1 nothing is mixed.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, saliency of another size,
            blocks that don't divide the images, transport_side that doesn't divide blocks, a value out of range.

    Differs from the authors' code: that finds labels by alpha-beta swap on integers, which misses the minimum of about
    every third image at 16 blocks, and overflows where a block is very salient. They set `transport_side=4` on CIFAR.
    They also train on perturbed images: that is `jaxmix.adversarial`.

    Reference: Jang-Hyun Kim, Wonho Choo, Hyun Oh Song. Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup. ICML 2020.

    >>> images, mix = puzzlemix(jax.random.key(0), jnp.zeros((3, 8, 8, 1)), jnp.ones((3, 8, 8)), blocks=4)
    >>> mix.mask.shape, mix.warps[1].source.shape
    ((3, 2, 4, 4), (3, 4, 4))
    """
    share_key, layout_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps = arguments.maps("saliency", saliency, x)
    weights = _weights(smoothness, data_weight, prior_weight, distance_weight, arguments.color_scale(std, x))
    options = layouts(blocks, transport, transport_side, neighbors, levels, x)
    share = jnp.broadcast_to(sampling.beta(share_key, alpha, draws), partner.shape)
    chosen = jax.random.randint(layout_key, (), 0, len(options), jnp.int32)
    mix = _solve(chosen, jax.lax.stop_gradient(x), maps, partner, share, weights, options)
    return apply(mix, x), mix


@sharded_like("x")
def _solve(
    chosen: Int[Array, ""],
    x: Shaped[Array, "b h w c"],
    maps: Float[Array, "b n m"],
    partner: Int[Array, "b"],
    share: Float[Array, "b"],
    weights: Weights,
    options: tuple[Layout, ...],
) -> Mix:
    """Solve for the chosen layout, with masks and warps at the resolution of the finest of all."""
    common = finest(options)
    branches = [functools.partial(_mix, x, maps, partner, share, weights, layout, common) for layout in options]
    known = arguments.concrete(chosen)
    # Outside of jit the choice is known: a switch would compile the other layouts, too.
    return jax.lax.switch(chosen, branches) if known is None else branches[int(known)]()


@functools.partial(jax.jit, static_argnames=("layout", "common"))
def _mix(
    x: Shaped[Array, "b h w c"],
    maps: Float[Array, "b _ _"],
    partner: Int[Array, "b"],
    share: Float[Array, "b"],
    weights: Weights,
    layout: Layout,
    common: tuple[int, tuple[int, int]],
) -> Mix:
    """Label the blocks, transport them, and refine both to common resolutions."""
    maps, (blocks, grid) = normalize(maps), common
    z = labels(x, maps, partner, share, weights, layout)
    mix = pair(partner, 1 - refine(z, blocks, blocks))
    if layout.grid:
        moved = sources(z, maps, partner, weights.distance, layout.grid)
        mix = mix._replace(warps=tuple(warps.Blocks(refine_sources(source, *grid)) for source in moved))
    return varying(x, mix)


def labels(
    x: Shaped[Array, "b h w c"],
    maps: Float[Array, "b _ _"],
    partner: Int[Array, "b"],
    share: Float[Array, "b"],
    weights: Weights,
    layout: Layout,
) -> Float[Array, "b n n"]:
    """Find the own image's label of every block, from the partner's share t and normalized maps."""
    blocks = layout.blocks
    saliency = costs.pool(maps, blocks, blocks)
    colors = costs.cells(x.astype(jnp.float32) * weights.units, blocks, blocks, layout.neighbors)
    energy = costs.costs(
        (saliency, saliency[partner]),
        (colors, colors[:, partner]),
        costs.prior(1 - share, layout.levels, weights.prior / blocks**2),
        smoothness=weights.smoothness / (16 * blocks),
        data_weight=weights.data,
    )
    z, share = labeling.label(*energy), share[:, None, None]
    return jnp.where((share == 0) | (share == 1), 1 - share, z)


def sources(
    z: Float[Array, "b n n"],
    maps: Float[Array, "b _ _"],
    partner: Int[Array, "b"],
    distance_weight: Float[Array, ""],
    grid: tuple[int, int],
) -> tuple[Int[Array, "b r c"], Int[Array, "b r c"]]:
    """Find the blocks of the own image and of the partner that each place of a grid shows, no coarser than z."""
    saliency, z = costs.pool(maps, *grid), refine(z, *grid)
    own = transport_blocks(saliency, z > 0, distance_weight=distance_weight)
    other = transport_blocks(saliency[partner], z < 1, distance_weight=distance_weight)
    return own.reshape(z.shape), other.reshape(z.shape)


def _weights(smoothness: ArrayLike, data: ArrayLike, prior: ArrayLike, distance: ArrayLike, units: Array) -> Weights:
    """Validate the weights."""
    return Weights(
        arguments.number("smoothness", smoothness, high=_MOST),
        arguments.number("data_weight", data, high=1.0),
        arguments.number("prior_weight", prior, high=_MOST),
        arguments.number("distance_weight", distance),
        units,
    )
