"""Chains of blocks with labels: minima by dynamic programming, all chains at once.

A cost of every label is a tuple of l - 1 arrays [n m b]: how much more than label 0 each other label costs. Chains lie
along the first axis, the batch along the last: [n m b] holds columns, and turned, [m n b], rows. Weights [n+1 m b] of
the edges have a row of zeros at each end, as nothing lies beyond.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import placement

Costs = tuple[Array, ...]


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
        told, lowest = _message(_plus(here, heard), weight)
        return (told, least + lowest), heard

    start = _silence(costs), jnp.zeros_like(costs[0][0])
    (_, least), heard = jax.lax.scan(
        step, placement.varying(costs[0], start), (costs, _next(weights, backward)), reverse=backward
    )
    return heard, least


def spare(costs: Costs, weights: Array, shares: tuple[float, ...], *, backward: bool) -> Costs:
    """The costs less what the chains can spare: their minima stay, and all labels come nearer to equally good.

    A block's min-marginals say what the chain costs with each label there. In one passage after the other along the
    chain, forward first (backward: backward first), each block gives away that share of its min-marginals.
    """
    heard, _ = messages(costs, weights, backward=not backward)
    for share in shares:
        costs, heard = _pass(costs, heard, weights, share, backward)
        backward = not backward
    return costs


def excess(costs: Costs, weights: Array, z: Float[Array, "n m b"], least: Float[Array, "m b"]) -> Float[Array, "b"]:
    """How much more than at least the chains cost with labels z."""
    levels = len(costs)
    picked = sum(jnp.where(z == (k / levels), cost, 0) for k, cost in enumerate(costs, 1))
    return (jnp.sum(picked, 0) + (weights[1:-1] * jnp.square(jnp.diff(z, axis=0))).sum(0) - least).sum(0)


def _pass(costs, heard, weights, share, backward) -> tuple[Costs, Costs]:
    def step(before, block):
        here, after, weight = block
        left = tuple(x - share * (x + y + z) for x, y, z in zip(here, before, after, strict=True))
        return _message(_plus(left, before), weight)[0], (left, before)

    start = placement.varying(costs[0], _silence(costs))
    return jax.lax.scan(step, start, (costs, heard, _next(weights, backward)), reverse=backward)[1]


def _message(costs: Costs, weight: Array) -> tuple[Costs, Array]:
    """min over q of cost(q) + weight (k - q)^2 / (l - 1)^2 for every label k, less that of label 0; and that."""
    levels = len(costs)
    costs = (jnp.zeros_like(weight), *costs)
    least = []
    for k in range(levels + 1):
        least.append(costs[k])
        for q in range(levels + 1):
            if q != k:
                least[k] = jnp.minimum(least[k], costs[q] + weight * ((k - q) / levels) ** 2)
    return tuple(x - least[0] for x in least[1:]), least[0]


def _plus(costs: Costs, others: Costs) -> Costs:
    return tuple(x + y for x, y in zip(costs, others, strict=True))


def _next(weights, backward):
    return weights[:-1] if backward else weights[1:]


def _silence(costs: Costs) -> Costs:
    return tuple(jnp.zeros_like(x[0]) for x in costs)
