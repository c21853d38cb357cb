"""AugMix and the other methods that keep the label, and AugMix's chains in both of their forms."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

import jaxmix
import made_up
import measure
from items import GOAL, MAIN, REST, Context, Item, Program
from jaxmix.methods import augmix
from jaxmix.pixels import operation_chains, random_operations

__all__ = ["COLUMNS", "METHODS", "SIZES", "items"]

# Of each method: what makes images, and the images made of one.
METHODS: dict[str, tuple[Callable[[jax.Array, jax.Array], jax.Array], int]] = {
    "augmix": (lambda key, x: jaxmix.augmix(key, x)[0], 1),
    "augmix_views, three with the clean one": (jaxmix.augmix_views, 2),
    "autoaugment": (lambda key, x: jaxmix.autoaugment(key, x)[0], 1),
    "randaugment": (lambda key, x: jaxmix.randaugment(key, x)[0], 1),
    "trivialaugment": (lambda key, x: jaxmix.trivialaugment(key, x)[0], 1),
}
FORMS = ("loop_over_images", "vectorized")
SIZES = {32: 512, 224: 64}
COLUMNS = {"ms": "{:.2f}", "views_per_second": "{:,.0f}", "compile_seconds": "{:.1f}"}


def sizes(context: Context) -> dict[int, int]:
    return {16: 4} if context.smoke else SIZES


def method_programs(name: str, number: int, side: int) -> dict[str, Program]:
    return {name: Program(METHODS[name][0], lambda: (jax.random.key(1), made_up.images(number, side, "uint8")))}


def form_programs(name: str, number: int, side: int) -> dict[str, Program]:
    """One form of the chains, three of up to three operations for each image."""

    def chains(key: jax.Array, levels: jax.Array) -> jax.Array:
        sampled = augmix.sample(key, number, 3, 3.0, None, len(augmix.NINE))
        steps, index, amounts = random_operations.indices_and_amounts(sampled, augmix.NINE, side, side)
        form = getattr(operation_chains, name)
        return form(steps, operation_chains.BILINEAR, levels, index, amounts)

    return {name: Program(chains, lambda: (jax.random.key(1), made_up.images(number, side, "uint8")))}


def items(context: Context) -> Iterator[Item]:
    names = ["trivialaugment"] if context.smoke else list(METHODS)
    for side, number in sizes(context).items():
        setting = {"shape": [number, side, side, 3], "dtype": "uint8"}
        for name in names:
            made = functools.partial(method_programs, name, number, side)
            result = functools.partial(measured, context, number * METHODS[name][1])
            yield Item("policies", name, setting, GOAL if name == "augmix" else MAIN, 4.0, made, result)
        for name in () if context.smoke else FORMS:
            # The one that isn't of this platform takes about 20 times as long.
            slow = (name == "vectorized") == (context.platform == "cpu")
            made = functools.partial(form_programs, name, number, side)
            result = functools.partial(measured, context, number)
            yield Item("policies", f"chains, {name}", setting, REST, 30.0 if slow else 4.0, made, result)


def measured(context: Context, views: int, programs: Mapping[str, Program]) -> dict[str, Any]:
    """Milliseconds, the images made in a second, and seconds to compile."""
    (name, program), *_ = programs.items()
    function, seconds = measure.compiled(program.function, *program.arguments())
    calls = {name: functools.partial(function, *program.arguments())}
    milliseconds = measure.milliseconds(
        measure.interleaved(calls, context.rounds, context.spend, queue=context.queue)[name]
    )
    return {"ms": milliseconds, "views_per_second": 1e3 * views / milliseconds, "compile_seconds": seconds}
