"""Costs of block labels: hidden saliency, visible borders and improbable labels.

The data, smoothness and prior terms of PuzzleMix (Kim et al., ICML 2020). A label is the share of the own image, the
rest is the other's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

__all__ = ["Costs", "cells", "costs", "pool", "prior"]


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
    """Sum each map over rows x columns equal blocks. A pixel that lies in several counts by area.

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
    """Mean colors of p x q equal cells in each of rows x columns blocks, of `side` pixels or the next divisor below.

    Channels come first, which makes `costs` ten times as fast on CPU.

    >>> cells(jnp.array([[[[1.0], [2.0], [6.0], [0.0]]]]), 1, 1, 2).tolist()
    [[[[1.5, 3.0]]]]
    """
    for axis, count in ((1, rows), (2, columns)):
        length = _divisor(x.shape[axis] // count, side)
        strided = [jax.lax.slice_in_dim(x, i, None, length, axis) for i in range(length)]
        x = sum(strided[1:], start=strided[0]) / length
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
    """The costs of labels, from saliency and colors of the own image and the other.

    A block that shows one image loses the other's saliency. Two neighboring blocks a and b cost

        smoothness (z_a - z_b)^2 + smoothness * data_weight * D(z_a, z_b)

    where D is the difference of the cells on either side of their border, the mean over the border and the channels.
    For labels 0 and 1 this is, but for a constant, a cost of each block and one of its differences from its neighbors.

    Args:
        saliency: of the own image and the other, [b n m], each of sum 1.
        colors: `cells` of the own image and the other, in units in which D is from 0 to 1: values above count as 1.
        prior: cost of each label, see `prior`.
        smoothness: 0 or more.
        data_weight: from 0 to 1, so that different labels of neighbors never lower the energy.
    """
    own, other = saliency
    cells = jnp.stack(colors[::-1], 1)
    down, right = (_border(_differences(cells, (own.shape[1], own.shape[2]), axis), axis) for axis in (1, 2))
    smoothness = jnp.asarray(smoothness, jnp.float32)
    scale = smoothness * jnp.asarray(data_weight, jnp.float32)
    return Costs(
        other + scale * (down.own + right.own),
        own + scale * (down.other + right.other),
        prior,
        smoothness + scale * down.weight,
        smoothness + scale * right.weight,
    )


def _differences(cells: Float[Array, "c 2 b y x"], grid: tuple[int, int], axis: int) -> Float[Array, "2 2 b r s"]:
    """D of each block in one of two images and the next block along an axis in one of them.

    It is at most 1, also where it is NaN. The grid is n x m blocks.
    """
    along, across = axis + 2, 5 - axis
    count, length = (cells.shape[a] // grid[a - 3] for a in (along, across))
    last = jax.lax.slice_in_dim(cells, count - 1, -1, count, along)[:, :, None]
    following = jax.lax.slice_in_dim(cells, count, None, count, along)[:, None]
    difference = _mean(jnp.abs(last - following))
    border = (*difference.shape[:across], grid[across - 3], length, *difference.shape[across + 1 :])
    difference = difference.reshape(border).mean(across + 1)
    return jnp.where(difference < 1, difference, 1.0)


def _mean(channels: Float[Array, "c *x"]) -> Float[Array, "*x"]:
    """The mean over the first axis, one after the other: as a reduction it would take 7 times as long on CPU."""
    total, _ = jax.lax.scan(lambda total, channel: (total + channel, None), channels[0], channels[1:], unroll=4)
    return total / channels.shape[0]


class _Border(NamedTuple):
    """Border costs as costs of a block's label and weights of squared differences."""

    own: Float[Array, "b n m"]
    other: Float[Array, "b n m"]
    weight: Float[Array, "b r s"]


def _border(differences: Float[Array, "2 2 b r s"], axis: int) -> _Border:
    """Costs from D of two neighbors along an axis, at [label of the first, label of the second], 1 the own image.

    A function linear in each of z and z', plus weight * (z - z')^2, equals D at all four corners but for a constant.
    """
    (neither, second), (first, both) = differences

    def at_blocks(of_first: Float[Array, "b r s"], of_second: Float[Array, "b r s"]) -> Float[Array, "b n m"]:
        ends = [[(0, 0)] * axis + [end] + [(0, 0)] * (2 - axis) for end in ((0, 1), (1, 0))]
        return (jnp.pad(of_first, ends[0]) + jnp.pad(of_second, ends[1])) / 2

    own = at_blocks(first + both, second + both)
    other = at_blocks(second + neither, first + neither)
    return _Border(own, other, (first + second - both - neither) / 2)
