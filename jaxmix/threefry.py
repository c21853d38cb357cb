"""The Threefry-2x32 cipher as one loop over its counters: random words that are cheap on CPUs too.

JAX's own generator writes every round of the cipher to memory on CPU, and turns 64 random bits into 32.

Reference: John Salmon, Mark Moraes, Ron Dror, David Shaw. Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32

__all__ = ["cipher", "words"]

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def words(key: Array, *shape: int) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """Two arrays of random words of 32 bits from a key of any kind, of up to 2^32 elements each.

    >>> one, other = words(jax.random.key(0), 2, 3)
    >>> one.shape, other.dtype
    ((2, 3), dtype('uint32'))
    """
    seed = jax.random.bits(key, (2,), jnp.uint32)
    return _ciphered(seed, shape)


@functools.partial(jax.jit, static_argnums=1)
def _ciphered(seed: UInt32[Array, "2"], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """A function of its own, so that the words which a program takes can be counted in its jaxpr."""
    counter, stride = jnp.zeros(shape, jnp.uint32), 1
    for axis in reversed(range(len(shape))):
        counter += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * np.uint32(stride)
        stride *= shape[axis]
    return cipher(seed[0], seed[1], counter)


def cipher(first: Array, second: Array, counter: UInt32[Array, "*n"]) -> tuple[Array, Array]:
    """Encipher (counter, 0) with the key (first, second) in 20 rounds."""
    schedule = [jnp.broadcast_to(word, counter.shape) for word in (first, second, first ^ second ^ _PARITY)]
    x, y = counter + schedule[0], schedule[1]
    for group in range(5):
        for turn in _TURNS[group % 2]:
            x = x + y
            y = ((y << np.uint32(turn)) | (y >> np.uint32(32 - turn))) ^ x
        x = x + schedule[(group + 1) % 3]
        y = y + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x, y
