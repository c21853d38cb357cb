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
    average: of params and statistics over the updates, see `averages`; empty without one
    """

    step: Int[Array, ""]
    params: Any
    statistics: Any
    optimizer: Any
    totals: Float[Array, "2"]
    average: Any = ()

    def tested(self) -> tuple[Any, Any]:
        """The parameters and statistics that are tested: their average, where there is one."""
        return self.average or (self.params, self.statistics)


def start(network: nnx.Module, optimizer: optax.GradientTransformation, *, average: bool = False) -> State:
    """The state before the first step."""
    params, statistics = nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat)
    # Copies, since the buffers of a state are given to the next, each once.
    kept = jax.tree.map(jnp.copy, (params, statistics)) if average else ()
    return State(jnp.zeros((), jnp.int32), params, statistics, optimizer.init(params), jnp.zeros(2), kept)


def all_finite(state: State) -> Bool[Array, ""]:
    """Whether every value is finite. The last update can overflow before any loss has shown it."""
    values = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in values]).all()
