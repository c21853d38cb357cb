"""The least energy of labels on a grid, by decomposing it into its rows and its columns.

Split the cost of every block between its row and its column in any way: the sum of all rows' minima and all columns'
minima, each found exactly from one end of the chain to the other, is a lower bound of the energy. Rows and columns in
turn hand over what they can spare, which raises the bound. As the edges are convex in the difference of two labels, the
highest bound is the minimum itself. Labels are read off the split, and those whose energy meets the bound are known to
be optimal.

Reference: Alexander Shekhovtsov, Christian Reinbacher, Gottfried Graber, Thomas Pock. Solving Dense Image Matching in
Real-Time using Discrete-Continuous Optimization. CVWW 2016.
"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import sharding
from jaxmix.blocks import min_sum

# Shares of what a chain can spare that it gives on the way there, and of the rest on the way back: more, and the first
# blocks get all; less, and it takes more turns.
_SPARED = 0.25, 0.5
# Iterations from one reading of labels to the next: even, as every other one sees the grid turned around.
_PERIOD = 4
# A gap this small, in relation to all costs, is rounding.
_ROUNDING = 1e-6


def minimize(
    costs: min_sum.Costs, down: Float[Array, "_ m b"], right: Float[Array, "_ n b"], iterations: ArrayLike
) -> tuple[Float[Array, "n m b"], Float[Array, "b"]]:
    """Labels 0, 1 / (l - 1), .., 1 of least energy, and how much more than the least it can be at most.

        E(z) = sum of costs of z + sum of down (difference of z to the block below)^2 + the same to the right

    Args:
        costs: of each block with labels 1 / (l - 1), .., 1, less that with label 0: l - 1 arrays [n m b], finite.
        down: weights between the blocks of a column, 0 or more, with a row of zeros at each end.
        right: weights between the blocks of a row, with rows and columns exchanged.
        iterations: at most so many, rounded up to a multiple of 4; may be traced.

    Returns:
        Labels [n m b], gaps [b]. What comes out of one sample doesn't depend on the others.
    """
    rounding = _ROUNDING * jnp.abs(jnp.stack(costs)).sum((0, 1, 2))

    def iterate(_, state):
        rows, costs, down, right = state
        columns = min_sum.minus(costs, min_sum.turn(min_sum.spare(rows, right, _SPARED)))
        rows = min_sum.turn(min_sum.minus(costs, min_sum.spare(columns, down, _SPARED)))
        # The next iteration begins at the opposite corner, or the bound would rise much more slowly.
        return jax.tree.map(lambda x: x[::-1, ::-1], (rows, costs, down, right))

    def read(number, rows, z, gap):
        columns = min_sum.minus(costs, min_sum.turn(rows))
        from_right, least_row = min_sum.messages(rows, right, backward=True)
        from_below, least_column = min_sum.messages(columns, down, backward=True)
        later = min_sum.plus(min_sum.plus(costs, min_sum.turn(from_right)), from_below)
        # Where several labels are about as good, those of many blocks have to fit together: the lowest ones do.
        slack = jnp.where(number % 2 == 1, gap / 10, 0)[None]
        found = _choose(later, down[:-1], right[:-1].swapaxes(0, 1), slack)

        def excess(z):
            in_rows = min_sum.excess(rows, right, z.swapaxes(0, 1), least_row)
            return in_rows + min_sum.excess(columns, down, z, least_column)

        before, after = excess(z), excess(found)
        # Optimal labels stay, however many iterations the rest of the batch takes.
        better = (after < before) & (gap > rounding)
        return jnp.where(better[None, None], found, z), jnp.minimum(gap, jnp.where(better, after, before))

    def unfinished(state):
        number, _, _, gap = state
        return (number * _PERIOD < iterations) & (gap > rounding).any()

    def proceed(state):
        number, rows, z, gap = state
        rows = jax.lax.fori_loop(0, _PERIOD, iterate, (rows, costs, down, right))[0]
        return number + 1, rows, *read(number, rows, z, gap)

    rows = min_sum.turn(tuple(x / 2 for x in costs))
    start = jnp.int32(0), rows, jnp.zeros_like(costs[0]), jnp.full_like(rounding, jnp.inf)
    _, _, z, gap = jax.lax.while_loop(unfinished, proceed, sharding.varying(down, start))
    return z, jnp.maximum(gap, 0)


def _choose(later: min_sum.Costs, down: Array, right: Array, slack: Float[Array, "1 b"]) -> Float[Array, "n m b"]:
    """Labels from the first block to the last, each the best for what is chosen above and to the left of it.

    `later` is the cost of each label there and beyond, weights are those of the edges to the block above and to the
    left. Of labels that cost at most `slack` more than the best the lowest is taken.
    """
    rows, columns = down.shape[:2]
    levels = len(later)

    def step(z, diagonal):
        later, down, right = diagonal
        above = jnp.pad(z[:-1], ((1, 0), (0, 0)))
        every = [down * jnp.square(above - k / levels) + right * jnp.square(z - k / levels) for k in range(levels + 1)]
        every = [every[0], *(x + y for x, y in zip(every[1:], later, strict=True))]
        most = functools.reduce(jnp.minimum, every) + slack
        z = jnp.ones_like(z)
        for k in reversed(range(levels)):
            z = jnp.where(every[k] <= most, k / levels, z)
        return z, z

    # Blocks on one antidiagonal don't touch, so they choose at the same time.
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
