"""Write the network of a run under torchvision's or timm's names, for their programs and for detection.

    python train/export.py runs/20260131-120000-tiny-imagenet-resnet18-cutmix-s0 --to torchvision
    python train/export.py RUN --to torchvision --checkpoint best --out resnet18.safetensors

The file is a safetensors file; its header has the model, the classes' number, and the mean and standard deviation by
which images are normalized.

Exit codes: 0 finished, 1 the file could not be written, 2 a mistake in the command or a file, 130, 143 or 129
interrupted by Ctrl-C, SIGTERM or SIGHUP.
"""

import exits
import installed  # noqa: F401 - ends the program with one line where a package is missing

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

import configuration
from eval.load_run import PROGRAMS
from initial_weights import body
from models import weights
from training import Finished

__all__ = ["Export", "export", "main"]


@dataclass(frozen=True)
class Export:
    """Write the network of a run under other names."""

    run: tyro.conf.Positional[Path]
    """Folder of a run."""
    to: Literal["torchvision", "timm"] = "torchvision"
    """Whose names: of ResNets both give the same, of vision transformers only timm gives some."""
    out: Path | None = None
    """The file, .safetensors. Default: the model's name, in the folder of the run."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which state; best is that of the epoch with the highest accuracy on the validation images."""
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the data set, if it has moved since the training."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = tyro.cli(Export, args=arguments, description=__doc__)

    def write() -> int:
        finished = restore(options)
        out = options.out or options.run / f"{finished.config.model}.safetensors"
        print(export(finished, options.to, out))
        return 0

    return exits.program(write, "no file was written")


def restore(options: Export) -> Finished:
    """The run, by the program that trained it. Raises ValueError for a run of none of this folder's."""
    name = configuration.program(options.run)
    if name not in PROGRAMS:
        raise ValueError(f"{options.run / 'config.json'} is of the program {name!r}; wanted {', '.join(PROGRAMS)}.")
    program: Any = importlib.import_module(name)
    return program.restore(options.run, options.data_dir, best=options.checkpoint == "best", limit=1)


def export(finished: Finished, to: str, out: Path) -> str:
    """Write the tested parameters and statistics of a run to a file; returns a line on it.

    Raises ValueError for a network that has no such names.
    """
    model, dataset = finished.config.model, finished.dataset
    if out.suffix != ".safetensors":
        raise ValueError(f"--out is {out}; wanted a name that ends in .safetensors.")
    try:
        arrays = weights.to_torchvision(*map(body, finished.state.tested()))
    except ValueError as error:
        raise ValueError(f"{model} can't be written: {error}") from error
    if to == "torchvision" and "cls_token" in arrays:
        raise ValueError(f"torchvision has no names for the parameters of {model}; wanted --to timm.")
    mean, std = (np.asarray(values, np.float64).ravel().tolist() for values in (dataset.mean, dataset.std))
    step = int(finished.state.step)
    about = {"model": model, "classes": len(dataset.classes), "mean": mean, "std": std, "step": step}
    weights.write(out, arrays, about)
    stem = arrays.get("conv1.weight", np.zeros((1, 1, 7, 7))).shape[2:]
    note = "" if stem == (7, 7) else "; its stem is 3x3 without pooling: change conv1 and maxpool of theirs alike"
    note += "; a blur comes before its subsampling, which theirs lack" if model.endswith("-blur") else ""
    return f"{out}: {len(arrays)} arrays of {model} after step {step:,}, by {to}'s names{note}"


if __name__ == "__main__":
    sys.exit(main())
