"""The state of a training: all that a step changes, and all that a checkpoint holds."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

__all__ = ["COUNTED", "State", "all_finite", "start"]

# The highest step that a state can count to.
COUNTED = 2**31 - 1


class State(NamedTuple):
    """All that a step changes; what a checkpoint holds.

    step: Int[], the number of steps done
    params, statistics: of the network
    optimizer: of optax
    totals: Float[2], sums of loss and accuracy over the steps of the present epoch
    """

    step: Int[Array, ""]
    params: Any
    statistics: Any
    optimizer: Any
    totals: Float[Array, "2"]


def start(network: nnx.Module, optimizer: optax.GradientTransformation) -> State:
    """The state before the first step."""
    params, statistics = nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat)
    return State(jnp.zeros((), jnp.int32), params, statistics, optimizer.init(params), jnp.zeros(2))


def all_finite(state: State) -> Bool[Array, ""]:
    """Whether every value is finite. The last update can overflow before any loss has shown it."""
    values = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in values]).all()
