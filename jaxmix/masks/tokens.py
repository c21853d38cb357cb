"""Tokens of a transformer's grid, as TokenMix chooses them: in blocks, or one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.numerics import barrier
from jaxmix.sharding import varying

__all__ = ["Tokens", "first_tokens", "random_tokens", "token_blocks", "tokens_needed", "with_blocks"]

# A block's height is up to this times its width, and the reverse.
_RATIO = 1 / 0.3
# Attempts to place a block: in a row without success, and in all, twice what was seen of 400 masks.
_FAILURES, _ATTEMPTS = 10, 64

Tokens = tuple[Float[Array, "d n m"], Float[Array, "d"]]


@arguments.annotated
def token_blocks(key: Array, share: Float[Array, "d"], rows: int, columns: int, *, least: int = 14) -> Tokens:
    """The mask of rectangles of tokens on a grid, one after another until there are `tokens_needed`, and its sum.

    A rectangle has an area of 1 to the number of tokens still needed, uniform, and a ratio of its sides of 0.3 to
    1/0.3, log-uniform; its place is uniform. It is taken if it is shorter than the grid both ways, adds a token, and
    adds no more than needed; after ten failures in a row the mask stays as it is. Of 14 x 14 tokens with a share of 0.5
    that gives the 112 needed in 98 % of the masks of the authors' code.

    Reference: Jihao Liu, Boxiao Liu, Hang Zhou, Hongsheng Li, Yu Liu. TokenMix: Rethinking Image Mixing for Data
    Augmentation in Vision Transformers. ECCV 2022. There share is 0.5 and one mask serves the whole batch.
    """
    uniform = jax.random.uniform(key, (share.shape[0], _ATTEMPTS, 4), jnp.float32)

    def attempt(uniform: Float[Array, "4"], needed: Int[Array, ""]) -> tuple[Array, Array, Array]:
        area = 1 + barrier(uniform[0] * (needed - 1).astype(jnp.float32))
        ratio = barrier((2 * uniform[1] - 1) * math.log(_RATIO))
        return area, ratio, uniform[2:]

    def corner(place: Float[Array, "2"], spare: Int[Array, "2"]) -> Int[Array, "2"]:
        return jnp.minimum(jnp.floor(place * (spare + 1).astype(jnp.float32)).astype(jnp.int32), spare)

    return _blocks(uniform, tokens_needed(share, rows * columns, least), rows, columns, attempt, corner)


@arguments.annotated
def with_blocks(attempts: Float[Array, "d a 4"], needed: Int[Array, "d"], rows: int, columns: int) -> Tokens:
    """The mask of given attempts to place a block, each an area, the logarithm of a ratio, a top row and a left column,
    and its sum: what is deterministic in `token_blocks`.

    >>> mask, count = with_blocks(jnp.array([[[2.0, 0.0, 1.0, 0.0]]]), jnp.array([3]), 3, 3)
    >>> mask.tolist(), count.tolist()
    ([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]], [1.0])
    """

    def attempt(given: Float[Array, "4"], needed: Int[Array, ""]) -> tuple[Array, Array, Array]:
        return given[0], given[1], given[2:]

    def corner(place: Float[Array, "2"], spare: Int[Array, "2"]) -> Int[Array, "2"]:
        return place.astype(jnp.int32)

    return _blocks(attempts, needed, rows, columns, attempt, corner)


@arguments.annotated
def random_tokens(key: Array, share: Float[Array, "d"], rows: int, columns: int, *, least: int = 14) -> Tokens:
    """The mask of `tokens_needed` random tokens of a grid, and its sum."""
    order = jnp.argsort(jax.random.uniform(key, (share.shape[0], rows * columns), jnp.float32)).astype(jnp.int32)
    return first_tokens(order, tokens_needed(share, rows * columns, least), rows, columns)


@arguments.annotated
def first_tokens(order: Int[Array, "d t"], count: Int[Array, "d"], rows: int, columns: int) -> Tokens:
    """The mask of the first tokens of a permutation, counted row by row, and its sum.

    >>> first_tokens(jnp.array([[3, 0, 1, 2]]), jnp.array([2]), 2, 2)[0].tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """
    place = jnp.argsort(order).astype(jnp.int32)  # of each token in the permutation
    mask = (place < count[:, None]).astype(jnp.float32)
    return mask.reshape(-1, rows, columns), jnp.minimum(count, order.shape[1]).astype(jnp.float32)


@arguments.annotated
def tokens_needed(share: Float[Array, "d"], tokens: int, least: int) -> Int[Array, "d"]:
    """min(tokens, floor(share * tokens) + least): of 196 tokens with a share of 0.5 and least 14, 112 or 57 %.

    >>> tokens_needed(jnp.array([0.5, 1.0]), 196, 14).tolist()
    [112, 196]
    """
    return jnp.minimum(jnp.floor(barrier(share * tokens)).astype(jnp.int32) + least, tokens)


def _blocks(
    attempts: Float[Array, "d a 4"],
    needed: Int[Array, "d"],
    rows: int,
    columns: int,
    attempt: Callable[[Array, Array], tuple[Array, Array, Array]],
    corner: Callable[[Array, Array], Array],
) -> Tokens:
    """Place blocks until there are tokens enough, ten attempts in a row fail, or there are no more attempts.

    attempt: (values [4], tokens still needed) -> area, logarithm of the ratio, place [2]
    corner: (place [2], how far [2] the block can be from the top and the left) -> its top row and left column
    """
    sides = jnp.array([rows, columns], jnp.int32)

    def one(values: Float[Array, "a 4"], needed: Int[Array, ""]) -> tuple[Array, Array]:
        def unfinished(state: tuple[Array, ...]) -> Array:
            _, count, failed, tried = state
            return (count < needed) & (failed < _FAILURES) & (tried < len(values))

        def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
            mask, count, failed, tried = state
            area, ratio, place = attempt(values[tried], needed - count)
            stretch = jnp.exp(jnp.stack([ratio, -ratio]))
            size = jnp.round(jnp.sqrt(area * stretch)).astype(jnp.int32)
            start = corner(place, jnp.maximum(sides - size, 0))
            within = [
                (jnp.arange(side, dtype=jnp.int32) >= start[axis])
                & (jnp.arange(side, dtype=jnp.int32) < start[axis] + size[axis])
                for axis, side in enumerate((rows, columns))
            ]
            merged = mask | (within[0][:, None] & within[1][None])
            added = merged.sum(dtype=jnp.int32) - count
            taken = (size < sides).all() & (added > 0) & (added <= needed - count)
            found = jnp.where(taken, merged, mask), jnp.where(taken, count + added, count)
            return *found, jnp.where(taken, 0, failed + 1), tried + 1

        zero = jnp.zeros((), jnp.int32)
        state = varying(values, (jnp.zeros((rows, columns), bool), zero, zero, zero))
        mask, count, _, _ = jax.lax.while_loop(unfinished, step, state)
        return mask.astype(jnp.float32), count.astype(jnp.float32)

    return jax.vmap(one)(attempts, needed)
