"""Transport of blocks by deferred acceptance: salient blocks move to places that stay visible (PuzzleMix)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments, sharding

__all__ = ["refine", "transport"]


@arguments.annotated
def transport(
    saliency: Float[Array, "b n m"], visible: Bool[Array, "b n m"], *, distance_weight: ArrayLike = 0.8
) -> Int[Array, "b n*m"]:
    """Move salient blocks that are hidden to near places that are visible.

        cost[i, j] = distance_weight * squared distance of i and j / (longest side - 1)^2 - saliency[i] * visible[j]

    for showing block i at place j, distances counted in blocks. In max(n, m) rounds every block requests its
    cheapest place, the first of equals; a place keeps the cheapest of the blocks that request it, the first of equals;
    and a block that is refused pays 1 more for that place from then on.

    Args:
        saliency: [b n m], of each block; sum 1.
        visible: [b n m], the visible places.
        distance_weight: 0 or more; may be traced.

    Returns:
        The block that each place shows, both counted row by row; -1 at hidden places. Every visible place shows a
        block, no block is shown twice, and a block that moves has a cost below 0.

    Raises:
        ValueError: distance_weight below 0.

    Reference: Kim, Choo, Song, Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup, ICML 2020.

    >>> saliency, visible = jnp.array([[[0.1, 0.6], [0.2, 0.1]]]), jnp.array([[[True, False], [False, False]]])
    >>> [transport(saliency, visible, distance_weight=weight)[0].tolist() for weight in (0.8, 0.2)]
    [[0, -1, -1, -1], [1, -1, -1, -1]]
    """
    longest = max(saliency.shape[1:])
    weight = arguments.number("distance_weight", distance_weight) / max(longest - 1, 1) ** 2
    shown = _deferred_acceptance(jnp.nan_to_num(saliency), visible, weight)
    return jnp.where(visible.reshape(shown.shape), shown, -1)


def _deferred_acceptance(
    saliency: Float[Array, "b n m"], visible: Bool[Array, "b n m"], weight: Float[Array, ""]
) -> Int[Array, "b n*m"]:
    """The block that each place accepts."""
    size, rows, columns = saliency.shape
    blocks, longest = rows * columns, max(rows, columns)
    by_row = jnp.moveaxis(visible, 0, 2)
    saliency, visible = saliency.reshape(size, blocks), visible.reshape(size, blocks)
    # The saliency term is the same at every visible place, so a block prefers these by distance alone; and first of all
    # its own, so that a visible place is never without a block. A block never requests a place whose cost is above 0:
    # it could not win a visible one, and what hidden places show doesn't matter.
    nearest, rank = _preferences(rows, columns)
    block, sample = jnp.arange(blocks, dtype=jnp.int32)[None], jnp.arange(size, dtype=jnp.int32)[:, None]

    def next_visible(requested: Int[Array, "b k"]) -> Int[Array, "b k"]:
        """The rank of the next visible place in every block's order of preference after the one that it requested."""

        def nearer(best: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
            visible, rank = row
            after = visible[:, :, None] & (rank[:, None] > requested[None])
            return jnp.minimum(best, jnp.where(after, rank[:, None], blocks).min(0)), None

        return jax.lax.scan(nearer, jnp.full_like(requested, blocks), (by_row, rank))[0]

    def request(state: tuple[Array, ...]) -> tuple[Array, ...]:
        turn, requested, refused, _ = state
        requested = jnp.where(refused, next_visible(requested), requested)
        place = nearest[block, jnp.minimum(requested, blocks - 1)].astype(jnp.int32)
        squares = jnp.square(block // columns - place // columns) + jnp.square(block % columns - place % columns)
        cost = weight * squares.astype(jnp.float32) - saliency
        active = (requested == 0) | ((requested < blocks) & (cost < 0))
        offer = jnp.where(active, cost, jnp.inf)
        cheapest = jnp.full((size, blocks), jnp.inf, jnp.float32).at[sample, place].min(offer)
        best = active & (cost == cheapest[sample, place])
        shown = jnp.full((size, blocks), blocks, jnp.int32).at[sample, place].min(jnp.where(best, block, blocks))
        return turn + 1, requested, active & (shown[sample, place] != block), shown

    def unsettled(state: tuple[Array, ...]) -> Array:
        turn, _, refused, _ = state
        return (turn < longest) & refused.any()

    # Before the first round visible blocks have requested their own places; hidden blocks would get none by that.
    start = jnp.int32(0), jnp.zeros((size, blocks), rank.dtype), ~visible, jnp.where(visible, block, blocks)
    return jax.lax.while_loop(unsettled, request, sharding.varying(saliency, start))[3]


def _preferences(rows: int, columns: int) -> tuple[Array, Array]:
    """Each block's places from near to far, [block, rank], and the rank of each place in that, [row, column, block]."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    squares = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    nearest = np.argsort(squares, 1, kind="stable")
    rank = np.argsort(nearest, 1).T.reshape(rows, columns, -1)
    # Half the width is twice the speed.
    dtype = jnp.int16 if rows * columns < 2**15 else jnp.int32
    return jnp.asarray(nearest, dtype), jnp.asarray(rank, dtype)


def refine(source: Int[Array, "b n m"], rows: int, columns: int) -> Int[Array, "b rows columns"]:
    """Refine moves to a finer grid of rows x columns blocks, multiples of n and m."""
    _, n, m = source.shape
    down, right = rows // n, columns // m
    coarse = jnp.repeat(jnp.repeat(source, down, 1), right, 2)
    y = coarse // m * down + (jnp.arange(rows, dtype=jnp.int32) % down)[None, :, None]
    x = coarse % m * right + (jnp.arange(columns, dtype=jnp.int32) % right)[None, None, :]
    return jnp.where(coarse < 0, -1, y * columns + x)
