"""The exponential moving average of a network over the updates of its training."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

__all__ = ["moved"]


def moved(average: Any, values: Any, step: Int[Array, ""], *, decay: float, accumulate: int = 1) -> Any:
    """The average after step `step`, counted from 0, which has left the network at `values`.

    After t updates it is sum over i = 1..t of decay^(t-i) values_i, divided by the sum of the weights, so the network
    before the training has no part in it. A step that ends no update, of the `accumulate` to each, changes nothing.
    """
    updates = (step + 1) // accumulate
    # (1 - decay) / (1 - decay^t), the weight of the newest; for the first 1, to the bit.
    log = math.log(decay)
    later = math.expm1(log) / jnp.expm1(jnp.maximum(updates, 2).astype(jnp.float32) * log)
    weight = jnp.where((step + 1) % accumulate == 0, jnp.where(updates == 1, 1.0, later), 0.0)
    # In this form a weight of 0 or 1 leaves every bit as it is.
    return jax.tree.map(lambda kept, new: (1 - weight) * kept + weight * new, average, values)
