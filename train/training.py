"""A training put together: its source, its setup, and the compiled functions of a state that the loop calls."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import nnx

import configuration
import devices
import loop
import preview
import processes
import run_dir
from agreements import gathered, require_same, shared_folder, together
from checkpoints import Checkpoints, DamagedError
from inputs.dataset import Dataset
from inputs.source import Advance, Source
from recipes.attended import require_attention
from state import State, all_finite, start
from step import Setup, test_step, train_step

__all__ = ["Finished", "Training", "begin", "compile_training", "describe", "newest_state", "plan", "resume"]


class Training(NamedTuple):
    """What a configuration and a data set come to.

    source, setup: of the steps
    key: of the steps
    start: makes the state of a network that is initialized at random
    functions: what the loop calls
    pretrained: puts the weights to begin with into that state; None to begin with those at random
    files: what the folder of a run has besides, texts by name
    """

    source: Source
    setup: Setup
    key: jax.Array
    start: Callable[[], State]
    functions: loop.Functions
    pretrained: Callable[[State], State] | None = None
    files: Mapping[str, str] = {}

    def first(self) -> State:
        """The state before the first step."""
        return self.start() if self.pretrained is None else self.pretrained(self.start())


class Finished(NamedTuple):
    """A run with a checkpoint, as an evaluation takes it; `steps` are those of the whole training."""

    config: Any
    dataset: Dataset
    graph: Any
    state: State
    steps: int


def compile_training(
    source: Source,
    setup: Setup,
    network: Callable[[nnx.Rngs], nnx.Module],
    learning_rate: optax.Schedule,
    *,
    start_key: jax.Array,
    step_key: jax.Array,
    mix_until: int | None = None,
    pretrained: Callable[[State], State] | None = None,
) -> Training:
    """Nothing is compiled before it is first called. After `mix_until` epochs nothing is mixed.

    Raises ValueError for a method that mixes at points which the network doesn't have, or that needs its attention.
    """
    if setup.recipe.attend is not None:
        require_attention(network)
    if setup.recipe.augmentation is not None and max(setup.recipe.points) >= setup.points:
        points = ", ".join(map(str, setup.recipe.points))
        raise ValueError(
            f"--method mixes at the points {points} of a network, and --model has 0 to {setup.points - 1}: take a "
            "network with a point after each stage, such as vit-s16 in place of deit-s16."
        )

    def first(key: jax.Array) -> State:
        return start(network(nnx.Rngs(params=key)), setup.optimizer, average=setup.ema is not None)

    test = jax.jit(partial(test_step, setup), out_shardings=source.replicated)
    finite = jax.jit(all_finite, out_shardings=source.replicated)

    def evaluate(batches: Callable[[], Any], state: State) -> loop.Evaluation:
        names = tuple(name for name, _ in setup.measures)
        zeros = processes.put(np.zeros(3 + len(names), np.float32), source.replicated)
        return loop.evaluate(partial(test, *state.tested()), batches(), zeros, names)

    each = setup.accumulate  # all steps to an update have the rate of the first
    functions = loop.Functions(
        _advance(source, setup, step_key, mix_until),
        partial(evaluate, source.test_batches),
        lambda state: bool(finite(state)),
        lambda step: learning_rate(step // each * each),
        None if not source.validation_size else partial(evaluate, source.validation_batches),
    )
    start_key = processes.put_key(start_key, source.replicated)
    step_key = processes.put_key(step_key, source.replicated)
    begin = partial(jax.jit(first, out_shardings=source.replicated), start_key)
    return Training(source, setup, step_key, begin, functions, pretrained)


def _advance(source: Source, setup: Setup, key: jax.Array, mix_until: int | None) -> Advance:
    """The steps of a training, in one program, or in a second one for the epochs after the mixing."""
    mixing = source.advance(partial(train_step, setup), key)
    if mix_until is None:
        return mixing
    recipe = setup.recipe._replace(augmentation=None, saliency_pass=None, attend=None, mixed_weight=1.0)
    plain = source.advance(partial(train_step, dataclasses.replace(setup, recipe=recipe)), key)
    return lambda state, epoch, count: (mixing if epoch < mix_until else plain)(state, epoch, count)


def begin(training: Training, program: str, config: Any) -> Path:
    """Make the folder of a new run of a program, with what it begins with.

    Raises ValueError where another process has other options or data, or doesn't see the folder.
    """
    options, images = configuration.encode(program, config), training.source.fingerprint()
    _require_same(config, images)

    def plot(folder: Path) -> None:
        path = folder / "mixed.png"
        preview.plot(training.setup, training.source, training.key, training.first(), path, config.method)

    def write(folder: Path) -> None:
        run_dir.begin(folder, options, images)
        for name, text in training.files.items():
            (folder / name).write_text(text)
        if not processes.several():
            plot(folder)

    labels, made = (config.dataset, config.model, config.method, f"s{config.seed}"), None
    with together():
        if processes.first():
            made = run_dir.create(config.runs_dir, *labels, write=write)
    folder = shared_folder(made)
    if processes.several():  # all of them take part in it
        plot(folder)
    return folder


def _require_same(config: Any, images: dict[str, Any]) -> None:
    """Raises ValueError where the processes don't all have these options and images, wherever those lie."""
    own = (*configuration.OF_PROCESSES, "data_dir", "second_dir", "weights", "threads", "workers", "cache")
    require_same(options={name: str(value) for name, value in vars(config).items() if name not in own}, images=images)


def plan(training: Training, program: str, config: Any, folder: Path) -> loop.Plan:
    """How long to train, and what to say when the run in `folder` is cut short."""
    resume = shlex.join(["--resume", str(folder)])
    return loop.Plan(
        epochs=config.epochs + sum(config.extend),
        steps_per_epoch=training.source.steps_per_epoch,
        batch_size=config.batch_size,
        steps_per_call=devices.steps_per_call(config.steps_per_call, training.source.steps_per_epoch),
        checkpoint_every=config.checkpoint_every,
        advice=f"Try a lower --lr (it is {config.lr}), --warmup-epochs, or --dtype float32.",
        resume=f"go on with the same command and only {resume}, e.g. python train/{program}.py {resume}",
    )


def describe(training: Training, plan: loop.Plan, method: str) -> str:
    """One line on the training to come, and one on classes without a training image, if there are any."""
    source, devices = training.source, jax.devices()
    images = f"{source.train_size:,} training images, "
    if source.validation_size:
        images += f"{source.validation_size:,} validation images, "
    line = (
        f"{source.name}: {len(source.classes):,} classes, {images}"
        f"{source.test_size:,} test images; {method}, {plan.epochs} epochs of {plan.steps_per_epoch} steps of "
        f"{plan.batch_size}, on {len(devices)} x {devices[0].device_kind}"
    )
    if processes.several():
        line += f" of {processes.count()} processes"
    if not source.absent:
        return line
    listed = ", ".join(source.absent[:10]) + ", ..." * (len(source.absent) > 10)
    return f"{line}\n{len(source.absent):,} of the classes have no training images: {listed}"


def resume(training: Training, folder: Path, config: Any) -> tuple[Checkpoints, run_dir.Metrics, State]:
    """Lock the run in `folder`; returns its checkpoints, metrics and newest state, which is the first state if there is
    no checkpoint yet. Warns of other versions than it began with.

    Raises ValueError for other data, a damaged file, or a run that another process has locked.
    """
    images = training.source.fingerprint()
    _require_same(config, images)
    with together():
        run_dir.check_fingerprint(folder, images, config.data_dir)
    checkpoints = Checkpoints(folder)
    try:
        # A run killed before its first checkpoint starts again from the same seed, which gives the same result.
        state = checkpoints.recover(training.start()) if checkpoints.steps() else training.first()
        step = int(state.step)
        with together():
            metrics = run_dir.Metrics(folder, step=step, tensorboard=config.tensorboard)
            changed = run_dir.add_versions(folder, step)
    except BaseException:
        checkpoints.close()
        raise
    if changed and processes.first():
        print(
            f"warning: {', '.join(changed)} not as in the first entry of {folder / 'versions.json'}; "
            "results are the same to the bit only with the same versions and devices.",
            file=sys.stderr,
        )
    return checkpoints, metrics, state


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
    gathered("")  # all have read the file before one writes it
    with together():
        if processes.first():
            run_dir.write_json(path, content | {"extend": list(config.extend)})


def newest_state(training: Training, folder: Path, data_dir: Path, *, best: bool = False) -> State:
    """The newest state of the run in `folder`, or that of its best epoch.

    Raises ValueError for other data, where there is no such checkpoint, and where the newest one is damaged: the one
    before it would be of another epoch than the metrics.
    """
    run_dir.check_fingerprint(folder, training.source.fingerprint(), data_dir)
    if best and not (folder / "best").is_dir():
        raise ValueError(f"{folder} has no best epoch: it was trained without --val-share.")
    checkpoints = Checkpoints(folder / "best" if best else folder, create=False)
    try:
        if checkpoints.latest() is None:
            raise ValueError(f"{folder} has no checkpoint: its training ended before the first one. Go on with it.")
        return checkpoints.restore(training.start())
    except DamagedError as error:
        raise DamagedError(f"{error}. Resume the run, which goes on from the checkpoint before it.") from error
    finally:
        checkpoints.close()
