"""Train a classifier of small images with mixed samples.

    python train/cifar.py
    python train/cifar.py --dataset cifar10 --data-dir DIR --method cutmix --model wrn-16-2 --epochs 2
    python train/cifar.py --resume runs/20260131-120000-digits-resnet-8-cutmix-s0

The first needs no data and takes about a minute on two CPU cores. Every run has a folder under runs/ with its
configuration, metrics, an image of a mixed batch and checkpoints.
"""

import dataclasses
import shlex
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import tyro

import configuration
import devices
import inputs
import loop
import models
import optimizer
import preview
import run_dir
import training
from configuration import RunOptions
from inputs.on_device import OnDevice
from inputs.preprocess import Preprocess, PreprocessOptions, normalized_by
from optimizer import OptimizerOptions
from recipes import cifar as recipes
from recipes.core import LOSSES, Recipe
from step import Setup
from training import Finished, Training

__all__ = ["Config", "Resolved", "build", "main", "read", "resolve", "restore", "run"]

# ---- options


@dataclass(frozen=True)
class Config(RunOptions, OptimizerOptions, PreprocessOptions):
    """Train a classifier of small images with mixed samples; without options, digits with CutMix."""

    dataset: Literal["digits", "cifar10", "cifar100", "npz"] = "digits"
    """Data set. npz is a file of your own with x_train, y_train, x_test and y_test."""
    data_dir: Path = Path("data")
    """Folder of cifar-10-batches-py, cifar-100-python or what tensorflow-datasets prepared; for npz, the file."""
    method: str = "cutmix"
    """Method of mixing: none, mixup, cutmix, ..., augmix, augmix+cutmix, cutout+mixup, ...; a wrong name lists them
    all."""
    model: str = "resnet-8"
    """Network: resnet-D, wrn-D-W, preact-resnet-18, resnext-29-CxW, pyramidnet-A-D, densenet-40-12, allconv; with
    -puzzlemix after a wrn or preact-resnet as that paper's code builds it."""
    limit_train: int | None = None
    """Train on the first n images only, for a quick look."""
    limit_test: int | None = None
    """Test on the first n images only, for a quick look."""
    epochs: int | None = None
    """Passes over the training images. Default: 30 for digits, otherwise 200, for augmix 100 (200 with densenet and
    resnext), though the papers of others differ."""
    batch_size: int = 128
    """Images in a step, over all devices together. The last, smaller part of an epoch is left out (another one every
    epoch)."""
    label_smoothing: float = 0.0
    """Share of every label that is spread evenly over all classes."""
    loss: Literal["auto", "cross_entropy", "softmax_bce"] = "auto"
    """auto is the loss of the method's paper: softmax_bce for manifold-mixup, sage, puzzlemix and comixup, else
    cross_entropy."""
    jsd: Literal["on", "off"] = "on"
    """For augmix: train on each image and two views of it, with 12 times their Jensen-Shannon divergence in the loss;
    off is one view and the plain loss."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for accelerators. Parameters and losses stay float32."""


@dataclass(frozen=True, kw_only=True)
class Resolved(Config):
    """The options of a run, every one of them with its value; what config.json holds."""

    epochs: int
    milestones: tuple[int, ...]
    weight_decay: float
    loss: Literal["cross_entropy", "softmax_bce"]
    crop_padding: int
    flip: bool


# The fields that `resolve` fills in where they have their default.
AUTOMATIC = ("epochs", "milestones", "weight_decay", "loss", "crop_padding", "flip", "steps_per_call")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user ends in one message, not in a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        if config.resume is not None:
            saved = read(config.resume, option="--resume ")
            requested = tyro.cli(Config, args=arguments, default=Config(**vars(saved)))
            config = configuration.resume(saved, requested, Config(), AUTOMATIC, config.resume)
        return run(config)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(options: Config) -> int:
    """Train as the options say, or go on with `options.resume`, which has those options; returns the exit code.

    Raises ValueError for a mistake of the user, before anything is trained.
    """
    started = time.perf_counter()
    configuration.check(options)
    if options.deterministic:
        devices.make_deterministic()

    # ---- data, and the defaults that depend on them
    dataset = load(options)
    config = resolve(options, dataset)

    # ---- network, recipe and step
    made = build(config, dataset)

    # ---- run folder
    if config.resume is not None:
        folder = config.resume
        checkpoints, state = training.resume(made, folder, config.data_dir)
    else:
        folder = run_dir.create(config.runs_dir, config.dataset, config.model, config.method, f"s{config.seed}")
        checkpoints, state = training.begin(made, folder, configuration.encode("cifar", config), config.method)
    metrics = run_dir.Metrics(folder, step=int(state.step), tensorboard=config.tensorboard)

    # ---- loop
    resume = shlex.join(["--resume", str(folder)])
    plan = loop.Plan(
        epochs=config.epochs,
        steps_per_epoch=made.source.steps_per_epoch,
        batch_size=config.batch_size,
        steps_per_call=config.steps_per_call,
        checkpoint_every=config.checkpoint_every,
        advice=f"Try a lower --lr (it is {config.lr}), --warmup-epochs, or --dtype float32.",
        resume=f"go on with the same command and only {resume}, e.g. python train/cifar.py {resume}",
    )
    print(training.describe(made, plan, f"{config.model}, {config.method}, {config.loss}"))
    print(f"run folder {folder}" + (f", going on from step {int(state.step)}" if int(state.step) else ""), flush=True)
    state, code = loop.train(state, made.functions, plan, folder, checkpoints, metrics)

    # ---- result
    if code == 0:
        if made.setup.recipe.saliency_pass is not None:  # once more, with maps of the trained network
            preview.plot(made.setup, made.source, made.key, state, folder / "mixed.png", config.method)
        print(run_dir.summary(config, metrics.lines, folder, time.perf_counter() - started))
    return code


def restore(folder: Path, data_dir: Path | None = None) -> Finished:
    """A run with a checkpoint: its configuration, data, network graph and newest state. Its data may have moved.

    Raises ValueError: no run there, no checkpoint, data that are missing or not those of the training.
    """
    config = read(folder, data_dir)
    dataset = load(config)
    made = build(config, dataset)
    return Finished(config, dataset, made.setup.graph, training.newest_state(made, folder, config.data_dir))


# ---- configuration


def read(folder: Path, data_dir: Path | None = None, *, option: str = "") -> Resolved:
    """The configuration of the run in `folder`; `option` begins the message of a ValueError."""
    saved = configuration.decode(folder, "cifar", Resolved, option=option)
    return saved if data_dir is None else dataclasses.replace(saved, data_dir=data_dir)


def load(config: Config) -> inputs.Dataset:
    """The images of the data set that the options request."""
    dataset = inputs.load(config.dataset, config.data_dir).first(config.limit_train, config.limit_test)
    return normalized_by(config.normalization, dataset)


def recipe_of(config: Config, dataset: inputs.Dataset) -> Recipe:
    """The recipe of the method for these images and this network."""
    side = min(dataset.train_images.shape[1:3])
    return recipes.create(config.method, config.dataset, side, config.model, dataset.std, jsd=config.jsd == "on")


def resolve(config: Config, dataset: inputs.Dataset) -> Resolved:
    """The configuration with every default that depends on something else filled in.

    Raises ValueError for an unknown method, and for a milestone in the warm-up.
    """
    recipe = recipe_of(config, dataset)
    epochs = config.epochs or (30 if config.dataset == "digits" else recipe.epochs)
    milestones = optimizer.milestones(config.milestones, epochs, config.warmup_epochs, config.schedule)
    padding = recipe.padding if config.dataset in recipes.DATASETS else dataset.padding
    steps_per_epoch = max(len(dataset.train_images) // config.batch_size, 1)
    found = {
        "epochs": epochs,
        "milestones": milestones,
        "weight_decay": recipe.weight_decay if config.weight_decay is None else config.weight_decay,
        "loss": recipe.loss if config.loss == "auto" else config.loss,
        "crop_padding": padding if config.crop_padding is None else config.crop_padding,
        "flip": dataset.flip if config.flip is None else config.flip,
        "steps_per_call": devices.steps_per_call(config.steps_per_call, steps_per_epoch),
    }
    return Resolved(**vars(config) | found)


# ---- network, recipe and step


def build(config: Resolved, dataset: inputs.Dataset, mesh: jax.sharding.Mesh | None = None) -> Training:
    """The training that a configuration describes, on all local devices unless a mesh is given."""
    start_key, order_key, step_key = jax.random.split(jax.random.key(config.seed), 3)
    mesh = devices.local_mesh() if mesh is None else mesh
    source = OnDevice(dataset, mesh, batch_size=config.batch_size, key=order_key)
    network = partial(
        models.create, config.model, len(source.classes), source.image_shape[-1], dtype=jnp.dtype(config.dtype)
    )
    graph, points = models.structure(network, config.model, dataset.name, min(source.image_shape[:2]))
    rate = optimizer.learning_rate(config, config.milestones, config.epochs, source.steps_per_epoch)
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe_of(config, dataset),
        preprocess=Preprocess(source.mean, source.std, config.crop_padding, config.flip, config.crop_fill),
        loss=LOSSES[config.loss],
        label_smoothing=config.label_smoothing,
        optimizer=optimizer.sgd(rate, momentum=config.momentum, weight_decay=config.weight_decay),
        steps_per_epoch=source.steps_per_epoch,
        steps=source.steps_per_epoch * config.epochs,
        rows=source.rows,
    )
    return training.compile_training(source, setup, network, rate, start_key=start_key, step_key=step_key)


if __name__ == "__main__":
    sys.exit(main())
