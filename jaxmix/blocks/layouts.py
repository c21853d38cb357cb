"""Grids of blocks for labels and for transport (PuzzleMix), and their finest common refinement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import arguments

__all__ = ["Layout", "finest", "layouts", "refine", "transport_grid"]


class Layout(NamedTuple):
    """Static structure of the problem.

    blocks: blocks along each side that get labels
    grid: blocks down and across that are transported; None if none are
    neighbors: side in pixels of the cells whose mean colors are compared across borders
    levels: number of labels from 0 to 1
    """

    blocks: int
    grid: tuple[int, int] | None
    neighbors: int
    levels: int


def layouts(
    blocks: int | Sequence[int], transport: bool, transport_side: int | None, neighbors: int, levels: int, x: Array
) -> tuple[Layout, ...]:
    """Validate the layout for each number of blocks of images x."""
    counts = tuple(blocks) if isinstance(blocks, Sequence) else (blocks,)
    if not counts:
        raise ValueError("blocks is empty; wanted one number of blocks along each side, or several: pass blocks=4")
    neighbors, levels = arguments.count("neighbors", neighbors), arguments.count("levels", levels, low=2)
    sides = x.shape[1:3]
    grids = [transport_grid(arguments.blocks(n, x), transport_side, sides) if transport else None for n in counts]
    return tuple(Layout(n, grid, neighbors, levels) for n, grid in zip(counts, grids, strict=True))


def transport_grid(blocks: int, side: int | None, sides: Sequence[int]) -> tuple[int, int]:
    """Cut the blocks of labels to the given side in pixels, where they are larger."""
    lengths = [length // blocks for length in sides]
    if side is None:
        return blocks, blocks
    for length in lengths:
        if length > arguments.count("transport_side", side) and length % side:
            raise ValueError(
                f"transport_side is {side}, but one of {blocks} blocks is {length} pixels long; wanted a number that "
                f"divides it: pass transport_side={math.gcd(side, length)}, or None to move whole blocks"
            )
    rows, columns = (blocks * (length // side if length > side else 1) for length in lengths)
    return rows, columns


def finest(options: Sequence[Layout]) -> tuple[int, tuple[int, int]]:
    """The blocks and the grid that refine those of all layouts: their least common multiples."""
    grids = [layout.grid for layout in options if layout.grid]
    rows, columns = (math.lcm(*(grid[axis] for grid in grids)) for axis in (0, 1))
    return math.lcm(*(layout.blocks for layout in options)), (rows, columns)


def refine(z: Float[Array, "b n m"], rows: int, columns: int) -> Float[Array, "b rows columns"]:
    """Repeat labels on a finer grid, whose sides are multiples of n and m."""
    return jnp.repeat(jnp.repeat(z, rows // z.shape[1], 1), columns // z.shape[2], 2)
