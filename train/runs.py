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
import numpy as np
import orbax.checkpoint as orbax


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


class Checkpoints:
    """checkpoints/: the last few states by step, each a mapping from the name of a leaf to its array.

    A state is written whole or not at all: what a kill leaves half written is never read.
    """

    def __init__(self, folder: Path, *, keep: int = 3, create: bool = True) -> None:
        """`create` makes the folder if it isn't there."""
        self.folder = (folder / "checkpoints").absolute()
        # Not asynchronous: the next step overwrites the arrays that would still be being written.
        options = orbax.CheckpointManagerOptions(max_to_keep=keep, create=create, enable_async_checkpointing=False)
        self._manager = orbax.CheckpointManager(self.folder, options=options)

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Writes the state, unless that step is there already."""
        if step != self.latest():
            self._manager.save(step, args=orbax.args.StandardSave(_named(state)), force=True)

    def restore(self, like: Any) -> Any:
        """The newest state; `like` is one of the same structure, shapes, dtypes and devices.

        Raises ValueError naming the checkpoint if it is damaged.
        """
        wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), _named(like))
        try:
            found = self._manager.restore(self.latest(), args=orbax.args.StandardRestore(wanted))
            return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in _named(like)])
        except Exception as error:  # a broken file can raise nearly anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"the checkpoint {self.folder / str(self.latest())} can't be read ({reason}). Delete that folder to go "
                "on from the checkpoint before it, or from the start where there is none."
            ) from error

    def arrays(self) -> dict[str, np.ndarray]:
        """The newest state as it lies on disk, name by name."""
        found = self._manager.restore(self.latest(), args=orbax.args.StandardRestore())
        return {name: np.asarray(array) for name, array in found.items()}

    def close(self) -> None:
        """Lets go of the folder."""
        self._manager.close()


def _named(state: Any) -> dict[str, Any]:
    """The leaves by their path: {"params.stem.kernel": ...}."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
