"""Min-sum message passing along chains of blocks: minima by dynamic programming, all chains at once.

A cost of every label is a tuple of l - 1 arrays [n m b]: the cost of each other label less that of label 0. Chains lie
along the first axis, the batch along the last: [n m b] holds columns and, transposed, [m n b], rows. Weights [n+1 m b]
of the edges have a row of zeros at each end, as nothing lies beyond.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import sharding

__all__ = ["Costs", "Weights", "add", "excess", "messages", "reparametrize", "subtract", "transpose"]

# l - 1 arrays: [n m b] of all blocks, or [m b] of one block of each chain.
Costs = tuple[Array, ...]
Weights = Float[Array, "_ m b"]


def add(costs: Costs, others: Costs) -> Costs:
    """The sum of two costs."""
    return tuple(x + y for x, y in zip(costs, others, strict=True))


def subtract(costs: Costs, others: Costs) -> Costs:
    """The difference of two costs."""
    return tuple(x - y for x, y in zip(costs, others, strict=True))


def transpose(costs: Costs) -> Costs:
    """Swap columns and rows."""
    return tuple(x.swapaxes(0, 1) for x in costs)


def messages(costs: Costs, weights: Weights, *, backward: bool) -> tuple[Costs, Float[Array, "m b"]]:
    """The message to each block from all before it (backward: after it), and the minimum of each chain.

    A message is the minimal cost of the blocks that it comes from, given each label of the block that it goes to, less
    that given label 0.
    """

    def step(state: tuple[Costs, Array], block: tuple[Costs, Array]) -> tuple[tuple[Costs, Array], Costs]:
        incoming, minimum = state
        cost, weight = block
        outgoing, offset = _message(add(cost, incoming), weight)
        return (outgoing, minimum + offset), incoming

    start = _zero_message(costs), jnp.zeros_like(costs[0][0])
    (_, minimum), incoming = jax.lax.scan(
        step, sharding.varying(costs[0], start), (costs, _outgoing(weights, backward)), reverse=backward
    )
    return incoming, minimum


def reparametrize(costs: Costs, weights: Weights, fractions: tuple[float, float]) -> Costs:
    """The costs less a part of their min-marginals: the minima of the chains stay.

    A block's min-marginal is the minimal cost of the chain given each label there. On the forward sweep each block
    gives away the first of the fractions of its min-marginals, on the backward sweep the second one of what is left.
    """
    after, _ = messages(costs, weights, backward=True)
    costs, before = _sweep(costs, after, weights, fractions[0], backward=False)
    return _sweep(costs, before, weights, fractions[1], backward=True)[0]


def excess(costs: Costs, weights: Weights, z: Float[Array, "n m b"], minimum: Float[Array, "m b"]) -> Float[Array, "b"]:
    """The cost of labels z less the minima of the chains."""
    total = (weights[1:-1] * jnp.square(jnp.diff(z, axis=0))).sum(0) - minimum
    for k, cost in enumerate(costs, 1):
        total = total + jnp.where(z == k / len(costs), cost, 0).sum(0)
    return total.sum(0)


def _sweep(costs: Costs, opposite: Costs, weights: Weights, fraction: float, *, backward: bool) -> tuple[Costs, Costs]:
    """The costs after one sweep, and the messages of this direction; `opposite` are those of the other direction."""

    def step(incoming: Costs, block: tuple[Costs, Costs, Array]) -> tuple[Costs, tuple[Costs, Costs]]:
        cost, opposite, weight = block
        left = tuple(x - fraction * (x + y + z) for x, y, z in zip(cost, opposite, incoming, strict=True))
        return _message(add(left, incoming), weight)[0], (left, incoming)

    start = sharding.varying(costs[0], _zero_message(costs))
    return jax.lax.scan(step, start, (costs, opposite, _outgoing(weights, backward)), reverse=backward)[1]


def _message(costs: Costs, weight: Float[Array, "m b"]) -> tuple[Costs, Float[Array, "m b"]]:
    """The minimal cost on this side of an edge given each label k on the other, less that given label 0; and that.

    min over q of cost(q) + weight (k - q)^2 / (l - 1)^2
    """
    last = len(costs)
    costs = (jnp.zeros_like(weight), *costs)
    minima = []
    for k in range(last + 1):
        minima.append(costs[k])
        for q in range(last + 1):
            if q != k:
                minima[k] = jnp.minimum(minima[k], costs[q] + weight * ((k - q) / last) ** 2)
    return tuple(x - minima[0] for x in minima[1:]), minima[0]


def _outgoing(weights: Weights, backward: bool) -> Float[Array, "n m b"]:
    return weights[:-1] if backward else weights[1:]


def _zero_message(costs: Costs) -> Costs:
    return tuple(jnp.zeros_like(x[0]) for x in costs)
