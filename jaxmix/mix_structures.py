"""The structure of a mix: one that leaves every sample as it is, and one structure for the mixes of several methods."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxmix.mix import Mix
from jaxmix.warps import Chain, Warp

__all__ = ["Structure", "common_structure", "conform", "identity"]


def identity(size: int, like: Mix | None = None) -> Mix:
    """Make the mix that leaves every sample as it is: of one slot, or of the slots, mask and warps of another mix.

    Args:
        size: number of samples b.
        like: a mix of b samples, as arrays or as their shapes (`jax.eval_shape`), whose structure is wanted.

    >>> identity(2).weight.tolist()
    [[1.0], [1.0]]
    """
    shape, warps = ((size, 1, 1, 1), (None,)) if like is None else (like.mask.shape, like.warps)
    weight = jax.nn.one_hot(jnp.zeros(size, jnp.int32), shape[1], dtype=jnp.float32)
    source = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32)[:, None], weight.shape)
    mask = jnp.broadcast_to(weight[:, :, None, None], shape)
    return Mix(source, weight, mask, tuple(None if warp is None else warp.still() for warp in warps))


# Mixes of several methods differ in structure: slots, resolution of the mask, kinds of warps. To leave one switch, or
# to be concatenated, they get a common one: height and width of the masks, and for each slot a warp of every kind that
# any mix has there, as shapes.
Structure = tuple[int, int, list[list[Warp]]]


def common_structure(mixes: Sequence[Mix]) -> Structure:
    """The structure that holds each of the mixes, which may be given by their shapes."""
    height, width = (max(mix.mask.shape[axis] for mix in mixes) for axis in (2, 3))
    slots = max(mix.weight.shape[1] for mix in mixes)
    kinds: list[list[Warp]] = [[] for _ in range(slots)]
    for mix in mixes:
        for slot, warp in enumerate(mix.warps):
            if warp is not None and _kind(warp) not in map(_kind, kinds[slot]):
                kinds[slot].append(warp)
    return height, width, kinds


def _kind(warp: Warp) -> Any:
    return jax.tree.structure(warp), [leaf.shape[1:] for leaf in jax.tree.leaves(warp)]


def conform(mix: Mix, structure: Structure) -> Mix:
    """The same mix in that structure: with empty slots, a finer mask, and warps that move nothing."""
    height, width, kinds = structure
    size, slots, mask_height, mask_width = mix.mask.shape
    if height % mask_height or width % mask_width:
        raise ValueError(
            f"one method's masks are {mask_height} x {mask_width} and another's {height} x {width}, which is no "
            "multiple of it: choose grids that divide the images"
        )
    empty = len(kinds) - slots
    source = jnp.concatenate([mix.source, jnp.repeat(mix.source[:, :1], empty, 1)], 1)
    weight = jnp.pad(mix.weight, ((0, 0), (0, empty)))
    mask = jnp.repeat(jnp.repeat(mix.mask, height // mask_height, 2), width // mask_width, 3)
    mask = jnp.pad(mask, ((0, 0), (0, empty), (0, 0), (0, 0)))
    warps = (*mix.warps, *[None] * empty)
    chains = tuple(_chain(warp, slot, size) for warp, slot in zip(warps, kinds, strict=True))
    return Mix(source, weight, mask, chains)


def _chain(warp: Warp | None, kinds: list[Warp], size: int) -> Warp | None:
    """The slot's warp in its place among the kinds, the others moving nothing."""
    if not kinds:
        return None
    parts = []
    for kind in kinds:
        if warp is not None and _kind(kind) == _kind(warp):
            parts.append(warp)
        else:
            shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), kind)
            parts.append(shapes.still())
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))
