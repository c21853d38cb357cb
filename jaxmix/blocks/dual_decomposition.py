"""Minimal energy of labels on a grid, by decomposition into rows and columns.

Divide the cost of every block between its row and its column in any way: the sum of all rows' minima and all columns'
minima, each found exactly by min-sum along the chain, is a lower bound of the energy, the dual bound. Rows and columns
in turn pass on a part of their min-marginals, which raises the bound. As the edges are convex in the difference of two
labels, the highest bound is the minimum itself. Labels are decoded from the division, and those whose energy equals the
bound are known to be optimal.

Reference: Alexander Shekhovtsov, Christian Reinbacher, Gottfried Graber, Thomas Pock. Solving Dense Image Matching in
Real-Time using Discrete-Continuous Optimization. CVWW 2016.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import sharding
from jaxmix.blocks import min_sum

__all__ = ["minimize"]

# Fractions of its min-marginals that a block gives away on the forward sweep, and of the rest on the backward sweep:
# above these the first blocks get everything; below it takes more iterations.
_FRACTIONS = 0.25, 0.5
# Iterations from one decoding of labels to the next: even, as the grid is reversed in every other one.
_PERIOD = 4
# A gap this small, relative to the sum of all costs, is rounding.
_ROUNDING = 1e-6


def minimize(
    costs: min_sum.Costs, down: Float[Array, "_ m b"], right: Float[Array, "_ n b"], iterations: ArrayLike
) -> tuple[Float[Array, "n m b"], Float[Array, "b"]]:
    """Labels 0, 1 / (l - 1), .., 1 of minimal energy, and a bound on how far the energy is above the minimum.

        E(z) = sum of costs of z + sum of down (difference of z to the block below)^2 + the same to the right

    Args:
        costs: of each block with labels 1 / (l - 1), .., 1, less that with label 0: l - 1 arrays [n m b], finite.
        down: weights between the blocks of a column, 0 or more, with a row of zeros at each end.
        right: weights between the blocks of a row, with rows and columns exchanged.
        iterations: the largest number of iterations, rounded up to a multiple of 4; may be traced.

    Returns:
        Labels [n m b], gaps [b]. The result of one sample doesn't depend on the others.
    """
    rounding = _ROUNDING * jnp.abs(jnp.stack(costs)).sum((0, 1, 2))

    def iterate(_: Array, state: tuple) -> tuple:
        rows, costs, down, right = state
        columns = min_sum.subtract(costs, min_sum.transpose(min_sum.reparametrize(rows, right, _FRACTIONS)))
        rows = min_sum.transpose(min_sum.subtract(costs, min_sum.reparametrize(columns, down, _FRACTIONS)))
        # The next iteration begins at the opposite corner, or the bound would rise much more slowly.
        return jax.tree.map(lambda x: x[::-1, ::-1], (rows, costs, down, right))

    def unfinished(state: tuple) -> Array:
        number, _, _, gap = state
        return (number * _PERIOD < iterations) & (gap > rounding).any()

    def proceed(state: tuple) -> tuple:
        number, rows, z, gap = state
        rows = jax.lax.fori_loop(0, _PERIOD, iterate, (rows, costs, down, right))[0]
        # Where several labels cost nearly the same, those of many blocks have to be consistent: the lowest ones are.
        slack = jnp.where(number % 2 == 1, gap / 10, 0)[None]
        found, before, after = _decode(costs, rows, down, right, z, slack)
        # Optimal labels stay, however many iterations the rest of the batch takes.
        better = (after < before) & (gap > rounding)
        gap = jnp.minimum(gap, jnp.where(better, after, before))
        return number + 1, rows, jnp.where(better[None, None], found, z), gap

    rows = min_sum.transpose(tuple(x / 2 for x in costs))
    start = jnp.int32(0), rows, jnp.zeros_like(costs[0]), jnp.full_like(rounding, jnp.inf)
    _, _, z, gap = jax.lax.while_loop(unfinished, proceed, sharding.varying(down, start))
    return z, jnp.maximum(gap, 0)


def _decode(
    costs: min_sum.Costs,
    rows: min_sum.Costs,
    down: Float[Array, "_ m b"],
    right: Float[Array, "_ n b"],
    z: Float[Array, "n m b"],
    slack: Float[Array, "1 b"],
) -> tuple[Float[Array, "n m b"], Float[Array, "b"], Float[Array, "b"]]:
    """Labels decoded from the rows' part of the costs, and how far the energies of z and of these exceed the bound."""
    columns = min_sum.subtract(costs, min_sum.transpose(rows))
    from_right, row_minima = min_sum.messages(rows, right, backward=True)
    from_below, column_minima = min_sum.messages(columns, down, backward=True)
    later = min_sum.add(min_sum.add(costs, min_sum.transpose(from_right)), from_below)
    found = _choose(later, down[:-1], right[:-1].swapaxes(0, 1), slack)

    def excess(z: Float[Array, "n m b"]) -> Float[Array, "b"]:
        in_rows = min_sum.excess(rows, right, z.swapaxes(0, 1), row_minima)
        return in_rows + min_sum.excess(columns, down, z, column_minima)

    return found, excess(z), excess(found)


def _choose(
    later: min_sum.Costs, down: Float[Array, "n m b"], right: Float[Array, "n m b"], slack: Float[Array, "1 b"]
) -> Float[Array, "n m b"]:
    """Labels from the first block to the last, each the best given the labels chosen above and to the left of it.

    `later` is the cost of each label there and beyond, weights are those of the edges to the block above and to the
    left. Of labels that cost at most `slack` more than the best the lowest is taken.
    """
    columns, last = down.shape[1], len(later)

    def step(z: Array, diagonal: tuple[min_sum.Costs, Array, Array]) -> tuple[Array, Array]:
        later, down, right = diagonal
        above = jnp.pad(z[:-1], ((1, 0), (0, 0)))
        cost = [down * jnp.square(above - k / last) + right * jnp.square(z - k / last) for k in range(last + 1)]
        cost = [cost[0], *(x + y for x, y in zip(cost[1:], later, strict=True))]
        accepted = functools.reduce(jnp.minimum, cost) + slack
        z = jnp.ones_like(z)
        for k in reversed(range(last)):
            z = jnp.where(cost[k] <= accepted, k / last, z)
        return z, z

    # Blocks on one antidiagonal aren't neighbors, so they are labeled at the same time.
    diagonals = jax.tree.map(_skew, (later, down, right))
    z = jax.lax.scan(step, sharding.varying(down, jnp.zeros_like(down[:, 0])), diagonals)[1]
    return _unskew(z, columns)


def _skew(x: Float[Array, "n m b"]) -> Float[Array, "n+m-1 n b"]:
    """Entry (i + j, i) is x[i, j], and 0 where there is none."""
    rows, columns, size = x.shape
    flat = jnp.pad(x, ((0, 0), (0, rows), (0, 0))).reshape(rows * (rows + columns), size)
    return flat[:-rows].reshape(rows, rows + columns - 1, size).swapaxes(0, 1)


def _unskew(x: Float[Array, "_ n b"], columns: int) -> Float[Array, "n m b"]:
    rows, size = x.shape[1:]
    flat = jnp.pad(x.swapaxes(0, 1).reshape(rows * (rows + columns - 1), size), ((0, rows), (0, 0)))
    return flat.reshape(rows, rows + columns, size)[:, :columns]
