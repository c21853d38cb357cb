"""The 19 corruptions of CIFAR-C and ImageNet-C, severity 3, each with the constants of its size."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import made_up
from items import MAIN, REST, Context, Item, Program
from jaxmix.robustness import corruptions
from phases import policies

__all__ = ["COLUMNS", "items"]

SEVERITY = 3
SIZES = {32: (256, "cifar"), 224: (32, "imagenet")}
COLUMNS = {"ms": "{:.2f}", "views_per_second": "{:,.0f}", "compile_seconds": "{:.1f}"}


def photographs() -> list[np.ndarray]:
    """Of noise, in place of frost."""
    return [np.random.default_rng(i).integers(0, 256, (400 + 10 * i, 500, 3)).astype(np.uint8) for i in range(5)]


def programs(name: str, number: int, side: int, constants: str) -> dict[str, Program]:
    options: dict[str, Any] = {"photographs": photographs()} if name == "frost" else {}
    # Severity 3 of spatter is water, for which ours is a substitute.
    known = "spatter_like" if name == "spatter" else name

    def corrupted(key: jax.Array, x: jax.Array) -> jax.Array:
        return corruptions.corrupt(key, x, known, SEVERITY, constants=constants, **options)

    return {name: Program(corrupted, lambda: (jax.random.key(1), made_up.images(number, side, "uint8")))}


def items(context: Context) -> Iterator[Item]:
    names = ["brightness"] if context.smoke else [*corruptions.MAIN, *corruptions.EXTRA]
    for side, (number, constants) in ({32: (4, "cifar")} if context.smoke else SIZES).items():
        for name in names:
            setting = {"shape": [number, side, side, 3], "dtype": "uint8", "constants": constants}
            made = functools.partial(programs, name, number, side, constants)
            result = functools.partial(policies.measured, context, number)
            yield Item("corruptions", name, setting, MAIN if side == 32 else REST, 3.0, made, result)
