"""PuzzleMix's block labels: which of two images fills each block, at the minimum of the energy."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.blocks.dual_decomposition import minimize
from jaxmix.blocks.min_sum import Costs
from jaxmix.numerics import barrier
from jaxmix.sharding import sharded_like

__all__ = ["certified", "energy", "label"]

# Sums of such costs stay finite.
_MOST = 1e30


class Problem(NamedTuple):
    """The costs and weights of E, as `label` describes them."""

    own: Float[Array, "b n m"]
    other: Float[Array, "b n m"]
    prior: Float[Array, "b l"]
    vertical: Float[Array, "b n-1 m"]
    horizontal: Float[Array, "b n m-1"]


def label(
    own: Float[Array | np.ndarray, "b n m"],
    other: Float[Array | np.ndarray, "b n m"],
    prior: Float[Array | np.ndarray, "b l"],
    vertical: Float[Array | np.ndarray, "b n-1 m"],
    horizontal: Float[Array | np.ndarray, "b n m-1"],
    *,
    iterations: int = 100,
) -> Float[Array, "b n m"]:
    """Labels of minimal energy: the share of the own image in each block.

        E(z) = sum of z own + (1 - z) other + prior(z)  +  sum of vertical dz^2 + horizontal dz^2

    Args:
        own: cost of showing the own image in each block, [b n m].
        other: cost of showing the partner, [b n m].
        prior: cost of the labels 0, 1 / (l - 1), .., 1 in every block, [b l], l = 2 or more; need not be convex.
        vertical: weight of the difference between each block and the one below, [b n-1 m], 0 or more.
        horizontal: weight of the difference between each block and the one to its right, [b n m-1], 0 or more.
        iterations: the largest number of iterations, rounded up to a multiple of 4; the loop ends once all labels of
            the batch are known to be optimal. Static. A batch of 100 for PuzzleMix takes about 8 with 4 x 4 blocks and
            20 with 16 x 16.

    Returns:
        [b n m], float32, each 0, 1 / (l - 1), .. or 1. The result of one sample doesn't depend on the others. A
        cost that is NaN counts as 0, an infinite one as very large; the gradient is 0.

    Raises:
        ValueError: shapes that don't fit, less than two labels, iterations below 1 or traced.

    Reference: Jang-Hyun Kim, Wonho Choo, Hyun Oh Song. Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup. ICML 2020. The energy is theirs; the solver is the dual decomposition into rows and columns of
    Alexander Shekhovtsov, Christian Reinbacher, Gottfried Graber, Thomas Pock. Solving Dense Image Matching in
    Real-Time using Discrete-Continuous Optimization. CVWW 2016.

    >>> own, other = jnp.array([[[0.05, 0.15], [0.3, 0.5]]]), jnp.array([[[0.4, 0.3], [0.2, 0.1]]])
    >>> prior, weight = 0.05 * jnp.log(jnp.array([[4.0, 2.0, 4.0]])), jnp.full((1, 1, 2), 0.0375)
    >>> label(own, other, prior, weight, weight.reshape(1, 2, 1)).tolist()
    [[[1.0, 1.0], [0.5, 0.0]]]
    """
    return certified(own, other, prior, vertical, horizontal, iterations=iterations)[0]


def certified(
    own: Float[Array | np.ndarray, "b n m"],
    other: Float[Array | np.ndarray, "b n m"],
    prior: Float[Array | np.ndarray, "b l"],
    vertical: Float[Array | np.ndarray, "b n-1 m"],
    horizontal: Float[Array | np.ndarray, "b n m-1"],
    *,
    iterations: int = 100,
) -> tuple[Float[Array, "b n m"], Float[Array, "b"]]:
    """The labels of `label`, and a bound on how far their energy is above the minimum: 0, up to rounding, if optimal.

    Args:
        own: cost of showing the own image in each block, [b n m].
        other: cost of showing the partner, [b n m].
        prior: cost of each label in every block, [b l].
        vertical: weights of differences between blocks one above the other, [b n-1 m], 0 or more.
        horizontal: weights of differences between blocks side by side, [b n m-1], 0 or more.
        iterations: the largest number of iterations, static.

    Returns:
        Labels [b n m] and gaps [b], both float32.

    Raises:
        ValueError: as `label`.

    >>> costs = jnp.zeros((1, 2, 2)), jnp.ones((1, 2, 2)), jnp.zeros((1, 3))
    >>> [x.tolist() for x in certified(*costs, jnp.ones((1, 1, 2)), jnp.ones((1, 2, 1)))]
    [[[[1.0, 1.0], [1.0, 1.0]]], [0.0]]
    """
    problem = _validated(own, other, prior, vertical, horizontal)
    return _minimize(problem, jnp.int32(arguments.count("iterations", iterations)))


def energy(
    z: Float[Array | np.ndarray, "b n m"],
    own: Float[Array | np.ndarray, "b n m"],
    other: Float[Array | np.ndarray, "b n m"],
    prior: Float[Array | np.ndarray, "b l"],
    vertical: Float[Array | np.ndarray, "b n-1 m"],
    horizontal: Float[Array | np.ndarray, "b n m-1"],
) -> Float[Array, "b"]:
    """E(z), what `label` minimizes.

    Args:
        z: labels [b n m], each 0, 1 / (l - 1), .. or 1; others count as the nearest of these in the prior.
        own: cost of showing the own image in each block, [b n m].
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
    problem = _validated(own, other, prior, vertical, horizontal)
    z = jnp.asarray(arguments.numeric("z", z), jnp.float32)
    if z.shape != problem.own.shape:
        raise ValueError(f"z has shape {z.shape}, but the costs have {problem.own.shape}; wanted one label per block")
    return _energy(z, problem)


@jax.jit
def _energy(z: Float[Array, "b n m"], problem: Problem) -> Float[Array, "b"]:
    own, other, prior, vertical, horizontal = problem
    edges = [(w * jnp.square(jnp.diff(z, axis=axis))).sum((1, 2)) for axis, w in ((1, vertical), (2, horizontal))]
    index = jnp.clip(jnp.round(z * (prior.shape[1] - 1)), 0, prior.shape[1] - 1).astype(jnp.int32)
    priors = jnp.take_along_axis(prior, index.reshape(len(z), -1), 1).sum(1)
    return (z * own + (1 - z) * other).sum((1, 2)) + priors + edges[0] + edges[1]


def _validated(
    own: ArrayLike, other: ArrayLike, prior: ArrayLike, vertical: ArrayLike, horizontal: ArrayLike
) -> Problem:
    given = {"own": own, "other": other, "prior": prior, "vertical": vertical, "horizontal": horizontal}
    own, other, prior, vertical, horizontal = (
        jax.lax.stop_gradient(jnp.asarray(arguments.numeric(name, x), jnp.float32)) for name, x in given.items()
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
    return Problem(own, other, prior, vertical, horizontal)


@sharded_like("problem")
@jax.jit
def _minimize(problem: Problem, iterations: Int[Array, ""]) -> tuple[Float[Array, "b n m"], Float[Array, "b"]]:
    z, gap = minimize(*_label_costs(problem), iterations)
    return z.transpose(2, 0, 1), gap


def _label_costs(problem: Problem) -> tuple[Costs, Float[Array, "_ _ b"], Float[Array, "_ _ b"]]:
    """Costs of labels, and weights of edges [n+1 m b] and [m+1 n b], in the form of `min_sum`; all are finite."""
    own, other, prior, vertical, horizontal = (jnp.clip(jnp.nan_to_num(x), -_MOST, _MOST) for x in problem)
    down = jnp.pad(jnp.maximum(vertical, 0).transpose(1, 2, 0), ((1, 1), (0, 0), (0, 0)))
    right = jnp.pad(jnp.maximum(horizontal, 0).transpose(2, 1, 0), ((1, 1), (0, 0), (0, 0)))
    more, prior = barrier((own - other).transpose(1, 2, 0)), (prior - prior[:, :1]).T[:, None, None]
    last = len(prior) - 1
    cost = [barrier(more * (k / last)) + prior[k] for k in range(last + 1)]
    # All edges of a block together can't compensate for a label that costs more than their weights. So costs are cut
    # off at twice that, and rounding is relative to what matters.
    weight = down[:-1] + down[1:] + (right[:-1] + right[1:]).swapaxes(0, 1)
    least, most = functools.reduce(jnp.minimum, cost), jnp.where(weight > 0, 2 * weight, jnp.inf)
    cost = [jnp.minimum(x - least, most) for x in cost]
    return tuple(x - cost[0] for x in cost[1:]), down, right
