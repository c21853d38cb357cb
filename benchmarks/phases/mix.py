"""The methods whose masks need no maps, next to a copy of the same batch, and next to other libraries on torch.

Bytes that must move: the own image and the partner's are read, the mixed one is written (Cutout reads no partner), and
where the whole `Mix` is asked for its masks are written in float32. Random numbers and the rest are what is lost.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax

import jaxmix
import made_up
from items import GOAL, MAIN, REST, Context, Item, Program
from phases import copy, torch_peers

__all__ = ["COLUMNS", "METHODS", "items"]

METHODS = "cutmix mixup cutout smoothmix_s smoothmix_c resizemix gridmix gridmixup fmix randommix".split()
COLUMNS = copy.COLUMNS | {"share_of_copy_in_a_scan": "{:.0%}", "jaxmix_ms": "{:.4f}", "times_jaxmix": "{:.2f}"}


def method(name: str, returned: str, per_batch: bool) -> Callable[[jax.Array, jax.Array], Any]:
    """A method of the library as a step uses it: images and label weights, or the whole mix."""

    def call(key: jax.Array, x: jax.Array) -> Any:
        images, mix = getattr(jaxmix, name)(key, x, per_batch=per_batch)
        return images, (mix if returned == "mix" else mix.weight)

    return call


def programs(name: str, shape: list[int], dtype: str, returned: str, per_batch: bool) -> dict[str, Program]:
    """The method in a call of its own, and in a scan where calls are short."""

    def arguments(count: int | None) -> tuple[Any, ...]:
        key = jax.random.key(1)
        return key if count is None else jax.random.split(key, count), made_up.images(*shape[:2], dtype)

    function = method(name, returned, per_batch)
    found = {"once": Program(function, lambda: arguments(None))}
    if copy.is_short(shape):
        found["scan"] = Program(copy.repeated(function), lambda: arguments(copy.STEPS), copy.STEPS)
    return found


def moved(name: str, shape: list[int], dtype: str, returned: str) -> int:
    """Bytes that must move."""
    images = (2 if name == "cutout" else 3) * copy.size(shape, dtype)
    if returned != "mix":
        return images
    _, mix = jax.eval_shape(method(name, "mix", False), jax.random.key(0), jax.ShapeDtypeStruct(shape, dtype))
    return images + sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(mix))


def rank(shape: list[int], dtype: str, returned: str, per_batch: bool) -> int:
    if per_batch or returned == "mix":
        return REST
    return GOAL if shape[1] == 224 and dtype != "uint8" else MAIN


def items(context: Context) -> Iterator[Item]:
    names = ["cutmix"] if context.smoke else METHODS
    for returned, per_batch in (("weights", False), ("weights", True), ("mix", False)):
        for shape, dtype in copy.cells(context):
            for name in names:
                made = functools.partial(programs, name, shape, dtype, returned, per_batch)
                setting = {"shape": shape, "dtype": dtype, "returned": returned, "per_batch": per_batch}
                result = functools.partial(measured, context, name, shape, dtype, returned)
                yield Item("mix", name, setting, rank(shape, dtype, returned, per_batch), 2.5, made, result)
    yield from torch_peers.items(context)


def measured(
    context: Context, name: str, shape: list[int], dtype: str, returned: str, programs: dict[str, Program]
) -> dict[str, Any]:
    return copy.measured(context, shape, dtype, moved(name, shape, dtype, returned), programs)
