"""A training put together: its source, its setup, and the compiled functions of a state that the loop calls."""

import dataclasses
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import nnx

import loop
import preview
import run_dir
from checkpoints import Checkpoints
from inputs.dataset import Dataset
from inputs.on_device import OnDevice
from inputs.source import Advance
from state import State, all_finite, start
from step import Setup, test_step, train_step

__all__ = ["Finished", "Training", "begin", "compile_training", "describe", "newest_state", "resume"]


class Training(NamedTuple):
    """What a configuration and a data set come to.

    source, setup: of the steps
    key: of the steps
    start: makes the state before the first step
    functions: what the loop calls
    """

    source: OnDevice
    setup: Setup
    key: jax.Array
    start: Callable[[], State]
    functions: loop.Functions


class Finished(NamedTuple):
    """A run with a checkpoint, as an evaluation takes it."""

    config: Any
    dataset: Dataset
    graph: Any
    state: State


def compile_training(
    source: OnDevice,
    setup: Setup,
    network: Callable[[nnx.Rngs], nnx.Module],
    learning_rate: optax.Schedule,
    *,
    start_key: jax.Array,
    step_key: jax.Array,
    mix_until: int | None = None,
) -> Training:
    """Nothing is compiled before it is first called. After `mix_until` epochs nothing is mixed."""

    def first(key: jax.Array) -> State:
        return start(network(nnx.Rngs(params=key)), setup.optimizer, average=setup.ema is not None)

    test = jax.jit(partial(test_step, setup), out_shardings=source.replicated)
    finite = jax.jit(all_finite, out_shardings=source.replicated)

    def evaluate(batches: Callable[[], Any], state: State) -> loop.Evaluation:
        zeros = jax.device_put(np.zeros(3, np.float32), source.replicated)
        return loop.evaluate(partial(test, *state.tested()), batches(), zeros)

    each = setup.accumulate  # all steps to an update have the rate of the first
    functions = loop.Functions(
        _advance(source, setup, step_key, mix_until),
        partial(evaluate, source.test_batches),
        lambda state: bool(finite(state)),
        lambda step: learning_rate(step // each * each),
        None if source.validation is None else partial(evaluate, source.validation_batches),
    )
    begin = partial(jax.jit(first, out_shardings=source.replicated), start_key)
    return Training(source, setup, step_key, begin, functions)


def _advance(source: OnDevice, setup: Setup, key: jax.Array, mix_until: int | None) -> Advance:
    """The steps of a training, in one program, or in a second one for the epochs after the mixing."""
    mixing = source.advance(partial(train_step, setup), key)
    if mix_until is None:
        return mixing
    recipe = setup.recipe._replace(augmentation=None, saliency_pass=None, mixed_weight=1.0)
    plain = source.advance(partial(train_step, dataclasses.replace(setup, recipe=recipe)), key)
    return lambda state, epoch, count: (mixing if epoch < mix_until else plain)(state, epoch, count)


def begin(training: Training, folder: Path, config: dict[str, Any], method: str) -> tuple[Checkpoints, State]:
    """Write what a new run begins with; returns its checkpoints and the state before the first step."""
    state = training.start()
    run_dir.begin(folder, config, training.source.fingerprint())
    preview.plot(training.setup, training.source, training.key, state, folder / "mixed.png", method)
    return Checkpoints(folder), state


def describe(training: Training, plan: loop.Plan, method: str) -> str:
    """One line on the training to come."""
    source, local = training.source, jax.local_devices()
    images = f"{source.train_size:,} training images, "
    if source.validation is not None:
        images += f"{len(source.validation.labels):,} validation images, "
    return (
        f"{source.name}: {images}{source.test_size:,} test images; {method}, "
        f"{plan.epochs} epochs of {plan.steps_per_epoch} steps of {plan.batch_size}, "
        f"on {len(local)} x {local[0].device_kind}"
    )


def resume(training: Training, folder: Path, data_dir: Path) -> tuple[Checkpoints, State]:
    """The checkpoints of the run in `folder`, and its newest state; warns of other versions than it began with.

    Raises ValueError for other data, or a damaged file.
    """
    run_dir.check_fingerprint(folder, training.source.fingerprint(), data_dir)
    checkpoints, state = Checkpoints(folder), training.start()
    try:
        # A run killed before its first checkpoint starts again from the same seed, which gives the same result.
        state = state if checkpoints.latest() is None else checkpoints.restore(state)
        changed = run_dir.add_versions(folder, int(state.step))
    except ValueError:
        checkpoints.close()
        raise
    if changed:
        print(
            f"warning: {', '.join(changed)} not as in the first entry of {folder / 'versions.json'}; "
            "results are the same to the bit only with the same versions and devices.",
            file=sys.stderr,
        )
    return checkpoints, state


def extend(folder: Path, config: Any, steps_per_epoch: int) -> None:
    """Record the extensions of a finished run in its config.json, where they are new.

    Raises ValueError for a run that isn't finished.
    """
    path = folder / "config.json"
    content = run_dir.read_json(path)
    if content["extend"] == list(config.extend):
        return
    checkpoints = Checkpoints(folder, create=False)
    done = (checkpoints.latest() or 0) // steps_per_epoch
    checkpoints.close()
    epochs = content["epochs"] + sum(content["extend"])
    if done < epochs:
        raise ValueError(
            f"--extend is for a finished run, and {folder} has {done} of its {epochs} epochs: first --resume it "
            "without a new --extend."
        )
    run_dir.write_json(path, content | {"extend": list(config.extend)})


def newest_state(training: Training, folder: Path, data_dir: Path, *, best: bool = False) -> State:
    """The newest state of the run in `folder`, or that of its best epoch.

    Raises ValueError for other data, or where there is no such checkpoint.
    """
    run_dir.check_fingerprint(folder, training.source.fingerprint(), data_dir)
    if best and not (folder / "best").is_dir():
        raise ValueError(f"{folder} has no best epoch: it was trained without --val-share.")
    checkpoints = Checkpoints(folder / "best" if best else folder, create=False)
    try:
        if checkpoints.latest() is None:
            raise ValueError(f"{folder} has no checkpoint: its training ended before the first one. Go on with it.")
        return checkpoints.restore(training.start())
    finally:
        checkpoints.close()
