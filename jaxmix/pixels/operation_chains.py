"""Several operations one after another, other ones for every picture of a batch.

There are two forms with the same results. On CPU a loop over the pictures computes just the operation drawn; elsewhere
all pictures go through one tone curve and one warp at a time, which every operation but the filters is made of.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from jaxmix import sharding
from jaxmix.pixels import affine, lookup_tables, packing
from jaxmix.pixels.affine import AffineWarp, Interpolation
from jaxmix.pixels.filters import Filter
from jaxmix.pixels.lookup_tables import Tone

Pictures = UInt8[Array, "b h w c"]


class Operation(NamedTuple):
    """What a step does: a tone curve, a warp or a filter; or nothing."""

    tone: Tone | None = None
    warp: AffineWarp | None = None
    filter: Filter | None = None


# The packed pixel outside of the picture.
BLACK = 0


class Frame(NamedTuple):
    """How warps read a picture, and the packed pixel outside of it."""

    interpolation: Interpolation = affine.bilinear
    fill: int = BLACK


# Between pixels, and black outside.
PLAIN = Frame()


def run(
    operations: Sequence[Operation],
    pictures: Pictures,
    index: Int[Array, "b n d"],
    amount: Float[Array, "b n d"],
    frame: Frame = PLAIN,
) -> UInt8[Array, "b n h w c"]:
    """Each picture after each of its n chains of d operations, `operations[index]` with their amounts."""
    return _run(tuple(operations), frame, pictures, index, amount)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run(operations, frame, pictures, index, amount):
    loop, batched = (functools.partial(form, operations, frame) for form in (one_by_one, together))
    return jax.lax.platform_dependent(pictures, index, amount, cpu=loop, default=batched)


def single(operation: Operation, frame: Frame, channels: int, picture: packing.Packed, amount: Array) -> packing.Packed:
    """One picture after one operation."""
    if operation.tone is not None:
        return lookup_tables.changed(picture, operation.tone(picture, channels, amount))
    if operation.warp is not None:
        interpolation = affine.nearest if operation.warp.whole else frame.interpolation
        matrix = operation.warp.matrix(amount, *picture.shape)
        return interpolation(picture, channels, matrix, frame.fill, operation.warp.axes)
    return picture if operation.filter is None else operation.filter(picture, channels, amount)


def one_by_one(operations, frame, pictures, index, amount):
    """A loop over pictures, chains and operations, with a branch for each operation."""
    size, number, depth = index.shape
    channels = pictures.shape[-1]
    branches = [functools.partial(single, operation, frame, channels) for operation in operations]

    def step(picture, chosen):
        return sharding.varying(pictures, jax.lax.switch(chosen[0], branches, picture, chosen[1])), None

    def chain(item):
        place, *steps = item
        picture = packing.pack(jax.lax.dynamic_index_in_dim(pictures, place, keepdims=False))
        return packing.unpack(jax.lax.scan(step, picture, tuple(steps))[0], channels)

    places = jnp.repeat(jnp.arange(size, dtype=jnp.int32), number)
    made = jax.lax.map(chain, (places, index.reshape(-1, depth), amount.reshape(-1, depth)))
    return made.reshape(size, number, *made.shape[1:])


def together(operations, frame, pictures, index, amount):
    """All pictures and chains at once, step by step: of each kind of operation one pass for all of them."""
    channels = pictures.shape[-1]

    def chain(picture, index, amount):
        for step in range(index.shape[0]):
            picture = _any(operations, frame, channels, picture, index[step], amount[step])
        return packing.unpack(picture, channels)

    return jax.vmap(jax.vmap(chain, (None, 0, 0)))(packing.pack(pictures), index, amount)


def _any(operations, frame, channels, picture, index, amount):
    height, width = picture.shape
    changed = picture
    for number, operation in enumerate(operations):
        if operation.filter is not None:
            changed = jnp.where(index == number, operation.filter(picture, channels, amount), changed)
    if any(operation.tone for operation in operations):
        tones = [operation.tone or lookup_tables.identity for operation in operations]
        changed = lookup_tables.changed(
            changed, jnp.stack([curves(picture, channels, amount) for curves in tones])[index]
        )
    if any(operation.warp for operation in operations):
        warps = [operation.warp.matrix if operation.warp else affine.still for operation in operations]
        matrix = jnp.stack([warp(amount, height, width) for warp in warps])[index]
        changed = frame.interpolation(changed, channels, matrix, frame.fill)
    return changed
