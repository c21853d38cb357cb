"""Which method: probabilities and choices are composed around the methods, never built into them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.mix_structures import common_structure, conform, identity
from jaxmix.sharding import sharded_like, varying

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
    _methods([method])

    def maybe(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        arguments.key(key, "sometimes", batch)
        decide, method_key = jax.random.split(key)
        x = arguments.images(batch)
        probability = arguments.number("p", p, low=0.0, high=1.0)
        hit = jax.random.uniform(decide, () if per_batch else x.shape[:1], jnp.float32) < probability

        def mixed(key: jax.Array) -> tuple[jax.Array, Mix]:
            return varying(x, method(key, batch, *_taken(method, maps), **options))

        def plain(like: Mix) -> tuple[jax.Array, Mix]:
            return varying(x, (x, identity(x.shape[0], like)))

        if per_batch:
            like = jax.eval_shape(mixed, method_key)[1]
            return _branch(hit, [lambda _: plain(like), mixed], [method_key] * 2)
        made = mixed(method_key)
        return _where(hit, made, plain(made[1]))

    return maybe


def one_of(methods: Sequence[Method], probs: ArrayLike | Sequence[ArrayLike], *, per_batch: bool = True) -> Method:
    """Apply one of several methods, chosen at random for every batch; only the chosen one is computed.

    Args:
        methods: any methods; bind their hyper-parameters with `functools.partial`.
        probs: one value per method, 0 or more, in proportion to which it is chosen; may be traced.
        per_batch: False chooses for every sample, which computes all the methods (timm's mode "elem").

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
        arguments.key(key, "one_of", batch)
        decide, *keys = jax.random.split(key, 1 + len(methods))
        x = arguments.images(batch)
        logits = jnp.log(arguments.numbers("probs", probs, len(methods), wanted))
        choice = jax.random.categorical(decide, logits, shape=() if per_batch else x.shape[:1])

        def call(method: Method, key: jax.Array) -> tuple[jax.Array, Mix]:
            return method(key, batch, *_taken(method, maps), **options)

        mixes = [jax.eval_shape(functools.partial(call, method), keys[0])[1] for method in methods]
        structure = common_structure(mixes)

        def branch(method: Method, key: jax.Array) -> tuple[jax.Array, Mix]:
            images, mix = call(method, key)
            return varying(x, (images, conform(mix, structure)))

        if per_batch:
            return _branch(choice, [functools.partial(branch, method) for method in methods], keys)
        made, *others = (branch(method, method_key) for method, method_key in zip(methods, keys, strict=True))
        for place, other in enumerate(others, 1):
            made = _where(choice == place, other, made)
        return made

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
    try:
        sizes = np.asarray(shares, float)
    except (TypeError, ValueError):
        raise ValueError(
            f"shares are {shares!r}; wanted a list of one share for each of {len(methods)} methods"
        ) from None
    if sizes.shape != (len(methods),) or np.any(sizes < 0) or not np.isclose(sizes.sum(), 1):
        raise ValueError(
            f"shares are {sizes.tolist()}; wanted a share of 0 or more for each of {len(methods)} methods, sum 1"
        )

    def side_by_side(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        arguments.key(key, "split", batch)
        return mixed(key, arguments.images(batch), *maps, **options)

    @sharded_like("x")
    def mixed(key: jax.Array, x: jax.Array, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        keys = jax.random.split(key, len(methods))
        edges = np.rint(np.concatenate([[0.0], np.cumsum(sizes)]) * x.shape[0]).astype(int).tolist()
        images, mixes = [], []
        for method, part_key, start, end in zip(methods, keys, edges[:-1], edges[1:], strict=True):
            if start < end:
                _require_partner(method, sizes.tolist(), x.shape[0], end - start)
                own = (m[start:end] for m in _taken(method, maps))
                part, mix = method(part_key, x[start:end], *own, **options)
                images.append(part)
                mixes.append(mix.offset(int(start)))
        structure = common_structure(mixes)
        mixes = [conform(mix, structure) for mix in mixes]
        return jnp.concatenate(images), jax.tree.map(lambda *fields: jnp.concatenate(fields), *mixes)

    return side_by_side


def _require_partner(method: Method, shares: list[float], size: int, part: int) -> None:
    """Refuse a part of one sample where the method mixes with a partner."""
    if part == 1 and size > 1 and "partner" in inspect.signature(method).parameters:
        raise ValueError(
            f"shares are {shares}, which leaves one of {size} samples to {_name(method)}, without a partner; "
            "wanted parts of 2 or more: pass a larger batch or other shares"
        )


def _methods(methods: Sequence[Method]) -> list[Method]:
    if not isinstance(methods, Sequence) or not methods or not all(map(callable, methods)):
        raise ValueError(f"methods are {methods!r}; wanted a list of one or more methods")
    return list(methods)


def _taken(method: Method, maps: tuple[Any, ...]) -> tuple[Any, ...]:
    """The maps for a method: none for one that takes none, all of them for the others."""
    kinds = [p for p in inspect.signature(method).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    if any(p.kind is p.VAR_POSITIONAL for p in kinds):
        return maps
    named = [p for p in kinds if p.kind is not p.VAR_KEYWORD][2:]
    needed = sum(p.default is p.empty for p in named)
    if not named:
        return ()
    if not needed <= len(maps) <= len(named):
        name, wanted = _name(method), ", ".join(p.name for p in named)
        raise ValueError(
            f"{name} takes {wanted} after the batch, but {len(maps)} maps were given; wanted methods of the same maps: "
            f"bind others, lambda key, batch: {name}(key, batch, {wanted})"
        )
    return maps


def _name(method: Method) -> str:
    return getattr(getattr(method, "func", method), "__name__", repr(method))


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
