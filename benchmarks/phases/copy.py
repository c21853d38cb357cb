"""The bandwidth of a copy on the device, the unit for the rest, and the bare blend.

A copy is `x * s` with a scalar argument, which the compiler can't leave out (`x ^ s` of uint8): it reads every byte and
writes every byte.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import made_up
import measure
from items import GOAL, MAIN, Context, Item, Program
from jaxmix import partners

__all__ = [
    "COLUMNS",
    "STEPS",
    "cells",
    "copying",
    "is_short",
    "items",
    "measured",
    "repeated",
    "share_of_copy",
    "size",
]

DTYPES = ("float32", "bfloat16", "uint8")
SIDES = {224: 128, 32: 256}
COLUMNS = {"ms": "{:.4f}", "gigabytes_per_second": "{:,.0f}", "share_of_copy": "{:.0%}", "ms_in_a_scan": "{:.4f}"}
# Calls in one program, as in that of a training step: without the time that it takes to dispatch each.
STEPS = 16


def cells(context: Context) -> list[tuple[list[int], str]]:
    """The shapes and dtypes of batches."""
    if context.smoke:
        return [([4, 16, 16, 3], "float32")]
    return [([number, side, side, 3], dtype) for side, number in SIDES.items() for dtype in DTYPES]


def is_short(shape: list[int]) -> bool:
    """Whether a call is so short that its dispatch is worth telling apart."""
    return shape[1] <= 64


def scaled(scalar: jax.Array, x: jax.Array) -> jax.Array:
    """A copy."""
    return x ^ scalar if x.dtype == jnp.uint8 else x * scalar


def blended(a: jax.Array, x: jax.Array) -> jax.Array:
    """`a * x + (1 - a) * x[partner]`, in float32."""
    wide = x.astype(jnp.float32)
    mixed = a * wide + (1 - a) * wide[partners.following(x.shape[0])]
    return (jnp.rint(mixed) if x.dtype == jnp.uint8 else mixed).astype(x.dtype)


def repeated(function: Callable[[jax.Array, jax.Array], Any]) -> Callable[[jax.Array, jax.Array], Any]:
    """The function of each of its first arguments and the images, one after the other in one program.

    Every call writes its images where the one before has: only the last are kept, as keeping all would cost copies.
    """

    def run(many: jax.Array, x: jax.Array) -> Any:
        def step(_: jax.Array, one: jax.Array) -> tuple[jax.Array, Any]:
            result = function(one, x)
            return result if isinstance(result, tuple) else (result, None)

        return jax.lax.scan(step, jnp.zeros_like(x), many)

    return run


def programs(shape: list[int], dtype: str, function: Callable[..., Any], scalars: Callable[..., Any]) -> dict[str, Any]:
    """A function of a scalar and images, and in a scan where calls are short."""
    number, side = shape[:2]

    def arguments(count: int | None) -> tuple[Any, ...]:
        return scalars(count), made_up.images(number, side, dtype)

    found = {"once": Program(function, lambda: arguments(None))}
    if is_short(shape):
        found["scan"] = Program(repeated(function), lambda: arguments(STEPS), STEPS)
    return found


def copy_programs(shape: list[int], dtype: str) -> dict[str, Program]:
    kind = "uint8" if dtype == "uint8" else dtype
    return programs(shape, dtype, scaled, lambda count: jnp.ones(() if count is None else (count,), kind))


def blend_programs(shape: list[int], dtype: str) -> dict[str, Program]:
    def shares(count: int | None) -> jax.Array:
        return jnp.full((*([] if count is None else [count]), shape[0], 1, 1, 1), 0.7, jnp.float32)

    return programs(shape, dtype, blended, shares)


@functools.lru_cache(6)
def copying(shape: tuple[int, ...], dtype: str) -> dict[str, Callable[[], Any]]:
    """The copies of a batch as compiled calls, to measure beside something else."""
    return {
        name: functools.partial(measure.compiled(program.function, *program.arguments())[0], *program.arguments())
        for name, program in copy_programs(list(shape), dtype).items()
    }


def size(shape: list[int], dtype: str) -> int:
    """Bytes of a batch."""
    return int(np.prod(shape)) * jnp.dtype(dtype).itemsize


def share_of_copy(moved: float, shape: list[int], dtype: str, times: list[float], copying: list[float]) -> float:
    """The bandwidth of something that moves n bytes, as a share of the copy's, measured in the same rounds."""
    return moved / (2 * size(shape, dtype)) / measure.ratios(times, copying)["ratio"]


def items(context: Context) -> Iterator[Item]:
    for shape, dtype in cells(context):
        moved = size(shape, dtype)
        for name, made, factor in (("copy", copy_programs, 2), ("bare blend", blend_programs, 3)):
            rank = GOAL if name == "copy" and dtype != "uint8" else MAIN
            setting = {"shape": shape, "dtype": dtype}
            result = functools.partial(measured, context, shape, dtype, factor * moved)
            yield Item("copy", name, setting, rank, 2.0, functools.partial(made, shape, dtype), result)


def measured(
    context: Context, shape: list[int], dtype: str, moved: int, programs: Mapping[str, Program]
) -> dict[str, Any]:
    """Milliseconds, bandwidth, and the share of the copy's bandwidth, for calls one by one and in a scan."""
    calls, compiling = {}, 0.0
    for name, program in programs.items():
        function, seconds = measure.compiled(program.function, *program.arguments())
        calls[name], compiling = functools.partial(function, *program.arguments()), compiling + seconds
    copies = {f"copy, {name}": call for name, call in copying(tuple(shape), dtype).items()}
    times = measure.interleaved(calls | copies, context.rounds, context.spend, queue=context.queue)
    repeats = {name: STEPS if name.endswith("scan") else 1 for name in times}
    each = {name: [seconds / repeats[name] for seconds in took] for name, took in times.items()}
    # The unit is the copy in the faster of its forms: a call by itself may wait for its dispatch, and a loop on a CPU
    # takes longer than one.
    copied = min((each[name] for name in copies), key=measure.milliseconds)
    milliseconds = measure.milliseconds(each["once"])
    result = {
        "ms": milliseconds,
        "gigabytes_per_second": moved / milliseconds / 1e6,
        "share_of_copy": share_of_copy(moved, shape, dtype, each["once"], copied),
        "compile_seconds": compiling,
    }
    if "scan" in calls:
        result["ms_in_a_scan"] = measure.milliseconds(each["scan"])
        result["share_of_copy_in_a_scan"] = share_of_copy(moved, shape, dtype, each["scan"], copied)
    return result
