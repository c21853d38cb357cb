"""Which method: probabilities and choices are composed around the methods, never built into them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments, forms, sharding
from jaxmix.mix import Mix, identity

Method = Callable[..., tuple[jax.Array, Mix]]

# The key that decides is derived from the caller's with a number that `jax.random.split` never reaches, so the chosen
# method can be called with the caller's own key: sometimes(method, 1.0)(key, batch) is method(key, batch). A choice
# among choices sees that same key again, so the number depends on how deep a choice is nested.
_DECISION = 0x6A6D6978
_depth = jax.make_user_context(default_value=0)


def _decision(key: jax.Array) -> jax.Array:
    return jax.random.fold_in(key, _DECISION + _depth.value)


def _deeper(method: Method) -> Method:
    """The method, called one level deeper than we are now."""
    depth = _depth.value + 1

    def call(*arguments: Any, **options: Any) -> tuple[jax.Array, Mix]:
        with _depth(depth):
            return method(*arguments, **options)

    return call


def sometimes(method: Method, p: ArrayLike, *, per_batch: bool = False) -> Method:
    """The method with probability p, else the batch as it is.

    Args:
        method: any method; bind its hyper-parameters with `functools.partial`.
        p: probability, in [0, 1]; may be traced, so a schedule of the step costs no new trace (Scheduled CutMix).
        per_batch: one decision for the whole batch (then an unmixed batch costs nothing), as in the authors' code,
            instead of one per sample.

    Returns:
        A method: `(key, batch, *maps) -> (images, Mix)`. With p = 1 it is the method itself, key for key
        (but a choice inside a choice draws anew).

    Raises:
        ValueError: p outside [0, 1].

    >>> from jaxmix.methods.cutmix import cutmix
    >>> images, mix = sometimes(cutmix, 0.5)(jax.random.key(0), jnp.zeros((4, 32, 32, 3)))
    >>> mix.weight.shape
    (4, 2)
    """
    arguments.number("p", p, low=0.0, high=1.0)

    def maybe(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        x = arguments.images(batch)
        probability = arguments.number("p", p, low=0.0, high=1.0)
        shape = () if per_batch else x.shape[:1]
        hit = jax.random.uniform(_decision(key), shape, jnp.float32) < probability
        inner, fresh = _deeper(method), _refreshed(key)

        def mixed():
            return sharding.varying(x, inner(fresh(), batch, *maps, **options))

        def plain():
            return sharding.varying(x, (x, identity(x.shape[0], jax.eval_shape(mixed)[1])))

        if not per_batch:
            return _where(hit, mixed(), plain())
        return _branch(hit, [plain, mixed])

    return maybe


def one_of(methods: Sequence[Method], probs: ArrayLike | Sequence[ArrayLike]) -> Method:
    """One of several methods, drawn for every batch; only the drawn one is computed.

    Args:
        methods: any methods; bind their hyper-parameters with `functools.partial`.
        probs: one number per method, 0 or more, in proportion to which it is drawn; may be traced.

    Returns:
        A method: `(key, batch, *maps) -> (images, Mix)`, its `Mix` wide enough for each of them. The drawn method is
        called with the caller's very key.

    Raises:
        ValueError: no methods, another number of probabilities, negative ones or none above 0.

    >>> from jaxmix.methods.cutmix import cutmix
    >>> from jaxmix.methods.mixup import mixup
    >>> images, mix = one_of([mixup, cutmix], [0.5, 0.5])(jax.random.key(0), jnp.zeros((4, 32, 32, 3)))
    >>> mix.mask.shape
    (4, 2, 32, 32)
    """
    methods = _methods(methods)
    wanted = f"one number for each of {len(methods)} methods"
    arguments.numbers("probs", probs, len(methods), wanted)

    def chosen(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        odds = jnp.log(arguments.numbers("probs", probs, len(methods), wanted))
        choice = jax.random.categorical(_decision(key), odds)
        fresh, x = _refreshed(key), arguments.images(batch)

        def call(method):
            return _deeper(method)(fresh(), batch, *maps, **options)

        form = forms.common([jax.eval_shape(functools.partial(call, method))[1] for method in methods])

        def branch(method):
            images, mix = call(method)
            return sharding.varying(x, (images, forms.conform(mix, form)))

        return _branch(choice, [functools.partial(branch, method) for method in methods])

    return chosen


def split(shares: Sequence[float], methods: Sequence[Method]) -> Method:
    """Each method on its own part of the batch, one after the other; partners are found inside the part.

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

    def parts(key: jax.Array, batch: arguments.Batch, *maps: Any, **options: Any) -> tuple[jax.Array, Mix]:
        x = arguments.images(batch)
        return sharding.like(x, 1, functools.partial(mixed, **options), key, x, *maps)

    def mixed(key, x, *maps, **options):
        edges = np.rint(np.concatenate([[0.0], np.cumsum(sizes)]) * x.shape[0]).astype(int)
        keys = jax.random.split(key, len(methods))
        images, mixes = [], []
        for method, part_key, start, end in zip(methods, keys, edges[:-1], edges[1:], strict=True):
            if start < end:
                part, mix = method(part_key, x[start:end], *(m[start:end] for m in maps), **options)
                images.append(part)
                mixes.append(mix._replace(source=mix.source + int(start)))
        form = forms.common(mixes)
        return jnp.concatenate(images), jax.tree.map(
            lambda *a: jnp.concatenate(a), *(forms.conform(m, form) for m in mixes)
        )

    return parts


def _branch(choice: jax.Array, calls: Sequence[Callable[[], Any]]) -> Any:
    """The result of one of the calls. Outside of jit a choice is known: then a switch would only compile anew."""
    known = arguments.concrete(choice)
    return jax.lax.switch(choice.astype(jnp.int32), calls) if known is None else calls[int(known)]()


def _refreshed(key: jax.Array) -> Callable[[], jax.Array]:
    """Makes the same key anew for each of several branches. Under vmap all of them run, though only one result is
    kept: to share the key is no mistake there, which the check for reused keys can't know.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return lambda: key
    data, implementation = jax.random.key_data(key), jax.random.key_impl(key)
    return lambda: jax.random.wrap_key_data(data, impl=implementation)


def _methods(methods: Sequence[Method]) -> list[Method]:
    methods = list(methods)
    if not methods:
        raise ValueError("there are no methods to choose from; wanted at least one")
    return methods


def _where(hit, mixed, plain):
    """Per sample, one of two pytrees of arrays with leading axis b."""

    def choose(a, b):
        return jnp.where(hit.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, mixed, plain)
