"""A batch cut into parts, in order, whose pictures are mixed among each other (Co-Mixup).

Parts are of n places. Only the last may have places that no sample fills: `real`, bool [p n], says which are filled.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.mix import Mix
from jaxmix.numerics import barrier


def places(size: int, part: int) -> np.ndarray:
    """Which places are filled, where a batch of this size is cut into parts of so many places, or of all samples.

    >>> places(5, 3).tolist()
    [[True, True, True], [True, True, False]]
    """
    part = min(part, size)
    return np.arange(-(-size // part) * part).reshape(-1, part) < size


def filled(real: np.ndarray) -> np.ndarray:
    """How many samples every part has, int32 [p]."""
    return real.sum(1, dtype=np.int32)


def cut(maps: Float[Array, "b h w"], real: np.ndarray) -> Float[Array, "p n h w"]:
    """Every map in its place; zeros where there is no sample."""
    return jnp.pad(maps, ((0, real.size - maps.shape[0]), (0, 0), (0, 0))).reshape(*real.shape, *maps.shape[1:])


def itself(parents: Int[Array, "p n g g 2"]) -> Int[Array, "p n g g 2"]:
    """The parents of outputs that are each made of the input in the same place alone."""
    return jnp.broadcast_to(jnp.arange(parents.shape[1], dtype=jnp.int32)[None, :, None, None, None], parents.shape)


def dealt(parents: Int[Array, "p n g g 2"], real: np.ndarray) -> Mix:
    """The mix whose outputs hold in every block two inputs of their part by half, or twice the same one.

    Slot s of a sample is the input s places after it in its part, and after the last comes the first.

    >>> mix = dealt(jnp.array([[[[[0, 1]]], [[[1, 1]]]]]), places(2, 2))
    >>> mix.source.tolist(), mix.weight.tolist()
    ([[0, 1], [1, 0]], [[0.5, 0.5], [1.0, 0.0]])
    """
    number, slots, rows, columns, _ = parents.shape
    inputs, place, part = filled(real), *(np.arange(x, dtype=np.int32) for x in (slots, number))
    source = slots * part[:, None, None] + (place[:, None] + place) % inputs[:, None, None]
    output, modulus, slot = (
        place[None, :, None, None, None],
        inputs[:, None, None, None, None],
        place[:, None, None, None],
    )
    mask = (((parents - output) % modulus)[:, :, None] == slot[None, None]).mean(-1, dtype=jnp.float32)
    mask = mask.reshape(-1, slots, rows, columns)[: real.sum()]
    weight = mask.sum((2, 3)) / barrier(jnp.full(mask.shape[:2], rows * columns, jnp.float32))
    return Mix(jnp.asarray(source.reshape(-1, slots)[: real.sum()]), weight, mask, (None,) * slots)
