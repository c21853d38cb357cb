"""What the methods with maps cost, their maps given: SAGE's searches, PuzzleMix's and Co-Mixup's solvers, others."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

import jaxmix
import made_up
import measure
from items import MAIN, REST, Context, Item, Program
from jaxmix import saliency, shifts

__all__ = ["COLUMNS", "METHODS", "items", "maps_of", "weights_only"]

SIZES = {32: 128, 224: 32}
COLUMNS = {"ms": "{:.3f}", "images_per_second": "{:,.0f}", "times_cutmix": "{:.1f}", "compile_seconds": "{:.1f}"}
SEARCHES = ("fourier", "sampled", "rolled")
METHODS: dict[str, Callable[..., Any]] = {
    "sage": jaxmix.sage,
    "puzzlemix, 2 blocks": functools.partial(jaxmix.puzzlemix, blocks=2),
    "puzzlemix, 4 blocks": functools.partial(jaxmix.puzzlemix, blocks=4),
    "puzzlemix, 8 blocks": functools.partial(jaxmix.puzzlemix, blocks=8),
    "puzzlemix, 16 blocks": functools.partial(jaxmix.puzzlemix, blocks=16),
    "comixup": jaxmix.comixup,
    "snapmix": jaxmix.snapmix,
    "saliencymix": jaxmix.saliencymix,
    "attentivemix": jaxmix.attentivemix,
}
COARSE = ("snapmix", "attentivemix")


def weights_only(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose images and label weights are asked for."""

    def call(key: jax.Array, x: jax.Array, *maps: jax.Array) -> Any:
        images, mix = method(key, x, *maps)
        return images, mix.weight

    return call


def maps_of(name: str, number: int, side: int) -> tuple[jax.Array, ...]:
    """The maps that a method takes, as a network has them: class activation maps are coarse."""
    fine = made_up.blobs(jax.random.key(2), number, side)
    return (fine[:, 2::4, 2::4],) if name in COARSE else (fine,)


def method_programs(name: str, number: int, side: int) -> dict[str, Program]:
    x = functools.partial(made_up.images, number, side, "float32")
    return {
        name: Program(weights_only(METHODS[name]), lambda: (jax.random.key(1), x(), *maps_of(name, number, side))),
        "cutmix": Program(weights_only(jaxmix.cutmix), lambda: (jax.random.key(1), x())),
    }


def search_programs(name: str, number: int, side: int) -> dict[str, Program]:
    def pairs() -> tuple[jax.Array, ...]:
        smooth = (saliency.smooth(made_up.blobs(jax.random.key(seed), number, side)) for seed in (1, 2))
        return jax.random.key(0), *(0.5 * saliency.normalize(maps) for maps in smooth)

    return {name: Program(getattr(shifts, name), pairs)}


def fine_grained_programs(number: int, side: int) -> dict[str, Program]:
    return {"fine-grained": Program(saliency.fine_grained, lambda: (made_up.images(number, side, "uint8"),))}


def items(context: Context) -> Iterator[Item]:
    sizes = {16: 4} if context.smoke else SIZES
    methods = ["saliencymix"] if context.smoke else list(METHODS)
    searches = ["fourier"] if context.smoke else SEARCHES
    for side, number in sizes.items():
        rank = REST if side == 224 else MAIN
        setting = {"shape": [number, side, side, 3], "dtype": "float32"}
        result = functools.partial(measured, context, number)
        for name in methods:
            made = functools.partial(method_programs, name, number, side)
            yield Item("guided", name, setting, rank, 5.0, made, result)
        for name in searches:
            # The exhaustive search takes minutes on CPUs at 224 pixels.
            slow = name == "rolled" and context.platform == "cpu" and side == 224
            made = functools.partial(search_programs, name, number, side)
            yield Item("guided", f"search of sage, {name}", setting, rank, 900.0 if slow else 5.0, made, result)
        made = functools.partial(fine_grained_programs, number, side)
        yield Item("guided", "fine-grained saliency", setting, rank, 3.0, made, result)


def measured(context: Context, number: int, programs: Mapping[str, Program]) -> dict[str, Any]:
    """Milliseconds, images in a second, seconds to compile, and where CutMix is beside it how many times as long."""
    calls, compiling = {}, {}
    for name, program in programs.items():
        function, compiling[name] = measure.compiled(program.function, *program.arguments())
        calls[name] = functools.partial(function, *program.arguments())
    times = measure.interleaved(calls, context.rounds, context.spend, queue=context.queue)
    first = next(iter(programs))
    milliseconds = measure.milliseconds(times[first])
    result = {
        "ms": milliseconds,
        "images_per_second": 1e3 * number / milliseconds,
        "compile_seconds": compiling[first],
    }
    if "cutmix" in times:
        result["times_cutmix"] = measure.ratios(times[first], times["cutmix"])["ratio"]
    return result
