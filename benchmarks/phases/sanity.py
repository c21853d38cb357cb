"""Every public method with the same key on the device and on the CPU: the same bits, or how far apart.

Where the device is the CPU, the jitted call is compared with the eager one instead, and the record says so. What the
`Mix` holds are the draws: sources, boxes (in masks and warps) and shares. AugMix and its relatives keep theirs to
themselves: if the operations drawn for an image were others, its levels would be far apart.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

import jaxmix
import made_up
from items import GOAL, REST, Context, Item, Program
from jaxmix.methods import augmix
from phases import guided, mix

__all__ = ["COLUMNS", "contract", "items"]

SHAPE = [128, 32, 32, 3]
COLUMNS = {
    "against": "{}",
    "draws": "{}",
    "weights_off_by": "{:.1e}",
    "masks_off_by": "{:.1e}",
    "floats_off_by": "{:.1e}",
    "images_off_by": "{:.1e}",
    "images_with_a_difference": "{}",
    "contract": "{}",
}
KEEPS_LABELS = ("augmix", "autoaugment", "randaugment", "trivialaugment")
GUIDED = {name: method for name, method in guided.METHODS.items() if not name.startswith("puzzlemix")}
GUIDED["puzzlemix"] = functools.partial(jaxmix.puzzlemix, blocks=4)
METHODS: dict[str, Callable[..., Any]] = (
    {name: getattr(jaxmix, name) for name in mix.METHODS}
    | GUIDED
    | {name: getattr(jaxmix, name) for name in KEEPS_LABELS}
)


def maps_of(name: str, number: int, side: int) -> tuple[jax.Array, ...]:
    if name not in GUIDED:
        return ()
    extra = (made_up.labels(number, 10),) if name == "snapmix" else ()
    return (*guided.maps_of(name, number, side), *extra)


def programs(name: str, shape: list[int]) -> dict[str, Program]:
    number, side = shape[:2]
    dtype = "uint8" if name in KEEPS_LABELS else "float32"

    def arguments() -> tuple[Any, ...]:
        return jax.random.key(3), made_up.images(number, side, dtype), *maps_of(name, number, side)

    return {name: Program(METHODS[name], arguments)}


def chain_programs(shape: list[int]) -> dict[str, Program]:
    """The draws of AugMix by themselves: operations, levels and signs of three chains for each image."""
    number = shape[0]

    def sampled(key: jax.Array) -> Any:
        return augmix.sample(key, number, 3, 3.0, None, len(augmix.NINE))

    return {"augmix's operations": Program(sampled, lambda: (jax.random.key(3),))}


def items(context: Context) -> Iterator[Item]:
    shape = [4, 16, 16, 3] if context.smoke else SHAPE
    names = ["cutmix"] if context.smoke else list(METHODS)
    compared = functools.partial(measured, context)
    for name in names:
        dtype = "uint8" if name in KEEPS_LABELS else "float32"
        setting = {"shape": shape, "dtype": dtype}
        yield Item("sanity", name, setting, GOAL, 4.0, functools.partial(programs, name, shape), compared)
    yield Item(
        "sanity", "augmix's operations", {"shape": shape}, GOAL, 3.0, functools.partial(chain_programs, shape), compared
    )
    for name in names:
        if name not in KEEPS_LABELS:
            made = functools.partial(programs, name, shape)
            setting = {"shape": shape, "dtype": "float32", "checks": "contract"}
            yield Item("sanity", name, setting, REST, 10.0, made, functools.partial(contracted, name))


def measured(context: Context, programs: Mapping[str, Program]) -> dict[str, Any]:
    """How far the results on the device are from those on the CPU."""
    (program,) = programs.values()
    arguments = program.arguments()
    here = jax.device_get(jax.jit(program.function)(*arguments))
    if context.platform == "cpu":
        there = program.function(*arguments)
        against = "eager, on the same CPU"
    else:
        cpu = jax.devices("cpu")[0]
        with jax.default_device(cpu):
            there = jax.jit(program.function)(*jax.device_put(arguments, cpu))
        against = "CPU, jitted"
    return {"against": against} | differences(here, jax.device_get(there))


def differences(here: Any, there: Any) -> dict[str, Any]:
    """Of the results of a method, (images, mix), or of draws alone: whether what is a choice has the same bits, and how
    far apart are the floats that are computed from it, whose last rounding may be another.
    """
    if not (isinstance(here, tuple) and len(here) == 2 and isinstance(here[1], jaxmix.Mix)):
        return compared({"draws": (here, there)})
    (images, mix), (other_images, other) = here, there
    drawn = {"sources": (mix.source, other.source), "warps": (mix.warps, other.warps)}
    if images.dtype == np.uint8:  # of methods that keep the label, whose mix is empty
        drawn = {"levels": (images, other_images)}
    # Soft masks, and SnapMix's weights, are sums and powers of floats.
    elif np.isin(mix.mask, (0.0, 1.0)).all():
        drawn["boxes"] = (mix.mask != 0, other.mask != 0)
    elif mix.mask.shape[2:] == (1, 1):
        drawn["shares"] = (mix.mask.view(np.int32), other.mask.view(np.int32))
    each = np.abs(images.astype(np.float64) - other_images.astype(np.float64)).max((1, 2, 3))
    return compared(drawn) | {
        "weights_off_by": apart(mix.weight, other.weight),
        "masks_off_by": apart(mix.mask, other.mask),
        "images_off_by": float(each.max()),
        "images_with_a_difference": int((each > 0).sum()),
    }


def compared(drawn: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """The integers of pairs bit by bit, in words; the largest difference of their floats."""
    unlike: list[str] = []
    held: list[str] = []
    off = 0.0
    for name, (one, other) in drawn.items():
        pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
        whole = [pair for pair in pairs if not np.issubdtype(pair[0].dtype, np.floating)]
        off = max([off, *(apart(*pair) for pair in pairs if np.issubdtype(pair[0].dtype, np.floating))])
        if whole:
            same = all(np.array_equal(*pair) for pair in whole)
            (held if same else unlike).append(name)
    words = "others: " + ", ".join(unlike) if unlike else "the same bits: " + ", ".join(held)
    return {"draws": words, "floats_off_by": off}


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


def same_bits(one: Any, other: Any) -> bool:
    """Whether all arrays of two trees are equal."""
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def contracted(name: str, programs: Mapping[str, Program]) -> dict[str, Any]:
    (program,) = programs.values()
    broken = contract(program.function, *program.arguments(), weighs_by_maps=name == "snapmix")
    return {"contract": "kept" if not broken else "broken: " + ", ".join(broken)}


def contract(
    method: Callable[..., Any], key: jax.Array, x: jax.Array, *maps: jax.Array, weighs_by_maps: bool = False
) -> list[str]:
    """What a method breaks of what holds for all: an empty list, if all is well.

    Jitted, eager and with a legacy key it draws the same bits; slot 0 is the sample itself, sources are in the batch;
    masks cover each pixel once; the label's weight is their share, counted in float64; another key gives another mix.
    """
    program = jax.jit(method)
    bits = jax.random.key_data(key)
    _, mix = jax.device_get(program(jax.random.clone(key), x, *maps))
    _, eager = jax.device_get(method(jax.random.clone(key), x, *maps))
    _, legacy = jax.device_get(program(bits, x, *maps))
    _, other = jax.device_get(program(jax.random.key(77), x, *maps))
    binary, mask = np.isin(mix.mask, (0.0, 1.0)).all(), mix.mask.astype(np.float64)
    shares = mask.mean((2, 3))
    exact = np.float32(shares) if binary else shares
    draws_nothing = method is jaxmix.attentivemix
    holds = {
        "eager draws are jitted ones": same_bits(mix.source, eager.source)
        and (not binary or same_bits(mix.mask, eager.mask)),
        "legacy keys draw the same": same_bits(mix, legacy),
        "slot 0 is the sample": bool((mix.source[:, 0] == np.arange(len(mix.source))).all()),
        "sources are in the batch": bool(((mix.source >= 0) & (mix.source < len(mix.source))).all()),
        "masks cover each pixel once": mask.shape[1] == 1 or float(np.abs(mask.sum(1) - 1).max()) < 1e-6,
        "weights are shares": weighs_by_maps
        or mask.shape[1] == 1
        or float(np.abs(mix.weight - exact).max()) <= (0.0 if binary else 1e-6),
        "another key, another mix": draws_nothing or not same_bits(mix, other),
    }
    return [claim for claim, held in holds.items() if not held]
