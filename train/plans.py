"""How long a training is to be, and what its loop says."""

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import processes
from checkpoints import Checkpoints

__all__ = ["NotFiniteError", "Plan", "in_words", "kept", "newest", "not_finite"]


class Plan(NamedTuple):
    """How long to train, and how often to write a checkpoint.

    advice, resume: for the messages about non-finite values and about an interrupt
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    steps_per_call: int
    checkpoint_every: int
    advice: str = ""
    resume: str = ""

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


class NotFiniteError(ArithmeticError):
    """The loss of a step, or the state after its update, is not finite."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def in_words(line: dict[str, Any]) -> str:
    """The metrics of an epoch in one line."""
    validated = ""
    if "val_loss" in line:
        validated = f"validation loss {line['val_loss']:.4f} accuracy {line['val_accuracy']:.4f}   "
    return (
        f"train loss {line['train_loss']:.4f} accuracy {line['train_accuracy']:.4f}   {validated}test loss "
        f"{line['test_loss']:.4f} accuracy {line['test_accuracy']:.4f}   {line['images_per_second']:,.0f} images/s"
    )


def kept(checkpoints: Checkpoints) -> str:
    """Name the newest checkpoint, once what is being written is on disk."""
    if not processes.several():  # others may have ended, and not write
        with contextlib.suppress(OSError):
            checkpoints.wait()
    return newest(checkpoints)


def newest(checkpoints: Checkpoints) -> str:
    """Name the newest checkpoint that is on disk by now."""
    step = checkpoints.latest()
    if step is None:
        return "there is no checkpoint yet"
    return f"the last checkpoint is {checkpoints.folder / str(step)}"


def not_finite(step: int, plan: Plan, folder: Path, checkpoints: Checkpoints) -> str:
    """What to say of a loss or a state that is not finite."""
    return (
        f"\nerror: the loss of step {step}, or the state after its update, is not finite "
        f"(epoch {step // plan.steps_per_epoch + 1}). Stopped; {kept(checkpoints)}.\n{plan.advice} The run is in "
        f"{folder}."
    )
