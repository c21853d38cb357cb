"""Block coordinate descent for Co-Mixup: assign the blocks of every output of a group to the inputs of that group.

There are p groups of n inputs and n outputs, and outputs of g x g blocks. A block shows one input, or two by half: its
`parents` are these two, twice the same one where it shows that whole. The `mass` of an input is the number of blocks
that it fills.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import sharding
from jaxmix.blocks.potts import potts

__all__ = [
    "Thresholding",
    "add_half_labels",
    "assign",
    "authors_threshold",
    "duplicate_penalty",
    "hard_threshold",
    "soft_threshold",
]

# (compatibility A, mass, limit) -> the penalty of each input
Thresholding = Callable[[Array, Array, Array], Array]

_NEVER = 1e9  # far above any sum of costs
_DISCOUNT = 5e-4  # a block of two halves costs that less than the mean of the two
_HALF = 0.25  # cost of a block of two halves beside one that shows either whole; different blocks cost 1 otherwise


def hard_threshold(
    compatibility: Float[Array, "p n n"], mass: Float[Array, "p n"], limit: Float[Array, ""]
) -> Float[Array, "p n"]:
    """A mass where that is above the limit, and 0 elsewhere: the paper's formula."""
    penalty = _times(compatibility, mass)
    return jnp.where(penalty > limit, penalty, 0.0)


def authors_threshold(
    compatibility: Float[Array, "p n n"], mass: Float[Array, "p n"], limit: Float[Array, ""]
) -> Float[Array, "p n"]:
    """A (mass where A mass is above the limit, 0 elsewhere): the authors' code."""
    return _times(compatibility, jnp.where(_times(compatibility, mass) > limit, mass, 0.0))


def soft_threshold(
    compatibility: Float[Array, "p n n"], mass: Float[Array, "p n"], limit: Float[Array, ""]
) -> Float[Array, "p n"]:
    """How far A mass is above the limit."""
    return jnp.maximum(_times(compatibility, mass) - limit, 0.0)


def _times(matrix: Float[Array, "p n n"], vector: Float[Array, "p n"]) -> Float[Array, "p n"]:
    # Not as a matrix product, which accelerators may round to bfloat16.
    return (matrix * vector[:, None, :]).sum(-1)


@functools.partial(jax.jit, static_argnames=("iterations", "thresholding"))
def assign(
    cost: Float[Array, "p g g n"],
    compatibility: Float[Array, "p n n"],
    real: Bool[Array, "p n"],
    start: Int[Array, "p n g g"],
    *,
    smoothness: ArrayLike,
    diversity: ArrayLike,
    threshold: ArrayLike,
    iterations: int = 4,
    thresholding: Thresholding = hard_threshold,
) -> Int[Array, "p n g g 2"]:
    """The parents of every block of every output, by block coordinate descent.

    Each sweep minimizes over one output after the other, the others held:

        sum over blocks:  cost + (2 diversity / g^2) thresholding(A, mass of the other outputs, threshold g^2)
        + for every two unlike neighbors:  smoothness / g^2

    From the second sweep on a block may also hold two halves, of the three inputs of most mass in the output. In the
    last sweep outputs of the same inputs pay `diversity / g^2` times `duplicate_penalty` for each block.

    Args:
        cost: of each input in each block.
        compatibility: A, how far mass of one input penalizes another.
        real: False for places that no sample fills: no block takes them, and as outputs they have no mass.
        start: the input in each block of each output at first.
        smoothness: beta.
        diversity: gamma; times the number of inputs it must stay well below 1e9.
        threshold: tau.
        iterations: number of sweeps; static.
        thresholding: `hard_threshold`, `authors_threshold` or `soft_threshold`; static.
    """
    blocks, inputs = start.shape[2] * start.shape[3], cost.shape[3]
    smoothness, diversity, threshold = (jnp.asarray(x, jnp.float32) for x in (smoothness, diversity, threshold))
    cost = jnp.where(real[:, None, None], cost, _NEVER)

    def sweep(state: tuple[Array, Array], step: Array) -> tuple[tuple[Array, Array], None]:
        duplicates = jnp.where((step > 0) & (step == iterations - 1), duplicate_penalty(state[0]), 0.0)

        def minimize(masses: Float[Array, "p n n"], output: Array) -> tuple[Array, Array]:
            own = masses[:, output]
            penalty = thresholding(compatibility, masses.sum(1) - own, threshold * blocks)
            unary = cost + (diversity / blocks * (2 * penalty + duplicates[:, output]))[:, None, None]
            unary, pairwise, table = add_half_labels(unary, own, step > 0)
            parents = _rows(table, potts(unary, pairwise, smoothness / blocks))
            mass = jnp.where(real[:, output, None], _mass(parents, inputs), 0.0)
            return masses.at[:, output].set(mass), parents

        return jax.lax.scan(minimize, state[0], jnp.arange(start.shape[1], dtype=jnp.int32)), None

    parents = jnp.stack([start, start], -1)
    masses = jnp.where(real[..., None], _mass(parents, inputs), 0.0)
    state = sharding.varying(cost, (masses, jnp.moveaxis(parents, 1, 0)))
    (_, parents), _ = jax.lax.scan(sweep, state, jnp.arange(iterations, dtype=jnp.int32))
    return jnp.moveaxis(parents, 0, 1)


def add_half_labels(
    unary: Float[Array, "p g g n"], mass: Float[Array, "p n"], allowed: Bool[Array, ""]
) -> tuple[Float[Array, "p g g n+3"], Float[Array, "p n+3 n+3"], Int[Array, "p n+3 2"]]:
    """Add three labels for blocks of two halves: the unary costs, the pairwise costs, and the parents of every label.

    The halves are those of the three inputs of most mass (the first of equals): 1 and 2, 1 and 3, 2 and 3. Those that
    lack an input of any mass have a prohibitive cost, and all of them where they aren't allowed.
    """
    size, inputs = mass.shape
    largest, top = jax.lax.top_k(jnp.pad(mass, ((0, 0), (0, 2))), 3)
    top = jnp.minimum(top, inputs - 1).astype(jnp.int32)
    one, other, least = top[:, (0, 0, 1)], top[:, (1, 2, 2)], largest[:, (1, 2, 2)]
    mean = (_columns(unary, one) + _columns(unary, other)) / 2
    halves = jnp.where((allowed & (least > 0))[:, None, None], mean - _DISCOUNT, _NEVER)
    parent = jax.nn.one_hot(one, inputs, dtype=bool) | jax.nn.one_hot(other, inputs, dtype=bool)
    beside = jnp.where(parent, _HALF, 1.0)
    differ, halves_differ = (
        jnp.broadcast_to(1 - jnp.eye(labels, dtype=jnp.float32), (size, labels, labels)) for labels in (inputs, 3)
    )
    pairwise = jnp.block([[differ, beside.mT], [beside, halves_differ]])
    whole = jnp.broadcast_to(jnp.arange(inputs, dtype=jnp.int32)[None, :, None], (size, inputs, 2))
    table = jnp.concatenate([whole, jnp.stack([one, other], -1)], 1)
    return jnp.concatenate([unary, halves], 3), pairwise, table


def duplicate_penalty(masses: Float[Array, "p o n"]) -> Float[Array, "p o n"]:
    """1 at an input that an output is penalized for, because another output uses exactly the same inputs; 0 elsewhere.

    Of two outputs of the same inputs, two at least, it is the first input for the former, the second for the latter.
    """
    used = masses > 0
    alike = (used[:, :, None] == used[:, None]).all(-1) & (used.sum(-1)[:, :, None] > 1)
    former = jnp.triu(alike, 1).any(2)
    latter = jnp.tril(alike, -1).any(2)
    place = jnp.cumsum(used, -1)
    return (used & ((former[..., None] & (place == 1)) | (latter[..., None] & (place == 2)))).astype(jnp.float32)


_rows = jax.vmap(lambda table, index: table[index])
_columns = jax.vmap(lambda table, index: table[..., index])


def _mass(parents: Int[Array, "p *o g g 2"], inputs: int) -> Float[Array, "p *o n"]:
    return jax.nn.one_hot(parents, inputs, dtype=jnp.float32).sum((-4, -3, -2)) / 2
