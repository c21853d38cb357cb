"""A function of every image: one after the other on CPU, all at once elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array

from jaxmix import platforms

__all__ = ["each"]


def each(function: Callable[[Any], Array], items: Any) -> Array:
    """Map a function over the leading axis; on CPU in a loop, where a slice at a traced place then is a slice."""

    def loop(items: Any) -> Array:
        return jax.lax.map(function, items)

    return platforms.form(items, cpu=loop, accelerator=jax.vmap(function))
