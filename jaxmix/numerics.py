"""Barriers against compiler optimizations: the same bits eager or jitted, and values that are computed once.

Inside one jitted program XLA may fuse a product with a following sum, which rounds once instead of twice, replace a
division by a scalar with a product, and compute with a constant otherwise than with an argument. A pixel may differ
in its last bit, but a random value must not: a share that does may move the edge of a box.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxmix import platforms

__all__ = ["barrier", "hide_constant", "materialize"]


def barrier(x: Array) -> Array:
    """Round x to its dtype before anything else is done with it."""
    return jax.lax.optimization_barrier(x)


def hide_constant(x: Float[Array, "..."], key: Array) -> Float[Array, "..."]:
    """Hide a constant from the compiler, which doesn't know that a uniform sample is below 2. The key stays fresh."""
    never = jax.random.uniform(jax.random.fold_in(key, 0), x.shape, jnp.float32) >= 2.0
    return jnp.where(never, jnp.nan, x)


def materialize(x: Array, always: Bool[Array, ""] | None = None) -> Array:
    """Put x into memory before it is read: XLA may compute each element again wherever it is read.

    A table, for instance, for every pixel that looks it up. XLA on CPU removes barriers before it merges operations,
    but it merges nothing with a branch. Elsewhere a branch would wait for its condition, and a barrier suffices.

    Args:
        x: array.
        always: a condition that always holds, unknown to the compiler. By default, that the first element of x isn't
            the highest value of its dtype, which it must not be.
    """
    if always is None:
        info = jnp.finfo if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo
        always = x.reshape(-1)[0] != np.array(info(x.dtype).max, x.dtype)

    def branch(always: Array, x: Array) -> Array:
        return jax.lax.cond(always, lambda x: x, jnp.zeros_like, x)

    return platforms.form(always, x, cpu=branch, accelerator=lambda _, x: barrier(x))
