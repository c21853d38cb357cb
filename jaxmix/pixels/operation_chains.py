"""Chains of operations, chosen per image of a batch.

There are two implementations with the same results. On CPU a loop over the images computes only the chosen operation;
elsewhere all images go through one lookup table and one warp per step, of which all operations but filters consist.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from jaxmix import platforms, sharding
from jaxmix.pixels import affine, lookup_tables, packing
from jaxmix.pixels.affine import AffineWarp, Interpolation
from jaxmix.pixels.filters import Filter
from jaxmix.pixels.lookup_tables import ToneCurve
from jaxmix.pixels.packing import Packed

__all__ = [
    "BILINEAR",
    "BLACK",
    "Operation",
    "Resampling",
    "apply_chains",
    "apply_operation",
    "loop_over_images",
    "vectorized",
]

Images = UInt8[Array, "b h w c"]
Index = Int[Array, "b n d"]
Amount = Float[Array, "b n d"]
Chains = UInt8[Array, "b n h w c"]


class Operation(NamedTuple):
    """A tone curve, a warp or a filter; or nothing."""

    tone: ToneCurve | None = None
    warp: AffineWarp | None = None
    filter: Filter | None = None


# The packed pixel outside of the image.
BLACK = 0


class Resampling(NamedTuple):
    """The interpolation of warps, and the packed pixel outside of the image."""

    interpolation: Interpolation = affine.bilinear
    fill: int = BLACK


BILINEAR = Resampling()


def apply_chains(
    operations: Sequence[Operation], images: Images, index: Index, amount: Amount, resampling: Resampling = BILINEAR
) -> Chains:
    """Apply n chains of d operations to each image: `operations[index]` with their amounts."""
    return _apply_chains(tuple(operations), resampling, images, index, amount)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _apply_chains(
    operations: tuple[Operation, ...], resampling: Resampling, images: Images, index: Index, amount: Amount
) -> Chains:
    loop, batched = (functools.partial(form, operations, resampling) for form in (loop_over_images, vectorized))
    return platforms.form(images, index, amount, cpu=loop, accelerator=batched)


def apply_operation(
    operation: Operation, resampling: Resampling, channels: int, image: Packed, amount: Array
) -> Packed:
    """Apply one operation to one image."""
    if operation.tone is not None:
        return lookup_tables.apply(image, operation.tone(image, channels, amount))
    if operation.warp is not None:
        interpolation = affine.nearest if operation.warp.whole else resampling.interpolation
        matrix = operation.warp.matrix(amount, *image.shape)
        return interpolation(image, channels, matrix, resampling.fill, operation.warp.axes)
    return image if operation.filter is None else operation.filter(image, channels, amount)


def loop_over_images(
    operations: Sequence[Operation], resampling: Resampling, images: Images, index: Index, amount: Amount
) -> Chains:
    """Apply the chains in a loop over images, chains and operations, with a branch for each operation."""
    size, number, depth = index.shape
    channels = images.shape[-1]
    branches = [functools.partial(apply_operation, operation, resampling, channels) for operation in operations]

    def step(image: Packed, chosen: tuple[Array, ...]) -> tuple[Packed, None]:
        return sharding.varying(images, jax.lax.switch(chosen[0], branches, image, chosen[1])), None

    def chain(item: tuple[Array, Array, Array]) -> UInt8[Array, "h w c"]:
        place, *steps = item
        image = packing.pack(jax.lax.dynamic_index_in_dim(images, place, keepdims=False))
        return packing.unpack(jax.lax.scan(step, image, tuple(steps))[0], channels)

    places = jnp.repeat(jnp.arange(size, dtype=jnp.int32), number)
    out = jax.lax.map(chain, (places, index.reshape(-1, depth), amount.reshape(-1, depth)))
    return out.reshape(size, number, *out.shape[1:])


def vectorized(
    operations: Sequence[Operation], resampling: Resampling, images: Images, index: Index, amount: Amount
) -> Chains:
    """Apply the chains to all images at once, step by step: one pass over all of them for each type of operation."""
    channels = images.shape[-1]

    def chain(image: Packed, index: Int[Array, "d"], amount: Float[Array, "d"]) -> UInt8[Array, "h w c"]:
        for step in range(index.shape[0]):
            image = _apply_selected(operations, resampling, channels, image, index[step], amount[step])
        return packing.unpack(image, channels)

    return jax.vmap(jax.vmap(chain, (None, 0, 0)))(packing.pack(images), index, amount)


def _apply_selected(
    operations: Sequence[Operation], resampling: Resampling, channels: int, image: Packed, index: Array, amount: Array
) -> Packed:
    """Apply `operations[index]`, without a branch."""
    height, width = image.shape
    out, curves, matrix = image, lookup_tables.identity(image, channels, amount), affine.identity(amount, height, width)
    for number, operation in enumerate(operations):
        chosen = index == number
        if operation.filter is not None:
            out = jnp.where(chosen, operation.filter(image, channels, amount), out)
        if operation.tone is not None:
            curves = jnp.where(chosen, operation.tone(image, channels, amount), curves)
        if operation.warp is not None:
            matrix = jnp.where(chosen, operation.warp.matrix(amount, height, width), matrix)
    if any(operation.tone for operation in operations):
        out = lookup_tables.apply(out, curves)
    if any(operation.warp for operation in operations):
        out = resampling.interpolation(out, channels, matrix, resampling.fill)
    return out
