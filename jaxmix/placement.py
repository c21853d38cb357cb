"""Arrays whose sharding is part of their type, as on meshes with explicit axes (JAX's default).

There a gather from a sharded axis is an error unless the program says where its result shall lie. Mixing says so: where
the pictures lie.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def like(x: jax.Array, axes: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """`call(*arguments)`, every array of which lies as x does along its first axes; the compiler moves what has to."""
    sharding = jax.typeof(x).sharding
    kinds = zip(sharding.mesh.axis_names, sharding.mesh.axis_types, strict=True)
    explicit = tuple(name for name, kind in kinds if kind == AxisType.Explicit)
    if not explicit:
        return call(*arguments)
    place = NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:axes]))
    return jax.jit(jax.sharding.auto_axes(call, axes=explicit, out_sharding=place))(*arguments)
