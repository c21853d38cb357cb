"""PuzzleMix (Kim et al., 2020): blocks of both pictures, chosen and moved so that what matters in each can be seen."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, sampling, sharding, warps
from jaxmix.blocks import costs
from jaxmix.blocks.labeling import label
from jaxmix.blocks.transport import refine
from jaxmix.blocks.transport import transport as sources
from jaxmix.mix import Mix, apply, pair
from jaxmix.saliency import normalize

# Weights of costs are at most this, so that no sum of them overflows.
_MOST = 1e6


class Layout(NamedTuple):
    """Into how many blocks pictures are cut: along each side for the labels, down and across for moving them."""

    labels: int
    moves: tuple[int, int] | None


class Weights(NamedTuple):
    """What may be traced: beta, gamma, eta, the weight of distances, and the units of the pictures' colors."""

    smoothness: Float[Array, ""]
    data: Float[Array, ""]
    prior: Float[Array, ""]
    distance: Float[Array, ""]
    units: Float[Array, "1 1 1 #c"]


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
    """Show of each picture the blocks where it is salient, and move salient blocks that would be hidden.

        x' = z moved(x) + (1 - z) moved(x[partner]),   where the labels z in {0, 1/2, 1} of n x n blocks minimize

        sum over blocks:  z s[partner] + (1 - z) s - (prior_weight / n^2) log P(z),   2 z ~ Binomial(2, 1 - t)
        sum over borders: (smoothness / 16 n) ((z - z')^2 + data_weight * mean difference of the colors on both sides)

    with s each block's part of its picture's saliency and t ~ Beta(alpha, alpha). The own picture's label weighs as
    much as its pixels, the mean of z. Then hidden blocks move to visible places, see `jaxmix.blocks.transport`.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: [b n m], at the images' resolution or coarser; only what is above 0 counts, and scale doesn't.
            Without anything above 0, or not finite: uniform. No gradient flows through it.
        alpha: Beta parameter of t, above 0; may be traced.
        blocks: n, blocks along each side; static. Of several numbers one is drawn for every batch, each alike.
        smoothness: beta, cost of neighbours with unlike labels, from 0 to 1e6; may be traced, as all weights.
        data_weight: gamma, cost of borders that show, from 0 to 1.
        prior_weight: eta, cost of labels that t makes improbable, from 0 to 1e6.
        neighbors: side in pixels of the cells of a block whose mean colors are compared across its borders, or the
            next smaller length that fits; static.
        levels: number of labels from 0 to 1; static.
        transport: whether hidden blocks move; static.
        transport_side: side in pixels of the blocks that move, where the labels' are larger; static. By default these.
            Moving takes time with the square of the number of blocks: on large pictures don't cut them fine.
        distance_weight: cost of moving all along one side of the picture, in shares of saliency, 0 or more.
        std: what normalized images, or each channel, were divided by, so that colors are compared in units of [0, 1];
            above 0, may be traced. uint8 images are divided by 255 as well.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one t for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`, its mask and warps at the resolution of the finest
        blocks (the least common multiple, if they don't nest). Where t is 0 or 1 nothing is mixed.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, saliency of another size,
            blocks that don't divide the images, transport_side that doesn't divide blocks, a number out of range.

    Differs from the authors' code: that finds labels by alpha-beta swap on whole numbers, which misses the minimum of
    about every third picture at 16 blocks, and overflows where a block is very salient. They set `transport_side=4` on
    CIFAR. They also train on perturbed pictures: that is `jaxmix.adversarial`.

    Reference: Jang-Hyun Kim, Wonho Choo, Hyun Oh Song. Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup. ICML 2020.

    >>> images, mix = puzzlemix(jax.random.key(0), jnp.zeros((3, 8, 8, 1)), jnp.ones((3, 8, 8)), blocks=4)
    >>> mix.mask.shape, mix.warps[1].source.shape
    ((3, 2, 4, 4), (3, 4, 4))
    """
    share_key, layout_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps = arguments.maps("saliency", saliency, x)
    weights = Weights(
        arguments.number("smoothness", smoothness, high=_MOST),
        arguments.number("data_weight", data_weight, high=1.0),
        arguments.number("prior_weight", prior_weight, high=_MOST),
        arguments.number("distance_weight", distance_weight),
        units(std, x),
    )
    options = {"neighbors": arguments.count("neighbors", neighbors), "levels": arguments.count("levels", levels, low=2)}
    layouts = _layouts(blocks, transport, transport_side, x)
    share = jnp.broadcast_to(sampling.beta(share_key, alpha, draws), partner.shape)
    drawn = jax.random.randint(layout_key, (), 0, len(layouts), jnp.int32)
    solve = functools.partial(_solve, layouts=layouts, **options)
    mix = sharding.like(x, 1, solve, drawn, jax.lax.stop_gradient(x), maps, partner, share, weights)
    return apply(mix, x), mix


def fill(
    x: Float[Array, "b h w c"],
    maps: Float[Array, "b h w"],
    partner: Int[Array, "b"],
    share: Float[Array, "b"],
    weights: Weights,
    *,
    blocks: int,
    neighbors: int,
    levels: int,
) -> Float[Array, "b n n"]:
    """The own picture's label of every block. The partner's share t is given; maps are normalized."""
    saliency = costs.pool(maps, blocks, blocks)
    colors = costs.cells(x.astype(jnp.float32) * weights.units, blocks, blocks, neighbors)
    z = label(
        *costs.costs(
            (saliency, saliency[partner]),
            (colors, colors[:, partner]),
            costs.prior(1 - share, levels, weights.prior / blocks**2),
            smoothness=weights.smoothness / (16 * blocks),
            data_weight=weights.data,
        )
    )
    share = share[:, None, None]
    return jnp.where((share == 0) | (share == 1), 1 - share, z)


def move(
    z: Float[Array, "b n n"],
    maps: Float[Array, "b h w"],
    partner: Int[Array, "b"],
    distance_weight: Float[Array, ""],
    grid: tuple[int, int],
) -> tuple[Int[Array, "b r c"], Int[Array, "b r c"]]:
    """Which block of the own picture, and of the partner, each place of a grid shows, at least as fine as that of z."""
    saliency, z = costs.pool(maps, *grid), _finer(z, *grid)
    own = sources(saliency, z > 0, distance_weight=distance_weight)
    other = sources(saliency[partner], z < 1, distance_weight=distance_weight)
    return own.reshape(z.shape), other.reshape(z.shape)


def _solve(drawn, *arrays, layouts, **options) -> Mix:
    """The mix of the drawn layout, in a form that is the same for all of them."""
    moves = [layout.moves for layout in layouts if layout.moves]
    rows, columns = (math.lcm(*(grid[axis] for grid in moves)) for axis in (0, 1))
    finest = Layout(math.lcm(*(layout.labels for layout in layouts)), (rows, columns))
    branches = [functools.partial(_solved, *arrays, layout=layout, finest=finest, **options) for layout in layouts]
    known = arguments.concrete(drawn)
    # Outside of jit the layout is known: a switch would only compile the others, too.
    return jax.lax.switch(drawn, branches) if known is None else branches[int(known)]()


@functools.partial(jax.jit, static_argnames=("layout", "finest", "neighbors", "levels"))
def _solved(x, maps, partner, share, weights, *, layout, finest, **options) -> Mix:
    maps = normalize(maps)
    z = fill(x, maps, partner, share, weights, blocks=layout.labels, **options)
    mix = pair(partner, 1 - _finer(z, finest.labels, finest.labels))
    if layout.moves:
        moved = move(z, maps, partner, weights.distance, layout.moves)
        mix = mix._replace(warps=tuple(warps.Blocks(refine(source, *finest.moves)) for source in moved))
    return sharding.varying(x, mix)


def _finer(z: Float[Array, "b n m"], rows: int, columns: int) -> Float[Array, "b rows columns"]:
    return jnp.repeat(jnp.repeat(z, rows // z.shape[1], 1), columns // z.shape[2], 2)


def _layouts(blocks: int | Sequence[int], transport: bool, side: int | None, x: Array) -> tuple[Layout, ...]:
    numbers = tuple(blocks) if isinstance(blocks, Sequence) else (blocks,)
    if not numbers:
        raise ValueError("blocks is empty; wanted one number of blocks along each side, or several: pass blocks=4")
    sides = x.shape[1:3]
    return tuple(
        Layout(arguments.blocks(number, x), _moves(number, side, sides) if transport else None) for number in numbers
    )


def _moves(number: int, side: int | None, sides: Sequence[int]) -> tuple[int, int]:
    """The grid of blocks that move: of the given side, or the labels' own where these are no larger."""
    lengths = [length // number for length in sides]
    if side is None:
        return number, number
    for length in lengths:
        if length > arguments.count("transport_side", side) and length % side:
            raise ValueError(
                f"transport_side is {side}, but one of {number} blocks is {length} pixels long; wanted a number that "
                f"divides it: pass transport_side={math.gcd(side, length)}, or None to move whole blocks"
            )
    rows, columns = (number * (length // side if length > side else 1) for length in lengths)
    return rows, columns


def units(std: ArrayLike | Sequence[ArrayLike], x: Array) -> Float[Array, "1 1 1 #c"]:
    """What times colors of images x, divided by std to normalize them, has units of [0, 1]; above 0."""
    channels = x.shape[3]
    if isinstance(std, Sequence) or np.ndim(std):
        known = np.shape(std) if not isinstance(std, Sequence) else (len(std),)
        length = 1 if known == (1,) else channels
        factor = arguments.numbers("std", std, length, f"one number, or one for each of {channels} channels")
    else:
        factor = arguments.number("std", std, above=0.0)[None]
    factor = jnp.maximum(factor, jnp.finfo(jnp.float32).tiny)[None, None, None]
    return factor / 255 if x.dtype == jnp.uint8 else factor
