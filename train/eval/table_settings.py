"""The settings of the rows of a table as text, before anything is trained."""

import dataclasses
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import configuration
from inputs import Dataset
from recipes.core import Recipe
from recipes.description import settings as of_recipe
from recipes.description import word

__all__ = ["listing", "outline", "settings"]

WIDTH = 100
# By name of an option, the word for it here; those without one don't change what is trained, or are in a title.
NAMES = {
    **{"epochs": "epochs", "batch_size": "batch", "lr": "lr", "schedule": "schedule", "warmup_epochs": "warmup"},
    **{"momentum": "momentum", "weight_decay": "decay", "crop_padding": "crop", "flip": "flip"},
    **{"normalization": "normalization", "loss": "loss", "label_smoothing": "smoothing"},
}
ELSEWHERE = ("method", "model", "dataset", "milestones", "crop_fill", "seed", "steps_per_call", "deterministic")


def outline(name: str) -> Dataset:
    """CIFAR without its images: what the settings of a training depend on."""

    def images(count: int) -> np.ndarray:
        return np.broadcast_to(np.uint8(0), (count, 32, 32, 3))

    train, test = np.zeros(50_000, np.int32), np.zeros(10_000, np.int32)
    classes = tuple(map(str, range(int(name.removeprefix("cifar")))))
    mean, std = (0.5,) * 3, (0.5,) * 3
    return Dataset(name, images(50_000), train, images(10_000), test, classes, mean, std, padding=4, flip=True)


def settings(config: Any, recipe: Recipe) -> dict[str, str]:
    """What a row trains with, by name, from its resolved configuration and its recipe.

    Options without a name here are listed where they don't have their default.
    """
    found = {name: getattr(config, option) for option, name in NAMES.items()}
    if config.schedule == "step":
        found["schedule"] = ("step", *config.milestones)
    found["crop"] = (config.crop_padding, config.crop_fill)
    for field in dataclasses.fields(config):
        known = field.name in NAMES or field.name in ELSEWHERE or field.name in configuration.FREE_ON_RESUME
        if not known and getattr(config, field.name) != field.default:
            found[field.name] = getattr(config, field.name)
    return {name: word(value) for name, value in found.items()} | of_recipe(recipe)


def listing(parts: Mapping[str, Mapping[str, Mapping[str, str]]], notes: Sequence[str]) -> str:
    """The settings of the rows of each part, those of most rows and then what each has of its own; and notes."""
    lines: list[str] = []
    for title, rows in parts.items():
        # By setting, the value of most rows, if all have one.
        common = {name: statistics.mode(row.get(name) for row in rows.values()) for name in next(iter(rows.values()))}
        common = {name: value for name, value in common.items() if all(name in row for row in rows.values())}
        shared = {name: value for name, value in common.items() if value is not None}
        lines += [title, *_wrapped("  all rows, unless given below: ", shared)]
        for row, found in rows.items():
            own = {name: value for name, value in found.items() if shared.get(name) != value}
            lines += _wrapped(f"  {row}  ", own)
        lines.append("")
    return "\n".join(lines + [textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in notes])


def _wrapped(start: str, found: Mapping[str, str]) -> list[str]:
    # A line is broken between settings only, not at the space in one, which doesn't break.
    text = "; ".join(f"{name} {value}".replace(" ", "\N{NO-BREAK SPACE}") for name, value in found.items())
    lines = textwrap.wrap(text or "-", WIDTH, initial_indent=start, subsequent_indent=" " * 6)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
