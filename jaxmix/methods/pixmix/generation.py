"""Images made from keys alone, a bounded number of them at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix import arguments, dtypes

__all__ = ["Generator", "from_keys", "palette"]

# generator(key, n, side) -> images uint8 [n side side 3]
Generator = Callable[[Array, int, int], UInt8[Array, "n side side 3"]]
# Pixels of the images that are made at the same time.
_PIXELS = 2**18


def from_keys(
    one: Callable[[Array, int], Float[Array, "side side 3"]], key: Array, n: int, side: int
) -> UInt8[Array, "n side side 3"]:
    """Make n images, `one(key, side)` in 0..1 with a key of its own each: the first ones are the same for any n."""
    arguments.key(key, "the generator of images")
    return _from_keys(one, key, arguments.count("n", n), arguments.count("side", side, low=8))


# Jitted, so that a call outside of jit compiles one program.
@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def _from_keys(
    one: Callable[[Array, int], Float[Array, "side side 3"]], key: Array, n: int, side: int
) -> UInt8[Array, "n side side 3"]:
    together = min(n, max(1, _PIXELS // side**2))
    count = -(-n // together) * together  # a rest would be another program
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(count, dtype=jnp.uint32))
    return jax.lax.map(lambda key: dtypes.to_uint8(one(key, side)), keys, batch_size=together)[:n]


def palette(value: Float[Array, "*shape"], frequency: Array, phase: Float[Array, "3"]) -> Float[Array, "*shape 3"]:
    """Color values by a cosine for each channel: (1 + cos(2 pi (frequency value + phase))) / 2."""
    turns = (frequency * value)[..., None] + phase.reshape((1,) * value.ndim + (3,))
    return (1 + jnp.cos(2 * jnp.pi * turns)) / 2
