"""What a labelling of blocks costs: saliency that it hides, borders that it shows, labels that are seldom drawn.

The data terms of PuzzleMix (Kim et al., ICML 2020). A label is the share of the own picture, the rest is the other's.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float


class Costs(NamedTuple):
    """The energy of labels z in [0, 1] of n x m blocks:

    E(z) = sum(z own + (1 - z) other + prior(z)) + sum(vertical dz^2) + sum(horizontal dz^2)
    """

    own: Float[Array, "b n m"]
    other: Float[Array, "b n m"]
    prior: Float[Array, "b l"]
    vertical: Float[Array, "b n-1 m"]
    horizontal: Float[Array, "b n m-1"]


def pool(maps: Float[Array, "b h w"], rows: int, columns: int) -> Float[Array, "b rows columns"]:
    """The sum of each map over rows x columns equal blocks. A pixel that lies in several is shared out by area.

    >>> pool(jnp.array([[[1.0, 2.0, 3.0]]]), 1, 2).tolist()
    [[[2.0, 4.0]]]
    """
    for axis, count in ((1, rows), (2, columns)):
        pieces = count // math.gcd(count, maps.shape[axis])
        maps = jnp.repeat(maps / pieces, pieces, axis)
        maps = maps.reshape(*maps.shape[:axis], count, -1, *maps.shape[axis + 1 :]).sum(axis + 1)
    return maps


def prior(own_share: Float[Array, "b"], levels: int, weight: ArrayLike) -> Float[Array, "b l"]:
    """Cost of each label k / (levels - 1), where k is binomially distributed with mean own_share (levels - 1).

        prior(k) = -weight log(probability of k + 1e-8)

    >>> [round(float(cost), 4) for cost in prior(jnp.array([0.5]), 3, 0.2 / 16)[0]]
    [0.0173, 0.0087, 0.0173]
    """
    last, share = levels - 1, own_share[:, None]
    odds = [math.comb(last, k) * share**k * (1 - share) ** (last - k) for k in range(levels)]
    return jnp.log(jnp.concatenate(odds, 1) + 1e-8) * -jnp.asarray(weight, jnp.float32)


def cells(x: Float[Array, "b h w c"], rows: int, columns: int, side: int) -> Float[Array, "c b _ _"]:
    """The mean colors of p x q equal cells in each of rows x columns blocks, of `side` pixels or what fits below that.

    Channels come first: that makes `costs` ten times as fast on CPU.

    >>> cells(jnp.array([[[[1.0], [2.0], [6.0], [0.0]]]]), 1, 1, 2).tolist()
    [[[[1.5, 3.0]]]]
    """
    for axis, count in ((1, rows), (2, columns)):
        length = _divisor(x.shape[axis] // count, side)
        parts = [jax.lax.slice_in_dim(x, i, None, length, axis) for i in range(length)]
        x = sum(parts[1:], start=parts[0]) / length
    return jnp.moveaxis(x, 3, 0)


def _divisor(length: int, limit: int) -> int:
    """The largest divisor of a length that is at most the limit."""
    return max(d for d in range(1, min(length, limit) + 1) if length % d == 0)


def costs(
    saliency: tuple[Float[Array, "b n m"], Float[Array, "b n m"]],
    colors: tuple[Float[Array, "c b h w"], Float[Array, "c b h w"]],
    prior: Float[Array, "b l"],
    *,
    smoothness: ArrayLike,
    data_weight: ArrayLike,
) -> Costs:
    """The costs of labels, from the own picture's saliency and colors and the other's.

    Where a block shows one picture it loses the other's saliency. Two neighbouring blocks a and b pay

        smoothness (z_a - z_b)^2 + smoothness * data_weight * D(z_a, z_b)

    where D is how much the cells on either side of their border differ, the mean over the border and the channels. For
    labels of 0 and 1 costs of each block and of its differences from its neighbours express it, but for a constant.

    Args:
        saliency: of the own picture and the other, [b n m], each of sum 1.
        colors: `cells` of the own picture and the other, in units in which D is from 0 to 1: what is above counts as 1.
        prior: cost of each label, see `prior`.
        smoothness: 0 or more.
        data_weight: from 0 to 1, so that labels of neighbours never gain by being different.
    """
    own, other = saliency
    pictures = jnp.stack(colors[::-1], 1)
    down, right = (_border(_unlike(pictures, own.shape, axis), axis) for axis in (1, 2))
    scale = smoothness * data_weight
    return Costs(
        other + scale * (down.own + right.own),
        own + scale * (down.other + right.other),
        prior,
        smoothness + scale * down.weight,
        smoothness + scale * right.weight,
    )


def _unlike(pictures, shape, axis):
    """D of each block in one of two pictures [c 2 b n*p m*q] and the next along an axis in one of them, [2 2 b ..].

    It is at most 1, also where it isn't a number. The shape is that of the blocks, [b n m].
    """
    along, across = axis + 2, 5 - axis
    cells, length = (pictures.shape[a] // shape[a - 2] for a in (along, across))
    last = jax.lax.slice_in_dim(pictures, cells - 1, -1, cells, along)[:, :, None]
    following = jax.lax.slice_in_dim(pictures, cells, None, cells, along)[:, None]
    difference = _mean(jnp.abs(last - following))
    border = (*difference.shape[:across], shape[across - 2], length, *difference.shape[across + 1 :])
    difference = difference.reshape(border).mean(across + 1)
    return jnp.where(difference < 1, difference, 1.0)


def _mean(channels):
    """The mean over the first axis, one after the other: as a reduction it would take 7 times as long on CPU."""
    total, _ = jax.lax.scan(lambda total, channel: (total + channel, None), channels[0], channels[1:], unroll=4)
    return total / channels.shape[0]


class _Border(NamedTuple):
    """Border costs as costs of a block's label and weights of squared differences."""

    own: Array
    other: Array
    weight: Array


def _border(unlike, axis):
    """From D of two neighbours along an axis, at [label of the first][label of the second], 1 the own picture.

    What is linear in each of z and z', plus weight * (z - z')^2, is right at all four corners but for a constant.
    """
    (neither, second), (first, both) = unlike

    def at_blocks(of_first, of_second):
        ends = [[(0, 0)] * axis + [end] + [(0, 0)] * (2 - axis) for end in ((0, 1), (1, 0))]
        return (jnp.pad(of_first, ends[0]) + jnp.pad(of_second, ends[1])) / 2

    own = at_blocks(first + both, second + both)
    other = at_blocks(second + neither, first + neither)
    return _Border(own, other, (first + second - both - neither) / 2)
