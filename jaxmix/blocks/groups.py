"""Groups of a batch, in order, whose images are mixed with each other (Co-Mixup).

Groups have n places. Only the last may have places that no sample fills: `real`, bool [p n], says which are filled.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxmix.mix import Mix
from jaxmix.numerics import barrier

__all__ = ["group_sizes", "identity_parents", "mix_of_parents", "occupancy", "split_maps"]

Occupancy = Bool[np.ndarray, "p n"]


def occupancy(size: int, group: int) -> Occupancy:
    """The filled places, where a batch of this size is cut into groups of `group` places, or of all samples.

    >>> occupancy(5, 3).tolist()
    [[True, True, True], [True, True, False]]
    """
    group = min(group, size)
    return np.arange(-(-size // group) * group).reshape(-1, group) < size


def group_sizes(real: Occupancy) -> Int[np.ndarray, "p"]:
    """The number of samples of every group, int32."""
    return real.sum(1, dtype=np.int32)


def split_maps(maps: Float[Array, "b h w"], real: Occupancy) -> Float[Array, "p n h w"]:
    """Split maps into groups; zeros where there is no sample."""
    return jnp.pad(maps, ((0, real.size - maps.shape[0]), (0, 0), (0, 0))).reshape(*real.shape, *maps.shape[1:])


def identity_parents(parents: Int[Array, "p n g g 2"]) -> Int[Array, "p n g g 2"]:
    """The parents of outputs that each show the input in the same place alone."""
    return jnp.broadcast_to(jnp.arange(parents.shape[1], dtype=jnp.int32)[None, :, None, None, None], parents.shape)


def mix_of_parents(parents: Int[Array, "p n g g 2"], real: Occupancy) -> Mix:
    """The mix whose outputs show in every block two inputs of their group by half, or twice the same one.

    Slot s of a sample is the input s places after it in its group, and after the last comes the first.

    >>> mix = mix_of_parents(jnp.array([[[[[0, 1]]], [[[1, 1]]]]]), occupancy(2, 2))
    >>> mix.source.tolist(), mix.weight.tolist()
    ([[0, 1], [1, 0]], [[0.5, 0.5], [1.0, 0.0]])
    """
    number, slots, rows, columns, _ = parents.shape
    inputs, place, group = group_sizes(real), *(np.arange(x, dtype=np.int32) for x in (slots, number))
    source = slots * group[:, None, None] + (place[:, None] + place) % inputs[:, None, None]
    output, modulus, slot = (
        place[None, :, None, None, None],
        inputs[:, None, None, None, None],
        place[:, None, None, None],
    )
    mask = (((parents - output) % modulus)[:, :, None] == slot[None, None]).mean(-1, dtype=jnp.float32)
    mask = mask.reshape(-1, slots, rows, columns)[: real.sum()]
    weight = mask.sum((2, 3)) / barrier(jnp.full(mask.shape[:2], rows * columns, jnp.float32))
    return Mix(jnp.asarray(source.reshape(-1, slots)[: real.sum()]), weight, mask, (None,) * slots)
