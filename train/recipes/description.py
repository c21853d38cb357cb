"""The settings of a recipe as words, read off the recipe itself."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from jaxmix.pixels.random_operations import RangedOperation
from recipes.applied import Applied
from recipes.core import Recipe

__all__ = ["settings", "word"]

# Arguments of methods that are no hyper-parameters of theirs, or are listed in other words.
LEFT_OUT = ("partner", "per_batch", "std")


def settings(recipe: Recipe) -> dict[str, str]:
    """What the method is and does, by name; nothing for a plain training."""
    found: dict[str, str] = {}
    if isinstance(recipe.augmentation, Applied):
        found |= _of_method(recipe.augmentation)
    optional = {
        "points": recipe.points if recipe.points != (0,) else None,
        "first": recipe.first.method if isinstance(recipe.first, Applied) else None,
        "maps": None if recipe.saliency_pass is None else _unbound(recipe.saliency_pass)[0],
        "labels": recipe.attend,
        "mixed_weight": recipe.mixed_weight if recipe.mixed_weight != 1 else None,
        "regularization": recipe.regularization,
        "views": recipe.views,
        "consistency": recipe.consistency or None,
    }
    return found | {name: word(value) for name, value in optional.items() if value is not None}


def _of_method(applied: Applied) -> dict[str, str]:
    method, given = _unbound(applied.method)
    parameters = inspect.signature(method).parameters
    values = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY} | given
    found = {"method": word(method), "p": "1" if applied.p is None else word(applied.p)}
    if "per_batch" in parameters:
        found["draw"] = "batch" if given.get("per_batch") else "image"
    found |= {n: word(value) for n, value in values.items() if n not in LEFT_OUT and value is not None}
    return found if applied.label is None else found | {"label": word(applied.label)}


def _unbound(function: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A function without the arguments that are bound to it, and those with names."""
    bound: dict[str, Any] = {}
    while isinstance(function, partial):
        bound = function.keywords | bound
        function = function.func
    return function, bound


def word(value: Any) -> str:
    """A value as one would write it: functions by name, their bound arguments after it."""
    if isinstance(value, partial):
        name = value.args[0] if value.args else value.func
        return ", ".join([word(name), *(f"{n} {word(v)}" for n, v in value.keywords.items() if n not in LEFT_OUT)])
    if callable(value):
        return str(value.__name__).strip("_")
    if isinstance(value, tuple) and value and isinstance(value[0], RangedOperation):
        return f"{len(value)} operations"
    if isinstance(value, tuple):
        return " ".join(map(word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
