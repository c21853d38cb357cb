"""Chains of blocks with labels: minima by dynamic programming, all chains at once.

A cost of every label is a tuple of l - 1 arrays [n m b]: how much more than label 0 each other label costs. Chains lie
along the first axis, the batch along the last: [n m b] holds columns, and turned, [m n b], rows. Weights [n+1 m b] of
the edges have a row of zeros at each end, as nothing lies beyond.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import sharding

Costs = tuple[Array, ...]


def plus(costs: Costs, others: Costs) -> Costs:
    """The sum of two costs."""
    return tuple(x + y for x, y in zip(costs, others, strict=True))


def minus(costs: Costs, others: Costs) -> Costs:
    """The difference of two costs."""
    return tuple(x - y for x, y in zip(costs, others, strict=True))


def turn(costs: Costs) -> Costs:
    """Columns made rows, and rows columns."""
    return tuple(x.swapaxes(0, 1) for x in costs)


def messages(costs: Costs, weights: Array, *, backward: bool) -> tuple[Costs, Float[Array, "m b"]]:
    """What each block hears from all before it (backward: after it), and the least cost of each chain.

    A message says how much more the labels cost the blocks that it comes from, each with its best labels there.
    """

    def step(state, block):
        heard, least = state
        here, weight = block
        told, lowest = _message(plus(here, heard), weight)
        return (told, least + lowest), heard

    start = _silence(costs), jnp.zeros_like(costs[0][0])
    (_, least), heard = jax.lax.scan(
        step, sharding.varying(costs[0], start), (costs, _next(weights, backward)), reverse=backward
    )
    return heard, least


def spare(costs: Costs, weights: Array, shares: tuple[float, float]) -> Costs:
    """The costs less what the chains can spare: their minima stay, and all labels come nearer to equally good.

    A block's min-marginals say what the chain costs with each label there. On the way forward each block gives away the
    first of the shares of its min-marginals, on the way back the second one of what is left.
    """
    after, _ = messages(costs, weights, backward=True)
    costs, before = _give(costs, after, weights, shares[0], backward=False)
    return _give(costs, before, weights, shares[1], backward=True)[0]


def excess(costs: Costs, weights: Array, z: Float[Array, "n m b"], least: Float[Array, "m b"]) -> Float[Array, "b"]:
    """How much more than at least the chains cost with labels z."""
    total = (weights[1:-1] * jnp.square(jnp.diff(z, axis=0))).sum(0) - least
    for k, cost in enumerate(costs, 1):
        total = total + jnp.where(z == k / len(costs), cost, 0).sum(0)
    return total.sum(0)


def _give(costs: Costs, heard: Costs, weights: Array, share: float, *, backward: bool) -> tuple[Costs, Costs]:
    """What is left of the costs, and what each block hears on this way; `heard` is from the other one."""

    def step(told, block):
        here, heard, weight = block
        left = tuple(x - share * (x + y + z) for x, y, z in zip(here, heard, told, strict=True))
        return _message(plus(left, told), weight)[0], (left, told)

    start = sharding.varying(costs[0], _silence(costs))
    return jax.lax.scan(step, start, (costs, heard, _next(weights, backward)), reverse=backward)[1]


def _message(costs: Costs, weight: Array) -> tuple[Costs, Array]:
    """What the best label q on this side of an edge costs each label k on the other, less that of label 0; and that.

    min over q of cost(q) + weight (k - q)^2 / (l - 1)^2
    """
    levels = len(costs)
    costs = (jnp.zeros_like(weight), *costs)
    least = []
    for k in range(levels + 1):
        least.append(costs[k])
        for q in range(levels + 1):
            if q != k:
                least[k] = jnp.minimum(least[k], costs[q] + weight * ((k - q) / levels) ** 2)
    return tuple(x - least[0] for x in least[1:]), least[0]


def _next(weights, backward):
    return weights[:-1] if backward else weights[1:]


def _silence(costs: Costs) -> Costs:
    return tuple(jnp.zeros_like(x[0]) for x in costs)
