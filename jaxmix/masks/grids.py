"""Cells of a grid, and lattices of holes."""

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

    def membership(number: int, side: int) -> np.ndarray:
        return (np.arange(side) * number // side == np.arange(number)[:, None]).astype(np.float32)

    rows, columns = membership(chosen.shape[1], height), membership(chosen.shape[2], width)
    grid = chosen.astype(jnp.float32)
    mask = jnp.einsum("nh,dnm,mw->dhw", rows, grid, columns)
    return mask, jnp.einsum("n,dnm,m->d", rows.sum(1), grid, columns.sum(1), precision="highest")


@annotated
def holes(share: Float[Array, "d"], number: int, height: int, width: int) -> Profiles:
    """A lattice of square holes, `number` along the width: side int(period * sqrt(share)), from 1 to period - 1."""
    period = -(-width // number)
    side = jnp.clip(jnp.floor(period * jnp.sqrt(share)).astype(jnp.int32), 1, period - 1)[:, None]

    def profile(length: int) -> Float[Array, "d side"]:
        return (jnp.arange(length, dtype=jnp.int32)[None, :] % period < side).astype(jnp.float32)

    return profile(height), profile(width)
