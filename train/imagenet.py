"""Train a classifier of images of any size, from folders of files, with mixed samples.

    python train/imagenet.py --data-dir DIR --model resnet18 --epochs 5
    python train/imagenet.py --preset torchvision-v1 --dataset imagenet --data-dir DIR --dtype bfloat16
    python train/imagenet.py --resume runs/20260131-120000-folder-resnet18-none-s0

DIR has train/CLASS/*.jpg and val/CLASS/*.jpg. Images are decoded and cropped on the host, changed in color, mirrored
and mixed on the devices. Every run has a folder under runs/ with its configuration, metrics, an image of a mixed batch
and checkpoints.

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

import configuration
import devices
import initial_weights
import models
import optimizer
import processes
import programs
import streaming
import training
from image_options import NORMALIZATION
from imagenet_options import AUTOMATIC, Config, Resolved
from inputs import layouts
from inputs.augment import Augment
from inputs.erasing import erase
from recipes import imagenet as recipes
from recipes.applied import mixing
from recipes.core import LOSSES, Loss, Recipe
from recipes.losses import sigmoid_bce
from recipes.per_device import mixed_per_device
from step import Setup, top_five
from streaming import Data
from training import Finished, Training

__all__ = ["Config", "Resolved", "build", "main", "read", "resolve", "restore", "run"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user ends in one message, not in a traceback."""
    return programs.main(arguments, run, Config, read, automatic=AUTOMATIC, description=__doc__, presets_of="imagenet")


def run(options: Config) -> int:
    """Train as the options say, or go on with `options.resume`, which has those options; returns the exit code.

    Raises ValueError for a mistake of the user, before anything is trained.
    """
    started = time.perf_counter()
    configuration.check(options)
    optimizer.check(options)
    models.check_for_large_images(options.model)
    if options.deterministic:
        devices.make_deterministic()
    processes.start(options)

    # ---- data, and the defaults that depend on them
    data = load(options, options.resume)
    config = resolve(options, data)

    # ---- network, recipe and step
    made = build(config, data)

    # ---- run folder, loop and result
    return programs.carry_out(made, "imagenet", config, f"{config.model}, {config.method}, {config.loss}", started)


def restore(folder: Path, data_dir: Path | None = None, *, best: bool = False, limit: int | None = None) -> Finished:
    """A run with a checkpoint: its configuration, test images, network graph and newest state, or that of its best
    epoch. Its data may have moved, and of the test images only `limit` may be wanted.

    Raises ValueError: no run there, no checkpoint, data that are missing or not those of the training.
    """
    config = read(folder, data_dir)
    data = load(config, folder)
    made, crop = build(config, data), streaming.test_crop(config)
    return streaming.finished(made, config, data, folder, crop=crop, best=best, limit=limit)


# ---- configuration


def read(folder: Path, data_dir: Path | None = None, *, option: str = "") -> Resolved:
    """The configuration of the run in `folder`; `option` begins the message of a ValueError."""
    saved = configuration.decode(folder, "imagenet", Resolved, option=option)
    return saved if data_dir is None else dataclasses.replace(saved, data_dir=data_dir)


def load(config: Config, folder: Path | None = None) -> Data:
    """The images that the options request, undecoded; `folder` is that of a run that goes on."""
    splits = layouts.read(config.dataset, config.data_dir)
    second = None if config.second_dir is None else layouts.read("folder", config.second_dir).train
    return streaming.prepare(splits, second, config, folder)


def recipe_of(config: Config) -> Recipe:
    """The recipe of the method for these images and this network."""
    std = NORMALIZATION[config.normalization][1]
    recipe = recipes.create(config.method, config.dataset, config.crop, std, jsd=config.jsd == "on")
    return mixing(recipe, config.mix_share, config.method)


def resolve(config: Config, data: Data) -> Resolved:
    """The configuration with every default that depends on something else filled in.

    Raises ValueError for an unknown method, and for options that don't suit the method, the data or each other.
    """
    recipe = recipe_of(config)
    epochs = config.epochs or recipe.epochs
    lr, weight_decay = optimizer.DEFAULTS[config.optimizer]
    milestones = programs.planned(config, recipe, epochs, len(data.splits.train))
    loss = recipe.loss if config.loss == "auto" else config.loss
    if config.bce_threshold is not None and loss != "sigmoid_bce":
        raise ValueError(f"--bce-threshold is for --loss sigmoid_bce, and the loss is {loss}; leave it out.")
    side = config.test_crop or config.crop
    interpolation = config.interpolation if config.test_interpolation == "auto" else config.test_interpolation
    resize = side if config.crop_mode == "padded" else round(side * 8 / 7)
    found = {
        "epochs": epochs,
        "milestones": milestones,
        "lr": lr if config.lr is None else config.lr,
        "weight_decay": (weight_decay or recipe.weight_decay) if config.weight_decay is None else config.weight_decay,
        "loss": loss,
        "test_crop": side,
        "test_resize": config.test_resize or resize,
        "test_interpolation": interpolation,
        "steps_per_call": 1,
    }
    return Resolved(**vars(config) | found)


# ---- network, recipe and step


def build(config: Resolved, data: Data, mesh: jax.sharding.Mesh | None = None) -> Training:
    """The training that a configuration describes, on all devices unless a mesh is given."""
    start_key, step_key = jax.random.split(jax.random.key(config.seed))
    mesh = devices.global_mesh() if mesh is None else mesh
    mean, std = NORMALIZATION[config.normalization]
    crops = streaming.train_crop(config), streaming.test_crop(config)
    source = streaming.source(config, data, mesh, *crops, repeats=config.repeats)
    network = partial(
        models.create,
        config.model,
        len(source.classes),
        3,
        dtype=jnp.dtype(config.dtype),
        stem=None if config.stem == "auto" else config.stem,
        zero_last=config.zero_last,
    )
    graph, points = models.structure(network, config.model, config.dataset, min(config.crop, config.test_crop))
    programs.check_sides(network, config.model, config.crop, config.test_crop)
    recipe = recipe_of(config)
    if config.mix_per_device:
        recipe = mixed_per_device(recipe, mesh, config.batch_size)
    rate = programs.rate(config, source.steps_per_epoch)
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe,
        preprocess=Augment(mean, std, config.flip, config.jitter, config.lighting),
        loss=loss_of(config),
        label_smoothing=config.label_smoothing,
        optimizer=optimizer.create(
            config,
            rate,
            config.weight_decay,
            nesterov=config.nesterov,
            decayed=None if config.decay_norms else optimizer.kernels,
        ),
        steps_per_epoch=source.steps_per_epoch,
        steps=source.steps_per_epoch * config.epochs,
        rows=source.rows,
        accumulate=config.accumulate,
        ema=config.ema,
        erase=partial(erase, probability=config.erasing) if config.erasing else None,
        measures=(("accuracy_top5", top_five),) if len(source.classes) > 5 else (),
    )
    made = training.compile_training(
        source, setup, network, rate, start_key=start_key, step_key=step_key, mix_until=config.mix_until
    )
    return made._replace(pretrained=initial_weights.from_file(config.weights, network), files=data.files)


def loss_of(config: Resolved) -> Loss:
    """The loss, per example."""
    return sigmoid_bce(config.bce_threshold) if config.loss == "sigmoid_bce" else LOSSES[config.loss]


if __name__ == "__main__":
    sys.exit(main())
