"""The configuration of a run: options that every program has, config.json, and what a resumed run may change."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

import installed
import processes
from processes import ProcessOptions
from run_dir import read_json

__all__ = [
    "FREE_ON_RESUME",
    "OF_PROCESSES",
    "WHOLE",
    "RunOptions",
    "check",
    "completed",
    "decode",
    "encode",
    "program",
    "resume",
]

# Where the processes of a call find each other, which is of no use to another call.
OF_PROCESSES = {field.name: field.default for field in dataclasses.fields(ProcessOptions)}
# What may differ when a run is resumed, because no parameter of the network depends on it.
FREE_ON_RESUME = (
    *("data_dir", "runs_dir", "checkpoint_every", "tensorboard", "resume"),
    *("second_dir", "threads", "workers", "cache"),
    *OF_PROCESSES,
)

# What is stored of a run from before these options has their defaults.
ADDED = ("side", "mix_share", "mix_per_device", *OF_PROCESSES)
ADDED += ("adversarial", "attack_epsilon", "attack_steps", "attack_step")

C = TypeVar("C")


@dataclass(frozen=True)
class RunOptions(ProcessOptions):
    """How a training runs, whatever it trains."""

    seed: int = 0
    """All random values follow from it."""
    steps_per_call: int = 0
    """Steps in one dispatch to the device. 0 takes 1 on CPUs and about 32 elsewhere."""
    deterministic: bool = True
    """Request bit-identical results of XLA on GPUs too, which may cost some speed; CPUs and TPUs always give them."""
    runs_dir: Path = Path("runs")
    """Where the folder of this run is made."""
    checkpoint_every: int = 1
    """Epochs between checkpoints; the end of the training and an interrupt always write one."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well."""
    extend: tuple[int, ...] = ()
    """With --resume of a finished run: epochs to train on for. The cosine falls again in them, from a tenth of --lr;
    --schedule step keeps its last rate. A run that was extended before names all extensions: --extend 10 20."""
    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder of a run to go on with, by its own configuration."""


# The lowest value of each option that has one.
LOWEST = {"batch_size": 2}
LOWEST |= dict.fromkeys(
    ("epochs", "checkpoint_every", "side", "limit_train", "limit_test", "accumulate", "extend", "mix_until"), 1
)
LOWEST |= dict.fromkeys(("lr", "momentum", "weight_decay", "clip_norm", "ema", "label_smoothing"), 0)
LOWEST |= dict.fromkeys(("val_share", "mix_share"), 0)
LOWEST |= dict.fromkeys(("warmup_epochs", "milestones", "steps_per_call", "seed", "crop_padding", "process"), 0)
LOWEST |= dict.fromkeys(("processes", "heartbeat_seconds"), 1)
LOWEST |= dict.fromkeys(("crop", "test_crop", "resize", "test_resize", "repeats"), 1)
LOWEST |= dict.fromkeys(("threads", "workers", "min_area", "jitter", "lighting", "erasing", "bce_threshold"), 0)
LOWEST |= dict.fromkeys(("warmup_start", "lr_end", "fresh_lr", "attack_epsilon", "attack_step"), 0)
LOWEST |= {"attack_steps": 1}
# The highest value: a whole number is int32 in the programs and any other float32, and of a seed jax.random.key takes
# 32 bits (2**32 would train as 0 does). What must stay below 1 divides by what is left.
WHOLE, FRACTION = 2**31 - 1, 3.4e38
HIGHEST = {"seed": 2**32 - 1} | dict.fromkeys(("min_area", "jitter", "erasing"), 1)
HIGHEST |= dict.fromkeys(("mix_share", "warmup_start", "lr_end"), 1)
HIGHEST |= dict.fromkeys(("attack_epsilon", "attack_step"), 255)
BELOW_ONE = ("label_smoothing", "momentum", "ema", "val_share", "bce_threshold")


def check(config: Any) -> None:
    """Raises ValueError for a value out of range, infinite or not a number; None is accepted."""
    for name, given in vars(config).items():
        for value in given if isinstance(given, tuple) else (given,):
            _check_value(name, value)
    if isinstance(config, ProcessOptions):
        processes.check(config)
    if getattr(config, "extend", ()) and config.resume is None:
        raise ValueError("--extend is for a finished run; wanted --resume RUN with it.")
    if getattr(config, "tensorboard", False) and installed.missing(("tensorboardX",)):
        raise ValueError("--tensorboard needs a package that is not installed: pip install tensorboardX.")


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    option = f"--{name.replace('_', '-')}"
    low, high = LOWEST.get(name, -FRACTION), HIGHEST.get(name, WHOLE if isinstance(value, int) else FRACTION)
    if not value >= low:  # NaN is neither below nor above
        raise ValueError(f"{option} is {value}; wanted {low} or more.")
    if value > high:
        raise ValueError(f"{option} is {value}; wanted {high} or less.")
    if name in BELOW_ONE and value >= 1:
        raise ValueError(f"{option} is {value}; wanted less than 1.")


def encode(program: str, config: Any) -> dict[str, Any]:
    """The configuration as config.json holds it."""
    content = {name: str(value) if isinstance(value, Path) else value for name, value in vars(config).items()}
    return {"program": program} | content | OF_PROCESSES | {"resume": None}


def completed(kind: type[Any], stored: dict[str, Any]) -> dict[str, Any]:
    """Stored options, those that are younger than what is stored with their defaults in `kind`."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    return {name: defaults[name] for name in ADDED if name in defaults} | stored


def program(folder: Path) -> str:
    """The program that began the run in `folder`. Raises ValueError if there is none, or of another version."""
    content = _read(folder, "")
    if not isinstance(content.get("program"), str):
        raise _of_another_version(folder / "config.json", [], ["program"])
    return content["program"]


def decode(folder: Path, program: str, kind: type[C], *, option: str = "") -> C:
    """The configuration, of type `kind`, of the run in `folder`.

    Raises ValueError, which begins with the option that named the folder, if there is no run, one of another version,
    or one of another program.
    """
    path, content = folder / "config.json", _read(folder, option)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    content = completed(kind, content)
    unknown, missing = sorted(content.keys() - {*fields, "program"}), sorted({*fields, "program"} - content.keys())
    if content.get("program", program) != program:
        raise ValueError(f"{path} is of train/{content['program']}.py, not of train/{program}.py.")
    if unknown or missing:
        raise _of_another_version(path, unknown, missing)
    values = {name: content[name] for name in fields}
    hints = typing.get_type_hints(kind)
    for name, hint in hints.items():
        if not _fits(values[name], hint):
            wanted = getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)
            raise ValueError(f"{path}: {name} is {values[name]!r}; wanted {wanted}. Was the file changed by hand?")
    for name, value in values.items():
        if value is not None and Path in (hints[name], *typing.get_args(hints[name])):
            values[name] = Path(value)
        elif isinstance(value, list):
            values[name] = tuple(value)
    return kind(**values)


def resume(saved: C, requested: C, defaults: C, resolved: tuple[str, ...], folder: Path) -> C:
    """The configuration to go on with: the saved one, with what may change as the command line requests it.

    A field in `resolved` that the command line sets to its default, such as --loss auto, keeps the saved value.
    Raises ValueError if the command line requests another value of any other field.
    """
    for field in dataclasses.fields(saved):  # type: ignore[arg-type]
        before, now = getattr(saved, field.name), getattr(requested, field.name)
        automatic = field.name in resolved and now == getattr(defaults, field.name)
        if field.name == "extend":
            _check_extension(before, now, folder)
            continue
        if before != now and field.name not in FREE_ON_RESUME and not automatic:
            raise ValueError(
                f"--{field.name.replace('_', '-')} is {before} in {folder / 'config.json'}, but {now} on the command "
                "line: a run keeps its configuration."
            )
    free = {name: getattr(requested, name) for name in (*FREE_ON_RESUME, "extend") if hasattr(saved, name)}
    return dataclasses.replace(saved, **free | {"resume": folder})  # type: ignore[type-var]


def _check_extension(before: tuple[int, ...], now: tuple[int, ...], folder: Path) -> None:
    if now[: len(before)] != before:
        saved, given = (" ".join(map(str, epochs)) for epochs in (before, now))
        raise ValueError(
            f"--extend is {saved} in {folder / 'config.json'}, but {given or 'empty'} on the command line: it names "
            f"all extensions of a run, as in --extend {saved} {given}."
        )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a JSON file suits the type of an option."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if hint in (int, float):  # True is an int to Python
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return isinstance(value, str if hint is Path else hint)


def _read(folder: Path, option: str) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{option}{folder}: there is no {path}. Wanted the folder of a run, such as runs/20260131-120000-..."
        )
    return read_json(path, dict)


def _of_another_version(path: Path, unknown: list[str], missing: list[str]) -> ValueError:
    found = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(missing)
    return ValueError(
        f"{path} is of another version of this program ({'; '.join(found)}). "
        "Go on with the version that began the run; its versions.json names it."
    )
