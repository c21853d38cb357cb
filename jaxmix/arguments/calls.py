"""Validate how a method is called: its key, its batch, and what stands behind them."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["key", "method"]


_Method = TypeVar("_Method", bound=Callable[..., Any])


def method(function: _Method) -> _Method:
    """Decorate a method `(key, batch, *maps, **options)` so that a wrong call says what is wrong with it."""
    signature = inspect.signature(function)
    positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        name = function.__name__
        if len(arguments) > len(positional):
            form = ", ".join(p.name for p in positional)
            raise ValueError(
                f"{name} got {len(arguments)} arguments; wanted {name}({form}) and hyper-parameters by name; labels "
                "come afterwards: jaxmix.cross_entropy(logits, labels, mix)"
            )
        given = dict(zip((p.name for p in positional), arguments, strict=False)) | options
        if "key" in given:
            key(given["key"], name, given.get(positional[1].name))
        for option, value in options.items():
            default = signature.parameters[option].default if option in signature.parameters else None
            if isinstance(default, bool):
                _require_static(option, value)
            elif callable(default) and not callable(value) and default is not inspect.Parameter.empty:
                usual = getattr(default, "__name__", "its default")
                raise ValueError(f"{option} came as {type(value).__name__}; wanted a function, such as {usual}")
        return function(*arguments, **options)

    return cast(_Method, call)


def key(value: Any, name: str, batch: Any = None) -> None:
    """Validate one PRNG key, typed or of the legacy form uint32 [n]."""
    if isinstance(value, jax.Array | np.ndarray):
        typed = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        legacy = not typed and value.dtype == np.uint32
        if (typed and value.ndim == 0) or (legacy and value.ndim == 1):
            return
        if typed or (legacy and value.ndim == 2 and value.shape[1] in (2, 4)):
            raise ValueError(f"{name} got {len(value)} keys; wanted one: jax.vmap maps a method over several keys")
        swapped = isinstance(batch, jax.Array) and jnp.issubdtype(batch.dtype, jax.dtypes.prng_key)
        order = f": the key stands before the batch, {name}(key, batch)" if swapped or value.ndim > 1 else ""
        what = f"an array of shape {value.shape} and dtype {value.dtype}"
    else:
        what, order = repr(value) if value is None or isinstance(value, int) else type(value).__name__, ""
    raise ValueError(f"{name} got {what} for a key; wanted a PRNG key, jax.random.key(0)" + order)


def _require_static(name: str, value: Any) -> None:
    """Refuse a traced switch, which decides which program is compiled, and what is none."""
    if isinstance(value, jax.core.Tracer):
        raise ValueError(
            f"{name} is traced, but it is static; wanted True or False: bind it before jax.jit, "
            f"functools.partial(method, {name}=True), or pass static_argnames"
        )
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {value!r}; wanted True or False")
