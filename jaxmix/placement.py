"""Arrays whose type says how they lie on a mesh: on meshes with explicit axes (JAX's default), and inside shard_map."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def like(x: jax.Array, axes: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """`call(*arguments)`, every array of which lies as x does along its first axes; the compiler moves what has to.

    On explicit axes a gather from a sharded axis is an error unless the program says where its result shall lie.
    """
    sharding = jax.typeof(x).sharding
    kinds = zip(sharding.mesh.axis_names, sharding.mesh.axis_types, strict=True)
    explicit = tuple(name for name, kind in kinds if kind == AxisType.Explicit)
    if not explicit:
        return call(*arguments)
    place = NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:axes]))
    return jax.jit(jax.sharding.auto_axes(call, axes=explicit, out_sharding=place))(*arguments)


def varying(x: jax.Array, tree: Any) -> Any:
    """The arrays of the tree, marked as differing between the devices of a shard_map wherever x does.

    Branches of a cond or switch must agree in this, and a branch may hold constants.
    """
    axes = jax.typeof(x).manual_axis_type.varying

    def mark(leaf: jax.Array) -> jax.Array:
        missing = tuple(axes - jax.typeof(leaf).manual_axis_type.varying)
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(mark, tree) if axes else tree
