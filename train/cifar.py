"""Trains a classifier of small pictures with mixed samples.

    python train/cifar.py
    python train/cifar.py --dataset cifar10 --data-dir DIR --method cutmix --model wrn-16-2 --epochs 2
    python train/cifar.py --resume runs/20260131-120000-digits-resnet-8-cutmix-s0

The first needs no data and takes about a minute on two CPU cores. Every run has a folder under runs/ with its
configuration, metrics, a picture of a mixed batch and checkpoints.
"""

import contextlib
import dataclasses
import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from tqdm import tqdm

import inputs
import recipes
import run_dir
from checkpoints import Checkpoints
from devices import local_mesh, steps_per_call
from jaxmix import visualize
from steps import PREVIEW_STEPS, State, Trainer

Loss = Literal["auto", "cross_entropy", "softmax_bce"]


@dataclass(frozen=True)
class Config:
    """Train a classifier of small pictures with mixed samples; without options, digits with CutMix."""

    # ---- what
    dataset: Literal["digits", "cifar10", "cifar100", "npz"] = "digits"
    """Which pictures. npz is a file of your own with x_train, y_train, x_test and y_test."""
    data_dir: Path = Path("data")
    """Folder of cifar-10-batches-py, cifar-100-python or what tensorflow-datasets prepared; for npz, the file."""
    method: str = "cutmix"
    """How pictures are mixed: none, mixup, cutmix, ..., augmix, augmix+cutmix, ...; a wrong name lists them all."""
    model: str = "resnet-8"
    """Which network: resnet-D, wrn-D-W, preact-resnet-18, resnext-29-CxW, pyramidnet-A-D, densenet-40-12,
    allconv."""
    limit_train: int | None = None
    """Train on the first so many pictures only, for a quick look."""
    limit_test: int | None = None
    """Test on the first so many pictures only, for a quick look."""

    # ---- how
    epochs: int | None = None
    """Passes over the training pictures. Default: 30 for digits, otherwise 200, for augmix 100 (200 with densenet and
    resnext); the same for all others, though their papers differ."""
    batch_size: int = 128
    """Pictures in a step, over all devices together. The last, smaller part of an epoch is left out (another one every
    epoch). The same for all methods unless given, though their papers differ."""
    lr: float = 0.1
    """Highest learning rate. The same for all methods unless given, though their papers differ."""
    schedule: Literal["cosine", "step"] = "cosine"
    """How the learning rate falls: along half a cosine to 0, or tenfold at every milestone."""
    milestones: tuple[int, ...] | None = None
    """Epochs after which --schedule step divides the learning rate by 10 (one named twice divides twice). Default: 1/2
    and 3/4 of them."""
    warmup_epochs: int = 0
    """Epochs in which the learning rate first rises linearly from 0."""
    momentum: float = 0.9
    """Of SGD, in Nesterov's form."""
    weight_decay: float | None = None
    """L2 penalty on all parameters. Default: that of the method's paper, 1e-4 or 5e-4."""
    label_smoothing: float = 0.0
    """Share of every label that is spread evenly over all classes."""
    loss: Loss = "auto"
    """auto is the loss of the method's paper: softmax_bce for manifold-mixup, sage, puzzlemix and comixup, else
    cross_entropy."""
    jsd: Literal["on", "off"] = "on"
    """For augmix: learn from each picture and two views of it, with 12 times their Jensen-Shannon divergence in the
    loss; off is one view and the plain loss."""
    crop_padding: int | None = None
    """Pixels of mean color around a picture before its random crop. Default: digits 1, npz an eighth, CIFAR as in the
    method's paper, 4 or 2."""
    flip: bool | None = None
    """Mirror half of the training pictures. Default: on CIFAR only."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for accelerators. Parameters and losses stay float32."""
    seed: int = 0
    """Everything random follows from it."""

    # ---- running
    steps_per_call: int = 0
    """Steps in one dispatch to the device. 0 takes 1 on CPUs and about 32 elsewhere."""
    deterministic: bool = True
    """Ask XLA for bit-identical results on GPUs too, which may cost some speed; CPUs and TPUs always give them."""
    runs_dir: Path = Path("runs")
    """Where the folder of this run is made."""
    checkpoint_every: int = 1
    """Epochs between checkpoints; the end of the training and an interrupt always write one."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well."""
    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder of a run to go on with, by its own configuration."""


# What may differ when a run is taken up again, because nothing that is learnt depends on it.
FREE_ON_RESUME = ("data_dir", "runs_dir", "checkpoint_every", "tensorboard", "resume")
# What `resolved` fills in where it has its default.
RESOLVED = ("epochs", "milestones", "weight_decay", "loss", "crop_padding", "flip", "steps_per_call")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code. A mistake of the user ends in one message, not in a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        if config.resume is not None:
            config = resumed(config.resume, arguments)
        return run(config)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(config: Config) -> int:
    """Trains what a configuration asks for, or goes on with `config.resume`, which has that configuration.

    Returns the exit code. Raises ValueError for a mistake of the user, before anything is trained.
    """
    checked(config)
    if config.deterministic:
        # Read when JAX first meets its devices. Without it cuDNN may add in another order every time.
        flags = os.environ.get("XLA_FLAGS", "")
        if "xla_gpu_deterministic_ops" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    dataset = limited(inputs.load(config.dataset, config.data_dir), config)
    config = resolved(config, dataset)
    trainer = build(config, dataset)
    return train(config, trainer, *open_run(config, trainer))


# ---- configuration


def resumed(folder: Path, arguments: list[str]) -> Config:
    """The configuration of the run in `folder`. Raises ValueError if the command line asks for another one."""
    path, saved = folder / "config.json", read_config(folder, option="--resume ")
    asked = tyro.cli(Config, args=arguments, default=saved)
    for field in dataclasses.fields(Config):
        before, now = getattr(saved, field.name), getattr(asked, field.name)
        if field.name in RESOLVED and now == field.default:
            # Asked for explicitly, such as --loss auto: the run has resolved it.
            asked = dataclasses.replace(asked, **{field.name: before})
        elif before != now and field.name not in FREE_ON_RESUME:
            option = field.name.replace("_", "-")
            raise ValueError(
                f"--{option} is {before} in {path}, but {now} on the command line: a run keeps what it began with."
            )
    return dataclasses.replace(asked, resume=folder)


def read_config(folder: Path, data_dir: Path | None = None, *, option: str = "") -> Config:
    """The configuration of the run in `folder`; its data may lie in another place now.

    Raises ValueError, which begins with the option that named the folder, if there is none, or of another version.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{option}{folder}: there is no {path}. It wants the folder of a run, such as runs/20260131-120000-..."
        )
    saved = _decoded(path)
    return saved if data_dir is None else dataclasses.replace(saved, data_dir=data_dir)


def check_data(folder: Path, dataset: inputs.Dataset, data_dir: Path) -> None:
    """Raises ValueError unless the data set is the one that the run in `folder` began with."""
    description, saved = inputs.describe(dataset), run_dir.read_json(folder / "dataset.json")
    changed = [name for name in description if description[name] != saved.get(name)]
    if changed:
        raise ValueError(
            f"{data_dir} holds other pictures than {folder} began with: {', '.join(changed)} differ "
            f"from its dataset.json. Name the folder of the same data with --data-dir."
        )


def _decoded(path: Path) -> Config:
    content = run_dir.read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not the configuration of a run.")
    names = {field.name for field in dataclasses.fields(Config)}
    unknown, missing = sorted(content.keys() - names), sorted(names - content.keys())
    if unknown or missing:
        said = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(missing)
        raise ValueError(
            f"{path} is of another version of this program ({'; '.join(said)}). "
            "Go on with the version that began the run; its versions.json names it."
        )
    for name in ("data_dir", "runs_dir"):
        content[name] = Path(content[name])
    content["milestones"] = tuple(content["milestones"])
    return Config(**content)


def encoded(config: Config) -> dict[str, Any]:
    """The configuration as JSON holds it."""
    content = {name: str(value) if isinstance(value, Path) else value for name, value in vars(config).items()}
    return content | {"resume": None}


def checked(config: Config) -> None:
    """Raises ValueError for a number that makes no sense."""
    for name, low in (
        ("epochs", 1),
        ("batch_size", 2),
        ("checkpoint_every", 1),
        ("limit_train", 1),
        ("limit_test", 1),
        ("crop_padding", 0),
    ):
        value = getattr(config, name)
        if value is not None and value < low:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; wanted {low} or more.")
    for name in ("lr", "momentum", "weight_decay", "label_smoothing", "warmup_epochs", "steps_per_call", "seed"):
        value = getattr(config, name)
        if value is not None and not value >= 0:  # not a number is neither below nor above
            raise ValueError(f"--{name.replace('_', '-')} is {value}; wanted 0 or more.")
    if config.label_smoothing >= 1 or config.momentum >= 1:
        raise ValueError("--label-smoothing and --momentum must be below 1.")


def limited(dataset: inputs.Dataset, config: Config) -> inputs.Dataset:
    """The first pictures of the data set, as many as the configuration allows."""
    train, test = slice(config.limit_train), slice(config.limit_test)
    return dataset._replace(
        train_images=dataset.train_images[train],
        train_labels=dataset.train_labels[train],
        test_images=dataset.test_images[test],
        test_labels=dataset.test_labels[test],
    )


def resolved(config: Config, dataset: inputs.Dataset) -> Config:
    """The configuration with every default that depends on something else filled in.

    Raises ValueError for an unknown method, and for a milestone in the warm-up.
    """
    recipe = recipe_of(config, dataset)
    epochs = config.epochs or (30 if config.dataset == "digits" else recipe.epochs)
    milestones = config.milestones
    if milestones is None:
        # Of one epoch there is no half. Of two both are 1, and the rate falls as far as in a longer training.
        milestones = tuple(milestone for milestone in (epochs // 2, epochs * 3 // 4) if milestone > 0)
    early = [milestone for milestone in milestones if milestone <= config.warmup_epochs]
    if config.schedule == "step" and early:
        raise ValueError(
            f"--milestones has {early[0]}, but the warm-up ends after epoch {config.warmup_epochs}; "
            f"wanted {config.warmup_epochs + 1} or more (all are {', '.join(map(str, milestones))})."
        )
    padding = recipe.padding if config.dataset.startswith("cifar") else dataset.padding
    return dataclasses.replace(
        config,
        epochs=epochs,
        milestones=milestones,
        weight_decay=recipe.weight_decay if config.weight_decay is None else config.weight_decay,
        loss=recipe.loss if config.loss == "auto" else config.loss,
        crop_padding=padding if config.crop_padding is None else config.crop_padding,
        flip=dataset.flip if config.flip is None else config.flip,
        steps_per_call=steps_per_call(config.steps_per_call, max(len(dataset.train_images) // config.batch_size, 1)),
    )


def recipe_of(config: Config, dataset: inputs.Dataset) -> recipes.core.Recipe:
    """The recipe of the configured method for these pictures and this network."""
    side = min(dataset.train_images.shape[1:3])
    return recipes.cifar.create(config.method, config.dataset, side, config.model, dataset.std, jsd=config.jsd == "on")


def learning_rate(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate as a function of the step."""
    assert config.epochs is not None
    assert config.milestones is not None
    warmup = config.warmup_epochs * steps_per_epoch
    if config.schedule == "cosine":
        falling = optax.cosine_decay_schedule(config.lr, max(config.epochs * steps_per_epoch - warmup, 1))
    else:
        drops = {epoch * steps_per_epoch - warmup: 0.1 ** config.milestones.count(epoch) for epoch in config.milestones}
        falling = optax.piecewise_constant_schedule(config.lr, drops)
    rising = optax.linear_schedule(0.0, config.lr, warmup)
    schedule = optax.join_schedules([rising, falling], [warmup]) if warmup else falling
    # Optax divides the count by a float, which strict promotion forbids for an integer.
    return lambda step: schedule(jnp.asarray(step, jnp.float32))


def build(config: Config, dataset: inputs.Dataset, mesh: jax.sharding.Mesh | None = None) -> Trainer:
    """The trainer that a resolved configuration describes, on all local devices unless a mesh is given."""
    assert config.epochs is not None
    assert config.crop_padding is not None
    assert config.flip is not None

    def optimizer(steps_per_epoch: int) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(config.weight_decay),
            optax.sgd(learning_rate(config, steps_per_epoch), momentum=config.momentum, nesterov=True),
        )

    return Trainer(
        dataset,
        config.model,
        recipe_of(config, dataset),
        local_mesh() if mesh is None else mesh,
        batch_size=config.batch_size,
        epochs=config.epochs,
        optimizer=optimizer,
        loss=config.loss,
        label_smoothing=config.label_smoothing,
        padding=config.crop_padding,
        flip=config.flip,
        dtype=config.dtype,
        seed=config.seed,
    )


# ---- the run


class Interrupt:
    """Remembers SIGINT or SIGTERM until the loop can stop; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, self._before[number])


def open_run(config: Config, trainer: Trainer) -> tuple[Path, Checkpoints, State]:
    """The folder of this run, new or taken up again, its checkpoints, and the state to start from."""
    state = trainer.fresh()
    if config.resume is not None:
        check_data(config.resume, trainer.dataset, config.data_dir)
        checkpoints = Checkpoints(config.resume)
        try:
            # A run killed before its first checkpoint starts again from the same seed, which gives the same result.
            state = state if checkpoints.latest() is None else checkpoints.restore(state)
            others = run_dir.add_versions(config.resume, int(state.step))
        except ValueError:
            checkpoints.close()
            raise
        if others:
            print(
                f"warning: {', '.join(others)} not as in the first entry of {config.resume / 'versions.json'}; "
                "results are the same to the bit only with the same versions and devices.",
                file=sys.stderr,
            )
        return config.resume, checkpoints, state
    folder = run_dir.create(config.runs_dir, config.dataset, config.model, config.method, f"s{config.seed}")
    run_dir.write_json(folder / "config.json", encoded(config))
    run_dir.add_versions(folder, 0)
    run_dir.write_json(folder / "dataset.json", inputs.describe(trainer.dataset))
    draw_mixed(config, trainer, state, folder / "mixed.png")
    return folder, Checkpoints(folder), state


def draw_mixed(config: Config, trainer: Trainer, state: State, path: Path) -> None:
    """Draws the first mixed batch: the pictures, their maps, the masks, the result and the label."""
    channels = trainer.dataset.train_images.shape[-1]
    if trainer.recipe.augmentation is None and trainer.recipe.views is None:
        print(f"no mixed.png: {config.method} mixes no pictures")
        return
    if channels not in (1, 3):
        print(f"no mixed.png: pictures of {channels} channels can't be drawn")
        return
    batch = trainer.preview(state)
    if batch is None:
        print(f"no mixed.png: no mixed batch found in the first {PREVIEW_STEPS} steps")
        return
    if trainer.recipe.points != (0,):
        print(f"mixed.png shows {config.method} on the pictures; training mixes at the points {trainer.recipe.points}")
    if batch.maps is not None:
        print(f"mixed.png shows maps of the network after {int(state.step)} steps")
    images, mixed, mix, labels, maps = batch
    visualize.contact_sheet(images, mixed, mix, labels, maps=maps, names=trainer.dataset.names).save(path)


def train(config: Config, trainer: Trainer, folder: Path, checkpoints: Checkpoints, state: State) -> int:
    """Trains and tests from a state to the last epoch.

    Returns the exit code: 0, 1 if the loss blew up, 130 on an interrupt.
    """
    assert config.epochs is not None
    step = int(state.step)
    metrics = run_dir.Metrics(folder, step=step, tensorboard=config.tensorboard)
    rate = learning_rate(config, trainer.steps_per_epoch)
    print(
        f"{describe(config, trainer)}\nrun folder {folder}" + (f", going on from step {step}" if step else ""),
        flush=True,
    )
    started = time.perf_counter()
    with contextlib.closing(metrics), contextlib.closing(checkpoints), Interrupt() as interrupt:
        while step < trainer.steps:
            epoch, position = divmod(step, trainer.steps_per_epoch)
            order = trainer.order(epoch)
            first, begun = step, time.perf_counter()
            title = f"epoch {epoch + 1}/{config.epochs}"
            with tqdm(
                total=trainer.steps_per_epoch * config.batch_size,
                initial=position * config.batch_size,
                desc=title,
                unit=" pictures",
                unit_scale=True,
                leave=False,
                dynamic_ncols=True,
                disable=None,
            ) as bar:
                # The host looks at the results of one call while the device is at the next.
                waiting: jax.Array | None = None
                while position < trainer.steps_per_epoch and not interrupt.asked:
                    # Where a call starts and ends depends on the step alone, so a resumed run makes the same calls.
                    count = min(
                        config.steps_per_call - position % config.steps_per_call, trainer.steps_per_epoch - position
                    )
                    state, results = trainer.advance(state, order, count)
                    failed = None if waiting is None else look(waiting, step, bar)
                    if failed is not None:
                        return blown_up(failed, config, trainer, folder, checkpoints)
                    waiting, step, position = results, step + count, position + count
                    bar.update(count * config.batch_size)
                failed = None if waiting is None else look(waiting, step, bar)
                if failed is not None:
                    return blown_up(failed, config, trainer, folder, checkpoints)
            if position < trainer.steps_per_epoch:
                if not trainer.finite(state):
                    return blown_up(step - 1, config, trainer, folder, checkpoints)
                checkpoints.save(step, state)
                print(f"\ninterrupted after step {step} (in {title}); all of it is saved; {onward(folder)}")
                return 130
            seconds = time.perf_counter() - begun
            loss, right = (float(total) / trainer.steps_per_epoch for total in np.asarray(state.totals))
            test = trainer.evaluate(state)
            if not np.isfinite(test.loss) or not trainer.finite(state):
                return blown_up(step - 1, config, trainer, folder, checkpoints)
            line = {
                "epoch": epoch + 1,
                "step": step,
                "train_loss": loss,
                "train_accuracy": right,
                "test_loss": test.loss,
                "test_accuracy": test.accuracy,
                "test_pictures": test.pictures,
                "learning_rate": float(rate(step - 1)),
                "pictures_per_second": (step - first) * config.batch_size / seconds,
                "seconds": time.perf_counter() - begun,
            }
            metrics.write(line)
            print(
                f"{title}  train loss {loss:.4f} accuracy {right:.4f}   test loss {test.loss:.4f} "
                f"accuracy {test.accuracy:.4f}   {line['pictures_per_second']:,.0f} pictures/s",
                flush=True,
            )
            if (epoch + 1) % config.checkpoint_every == 0 or step == trainer.steps or interrupt.asked:
                checkpoints.save(step, state)
            if interrupt.asked and step < trainer.steps:
                print(f"\ninterrupted after {title}; all of it is saved; {onward(folder)}")
                return 130
    if trainer.recipe.guide is not None:
        draw_mixed(config, trainer, state, folder / "mixed.png")  # again, now that the maps mean something
    print(table(config, metrics.lines, folder, time.perf_counter() - started))
    return 0


def look(results: jax.Array, end: int, bar: Any) -> int | None:
    """Shows the last result of the call that ended before step `end`; returns the first step without a finite loss."""
    rows = np.asarray(results)
    loss, right = rows[-1]
    bar.set_postfix_str(f"loss {loss:.3f} accuracy {right:.3f}", refresh=False)
    failed = np.flatnonzero(~np.isfinite(rows[:, 0]))
    return None if failed.size == 0 else end - len(rows) + int(failed[0])


def blown_up(step: int, config: Config, trainer: Trainer, folder: Path, checkpoints: Checkpoints) -> int:
    """Says in which step the loss, or what the step made of the network, stopped being a number, and what is left.

    Returns the exit code.
    """
    latest = checkpoints.latest()
    kept = (
        "there is no checkpoint yet" if latest is None else f"the last checkpoint is {checkpoints.folder / str(latest)}"
    )
    print(
        f"\nerror: the loss of step {step} or what was learnt from it is not finite "
        f"(epoch {step // trainer.steps_per_epoch + 1}). Stopped; {kept}.\n"
        f"Try a lower --lr (it is {config.lr}), --warmup-epochs, or --dtype float32. The run is in {folder}.",
        file=sys.stderr,
    )
    return 1


def onward(folder: Path) -> str:
    """How to go on with a run."""
    resume = shlex.join(["--resume", str(folder)])
    return f"go on with the same command and only {resume}, e.g. python train/cifar.py {resume}"


def describe(config: Config, trainer: Trainer) -> str:
    """One line on what is going to happen."""
    dataset, devices = trainer.dataset, jax.local_devices()
    return (
        f"{dataset.name}: {len(dataset.train_images):,} pictures to learn from, {len(dataset.test_images):,} to test; "
        f"{config.model}, {config.method}, {config.loss}, {config.epochs} epochs of {trainer.steps_per_epoch} steps of "
        f"{config.batch_size}, on {len(devices)} x {devices[0].device_kind}"
    )


def table(config: Config, lines: list[dict[str, Any]], folder: Path, seconds: float) -> str:
    """The result, for people."""
    if not lines:
        return f"\nno results to show: {folder / 'metrics.jsonl'} has no lines"
    last, best = lines[-1], max(lines, key=lambda line: line["test_accuracy"])
    picture = folder / "mixed.png"
    rows = [
        ("data set", f"{config.dataset}, {last['test_pictures']:,} test pictures"),
        ("model, method", f"{config.model}, {config.method}"),
        ("test accuracy", f"{100 * last['test_accuracy']:.2f} %"),
        ("test loss", f"{last['test_loss']:.4f}"),
        ("best epoch", f"{100 * best['test_accuracy']:.2f} % after epoch {best['epoch']}"),
        ("time", f"{seconds:.0f} s for this call, {sum(line['seconds'] for line in lines):.0f} s in epochs"),
        ("run folder", str(folder)),
        ("a mixed batch", str(picture) if picture.exists() else "none"),
    ]
    width = max(len(name) for name, _ in rows)
    body = [f"  {name:<{width}}  {value}" for name, value in rows]
    rule = "-" * max(map(len, body))
    return "\n".join(["", rule, *body, rule])


if __name__ == "__main__":
    sys.exit(main())
