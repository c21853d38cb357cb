"""Fine-tune a classifier of fine-grained images with mixed samples, in the setting of SnapMix.

    python train/finegrained.py --dataset cub --data-dir CUB_200_2011 --weights resnet50-0676ba61.pth
    python train/finegrained.py --data-dir DIR --weights runs/20260131-120000-folder-resnet18-none-s0 \\
        --model resnet18 --resize 128 --crop 112 --epochs 20
    python train/finegrained.py --resume runs/20260131-120000-folder-resnet18-snapmix-s0

A pretrained network has one learning rate and its new layers another. A second classifier, the middle head, is trained
on the features before the last stage. Accuracies are reported of the main head, of the middle head and of the sum of
both, after the last epoch and, apart from that, of the best one on the test images, as SnapMix's table has them.

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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import configuration
import devices
import initial_weights
import models
import optimizer
import processes
import programs
import streaming
import training
from finegrained_options import AUTOMATIC, Config, Resolved
from image_options import NORMALIZATION
from initial_weights import BODY
from inputs import layouts
from inputs.augment import Augment
from inputs.erasing import erase
from models import mid_level
from recipes import finegrained as recipes
from recipes.applied import mixing
from recipes.core import LOSSES, Recipe
from recipes.per_device import mixed_per_device
from step import Setup, one_head
from streaming import Data
from training import Finished, Training

__all__ = ["Config", "Resolved", "build", "main", "read", "resolve", "restore", "run"]

# The data sets whose images SnapMix's code resizes to squares.
WARPED = ("cars", "aircraft")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user ends in one message, not in a traceback."""
    return programs.main(
        arguments, run, Config, read, automatic=AUTOMATIC, description=__doc__, presets_of="finegrained"
    )


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
    return programs.carry_out(
        made, "finegrained", config, f"{config.model}, {config.method}", started, rows=best_epochs
    )


def best_epochs(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The best epoch by each accuracy on the test images: what SnapMix's table has, and no estimate for others."""
    rows = []
    for name in ("test_accuracy", *(f"test_{measure}" for measure, _ in mid_level.MEASURES)):
        if name in lines[-1]:
            best = max(lines, key=lambda line: (line[name], -line["step"]))
            rows.append((f"best {name.replace('_', ' ')}", f"{100 * best[name]:.2f} % (epoch {best['epoch']})"))
    return rows


def restore(folder: Path, data_dir: Path | None = None, *, best: bool = False, limit: int | None = None) -> Finished:
    """A run with a checkpoint: its configuration, test images, network graph and newest state, or that of its best
    epoch. Its data may have moved, and of the test images only `limit` may be wanted.

    Raises ValueError: no run there, no checkpoint, data that are missing or not those of the training.
    """
    config = read(folder, data_dir)
    data = load(config, folder)
    made, crop = build(config, data), streaming.whole_crop(config)
    return streaming.finished(made, config, data, folder, crop=crop, best=best, limit=limit)


# ---- configuration


def read(folder: Path, data_dir: Path | None = None, *, option: str = "") -> Resolved:
    """The configuration of the run in `folder`; `option` begins the message of a ValueError."""
    saved = configuration.decode(folder, "finegrained", Resolved, option=option)
    return saved if data_dir is None else dataclasses.replace(saved, data_dir=data_dir)


def load(config: Config, folder: Path | None = None) -> Data:
    """The images that the options request, undecoded; `folder` is that of a run that goes on."""
    return streaming.prepare(layouts.read(config.dataset, config.data_dir), None, config, folder)


def recipe_of(config: Config) -> Recipe:
    """The recipe of the method for these images and this network."""
    std = NORMALIZATION[config.normalization][1]
    recipe = recipes.create(config.method, config.crop, std, scratch=config.weights is None)
    return mixing(recipe, config.mix_share, config.method)


def resolve(config: Config, data: Data) -> Resolved:
    """The configuration with every default that depends on something else filled in.

    Raises ValueError for an unknown method, and for options that don't suit the method, the data or each other.
    """
    if config.crop > config.resize:
        raise ValueError(f"--crop is {config.crop}; wanted {config.resize} or less, which --resize is.")
    if config.lr == 0:
        raise ValueError("--lr is 0; wanted more, as --fresh-lr is counted from it.")
    if config.milestones is None:
        shares = (epoch * config.epochs // 200 for epoch in (80, 150, 180))
        config = dataclasses.replace(config, milestones=tuple(epoch for epoch in shares if epoch > 0))
    milestones = programs.planned(config, recipe_of(config), config.epochs, len(data.splits.train))
    found = {
        "lr": Config().lr if config.lr is None else config.lr,
        "milestones": milestones,
        "weight_decay": Config().weight_decay if config.weight_decay is None else config.weight_decay,
        "warp": config.dataset in WARPED if config.warp is None else config.warp,
        "steps_per_call": 1,
    }
    return Resolved(**vars(config) | found)


# ---- network, recipe and step


def build(config: Resolved, data: Data, mesh: jax.sharding.Mesh | None = None) -> Training:
    """The training that a configuration describes, on all devices unless a mesh is given."""
    start_key, step_key = jax.random.split(jax.random.key(config.seed))
    mesh = devices.global_mesh() if mesh is None else mesh
    mean, std = NORMALIZATION[config.normalization]
    crops = streaming.part_crop(config), streaming.whole_crop(config)
    source = streaming.source(config, data, mesh, *crops)
    body = body_of(config, len(source.classes))
    network = partial(mid_level.around, body, len(source.classes), jnp.dtype(config.dtype)) if config.middle else body
    graph, points = models.structure(network, config.model, config.dataset, config.crop)
    programs.check_sides(network, config.model, config.crop)
    recipe = recipe_of(config)
    if config.mix_per_device:
        recipe = mixed_per_device(recipe, mesh, config.batch_size)
    rate = programs.rate(config, source.steps_per_epoch)
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe,
        preprocess=Augment(mean, std, config.flip, config.jitter, config.lighting),
        loss=LOSSES["cross_entropy"],
        label_smoothing=config.label_smoothing,
        optimizer=optimizer.create(
            config,
            rate,
            config.weight_decay,
            nesterov=config.nesterov,
            decayed=None if config.decay_norms else optimizer.kernels,
            faster=(config.fresh_lr / config.lr, initial_weights.fresh),
        ),
        steps_per_epoch=source.steps_per_epoch,
        steps=source.steps_per_epoch * config.epochs,
        rows=source.rows,
        accumulate=config.accumulate,
        ema=config.ema,
        erase=partial(erase, probability=config.erasing) if config.erasing else None,
        heads=mid_level.heads if config.middle else one_head,
        measures=mid_level.MEASURES if config.middle else (),
    )
    made = training.compile_training(
        source, setup, network, rate, start_key=start_key, step_key=step_key, mix_until=config.mix_until
    )
    pretrained = initial_weights.from_file(config.weights, body, inside=BODY if config.middle else "")
    return made._replace(pretrained=pretrained, files=data.files)


def body_of(config: Config, classes: int) -> Callable[[nnx.Rngs], Any]:
    """The network without the middle head."""
    return partial(
        models.create,
        config.model,
        classes,
        3,
        dtype=jnp.dtype(config.dtype),
        stem=None if config.stem == "auto" else config.stem,
        late_strides=config.late_strides,
    )


if __name__ == "__main__":
    sys.exit(main())
