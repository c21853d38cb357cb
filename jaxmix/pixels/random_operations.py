"""Operations sampled at random: the amount of each at a level, and chains of them for every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from jaxmix import arguments, dtypes
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from jaxmix.pixels import packing
from jaxmix.pixels.affine import Interpolation
from jaxmix.pixels.operation_chains import BILINEAR, Operation, Resampling, apply_chains
from jaxmix.sharding import sharded_like

__all__ = [
    "RangedOperation",
    "Sampled",
    "apply_sampled",
    "apply_sampled_chains",
    "augment",
    "indices_and_amounts",
]


def _level(level: Array, side: int) -> Array:
    return level


class RangedOperation(NamedTuple):
    """An operation, its amount as a function of a level and a side of the image, and whether the amount has a sign.

    The sign is that of the amount, to which `base` is added. The side is the height if `tall`, or else the width.
    """

    operation: Operation
    amount: Callable[[Array, int], Array] = _level
    signed: bool = False
    base: float = 0.0
    tall: bool = False


class Sampled(NamedTuple):
    """For each image, chain and step: the index of the operation (-1: none), its level, and whether the sign flips."""

    operation: Int[Array, "b n d"]
    level: Float[Array, "b n d"]
    negative: Bool[Array, "b n d"]


def apply_sampled_chains(
    levels: UInt8[Array, "b h w c"],
    sampled: Sampled,
    operations: Sequence[RangedOperation],
    resampling: Resampling = BILINEAR,
) -> UInt8[Array, "b n h w c"]:
    """Apply the sampled chains to each image."""
    steps, index, amounts = indices_and_amounts(sampled, operations, *levels.shape[1:3])
    return apply_chains(steps, levels, index, amounts, resampling)


def indices_and_amounts(
    sampled: Sampled, operations: Sequence[RangedOperation], height: int, width: int
) -> tuple[tuple[Operation, ...], Int[Array, "b n d"], Float[Array, "b n d"]]:
    """The operations and, last, one that changes nothing; the index of each step's operation, and its amount."""
    amounts = jnp.zeros_like(sampled.level)
    for number, ranged in enumerate(operations):
        amount = ranged.amount(sampled.level, height if ranged.tall else width)
        signed = jnp.where(sampled.negative, -amount, amount) if ranged.signed else amount
        amounts = jnp.where(sampled.operation == number, ranged.base + signed, amounts)
    index = jnp.where(sampled.operation < 0, len(operations), sampled.operation)
    return (*(ranged.operation for ranged in operations), Operation()), index, amounts


def augment(
    x: Array, sampled: Sampled, operations: Sequence[RangedOperation], interpolation: Interpolation
) -> tuple[Array, Mix]:
    """Apply the one chain sampled for each image; with the mix of methods that keep the label."""
    return apply_sampled(x, sampled, operations, Resampling(interpolation)), identity(len(x))


@sharded_like("x", axes=1)
def apply_sampled(
    x: Array, sampled: Sampled, operations: Sequence[RangedOperation], resampling: Resampling = BILINEAR
) -> Array:
    """Apply the one chain sampled for each image."""
    levels = dtypes.to_uint8(packing.packable(x))
    images = dtypes.from_uint8(apply_sampled_chains(levels, sampled, operations, resampling)[:, 0], x.dtype)
    # This also shards the results of the loop, which lie on one device, as x is sharded.
    return arguments.nan_outside(x, images)
