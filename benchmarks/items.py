"""An item of a benchmark: one measurement, which is made at once, and whose result stands by itself."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["GOAL", "MAIN", "REST", "Context", "Item", "Program", "in_words"]

# Ranks: what answers a goal is measured first, over all phases; then the main results; then the rest.
GOAL, MAIN, REST = range(3)


class Program(NamedTuple):
    """A function to compile, and what makes its arguments on the device.

    repeats: how often it does its work in one call
    """

    function: Callable[..., Any]
    arguments: Callable[[], tuple[Any, ...]]
    repeats: int = 1


@dataclasses.dataclass(frozen=True)
class Item:
    """One measurement.

    phase, name, setting: its key, with the device and the versions that the journal adds; JSON values only
    rank: GOAL, MAIN or REST
    guess: seconds that it takes with its compilation, roughly; what came before corrects it
    programs: made only where they are needed, by name
    measure: (programs) -> result, numbers and words by name
    """

    phase: str
    name: str
    setting: dict[str, Any]
    rank: int
    guess: float
    programs: Callable[[], Mapping[str, Program]]
    measure: Callable[[Mapping[str, Program]], dict[str, Any]]

    def words(self) -> str:
        return f"{self.phase} {self.name} {in_words(self.setting)}"


@dataclasses.dataclass(frozen=True)
class Context:
    """What the phases choose their items by.

    platform: of the default device, "cpu", "gpu" or "tpu"
    smoke: tiny sizes, and few of everything
    data: the npz file to train on, if there is one
    epochs: of that training
    notes: what is left out, and why; the phases add to it
    """

    platform: str
    smoke: bool = False
    data: pathlib.Path | None = None
    epochs: int = 30
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def queue(self) -> bool:
        """Whether calls are queued: a CPU would work on several at once."""
        return self.platform != "cpu"

    @property
    def rounds(self) -> int:
        return 2 if self.smoke else 9

    @property
    def spend(self) -> float:
        """Seconds of each contender in a round."""
        return 0.0 if self.smoke else 0.03


def in_words(setting: dict[str, Any]) -> str:
    """A setting for people: values where they say enough, and nothing of what is off."""
    words = []
    for name, value in setting.items():
        if isinstance(value, bool):
            words += [name] if value else []
        elif isinstance(value, list):
            words.append("x".join(map(str, value)))
        else:
            words.append(f"{name} {value}" if isinstance(value, int | float) else str(value))
    return " ".join(words).replace("_", " ")
