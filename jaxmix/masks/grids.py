"""Cells of a grid, and lattices of holes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxmix.arguments import annotated
from jaxmix.masks.boxes import Profiles

__all__ = ["cells", "holes"]


@annotated
def cells(chosen: Bool[Array, "d n m"], height: int, width: int) -> tuple[Float[Array, "d h w"], Float[Array, "d"]]:
    """The mask of the chosen cells of a coarse grid, and its sum over the pixels.

    Cells differ by one pixel where the grid doesn't divide the sides.
    """
    rows, columns = (np.arange(side) * n // side for n, side in zip(chosen.shape[1:], (height, width), strict=True))
    sizes = np.bincount(rows)[:, None] * np.bincount(columns)
    covered = jnp.where(chosen, sizes.astype(np.int32)[None], 0).sum((1, 2), dtype=jnp.int32).astype(jnp.float32)
    mask = jnp.zeros((chosen.shape[0], height, width), bool)
    # The cells of a row are the bits of a word (or of several, 32 each), and a pixel reads its own.
    for first in range(0, chosen.shape[2], 32):
        part = chosen[:, :, first : first + 32].astype(jnp.uint32)
        place = np.arange(part.shape[2], dtype=np.uint32)
        word = (part << place[None, None]).sum(2, dtype=jnp.uint32)[:, rows]
        here = (columns >= first) & (columns < first + 32)
        bit = np.where(here, columns - first, 0).astype(np.uint32)
        mask |= here[None, None] & ((word[:, :, None] >> bit[None, None]) & np.uint32(1) == 1)
    return mask.astype(jnp.float32), covered


@annotated
def holes(share: Float[Array, "d"], number: int, height: int, width: int) -> Profiles:
    """A lattice of square holes, `number` along the width: side int(period * sqrt(share)), from 1 to period - 1."""
    period = -(-width // number)
    side = jnp.clip(jnp.floor(period * jnp.sqrt(share)).astype(jnp.int32), 1, period - 1)[:, None]

    def profile(length: int) -> Float[Array, "d side"]:
        return (jnp.arange(length, dtype=jnp.int32)[None, :] % period < side).astype(jnp.float32)

    return profile(height), profile(width)
