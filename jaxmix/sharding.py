"""Many devices: the same augmentation on every device's own part of the batch."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxmix.mix import Mix


def per_device(augment: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Run an augmentation on every device's own part of the batch: no communication, no pair across devices.

    On a batch that is sharded over devices a method called as it is sees the whole batch: its result doesn't depend on
    how many devices there are, but partners have to travel. Here nothing travels, and each device draws from its own
    key, so the result does depend on the number of devices.

    Args:
        augment: `(key, batch, *maps) -> pytree`, where arrays of batch, maps and result have the leading axis b: a
            method, or a function that mixes images and labels.
        mesh: the devices; the leading axis b is sharded over all its axes.

    Returns:
        A function of the same form, for batches whose size is a multiple of the number of devices. In every `Mix` that
        comes back, `source` holds places in the whole batch, so that labels can be mixed outside too.

    Raises:
        ValueError: a batch that doesn't divide by the number of devices.

    >>> from jaxmix.methods.cutmix import cutmix
    >>> mesh = jax.make_mesh((1,), ("data",))
    >>> images, mix = per_device(cutmix, mesh)(jax.random.key(0), jax.numpy.zeros((4, 32, 32, 3)))
    >>> mix.source.shape
    (4, 2)
    """
    axes = tuple(mesh.axis_names)
    sharded = PartitionSpec(axes)

    def local(key, *arguments):
        place = jax.lax.axis_index(axes)
        result = augment(jax.random.fold_in(key, place), *arguments)

        def globally(part):
            if not isinstance(part, Mix):
                return part
            offset = (place * part.source.shape[0]).astype(part.source.dtype)
            return part._replace(source=part.source + offset)

        return jax.tree.map(globally, result, is_leaf=lambda part: isinstance(part, Mix))

    def everywhere(key: jax.Array, batch: Any, *maps: Any) -> Any:
        for leaf in jax.tree.leaves((batch, maps)):
            if not np.shape(leaf) or np.shape(leaf)[0] % mesh.size:
                raise ValueError(
                    f"the batch has an array of shape {np.shape(leaf)}, and the mesh has {mesh.size} devices; "
                    "wanted a leading axis b that is a multiple of the number of devices"
                )
        if AxisType.Explicit in mesh.axis_types:
            batch, maps = jax.reshard((batch, maps), NamedSharding(mesh, sharded))
        specs = (PartitionSpec(), *[sharded] * (1 + len(maps)))
        return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=sharded)(key, batch, *maps)

    return everywhere
