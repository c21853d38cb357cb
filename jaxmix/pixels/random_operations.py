"""Operations to draw from: what amount of each belongs to a level, and chains of them drawn for every picture."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from jaxmix import dtypes, sharding
from jaxmix.mix import Mix, identity
from jaxmix.pixels import packing
from jaxmix.pixels.affine import Interpolation
from jaxmix.pixels.operation_chains import PLAIN, Frame, Operation, run


def _level(level: Array, side: int) -> Array:
    return level


class RangedOperation(NamedTuple):
    """An operation, its amount at a level (and at a side of the picture), and whether it has a sign.

    The sign is that of the amount, to which `base` is added. The side is the height if `tall`, or else the width.
    """

    operation: Operation
    amount: Callable[[Array, int], Array] = _level
    signed: bool = False
    base: float = 0.0
    tall: bool = False


class Sampled(NamedTuple):
    """For each picture, chain and step which move (-1: none), its level, and whether its sign turns."""

    move: Int[Array, "b n d"]
    level: Float[Array, "b n d"]
    negative: Bool[Array, "b n d"]


def chained(
    levels: UInt8[Array, "b h w c"],
    drawn: Sampled,
    moves: Sequence[RangedOperation],
    frame: Frame = PLAIN,
) -> UInt8[Array, "b n h w c"]:
    """Pictures at the end of each chain."""
    steps, index, amounts = plan(drawn, moves, *levels.shape[1:3])
    return run(steps, levels, index, amounts, frame)


def plan(
    drawn: Sampled, moves: Sequence[RangedOperation], height: int, width: int
) -> tuple[tuple[Operation, ...], Int[Array, "b n d"], Float[Array, "b n d"]]:
    """The operations, which of them each step takes, and how much of it. The last one, for no move, does nothing."""
    amounts = jnp.zeros_like(drawn.level)
    for number, move in enumerate(moves):
        amount = move.amount(drawn.level, height if move.tall else width)
        turned = jnp.where(drawn.negative, -amount, amount) if move.signed else amount
        amounts = jnp.where(drawn.move == number, move.base + turned, amounts)
    index = jnp.where(drawn.move < 0, len(moves), drawn.move)
    return (*(move.operation for move in moves), Operation()), index, amounts


def changed(
    x: Array, drawn: Sampled, moves: Sequence[RangedOperation], interpolation: Interpolation
) -> tuple[Array, Mix]:
    """Pictures like x after the one chain drawn for each, and the mix of methods that keep the label."""
    return sharding.like(x, 1, functools.partial(made, moves, Frame(interpolation)), x, drawn), identity(len(x))


def made(moves: Sequence[RangedOperation], frame: Frame, x: Array, drawn: Sampled) -> Array:
    """Pictures like x after the one chain drawn for each. Where x is no number, it stays so."""
    images = dtypes.from_uint8(chained(dtypes.to_uint8(packing.packable(x)), drawn, moves, frame)[:, 0], x.dtype)
    # This also makes what the loop has put together on one device lie as x does.
    return jnp.where(x == x, images, x)
