"""Batches sharded over devices: augmentation of every device's own part, and results sharded like an argument."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

__all__ = ["HoldsIndices", "per_device", "sharded_like", "varying"]


@runtime_checkable
class HoldsIndices(Protocol):
    """A pytree that holds indices of the batch, as `Mix` does."""

    def offset(self, by: jax.Array | int) -> "HoldsIndices":
        """Increase the indices."""
        ...


def per_device(augment: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Run an augmentation on every device's own part of the batch: no communication, no pair across devices.

    On a batch that is sharded over devices a method called as it is sees the whole batch: its result doesn't depend on
    the number of devices, but partners have to travel. Here nothing travels, and each device samples from its own key,
    so the result does depend on the number of devices.

    Args:
        augment: `(key, batch, *maps) -> pytree`, where arrays of batch, maps and result have the leading axis b: a
            method, or a function that mixes images and labels.
        mesh: the devices; the leading axis b is sharded over all its axes.

    Returns:
        A function of the same form, for batches whose size is a multiple of the number of devices. In every `Mix` that
        it returns, `source` holds indices of the whole batch, so that labels can be mixed outside too.

    Raises:
        ValueError: a batch size that isn't a multiple of the number of devices.

    >>> from jaxmix.methods.cutmix import cutmix
    >>> mesh = jax.make_mesh((1,), ("data",))
    >>> images, mix = jax.jit(per_device(cutmix, mesh))(jax.random.key(0), jax.numpy.zeros((4, 32, 32, 3)))
    >>> mix.source.shape
    (4, 2)
    """
    axes = tuple(mesh.axis_names)
    sharded = PartitionSpec(axes)

    def local(key: jax.Array, *arguments: Any) -> Any:
        device = jax.lax.axis_index(axes)
        result = augment(jax.random.fold_in(key, device), *arguments)

        def globally(part: Any) -> Any:
            return part.offset(device * jax.tree.leaves(part)[0].shape[0]) if isinstance(part, HoldsIndices) else part

        return jax.tree.map(globally, result, is_leaf=lambda part: isinstance(part, HoldsIndices))

    def everywhere(key: jax.Array, batch: Any, *maps: Any) -> Any:
        for leaf in jax.tree.leaves((batch, maps)):
            if not np.shape(leaf) or np.shape(leaf)[0] % mesh.size:
                raise ValueError(
                    f"the batch has an array of shape {np.shape(leaf)}, and the mesh has {mesh.size} devices; "
                    "wanted a leading axis b that is a multiple of the number of devices"
                )
        if AxisType.Explicit in mesh.axis_types:
            batch, maps = _reshard((batch, maps), NamedSharding(mesh, sharded))
        specs = (PartitionSpec(), *[sharded] * (1 + len(maps)))
        return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=sharded)(key, batch, *maps)

    return everywhere


def sharded_like(name: str, axes: int | None = 1) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function whose results are to be sharded as its argument `name` is, along that many leading axes.

    On meshes with explicit axes (JAX's default) a gather from a sharded axis is an error unless the program says how
    its result is sharded; with the decorator the compiler inserts the communication. Elsewhere the function is called
    as it is. Of a pytree the first array counts, with `axes=None` all its axes. Arguments that aren't arrays are
    static.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            sharding = jax.typeof(jax.tree.leaves(bound.arguments[name])[0]).sharding
            types = zip(sharding.mesh.axis_names, sharding.mesh.axis_types, strict=True)
            explicit = tuple(axis for axis, kind in types if kind == AxisType.Explicit)
            if not explicit:
                return function(*args, **kwargs)
            leaves, structure = jax.tree.flatten((args, kwargs))
            arrays = [isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves]
            kinds = [_key_kind(leaf) for leaf, array in zip(leaves, arrays, strict=True) if array]

            def on_arrays(*given: Any) -> Any:
                rest = map(_key_of, given, kinds)
                filled = [next(rest) if array else leaf for leaf, array in zip(leaves, arrays, strict=True)]
                positional, keyword = jax.tree.unflatten(structure, filled)
                return function(*positional, **keyword)

            place = NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:axes]))
            spread = jax.sharding.auto_axes(on_arrays, axes=explicit, out_sharding=place)
            present = (leaf for leaf, array in zip(leaves, arrays, strict=True) if array)
            return jax.jit(spread)(*map(_key_bits, present, kinds))

        return call

    return decorate


# Keys cross `auto_axes` as their bits: before jax 0.10 the check for keys used twice takes the crossing for a use.


def _key_kind(x: Any) -> Any:
    """The generator that a typed key is for; of other arrays, none."""
    return jax.random.key_impl(x) if jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key) else None


def _key_bits(x: Any, kind: Any) -> Any:
    return x if kind is None else jax.random.key_data(x)


def _key_of(bits: Any, kind: Any) -> Any:
    return bits if kind is None else jax.random.wrap_key_data(bits, impl=kind)


def varying(x: jax.Array, tree: Any) -> Any:
    """Mark the arrays of a pytree as differing between the devices of a shard_map wherever x does.

    Branches of a cond or switch must agree in this, and a branch may hold constants.
    """
    axes = _varying_axes(x)

    def mark(leaf: jax.Array) -> jax.Array:
        missing = tuple(axes - _varying_axes(leaf))
        return _mark_varying(leaf, missing) if missing else leaf

    return jax.tree.map(mark, tree) if axes else tree


# Three names that JAX has changed since 0.7.


def _varying_axes(x: jax.Array) -> frozenset[str]:
    """The mesh axes of a shard_map along which x differs."""
    kind = jax.typeof(x)
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma


def _mark_varying(x: jax.Array, axes: tuple[str, ...]) -> jax.Array:
    if hasattr(jax.lax, "pcast"):
        return jax.lax.pcast(x, axes, to="varying")
    return jax.lax.pvary(x, axes)  # type: ignore[attr-defined]


def _reshard(tree: Any, sharding: NamedSharding) -> Any:
    return (jax.reshard if hasattr(jax, "reshard") else jax.sharding.reshard)(tree, sharding)
