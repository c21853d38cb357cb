"""Blending: what the slots of a mix make of an array [b h w ...], each moved, and weighted by its mask."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix.dtypes import narrow, widen
from jaxmix.sharding import sharded_like
from jaxmix.warps import Nearest, Warp

__all__ = ["blend", "copy_nearest", "copy_shown"]

Warps = tuple[Warp | None, ...]


@sharded_like("x", axes=None)
def blend(source: Int[Array, "b s"], mask: Float[Array, "b s h w"], warps: Warps, x: Array) -> Array:
    """Sum the slots of x [b h w ...], each moved and weighted by its share of the pixels."""
    parts = []
    for slot, warp in enumerate(warps):
        moved = widen(_moved(x, source, slot, warp))
        parts.append(_fit(mask[:, slot], x.shape).astype(moved.dtype) * moved)
    return narrow(sum(parts[1:], start=parts[0]), x.dtype)


@sharded_like("x", axes=None)
def copy_shown(source: Int[Array, "b s"], mask: Float[Array, "b s h w"], warps: Warps, x: Array) -> Array:
    """`blend` under masks of 0 and 1, which cover each pixel once where there are two slots or more.

    Levels of 8 bits are copied as they are, without a way through float32, and so is what a warp moves. Floats that
    stay in place are blended, which costs less than to choose.
    """
    if x.dtype != jnp.uint8 and not any(warp is not None for warp in warps):
        return blend(source, mask, warps, x)
    out = x if len(warps) > 1 else jnp.zeros_like(x)
    for slot, warp in enumerate(warps):
        if slot > 0 or len(warps) == 1:
            out = jnp.where(_fit(mask[:, slot], x.shape) > 0, _moved(x, source, slot, warp), out)
    return out


def _moved(x: Array, source: Int[Array, "b s"], slot: int, warp: Warp | None) -> Array:
    """What a slot holds: its samples of x, moved."""
    if isinstance(warp, Nearest) and slot > 0:  # one gather instead of two, which would cost more than the blend
        return warp.gather(x, source[:, slot])
    # Slot 0 is the sample itself: gathering it would cost as much as the whole blend.
    own = x if slot == 0 else x[source[:, slot]]
    return own if warp is None else warp(own)


@sharded_like("x", axes=None)
def copy_nearest(source: Int[Array, "b s"], mask: Float[Array, "b s h w"], warps: Warps, x: Array) -> Array:
    """Copy each pixel of x [b h w ...] from the slot with the largest share of it."""
    if x.ndim < 3:
        raise ValueError(f"x has shape {x.shape}; wanted maps of class ids, [b h w]")
    size, height, width = x.shape[:3]
    # Warps move the coordinates of pixels, counted from 1: what comes from nowhere is 0, and a place between two
    # pixels is rounded to the nearer one.
    grid = jnp.meshgrid(*(jnp.arange(1, side + 1, dtype=jnp.float32) for side in (height, width)), indexing="ij")
    places = jnp.broadcast_to(jnp.stack(grid, -1), (size, height, width, 2))
    largest = jnp.argmax(jnp.stack([_share_of(mask[:, slot], x) for slot in range(len(warps))]), 0)
    out = jnp.zeros_like(x)
    for slot, warp in enumerate(warps):
        row, column = jnp.moveaxis(jnp.round(places if warp is None else warp(places)).astype(jnp.int32), -1, 0)
        own = x if slot == 0 else x[source[:, slot]]
        copied = jax.vmap(lambda image, row, column: image[row - 1, column - 1])(own, row, column)
        shown = ((largest == slot) & (row > 0) & (column > 0)).reshape(size, height, width, *[1] * (x.ndim - 3))
        out = jnp.where(shown, copied, out)
    return out


def _share_of(mask: Float[Array, "b n m"], x: Array) -> Float[Array, "b h w"]:
    """A slot's share of each pixel of x [b h w ...]."""
    return jnp.broadcast_to(_fit(mask, x.shape[:3]), x.shape[:3])


def _fit(mask: Float[Array, "b h w"], shape: tuple[int, ...]) -> Array:
    """Resize the mask to an array [b h w ...], with axes of length 1 for the others."""
    size, height, width = mask.shape
    if (height, width) == (1, 1):
        return mask.reshape(size, *[1] * (len(shape) - 1))
    if len(shape) < 3:
        raise ValueError(f"the mix has a mask of {height} x {width}, but x has shape {shape}; wanted [b h w ...]")
    for axis, (have, want) in enumerate(zip((height, width), shape[1:3], strict=True), start=1):
        if want % have == 0:
            mask = jnp.repeat(mask, want // have, axis)
        elif have % want == 0:
            mask = mask.reshape(*mask.shape[:axis], want, have // want, *mask.shape[axis + 1 :]).mean(axis + 1)
        else:
            raise ValueError(
                f"the mix has a mask of {height} x {width}, which doesn't fit x of shape {shape}; wanted sides that "
                "are multiples of the mask's or divide them: resize x first"
            )
    return mask.reshape(*mask.shape, *[1] * (len(shape) - 3))
