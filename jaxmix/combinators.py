"""Which method: probabilities and choices are composed around the methods, never built into them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int

from jaxmix import arguments
from jaxmix.mix import Mix, identity
from jaxmix.sharding import sharded_like, varying
from jaxmix.warps import Chain, Warp

__all__ = ["Method", "one_of", "sometimes", "split"]

# `(key, batch, *maps, **options) -> (images, Mix)`
Method = Callable[..., tuple[jax.Array, Mix]]


def sometimes(method: Method, p: ArrayLike, *, per_batch: bool = False) -> Method:
    """Apply a method with probability p, else leave the batch as it is.

    Args:
        method: any method; bind its hyper-parameters with `functools.partial`.
        p: probability, in [0, 1]; may be traced, so a schedule of the step costs no new trace (Scheduled CutMix).
        per_batch: one decision for the whole batch (then an unmixed batch costs nothing), as in the authors' code,
            instead of one per sample.

    Returns:
        A method: `(key, batch, *maps) -> (images, Mix)`. The method gets a key of its own, split from the caller's.

    Raises:
        ValueError: p outside [0, 1].

    >>> from jaxmix.methods.cutmix import cutmix
    >>> images, mix = sometimes(cutmix, 0.5)(jax.random.key(0), jnp.zeros((4, 32, 32, 3)))
    >>> mix.weight.shape
    (4, 2)
    """
    arguments.number("p", p, low=0.0, high=1.0)

    def maybe(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        decide, method_key = jax.random.split(key)
        x = arguments.images(batch)
        probability = arguments.number("p", p, low=0.0, high=1.0)
        hit = jax.random.uniform(decide, () if per_batch else x.shape[:1], jnp.float32) < probability

        def mixed(key: jax.Array) -> tuple[jax.Array, Mix]:
            return varying(x, method(key, batch, *maps, **options))

        def plain(like: Mix) -> tuple[jax.Array, Mix]:
            return varying(x, (x, identity(x.shape[0], like)))

        if per_batch:
            like = jax.eval_shape(mixed, method_key)[1]
            return _branch(hit, [lambda _: plain(like), mixed], [method_key] * 2)
        made = mixed(method_key)
        return _where(hit, made, plain(made[1]))

    return maybe


def one_of(methods: Sequence[Method], probs: ArrayLike | Sequence[ArrayLike]) -> Method:
    """Apply one of several methods, chosen at random for every batch; only the chosen one is computed.

    Args:
        methods: any methods; bind their hyper-parameters with `functools.partial`.
        probs: one value per method, 0 or more, in proportion to which it is chosen; may be traced.

    Returns:
        A method: `(key, batch, *maps) -> (images, Mix)`, its `Mix` wide enough for each of them. Each method gets a key
        of its own, split from the caller's.

    Raises:
        ValueError: no methods, another number of probabilities, negative ones or none above 0.

    >>> from jaxmix.methods.cutmix import cutmix
    >>> from jaxmix.methods.mixup import mixup
    >>> images, mix = one_of([mixup, cutmix], [0.5, 0.5])(jax.random.key(0), jnp.zeros((4, 32, 32, 3)))
    >>> mix.mask.shape
    (4, 2, 32, 32)
    """
    methods = _methods(methods)
    wanted = f"one value for each of {len(methods)} methods"
    arguments.numbers("probs", probs, len(methods), wanted)

    def chosen(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        decide, *keys = jax.random.split(key, 1 + len(methods))
        x = arguments.images(batch)
        choice = jax.random.categorical(decide, jnp.log(arguments.numbers("probs", probs, len(methods), wanted)))

        def call(method: Method, key: jax.Array) -> tuple[jax.Array, Mix]:
            return method(key, batch, *maps, **options)

        mixes = [jax.eval_shape(functools.partial(call, method), keys[0])[1] for method in methods]
        structure = _common_structure(mixes)

        def branch(method: Method, key: jax.Array) -> tuple[jax.Array, Mix]:
            images, mix = call(method, key)
            return varying(x, (images, _conform(mix, structure)))

        return _branch(choice, [functools.partial(branch, method) for method in methods], keys)

    return chosen


def split(shares: Sequence[float], methods: Sequence[Method]) -> Method:
    """Apply each method to its own part of the batch, one after the other; partners are found inside the part.

    Args:
        shares: share of the batch for each method, summing to 1; static. Parts end at round(cumulative share * b).
        methods: any methods; bind their hyper-parameters with `functools.partial`.

    Returns:
        A method: `(key, batch, *maps) -> (images, Mix)`, maps [b ...] being split like the batch.

    Raises:
        ValueError: another number of shares than methods, shares that are negative or don't sum to 1.

    >>> from jaxmix.methods.cutmix import cutmix
    >>> from jaxmix.methods.mixup import mixup
    >>> images, mix = split([0.5, 0.5], [mixup, cutmix])(jax.random.key(0), jnp.zeros((8, 32, 32, 3)))
    >>> mix.source[:, 1].tolist()
    [1, 2, 3, 0, 5, 6, 7, 4]
    """
    methods = _methods(methods)
    sizes = np.asarray(shares, float)
    if sizes.shape != (len(methods),) or np.any(sizes < 0) or not np.isclose(sizes.sum(), 1):
        raise ValueError(
            f"shares are {list(shares)}; wanted a share of 0 or more for each of {len(methods)} methods, sum 1"
        )

    def side_by_side(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        return mixed(key, arguments.images(batch), *maps, **options)

    @sharded_like("x")
    def mixed(key: jax.Array, x: jax.Array, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        keys = jax.random.split(key, len(methods))
        edges = np.rint(np.concatenate([[0.0], np.cumsum(sizes)]) * x.shape[0]).astype(int)
        images, mixes = [], []
        for method, part_key, start, end in zip(methods, keys, edges[:-1], edges[1:], strict=True):
            if start < end:
                part, mix = method(part_key, x[start:end], *(m[start:end] for m in maps), **options)
                images.append(part)
                mixes.append(mix.offset(int(start)))
        structure = _common_structure(mixes)
        mixes = [_conform(mix, structure) for mix in mixes]
        return jnp.concatenate(images), jax.tree.map(lambda *fields: jnp.concatenate(fields), *mixes)

    return side_by_side


def _methods(methods: Sequence[Method]) -> list[Method]:
    methods = list(methods)
    if not methods:
        raise ValueError("there are no methods to choose from; wanted at least one")
    return methods


def _branch(choice: Int[Array, ""] | Bool[Array, ""], calls: Sequence[Callable[..., Any]], keys: list[Array]) -> Any:
    """Call one of several functions with its key."""
    known = arguments.concrete(choice)
    if known is not None:  # outside of jit, where a switch would only compile anew
        return calls[int(known)](keys[int(known)])
    # Under vmap a switch hands what it is given to every branch, which counts as reuse of a key, but not of its bits.
    implementation, bits = jax.random.key_impl(keys[0]), [jax.random.key_data(key) for key in keys]

    def branch(call: Callable[..., Any], bits: Array) -> Any:
        return call(jax.random.wrap_key_data(bits, impl=implementation))

    branches = [functools.partial(branch, *pair) for pair in zip(calls, bits, strict=True)]
    return jax.lax.switch(choice.astype(jnp.int32), branches)


def _where(hit: Bool[Array, "b"], mixed: Any, plain: Any) -> Any:
    """Per sample, one of two pytrees of arrays with leading axis b."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(hit.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, mixed, plain)


# Mixes of several methods differ in structure: slots, resolution of the mask, kinds of warps. To leave one switch, or
# to be concatenated, they get a common one: height and width of the masks, and for each slot a warp of every kind that
# any mix has there, as shapes.
Structure = tuple[int, int, list[list[Warp]]]


def _common_structure(mixes: Sequence[Mix]) -> Structure:
    """The structure that holds each of the mixes, which may be given by their shapes."""
    height, width = (max(mix.mask.shape[axis] for mix in mixes) for axis in (2, 3))
    slots = max(mix.weight.shape[1] for mix in mixes)
    kinds: list[list[Warp]] = [[] for _ in range(slots)]
    for mix in mixes:
        for slot, warp in enumerate(mix.warps):
            if warp is not None and _kind(warp) not in map(_kind, kinds[slot]):
                kinds[slot].append(warp)
    return height, width, kinds


def _kind(warp: Warp) -> Any:
    return jax.tree.structure(warp), [leaf.shape[1:] for leaf in jax.tree.leaves(warp)]


def _conform(mix: Mix, structure: Structure) -> Mix:
    """The same mix in that structure: with empty slots, a finer mask, and warps that move nothing."""
    height, width, kinds = structure
    size, slots, mask_height, mask_width = mix.mask.shape
    if height % mask_height or width % mask_width:
        raise ValueError(
            f"one method's masks are {mask_height} x {mask_width} and another's {height} x {width}, which is no "
            "multiple of it: choose grids that divide the images"
        )
    empty = len(kinds) - slots
    source = jnp.concatenate([mix.source, jnp.repeat(mix.source[:, :1], empty, 1)], 1)
    weight = jnp.pad(mix.weight, ((0, 0), (0, empty)))
    mask = jnp.repeat(jnp.repeat(mix.mask, height // mask_height, 2), width // mask_width, 3)
    mask = jnp.pad(mask, ((0, 0), (0, empty), (0, 0), (0, 0)))
    warps = (*mix.warps, *[None] * empty)
    chains = tuple(_chain(warp, slot, size) for warp, slot in zip(warps, kinds, strict=True))
    return Mix(source, weight, mask, chains)


def _chain(warp: Warp | None, kinds: list[Warp], size: int) -> Warp | None:
    """The slot's warp in its place among the kinds, the others moving nothing."""
    if not kinds:
        return None
    parts = []
    for kind in kinds:
        if warp is not None and _kind(kind) == _kind(warp):
            parts.append(warp)
        else:
            shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), kind)
            parts.append(shapes.still())
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))
