"""What the programs that train have in common: their command line, and the way from a training to its result."""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import tyro
from flax import nnx

import configuration
import loop
import models
import optimizer
import preview
import processes
import run_dir
import training
from best import Best
from recipes import presets
from recipes.core import Recipe
from state import COUNTED
from training import Training

__all__ = ["carry_out", "check_sides", "main", "planned", "rate"]

Rows = Callable[[list[dict[str, Any]]], list[tuple[str, str]]]


def main(
    arguments: list[str] | None,
    run: Callable[[Any], int],
    kind: type[Any],
    read: Callable[..., Any],
    *,
    automatic: tuple[str, ...],
    description: str | None,
    presets_of: str | None = None,
) -> int:
    """Run a command line; returns the exit code. A mistake of the user ends in one message, not in a traceback.

    Args:
        arguments: of the command line; None for those of this process.
        run: trains as options say, and returns the exit code.
        kind: the options, a dataclass.
        read: the configuration of a run by its folder.
        automatic: see `configuration.resume`.
        presets_of: the program whose presets --preset names; None for one without.
    """

    def parsed() -> int:
        given = sys.argv[1:] if arguments is None else arguments
        config = tyro.cli(kind, args=given, description=description)
        if config.resume is not None:
            saved = read(config.resume, option="--resume ")
            requested = tyro.cli(kind, args=given, default=kind(**vars(saved)))
            config = configuration.resume(saved, requested, kind(), automatic, config.resume)
        elif presets_of is not None and config.preset is not None:
            preset = kind(**presets.options(presets_of, config.preset))
            config = tyro.cli(kind, args=given, default=preset)
        return run(config)

    return processes.program(parsed, "no step was done")


def carry_out(
    made: Training, program: str, config: Any, what: str, started: float, rows: Rows = lambda lines: []
) -> int:
    """Train, from a new folder or from the state of the run to resume, and print the result; returns the exit code.

    Args:
        what: is trained, in a few words.
        started: the time of `time.perf_counter` when the program began.
        rows: from the lines of metrics to further rows of the result, name and value.
    """
    # ---- run folder
    folder = config.resume or training.begin(made, program, config)
    if config.resume is not None:
        training.extend(folder, config, made.source.steps_per_epoch)
    checkpoints, metrics, state = training.resume(made, folder, config)

    # ---- loop
    plan = training.plan(made, program, config, folder)
    print(training.describe(made, plan, what))
    print(f"run folder {folder}" + (f", going on from step {int(state.step)}" if int(state.step) else ""), flush=True)
    functions = made.functions._replace(best=Best(folder, int(state.step)) if made.functions.validate else None)
    state, code = loop.train(state, functions, plan, folder, checkpoints, metrics)

    # ---- result
    if code == 0:
        if made.setup.recipe.saliency_pass is not None:  # once more, with maps of the trained network
            preview.plot(made.setup, made.source, made.key, state, folder / "mixed.png", config.method)
        spent = time.perf_counter() - started
        print(run_dir.summary(config, metrics.lines, folder, spent, rows(metrics.lines) if metrics.lines else []))
    return code


def rate(config: Any, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate of a training on large images, as a function of the step."""
    return optimizer.learning_rate(
        config,
        config.milestones,
        config.epochs,
        steps_per_epoch,
        config.extend,
        start=config.warmup_start,
        end=config.lr_end,
    )


def check_sides(network: Callable[[nnx.Rngs], Any], model: str, *sides: int) -> None:
    """Raises ValueError where a transformer doesn't take images of these sides, before anything is made."""
    if models.family(model) not in ("vit", "deit"):
        return
    for side in sides:
        images = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
        try:
            nnx.eval_shape(lambda x: network(nnx.Rngs(0))(x, train=False), images)
        except ValueError as error:
            raise ValueError(f"--model {model} doesn't take images of {side} pixels a side. {error}") from error


def planned(config: Any, recipe: Recipe, epochs: int, images: int) -> tuple[int, ...]:
    """The milestones of a training of `epochs`, each of `images`.

    Raises ValueError for options that don't suit the method or the epochs, for a milestone in the warm-up, and for more
    steps than a state can count.
    """
    if config.mix_until is not None and (recipe.augmentation is None or config.mix_until > epochs):
        wanted = f"at most the {epochs} epochs" if recipe.augmentation else f"none, as {config.method} mixes nothing"
        raise ValueError(f"--mix-until is {config.mix_until}; wanted {wanted}.")
    if config.warmup_epochs > epochs:
        raise ValueError(f"--warmup-epochs is {config.warmup_epochs}; wanted at most the {epochs} epochs.")
    milestones = optimizer.milestones(config.milestones, epochs, config.warmup_epochs, config.schedule)
    steps_per_epoch = max(images // (config.batch_size * config.accumulate), 1) * config.accumulate
    counted = [("epochs", epochs, epochs + sum(config.extend))]
    counted += [("milestones", epoch, epoch) for epoch in milestones if config.schedule == "step"]
    for name, given, last in counted:
        if last * steps_per_epoch > COUNTED:
            steps = last * steps_per_epoch
            raise ValueError(f"--{name} is {given}: {steps:,} steps; wanted {COUNTED:,} or less.")
    return milestones
