"""Train a classifier of small images with mixed samples.

    python train/cifar.py
    python train/cifar.py --dataset cifar10 --data-dir DIR --method cutmix --model wrn-16-2 --epochs 2
    python train/cifar.py --resume runs/20260131-120000-digits-resnet-8-cutmix-s0

The first needs no data and takes about a minute on two CPU cores. Every run has a folder under runs/ with its
configuration, metrics, an image of a mixed batch and checkpoints.

Exit codes: 0 finished, 1 training failed, 2 a mistake in the command or a file, 130, 143 or 129 interrupted by Ctrl-C,
SIGTERM or SIGHUP; --resume continues.
"""

import exits
import installed  # noqa: F401 - ends the program with one line where a package is missing

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import dataclasses
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

import adversarial
import configuration
import devices
import inputs
import models
import optimizer
import processes
import programs
import training
from inputs import validation
from inputs.on_device import OnDevice
from inputs.preprocess import Preprocess, normalized_by
from options import AUTOMATIC, Config, Resolved
from recipes import cifar as recipes
from recipes.applied import mixing
from recipes.core import LOSSES, Recipe
from recipes.per_device import mixed_per_device
from step import Setup
from training import Finished, Training

__all__ = ["Config", "Resolved", "build", "main", "read", "resolve", "restore", "run"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user ends in one message, not in a traceback."""
    return programs.main(arguments, run, Config, read, automatic=AUTOMATIC, description=__doc__)


def run(options: Config) -> int:
    """Train as the options say, or go on with `options.resume`, which has those options; returns the exit code.

    Raises ValueError for a mistake of the user, before anything is trained.
    """
    started = time.perf_counter()
    configuration.check(options)
    optimizer.check(options)
    if options.deterministic:
        devices.make_deterministic()
    processes.start(options)

    # ---- data, and the defaults that depend on them
    dataset = load(options)
    config = resolve(options, dataset)

    # ---- network, recipe and step
    made = build(config, dataset)

    # ---- run folder, loop and result
    return programs.carry_out(made, "cifar", config, f"{config.model}, {config.method}, {config.loss}", started)


def restore(folder: Path, data_dir: Path | None = None, *, best: bool = False, limit: int | None = None) -> Finished:
    """A run with a checkpoint: its configuration, data, network graph and newest state, or that of its best epoch. Its
    data may have moved, and of the test images only the first `limit` may be wanted.

    Raises ValueError: no run there, no checkpoint, data that are missing or not those of the training.
    """
    config = read(folder, data_dir)
    dataset = load(config)
    made = build(config, dataset)
    state = training.newest_state(made, folder, config.data_dir, best=best)
    steps = made.source.steps_per_epoch * (config.epochs + sum(config.extend))
    return Finished(config, dataset.limited(None, limit), made.setup.graph, state, steps)


# ---- configuration


def read(folder: Path, data_dir: Path | None = None, *, option: str = "") -> Resolved:
    """The configuration of the run in `folder`; `option` begins the message of a ValueError."""
    saved = configuration.decode(folder, "cifar", Resolved, option=option)
    return saved if data_dir is None else dataclasses.replace(saved, data_dir=data_dir)


def load(config: Config) -> inputs.Dataset:
    """The images of the data set that the options request."""
    dataset = inputs.load(config.dataset, config.data_dir, side=config.side).limited(
        config.limit_train, config.limit_test
    )
    if config.val_share:
        dataset = validation.split(dataset, config.val_share, config.seed)
    return normalized_by(config.normalization, dataset)


def recipe_of(config: Config, dataset: inputs.Dataset) -> Recipe:
    """The recipe of the method for these images and this network."""
    side = min(dataset.train_images.shape[1:3])
    recipe = recipes.create(config.method, config.dataset, side, config.model, dataset.std, jsd=config.jsd == "on")
    return mixing(recipe, config.mix_share, config.method)


def resolve(config: Config, dataset: inputs.Dataset) -> Resolved:
    """The configuration with every default that depends on something else filled in.

    Raises ValueError for an unknown method, for options that don't suit the method, the data or each other, for a
    milestone in the warm-up, and for a padding that is wider than the images.
    """
    recipe = recipe_of(config, dataset)
    epochs = config.epochs or (30 if config.dataset == "digits" else recipe.epochs)
    lr, weight_decay = optimizer.DEFAULTS[config.optimizer]
    weight_decay = recipe.weight_decay if weight_decay is None else weight_decay
    milestones = programs.planned(config, recipe, epochs, len(dataset.train_images))
    padding = recipe.padding if config.dataset in recipes.DATASETS else dataset.padding
    found = {
        "epochs": epochs,
        "milestones": milestones,
        "lr": lr if config.lr is None else config.lr,
        "weight_decay": weight_decay if config.weight_decay is None else config.weight_decay,
        "loss": recipe.loss if config.loss == "auto" else config.loss,
        "crop_padding": padding if config.crop_padding is None else config.crop_padding,
        "flip": dataset.flip if config.flip is None else config.flip,
    }
    side = min(dataset.train_images.shape[1:3])
    if found["crop_padding"] > side:
        raise ValueError(f"--crop-padding is {found['crop_padding']}; wanted {side} or less, the side of the images.")
    return Resolved(**vars(config) | found)


# ---- network, recipe and step


def build(config: Resolved, dataset: inputs.Dataset, mesh: jax.sharding.Mesh | None = None) -> Training:
    """The training that a configuration describes, on all local devices unless a mesh is given."""
    start_key, order_key, step_key = jax.random.split(jax.random.key(config.seed), 3)
    mesh = devices.global_mesh() if mesh is None else mesh
    source = OnDevice(
        dataset,
        mesh,
        batch_size=config.batch_size,
        key=order_key,
        accumulate=config.accumulate,
        balanced=config.balanced,
    )
    network = partial(
        models.create, config.model, len(source.classes), source.image_shape[-1], dtype=jnp.dtype(config.dtype)
    )
    graph, points = models.structure(network, config.model, dataset.name, min(source.image_shape[:2]))
    recipe = recipe_of(config, dataset)
    if config.mix_per_device:
        recipe = mixed_per_device(recipe, mesh, config.batch_size)
    rate = optimizer.learning_rate(config, config.milestones, config.epochs, source.steps_per_epoch, config.extend)
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe,
        preprocess=Preprocess(source.mean, source.std, config.crop_padding, config.flip, config.crop_fill),
        loss=LOSSES[config.loss],
        label_smoothing=config.label_smoothing,
        optimizer=optimizer.create(config, rate, config.weight_decay),
        steps_per_epoch=source.steps_per_epoch,
        steps=source.steps_per_epoch * config.epochs,
        rows=source.rows,
        accumulate=config.accumulate,
        ema=config.ema,
        attack=adversarial.create(config, recipe),
    )
    return training.compile_training(
        source, setup, network, rate, start_key=start_key, step_key=step_key, mix_until=config.mix_until
    )


if __name__ == "__main__":
    sys.exit(main())
