"""What the programs that train have in common: their command line, and the way from a training to its result."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import tyro

import configuration
import loop
import preview
import run_dir
import training
from best import Best
from training import Training

__all__ = ["carry_out", "command_line"]

C = TypeVar("C")
Rows = Callable[[list[dict[str, Any]]], list[tuple[str, str]]]


def command_line(
    arguments: list[str],
    kind: type[C],
    read: Callable[..., Any],
    *,
    automatic: tuple[str, ...],
    description: str | None,
    preset: Callable[[C], C] | None = None,
) -> C:
    """The options of a command line, or with --resume those of the run, of which it may change some.

    Args:
        kind: the options, a dataclass.
        read: the configuration of a run by its folder.
        automatic: see `configuration.resume`.
        preset: from the options of the command line to those that stand where it gives none.

    Raises ValueError for a folder that is no run, and for options that differ from those of the run.
    """
    config: Any = tyro.cli(kind, args=arguments, description=description)
    if config.resume is not None:
        saved = read(config.resume, option="--resume ")
        requested = tyro.cli(kind, args=arguments, default=kind(**vars(saved)))
        return configuration.resume(saved, requested, kind(), automatic, config.resume)
    if preset is not None:
        config = tyro.cli(kind, args=arguments, default=preset(config))
    return config


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
