"""Which of two pictures fills each block: the labels of PuzzleMix, at the minimum of their energy.

A grid is its rows and its columns. Split the cost of every block between its row and its column in any way: the sum of
all rows' minima and all columns' minima, each found exactly from one end of the chain to the other, is a lower bound of
the energy. Rows and columns in turn hand over what they can spare, which raises the bound. As the edges are convex in
the difference of two labels, the highest bound is the minimum itself. Labels are read off the split, and those whose
energy meets the bound are known to be optimal.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import checks, placement
from jaxmix.blocks import chains
from jaxmix.rounding import settled

# Shares of what a chain can spare that it gives on the way there, and of the rest on the way back: more, and the first
# blocks get all; less, and it takes more turns.
_SPARED = 0.25, 0.5
# Iterations from one reading of labels to the next: even, as the direction alternates.
_PERIOD = 4
# A gap this small, in relation to all costs, is rounding.
_ROUNDING = 1e-6
_MOST = 1e30


def label(
    own: Float[Array, "b n m"],
    other: Float[Array, "b n m"],
    prior: Float[Array, "b l"],
    vertical: Float[Array, "b n-1 m"],
    horizontal: Float[Array, "b n m-1"],
    *,
    iterations: int = 100,
) -> Float[Array, "b n m"]:
    """Labels of least energy: how much of the own picture each block shows.

        E(z) = sum of z own + (1 - z) other + prior(z)  +  sum of vertical dz^2 + horizontal dz^2

    Args:
        own: cost of showing the own picture in each block, [b n m].
        other: cost of showing the partner, [b n m].
        prior: cost of the labels 0, 1 / (l - 1), .., 1 in every block, [b l], l = 2 or more. Any numbers, not only
            convex ones.
        vertical: weight of the difference between each block and the one below, [b n-1 m], 0 or more.
        horizontal: weight of the difference between each block and the one to its right, [b n m-1], 0 or more.
        iterations: at most so many; fewer are made as soon as all labels of the batch are known to be optimal. Static.
            PuzzleMix at 16 x 16 blocks mostly takes 4 to 30.

    Returns:
        [b n m], float32, each 0, 1 / (l - 1), .. or 1. What comes out of one sample doesn't depend on the others. A
        cost that isn't a number counts as 0, an infinite one as very large; the gradient is 0.

    Raises:
        ValueError: shapes that don't fit, less than two labels, iterations below 1 or traced.

    Reference: Jang-Hyun Kim, Wonho Choo, Hyun Oh Song. Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup. ICML 2020. The energy is theirs; the solver is a dual minorize-maximize of rows and columns, after
    Alexander Shekhovtsov, Christian Reinbacher, Gottfried Graber, Thomas Pock. Solving Dense Image Matching in
    Real-Time using Discrete-Continuous Optimization. CVWW 2016.

    >>> own, other = jnp.array([[[0.05, 0.15], [0.3, 0.5]]]), jnp.array([[[0.4, 0.3], [0.2, 0.1]]])
    >>> prior, weight = 0.05 * jnp.log(jnp.array([[4.0, 2.0, 4.0]])), jnp.full((1, 1, 2), 0.0375)
    >>> label(own, other, prior, weight, weight.reshape(1, 2, 1)).tolist()
    [[[1.0, 1.0], [0.5, 0.0]]]
    """
    return certified(own, other, prior, vertical, horizontal, iterations=iterations)[0]


def certified(
    own: Float[Array, "b n m"],
    other: Float[Array, "b n m"],
    prior: Float[Array, "b l"],
    vertical: Float[Array, "b n-1 m"],
    horizontal: Float[Array, "b n m-1"],
    *,
    iterations: int = 100,
) -> tuple[Float[Array, "b n m"], Float[Array, "b"]]:
    """The labels of `label`, and how far their energy may be above the least one: 0, up to rounding, if optimal.

    Args:
        own: cost of showing the own picture in each block, [b n m].
        other: cost of showing the partner, [b n m].
        prior: cost of each label in every block, [b l].
        vertical: weights of differences between blocks one above the other, [b n-1 m], 0 or more.
        horizontal: weights of differences between blocks side by side, [b n m-1], 0 or more.
        iterations: at most so many, static.

    Returns:
        Labels [b n m] and gaps [b], both float32.

    Raises:
        ValueError: as `label`.

    >>> costs = jnp.zeros((1, 3, 3)), jnp.ones((1, 3, 3)), jnp.zeros((1, 3))
    >>> [x.tolist() for x in certified(*costs, jnp.ones((1, 2, 3)), jnp.ones((1, 3, 2)))]
    [[[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]], [0.0]]
    """
    arrays = _arrays(own, other, prior, vertical, horizontal)
    solve = functools.partial(_solve, iterations=checks.count("iterations", iterations))
    return placement.like(arrays[0], 1, solve, *arrays)


def energy(
    z: Float[Array, "b n m"],
    own: Float[Array, "b n m"],
    other: Float[Array, "b n m"],
    prior: Float[Array, "b l"],
    vertical: Float[Array, "b n-1 m"],
    horizontal: Float[Array, "b n m-1"],
) -> Float[Array, "b"]:
    """E(z), what `label` minimizes.

    Args:
        z: labels [b n m], each 0, 1 / (l - 1), .. or 1; others count as the nearest of these in the prior.
        own: cost of showing the own picture in each block, [b n m].
        other: cost of showing the partner, [b n m].
        prior: cost of each label in every block, [b l].
        vertical: weights of differences between blocks one above the other, [b n-1 m].
        horizontal: weights of differences between blocks side by side, [b n m-1].

    Returns:
        [b], float32.

    Raises:
        ValueError: shapes that don't fit, less than two labels.

    >>> z, costs = jnp.array([[[0.0, 0.5]]]), (jnp.ones((1, 1, 2)), jnp.zeros((1, 1, 2)), jnp.zeros((1, 3)))
    >>> energy(z, *costs, jnp.ones((1, 0, 2)), jnp.ones((1, 1, 1))).tolist()
    [0.75]
    """
    own, other, prior, vertical, horizontal = _arrays(own, other, prior, vertical, horizontal)
    z = jnp.asarray(z, jnp.float32)
    if z.shape != own.shape:
        raise ValueError(f"z has shape {z.shape}, but the costs have {own.shape}; wanted one label per block")
    edges = [(w * jnp.square(jnp.diff(z, axis=axis))).sum((1, 2)) for axis, w in ((1, vertical), (2, horizontal))]
    index = jnp.clip(jnp.round(z * (prior.shape[1] - 1)), 0, prior.shape[1] - 1).astype(jnp.int32)
    priors = jnp.take_along_axis(prior, index.reshape(len(z), -1), 1).sum(1)
    return (z * own + (1 - z) * other).sum((1, 2)) + priors + edges[0] + edges[1]


def _arrays(own, other, prior, vertical, horizontal) -> tuple[Array, ...]:
    own, other, prior, vertical, horizontal = (
        jax.lax.stop_gradient(jnp.asarray(x, jnp.float32)) for x in (own, other, prior, vertical, horizontal)
    )
    if own.ndim != 3 or 0 in own.shape or other.shape != own.shape:
        raise ValueError(f"own and other have shapes {own.shape} and {other.shape}; wanted both [b n m]")
    size, rows, columns = own.shape
    if prior.ndim != 2 or prior.shape[0] != size or prior.shape[1] < 2:
        raise ValueError(f"prior has shape {prior.shape}; wanted [b l], b = {size} and two or more labels l")
    wanted = (size, rows - 1, columns), (size, rows, columns - 1)
    if (vertical.shape, horizontal.shape) != wanted:
        raise ValueError(
            f"vertical and horizontal have shapes {vertical.shape} and {horizontal.shape}; wanted one weight for each "
            f"pair of neighbors, {wanted[0]} and {wanted[1]}"
        )
    return own, other, prior, vertical, horizontal


@functools.partial(jax.jit, static_argnames="iterations")
def _solve(own, other, prior, vertical, horizontal, *, iterations) -> tuple[Array, Array]:
    costs, down, right = _problem(own, other, prior, vertical, horizontal)
    rounding = _ROUNDING * sum(jnp.abs(x) for x in costs).sum((0, 1))

    def iterate(rows: chains.Costs, backward: bool) -> chains.Costs:
        columns = chains.minus(costs, chains.turn(chains.spare(rows, right, _SPARED, backward=backward)))
        return chains.turn(chains.minus(costs, chains.spare(columns, down, _SPARED, backward=backward)))

    def read(number, rows, z, gap):
        columns = chains.minus(costs, chains.turn(rows))
        from_right, least_row = chains.messages(rows, right, backward=True)
        from_below, least_column = chains.messages(columns, down, backward=True)
        later = tuple(sum(x) for x in zip(costs, chains.turn(from_right), from_below, strict=True))
        # Where several labels are about as good, those of many blocks have to fit together: the lowest ones do.
        slack = jnp.where(number % 2 == 1, gap / 10, 0)
        found = _choose(later, down[:-1], right[:-1].swapaxes(0, 1), slack)

        def excess(z):
            in_rows = chains.excess(rows, right, z.swapaxes(0, 1), least_row)
            return in_rows + chains.excess(columns, down, z, least_column)

        before, after = excess(z), excess(found)
        # Optimal labels stay, however many iterations the rest of the batch takes.
        better = (after < before) & (gap > rounding)
        return jnp.where(better, found, z), jnp.minimum(gap, jnp.minimum(before, after))

    def unfinished(state):
        number, _, _, gap = state
        return (number * _PERIOD < iterations) & (gap > rounding).any()

    def proceed(state):
        number, rows, z, gap = state
        rows = jax.lax.fori_loop(0, _PERIOD // 2, lambda _, rows: iterate(iterate(rows, False), True), rows)
        return number + 1, rows, *read(number, rows, z, gap)

    rows = chains.turn(tuple(x / 2 for x in costs))
    start = jnp.int32(0), rows, jnp.zeros_like(costs[0]), jnp.full_like(rounding, jnp.inf)
    _, _, z, gap = jax.lax.while_loop(unfinished, proceed, placement.varying(own, start))
    return z.transpose(2, 0, 1), jnp.maximum(gap, 0)


def _problem(own, other, prior, vertical, horizontal) -> tuple[chains.Costs, Array, Array]:
    """Costs of labels and weights of edges, as chains; all are finite."""
    own, other, prior, vertical, horizontal = (
        jnp.clip(jnp.nan_to_num(x), -_MOST, _MOST) for x in (own, other, prior, vertical, horizontal)
    )
    down = jnp.pad(jnp.maximum(vertical, 0).transpose(1, 2, 0), ((1, 1), (0, 0), (0, 0)))
    right = jnp.pad(jnp.maximum(horizontal, 0).transpose(2, 1, 0), ((1, 1), (0, 0), (0, 0)))
    more, levels = settled((own - other).transpose(1, 2, 0)), prior.shape[1] - 1
    every = [settled(more * (k / levels)) + (prior[:, k] - prior[:, 0]) for k in range(levels + 1)]
    # All of a block's edges together can't make up for a label that costs more than their weights; so it may just as
    # well cost twice that, and rounding is in relation to what matters.
    weight = down[:-1] + down[1:] + (right[:-1] + right[1:]).swapaxes(0, 1)
    least, most = functools.reduce(jnp.minimum, every), jnp.where(weight > 0, 2 * weight, jnp.inf)
    every = [jnp.minimum(x - least, most) for x in every]
    return tuple(x - every[0] for x in every[1:]), down, right


def _choose(later: chains.Costs, down: Array, right: Array, slack: Float[Array, "b"]) -> Float[Array, "n m b"]:
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
    z = jax.lax.scan(step, placement.varying(down, jnp.zeros_like(down[:, 0])), diagonals)[1]
    return _unskew(z, columns)


def _skew(x: Float[Array, "n m b"]) -> Float[Array, "n+m-1 n b"]:
    """Entry (i + j, i) is x[i, j], and 0 where there is none."""
    rows, columns, size = x.shape
    flat = jnp.pad(x, ((0, 0), (0, rows), (0, 0))).reshape(rows * (rows + columns), size)
    return flat[:-rows].reshape(rows, rows + columns - 1, size).swapaxes(0, 1)


def _unskew(x: Float[Array, "n+m-1 n b"], columns: int) -> Float[Array, "n m b"]:
    rows, size = x.shape[1:]
    flat = jnp.pad(x.swapaxes(0, 1).reshape(rows * (rows + columns - 1), size), ((0, rows), (0, 0)))
    return flat.reshape(rows, rows + columns, size)[:, :columns]
