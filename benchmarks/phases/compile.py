"""Seconds to trace and to compile each method in a program of its own, without a cache, and what its program holds.

The programs of the other phases have their seconds beside their other figures.
"""

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

import made_up
from items import REST, Context, Item, Program
from phases import guided, mix, policies

__all__ = ["COLUMNS", "items"]

SHAPE = [128, 32, 32, 3]
OPERATIONS = ("while", "sort", "gather", "scatter", "fft")
COLUMNS = {"trace_seconds": "{:.2f}", "compile_seconds": "{:.2f}"} | dict.fromkeys(OPERATIONS, "{}")


def programs(name: str, function: Callable[..., Any], coarse: bool | None, shape: list[int]) -> dict[str, Program]:
    number, side = shape[:2]

    def arguments() -> tuple[Any, ...]:
        maps = () if coarse is None else guided.maps_of(name, number, side)
        return jax.random.key(1), made_up.images(number, side, "float32"), *maps

    return {name: Program(function, arguments)}


def functions() -> dict[str, tuple[Callable[..., Any], bool | None]]:
    """Every method, and whether its maps are coarse, or None where it has none."""
    found: dict[str, tuple[Callable[..., Any], bool | None]] = {}
    for name in mix.METHODS:
        found[name] = (mix.method(name, "weights", False), None)
    for name, (function, _) in policies.METHODS.items():
        found[name] = (function, None)
    for name, function in guided.METHODS.items():
        found[name] = (guided.weights_only(function), name in guided.COARSE)
    return found


def items(context: Context) -> Iterator[Item]:
    shape = [4, 16, 16, 3] if context.smoke else SHAPE
    for name, (function, coarse) in functions().items():
        if not context.smoke or name == "cutmix":
            made = functools.partial(programs, name, function, coarse, shape)
            yield Item("compile", name, {"shape": shape, "dtype": "float32"}, REST, 3.0, made, measured)


def measured(programs: Mapping[str, Program]) -> dict[str, Any]:
    """Seconds of both, and how many of the costly operations the lowered program holds."""
    (program,) = programs.values()
    arguments = program.arguments()
    jax.clear_caches()  # functions of the library that are jitted themselves are traced again
    started = time.perf_counter()
    lowered = jax.jit(program.function).lower(*arguments)
    traced = time.perf_counter()
    lowered.compile()
    text = lowered.as_text()
    counts = {name: len(re.findall(rf"stablehlo\.{name}\b", text)) for name in OPERATIONS}
    return {"trace_seconds": traced - started, "compile_seconds": time.perf_counter() - traced} | counts
