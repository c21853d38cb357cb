"""Part the classes of a folder of images for the setting `objects` of benchmarks/evidence.py.

    python benchmarks/evidence_classes.py DIR OUT

DIR has train/CLASS/*.jpg, val/CLASS/*.jpg and val_boxes.csv. Of its classes in alphabetical order every fifth one goes
to OUT, to train and test on, and the test images of the others to OUT/held_out, as new classes. Files are copied.
"""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "train"))

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import exits
from inputs import scanning

EVERY = 5


@dataclass(frozen=True)
class Parting:
    """Part the classes of a folder of images."""

    source: Annotated[Path, tyro.conf.Positional]
    """Folder with train/CLASS, val/CLASS and val_boxes.csv."""
    out: Annotated[Path, tyro.conf.Positional]
    """Folder to write, which must not exist yet."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = tyro.cli(Parting, args=arguments, description=__doc__)

    def run() -> int:
        trained, held_out = part(options.source, options.out)
        print(f"{options.out}: {trained} classes to train on, {held_out} in held_out")
        return 0

    return exits.program(run, "remove the folder and run the command again")


def part(source: Path, out: Path) -> tuple[int, int]:
    """Write `out`; returns the numbers of trained and of held-out classes.

    Raises ValueError: `out` is there, no boxes, or too few classes.
    """
    boxes = source / "val_boxes.csv"
    if not boxes.is_file():
        raise ValueError(f"{source} has no val_boxes.csv (file,x0,y0,x1,y1); wanted images with a box each.")
    if out.exists():
        raise ValueError(f"{out} exists; wanted a new folder.")
    classes = scanning.subfolders(source / "train")
    trained = classes[::EVERY]
    if len(trained) < 2 or len(classes) - len(trained) < EVERY:
        raise ValueError(f"{source / 'train'} has {len(classes)} classes; wanted {2 * EVERY} or more.")
    for name in classes:
        if name in trained:
            shutil.copytree(source / "train" / name, out / "train" / name)
        shutil.copytree(source / "val" / name, (out if name in trained else out / "held_out") / "val" / name)
    shutil.copy(boxes, out / boxes.name)
    return len(trained), len(classes) - len(trained)


if __name__ == "__main__":
    sys.exit(main())
