"""Same bits, eager or jitted; and numbers that are computed once.

Inside one jitted program XLA may fuse a product with a following sum, which rounds once instead of twice, replace a
division by one number with a product, and compute with a constant otherwise than with an argument. A pixel may differ
in its last bit, but a draw must not: a share that does may move the edge of a box.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def barrier(x: Array) -> Array:
    """x, rounded to its dtype before anything else is done with it."""
    return jax.lax.optimization_barrier(x)


def hide_constant(x: Array, key: Array) -> Array:
    """x, hidden from the compiler, which can't know that a uniform draw is never 2. The key stays unused."""
    never = jax.random.uniform(jax.random.fold_in(key, 0), x.shape, jnp.float32) >= 2.0
    return jnp.where(never, jnp.nan, x)


def materialize(x: Array) -> Array:
    """x, put into memory before it is read. The first number isn't the highest of its dtype.

    Otherwise XLA on CPU may compute each number again wherever it is read: a table for every pixel that looks it up.
    """
    info = jnp.finfo if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo
    highest = np.array(info(x.dtype).max, x.dtype)
    # Always so, but the compiler can't know that; and it merges nothing with a branch.
    return jax.lax.cond(x.reshape(-1)[0] != highest, lambda x: x, jnp.zeros_like, x)
