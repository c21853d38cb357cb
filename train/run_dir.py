"""The folder of a run: its configuration, versions, data set and metrics.

config.json     the program and its options          metrics.jsonl   one line an epoch
versions.json   of packages and devices, call by call  mixed.png       the first mixed batch
dataset.json    classes, sizes, mean and std          checkpoints/    by step
events.out...   with --tensorboard                    lock            the process that writes, or wrote, to the folder
damaged/        checkpoints that can't be restored    metrics.jsonl.damaged-1   one with a line that can't be read
"""

import contextlib
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import jax

import processes
from events import Events

__all__ = [
    "Metrics",
    "add_versions",
    "begin",
    "best_line",
    "check_fingerprint",
    "create",
    "read_json",
    "read_lines",
    "require_same_data",
    "summary",
    "sync",
    "versions",
    "write_json",
]


def create(root: Path, *labels: str, write: Callable[[Path], object] = lambda folder: None) -> Path:
    """A new folder root/YYYYMMDD-HHMMSS-label-label...; a count is appended where two start in one second.

    `write` writes its first files, before the folder has its name: a kill leaves no folder with some of them only.
    """
    name = "-".join([time.strftime("%Y%m%d-%H%M%S"), *labels])
    for attempt in range(1, 1000):
        folder = root / (name if attempt == 1 else f"{name}-{attempt}")
        draft = folder.with_name(f".{folder.name}.new")
        if folder.exists():
            continue
        root.mkdir(parents=True, exist_ok=True)
        try:
            draft.mkdir()
        except FileExistsError:
            continue
        try:
            write(draft)
            draft.rename(folder)
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                raise _with_path(error, folder) from error
            raise
        sync(root)
        return folder
    raise ValueError(f"{root / name} and its 998 followers exist already.")


def sync(folder: Path) -> None:
    """Put the names of the files in a folder on disk, so that a loss of power doesn't undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # this file system knows no such thing
        pass
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Writes indented JSON, whole or not at all, and on disk when this returns."""
    _write_whole(path, json.dumps(content, indent=2) + "\n")


def _write_whole(path: Path, text: str) -> None:
    replacement = path.with_suffix(".new")
    try:
        with replacement.open("w") as file:
            file.write(text)
            _flush(file)
        replacement.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            replacement.unlink()
        raise _with_path(error, path) from error
    sync(path.parent)


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _with_path(error: OSError, path: Path) -> OSError:
    """The error, naming the file: one in writing, as of a full disk, names none."""
    return OSError(error.errno, error.strerror, str(path))


def read_json(path: Path, kind: type = object) -> Any:
    """Reads a file of a run that holds a `kind`, dict or list. Raises ValueError if it is missing or broken."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{path} can't be read ({error}): is {path.parent} the folder of a run?") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}. Change its permissions, or move it away.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not JSON ({error}): it is damaged. Put a copy in its place, or move {path.parent} away."
        ) from error
    if not isinstance(content, kind):
        raise ValueError(f"{path} holds a {type(content).__name__}; wanted a {kind.__name__}. Is it another file?")
    return content


def begin(folder: Path, config: dict[str, Any], fingerprint: dict[str, Any]) -> None:
    """Write what a new run begins with."""
    write_json(folder / "config.json", config)
    write_json(folder / "dataset.json", fingerprint)


def check_fingerprint(folder: Path, fingerprint: dict[str, Any], data_dir: Path) -> None:
    """Raises ValueError unless the data set is the one that the run in `folder` began with."""
    require_same_data(folder, read_json(folder / "dataset.json", dict), fingerprint, data_dir)


def require_same_data(folder: Path, saved: dict[str, Any], fingerprint: dict[str, Any], data_dir: Path) -> None:
    """Raises ValueError unless a fingerprint is the one that is saved in a folder."""
    changed = [name for name in fingerprint if fingerprint[name] != saved.get(name)]
    if changed:
        raise ValueError(
            f"{data_dir} holds other images than {folder} began with: {', '.join(changed)} differ "
            f"from its dataset.json. Name the folder of the same data with --data-dir."
        )


def versions() -> dict[str, Any]:
    """What it takes to repeat a run: versions, devices, and the commit with whether files had changed since."""
    found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxmix"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    devices = jax.devices()
    found["devices"] = {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}
    if processes.several():
        found["devices"]["processes"] = processes.count()
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
    if processes.first():
        write_json(path, [*calls, now])
    first = (calls or [now])[0]
    return [name for name in now if name != "step" and now[name] != first.get(name)]


# What every line of metrics.jsonl has.
FIELDS = (
    *("epoch", "step", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_images"),
    *("learning_rate", "seconds"),
)


class Metrics:
    """metrics.jsonl: one object a line, on disk as soon as it is written; and TensorBoard's copy of it if asked for.
    Of several processes the first one writes.

    lines: by step
    """

    def __init__(self, folder: Path, *, step: int, tensorboard: bool) -> None:
        """Goes on after `step`: lines of later steps, written before the run was cut short, are dropped.

        A file with a line that can't be read is kept beside the new one.
        """
        self.path = folder / "metrics.jsonl"
        found, broken = _parse(self.path)
        if broken and processes.first():
            kept = _copy_aside(self.path)
            print(
                f"warning: {self.path} is damaged in line {', '.join(map(str, broken))}; it is kept as {kept.name}, "
                "and the other lines are in use.",
                file=sys.stderr,
            )
        by_step = {line["step"]: line for line in found if line["step"] <= step}
        self.lines = [by_step[step] for step in sorted(by_step)]
        self._rewrite()
        self._events = Events(folder, step + 1) if tensorboard and processes.first() else None

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line; it has the key "step". On disk when this returns."""
        self.lines.append(line)
        if not processes.first():
            return
        if len(self.lines) > 1 and line["step"] < self.lines[-2]["step"]:
            self.lines.sort(key=lambda line: line["step"])
            self._rewrite()
            return
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
                _flush(file)
            if self._events is not None:
                self._events.write(line["step"], {name: value for name, value in line.items() if name != "step"})
        except OSError as error:
            raise _with_path(error, self.path) from error

    def _rewrite(self) -> None:
        if processes.first():
            _write_whole(self.path, "".join(json.dumps(line) + "\n" for line in self.lines))

    def close(self) -> None:
        """Closes TensorBoard's file."""
        if self._events is not None:
            with contextlib.suppress(OSError):  # nothing is left to write but what could not be written before
                self._events.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl that are whole; none where there is no file."""
    return _parse(path)[0]


def _parse(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The lines that are whole, and the positions, from 1, of those that aren't.

    The last line counts as never written if only its end is missing: a kill cuts it short.
    """
    texts = path.read_bytes().split(b"\n") if path.exists() else []
    found, broken = [], []
    for position, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and all(_is_number(line.get(name)) for name in FIELDS):
            found.append(line)
        elif position < len(texts) or (text and not text.startswith(b"{")):
            broken.append(position)
    return found, broken


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _copy_aside(path: Path) -> Path:
    """Copy a file to a name beside it that is free."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
    copy = next(name for name in names if not name.exists())
    shutil.copy2(path, copy)
    return copy


def best_line(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The line of metrics with the highest accuracy on the validation images; None where nothing validates."""
    validated = [line for line in lines if "val_accuracy" in line]
    return max(validated, key=lambda line: (line["val_accuracy"], -line["step"]), default=None)


def summary(config: Any, lines: list[dict[str, Any]], folder: Path, seconds: float) -> str:
    """The result of a run as a table in plain text."""
    if not lines:
        return f"\nno results to show: {folder / 'metrics.jsonl'} has no lines"
    last, preview = lines[-1], folder / "mixed.png"
    rows = [
        ("data set", f"{config.dataset}, {last['test_images']:,} test images"),
        ("model, method", f"{config.model}, {config.method}"),
        ("test accuracy", f"{100 * last['test_accuracy']:.2f} %"),
        ("test loss", f"{last['test_loss']:.4f}"),
        # On the test images no epoch is chosen: the best of them is no estimate for other images.
        *_validated(lines),
        ("time", f"{seconds:.0f} s for this call, {sum(line['seconds'] for line in lines):.0f} s in epochs"),
        ("run folder", str(folder)),
        ("a mixed batch", str(preview) if preview.exists() else "none"),
    ]
    width = max(len(name) for name, _ in rows)
    body = [f"  {name:<{width}}  {value}" for name, value in rows]
    rule = "-" * max(map(len, body))
    return "\n".join(["", rule, *body, rule])


def _validated(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The epoch that was best on the validation images, where there are any, and its results."""
    best = best_line(lines)
    if best is None:
        return []
    validation = f"epoch {best['epoch']}, {100 * best['val_accuracy']:.2f} % of {best['val_images']:,} images"
    return [("best validation", validation), ("test accuracy there", f"{100 * best['test_accuracy']:.2f} %")]
