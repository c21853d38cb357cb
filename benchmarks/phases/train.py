"""Training steps of the trainer's own parts on made-up images, and what of a step is augmentation.

A step is the trainer's: crop and mirror, maps, mixing, both passes and the update, on one device. Its augmentation is
measured twice: by itself, with the random crop's output and its maps given; and as the time that the same step takes
less with the same loss and the same number of views, but neither maps nor mixing, in the same rounds. Every batch is
mixed, also by methods whose papers mix every second one.
"""

import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "train"))

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import made_up
import measure
import models
import optimizer
import state as states
from inputs.dataset import Dataset, create
from inputs.on_device import OnDevice
from inputs.preprocess import Preprocess
from items import GOAL, MAIN, REST, Context, Item, Program
from phases import guided
from recipes import cifar as recipes
from recipes.applied import Applied
from recipes.core import LOSSES, Recipe
from recipes.views import fold
from step import Setup, train_step

__all__ = ["COLUMNS", "Cell", "items"]

CLASSES = 10
BATCHES_AT_HAND = 4
METHODS = "none cutmix augmix sage puzzlemix saliencymix snapmix comixup".split()
COLUMNS = {
    "images_per_second": "{:,.0f}",
    "ms_a_step": "{:.2f}",
    "augmentation_ms": "{:.3f}",
    "augmentation_share": "{:.1%}",
    "difference_share": "{:.1%}",
    "program_gigabytes": "{:.2f}",
    "peak_gigabytes": "{:.2f}",
    "compile_seconds": "{:.0f}",
}


class Cell(NamedTuple):
    """What is trained, and how.

    steps: in one program, a scan where there are several
    deterministic: whether XLA is asked for bit-identical results, which accelerators don't give by themselves
    """

    model: str
    side: int
    batch: int
    dtype: str
    method: str
    steps: int = 1
    deterministic: bool = False


def dataset(batch: int, side: int) -> Dataset:
    """Noise of ten classes."""
    number = batch * BATCHES_AT_HAND
    images = np.random.default_rng(0).integers(0, 256, (number, side, side, 3), np.uint8)
    labels = (np.arange(number) % CLASSES).astype(np.int32)
    names = tuple(map(str, range(CLASSES)))
    return create("made up", (images, labels, images[:8], labels[:8]), names, padding=side // 8, flip=True)


@functools.lru_cache(2)
def source(batch: int, side: int) -> OnDevice:
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))
    return OnDevice(dataset(batch, side), mesh, batch_size=batch, key=jax.random.key(0))


def recipe_of(cell: Cell) -> Recipe:
    """The method as the trainer has it for CIFAR-10, but on every batch."""
    recipe = recipes.create(cell.method, "cifar10", cell.side, cell.model, (0.25,) * 3)
    if isinstance(recipe.augmentation, Applied):
        recipe = recipe._replace(augmentation=dataclasses.replace(recipe.augmentation, p=None))
    return recipe


def plain(recipe: Recipe) -> Recipe:
    """The same loss on the same number of views, without maps and mixing."""
    views = None if recipe.views is None else copies
    return Recipe(views=views, consistency=recipe.consistency, loss=recipe.loss)


def copies(key: jax.Array, pixels: jax.Array) -> jax.Array:
    """Three views that are the images themselves."""
    return jnp.stack([pixels] * 3)


def setup_of(cell: Cell, recipe: Recipe) -> tuple[Setup, Callable[[nnx.Rngs], Any]]:
    here = source(cell.batch, cell.side)
    network = functools.partial(models.create, cell.model, CLASSES, 3, dtype=jnp.dtype(cell.dtype))
    graph, points = models.structure(network, cell.model, here.name, cell.side)
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe,
        preprocess=Preprocess(here.mean, here.std, cell.side // 8, True),
        loss=LOSSES[recipe.loss],
        label_smoothing=0.0,
        optimizer=optimizer.sgd(lambda step: jnp.float32(1e-3), momentum=0.9, weight_decay=5e-4),
        steps_per_epoch=here.steps_per_epoch,
        steps=here.steps_per_epoch,
        rows=here.rows,
    )
    return setup, network


def step_program(cell: Cell, recipe: Recipe) -> Program:
    """The steps of a cell; the state is given to the next."""
    here, (setup, network) = source(cell.batch, cell.side), setup_of(cell, recipe)
    program = here.program(functools.partial(train_step, setup))

    def first(key: jax.Array) -> states.State:
        return states.start(network(nnx.Rngs(params=key)), setup.optimizer)

    def arguments() -> tuple[Any, ...]:
        begin = jax.jit(first, out_shardings=here.replicated)
        return begin(jax.random.key(0)), here.train, here.order(0), jax.random.key(2)

    return Program(functools.partial(program, count=cell.steps), arguments, cell.steps)


def augmentation_program(cell: Cell, recipe: Recipe) -> Program:
    """What a method does to a batch, its maps given."""
    number, side = cell.batch, cell.side

    def augmented(key: jax.Array, x: jax.Array, *maps: jax.Array) -> Any:
        if recipe.views is not None:
            return fold(recipe.views(key, x))
        assert recipe.augmentation is not None
        images, mix = recipe.augmentation(key, x, 0.5, *maps)
        return images, mix.weight

    def arguments() -> tuple[Any, ...]:
        maps = () if recipe.saliency_pass is None else guided.maps_of(cell.method, number, side)
        labels = (made_up.labels(number, CLASSES),) if cell.method == "snapmix" else ()
        return jax.random.key(1), made_up.images(number, side, "float32"), *maps, *labels

    return Program(augmented, arguments)


def programs(cell: Cell) -> dict[str, Program]:
    recipe = recipe_of(cell)
    found = {"step": step_program(cell, recipe)}
    if cell.method != "none":
        found |= {"plain": step_program(cell, plain(recipe)), "augmentation": augmentation_program(cell, recipe)}
    return found


class Steps:
    """Compiled steps as a call without arguments: every call goes on from the state that the last one left."""

    def __init__(self, cell: Cell, program: Program, platform: str) -> None:
        state, *self.rest = program.arguments()
        options = {"xla_gpu_deterministic_ops": True} if cell.deterministic and platform == "gpu" else None
        begun = time.perf_counter()
        jitted, count = program.function.func, program.function.keywords["count"]  # type: ignore[attr-defined]
        self.compiled = jitted.lower(state, *self.rest, count=count).compile(compiler_options=options)
        self.seconds, self.state = time.perf_counter() - begun, state

    def __call__(self) -> jax.Array:
        self.state, metrics = self.compiled(self.state, *self.rest)
        self.loss = metrics
        return metrics

    def gigabytes(self) -> float | None:
        """What the program holds at once: arguments, results that aren't given arguments, and what is between."""
        found = self.compiled.memory_analysis()
        if found is None:
            return None
        held = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
        return (held - found.alias_size_in_bytes) / 1e9


@functools.lru_cache(3)
def plain_steps(cell: Cell, consistency: float, platform: str) -> Steps:
    """The steps without mixing; those of one loss and number of views are compiled once for several methods."""
    return Steps(cell, step_program(cell, plain(recipe_of(cell))), platform)


def peak() -> int | None:
    """The most bytes that the device has held so far."""
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def cells(context: Context) -> Iterator[tuple[Cell, int, float]]:
    """What is trained, with its rank and a guess of its seconds."""
    if context.smoke:
        yield Cell("resnet-8", 16, 8, "float32", "cutmix"), MAIN, 20.0
        return
    if context.platform == "cpu":  # a network for CPUs: a step of preact-resnet-18 takes 5 s for 128 images
        for method in METHODS:
            yield Cell("resnet-8", 32, 128, "float32", method), MAIN, 40.0
        yield Cell("preact-resnet-18", 32, 128, "float32", "none"), REST, 150.0
        return
    network = functools.partial(Cell, "preact-resnet-18", 32)
    large = functools.partial(Cell, "resnet50", 224, 256, "bfloat16")
    goals = [network(512, "bfloat16", method) for method in METHODS[:5]]
    yield from ((cell, GOAL, 60.0) for cell in goals)
    first = [network(512, "bfloat16", method) for method in METHODS[5:]]
    first += [network(512, "bfloat16", "none", steps) for steps in (8, 32)]
    first += [network(512, "bfloat16", "none", 1, True)]
    first += [network(*how, "none") for how in ((1024, "bfloat16"), (128, "bfloat16"), (512, "float32"))]
    yield from ((large(method), MAIN, 90.0) for method in METHODS[:2])
    yield from ((cell, MAIN, 40.0) for cell in first)
    yield from ((large(method), MAIN, 90.0) for method in METHODS[2:])
    for dtype in ("bfloat16", "float32"):
        for batch in (512, 128, 1024):
            for method in METHODS:
                cell = network(batch, dtype, method)
                if cell not in goals + first:
                    yield cell, REST, 60.0


def items(context: Context) -> Iterator[Item]:
    for cell, rank, guess in cells(context):
        setting: dict[str, Any] = {
            "model": cell.model,
            "shape": [cell.batch, cell.side, cell.side, 3],
            "dtype": cell.dtype,
        }
        setting |= {"steps_per_call": cell.steps, "deterministic": cell.deterministic}
        made = functools.partial(programs, cell)
        result = functools.partial(measured, context, cell)
        yield Item("train", cell.method, setting, rank, guess, made, result)


def measured(context: Context, cell: Cell, programs: Mapping[str, Program]) -> dict[str, Any]:
    """Images a second, memory, and the share of the step that is augmentation."""
    before, recipe = peak(), recipe_of(cell)
    step = Steps(cell, programs["step"], context.platform)
    calls: dict[str, Callable[[], Any]] = {"step": step}
    result: dict[str, Any] = {"compile_seconds": step.seconds, "program_gigabytes": step.gigabytes()}
    if "augmentation" in programs:
        function, _ = measure.compiled(programs["augmentation"].function, *programs["augmentation"].arguments())
        calls["augmentation"] = functools.partial(function, *programs["augmentation"].arguments())
        # The loss and the views tell the plain steps apart; of several methods with the same ones any stands for all.
        like = {"cross_entropy": "cutmix", "softmax_bce": "sage"}[recipe.loss]
        alike = cell._replace(method=cell.method if recipe.views else like)
        calls["plain"] = plain_steps(alike, recipe.consistency, context.platform)
    times = measure.interleaved(calls, context.rounds, context.spend * 5, queue=context.queue)
    seconds = measure.milliseconds(times["step"]) / 1e3 / cell.steps
    after = peak()
    result |= {
        "images_per_second": cell.batch / seconds,
        "ms_a_step": 1e3 * seconds,
        # The peak is that of the process so far: this cell's where it has risen.
        "peak_gigabytes": after / 1e9 if after is not None and after != before else None,
        "loss_is_finite": bool(np.isfinite(np.asarray(step.loss)).all()),
    }
    if "augmentation" in times:
        result["augmentation_ms"] = measure.milliseconds(times["augmentation"])
        result["augmentation_share"] = 1 / measure.ratios(times["step"], times["augmentation"])["ratio"]
        result["difference_share"] = 1 - measure.ratios(times["plain"], times["step"])["ratio"]
    return result
