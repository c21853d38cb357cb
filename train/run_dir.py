"""The folder of a run: what was asked, with which versions, what came out, and checkpoints to go on from.

config.json     the command line, resolved            metrics.jsonl   one line an epoch
versions.json   of all that matters, call by call     mixed.png       the first mixed batch
dataset.json    names, sizes, mean and spread         checkpoints/    by step
events.out...   with --tensorboard
"""

import importlib.metadata
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import jax


def create(root: Path, *labels: str) -> Path:
    """A new folder root/YYYYMMDD-HHMMSS-label-label...; a number is appended where two start in one second."""
    name = "-".join([time.strftime("%Y%m%d-%H%M%S"), *labels])
    for attempt in range(1, 1000):
        folder = root / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise ValueError(f"{root / name} and its 998 followers exist already.")


def write_json(path: Path, content: Any) -> None:
    """Writes indented JSON, whole or not at all."""
    replacement = path.with_suffix(".new")
    replacement.write_text(json.dumps(content, indent=2) + "\n")
    replacement.replace(path)


def read_json(path: Path) -> Any:
    """Reads a file of a run. Raises ValueError where it is missing or broken."""
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} can't be read ({error}): is {path.parent} the folder of a run?") from error


def versions() -> dict[str, Any]:
    """What it takes to repeat a run: versions, devices, and the commit with whether files had changed since."""
    found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxmix"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    devices = jax.local_devices()
    found["devices"] = {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
        found["git"] = {"commit": commit, "dirty": bool(changes.strip())}
    except (OSError, subprocess.CalledProcessError):  # no git, or not a checkout
        found["git"] = None
    return found


def add_versions(folder: Path, step: int) -> list[str]:
    """Appends the versions of this call, which starts from `step`, to versions.json.

    Returns the names of what isn't as in the first call. Raises ValueError where the file is broken.
    """
    path = folder / "versions.json"
    calls = read_json(path) if path.exists() else []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise ValueError(f"{path} is not a list with one entry per call: was this run begun by another version?")
    now = {"step": step, **versions()}
    write_json(path, [*calls, now])
    first = (calls or [now])[0]
    return [name for name in now if name != "step" and now[name] != first.get(name)]


class Metrics:
    """metrics.jsonl: one object a line, on disk as soon as it is written; and TensorBoard's copy of it if asked for."""

    def __init__(self, folder: Path, *, step: int, tensorboard: bool) -> None:
        """Goes on after `step`: lines of later steps, written before the run was cut short, are dropped."""
        self.path = folder / "metrics.jsonl"
        self.lines = [line for line in read_lines(self.path) if line["step"] <= step]
        replacement = self.path.with_suffix(".new")
        replacement.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        replacement.replace(self.path)
        self.board = None
        if tensorboard:
            from tensorboardX import SummaryWriter

            self.board = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, line: dict[str, Any]) -> None:
        """Appends a line; it has the key "step"."""
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            for name, value in line.items():
                if name != "step":
                    self.board.add_scalar(name, value, line["step"])
            self.board.flush()

    def close(self) -> None:
        """Closes TensorBoard's file."""
        if self.board is not None:
            self.board.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl that are whole; none where there is no file."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:  # cut short in the middle of a line
            break
    return found
