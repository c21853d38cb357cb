"""Real training through the trainer, on the images of an npz file: what its metrics say, epoch by epoch."""

import contextlib
import functools
import importlib
import json
import pathlib
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from items import MAIN, Context, Item, Program

__all__ = ["COLUMNS", "items"]

METHODS = ("none", "cutmix", "augmix", "mixup")
COLUMNS = {"test_accuracy": "{:.2%}", "train_loss": "{:.4f}", "images_per_second": "{:,.0f}", "seconds": "{:.0f}"}
KEPT = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "images_per_second", "seconds")


def trainer() -> Any:
    """train/cifar.py, or why it can't run here."""
    try:
        return importlib.import_module("cifar")
    except (ImportError, SystemExit) as error:
        return str(error)


def items(context: Context) -> Iterator[Item]:
    path = made_up_file() if context.smoke else context.data
    if path is None:
        context.notes.append("learn: no data, wanted --data FILE, an npz file as train/cifar.py takes it")
        return
    found = trainer()
    if isinstance(found, str):
        context.notes.append(f"learn: the trainer can't run here: {found}")
        return
    data = f"{path.name}, crc32 {zlib.crc32(path.read_bytes()):08x}"
    model, dtype, batch = ("resnet-8", "float32", 8) if context.smoke else ("preact-resnet-18", "bfloat16", 128)
    epochs = 1 if context.smoke else context.epochs
    for method in METHODS[:1] if context.smoke else METHODS:
        setting = {"model": model, "dtype": dtype, "batch": batch, "epochs": epochs, "data": data}
        # On an accelerator about 2 s an epoch of 50,000 images, and as much again for views.
        guess = 30.0 + epochs * (6.0 if method == "augmix" else 2.0) * (1 if context.queue else 300)
        options = ["--dataset", "npz", "--data-dir", str(path), "--model", model, "--dtype", dtype]
        options += ["--batch-size", str(batch), "--epochs", str(epochs), "--method", method]
        options += ["--flip", "True", "--no-deterministic", "--checkpoint-every", str(epochs)]
        result = functools.partial(measured, found, options)
        yield Item("learn", method, setting, MAIN, 20.0 if context.smoke else guess, dict, result)


def made_up_file() -> pathlib.Path:
    """A few images of noise of two classes."""
    path = pathlib.Path(tempfile.gettempdir()) / "jaxmix-made-up.npz"
    images, labels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8), np.arange(16) % 2
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    return path


def measured(trainer: Any, options: list[str], programs: Mapping[str, Program]) -> dict[str, Any]:
    """Train in a folder that is then thrown away. Raises RuntimeError where the trainer fails."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        code = trainer.main([*options, "--runs-dir", folder])
        if code:
            raise RuntimeError(f"the trainer ended with exit code {code}; its messages are above")
        (path,) = pathlib.Path(folder).glob("*/metrics.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    epochs = [{name: line[name] for name in KEPT} for line in lines]
    last = epochs[-1]
    return {
        "test_accuracy": last["test_accuracy"],
        "train_loss": last["train_loss"],
        "images_per_second": last["images_per_second"],
        "seconds": sum(line["seconds"] for line in epochs),
        "epochs": epochs,
    }
