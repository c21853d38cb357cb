"""The folder of a run: its configuration, versions, data set and metrics.

config.json     the program and its options          metrics.jsonl   one line an epoch
versions.json   of packages and devices, call by call  mixed.png       the first mixed batch
dataset.json    classes, sizes, mean and std          checkpoints/    by step
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

__all__ = [
    "Metrics",
    "add_versions",
    "begin",
    "best_line",
    "check_fingerprint",
    "create",
    "read_json",
    "read_lines",
    "summary",
    "versions",
    "write_json",
]


def create(root: Path, *labels: str) -> Path:
    """A new folder root/YYYYMMDD-HHMMSS-label-label...; a count is appended where two start in one second."""
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


def begin(folder: Path, config: dict[str, Any], fingerprint: dict[str, Any]) -> None:
    """Write what a new run begins with."""
    write_json(folder / "config.json", config)
    add_versions(folder, 0)
    write_json(folder / "dataset.json", fingerprint)


def check_fingerprint(folder: Path, fingerprint: dict[str, Any], data_dir: Path) -> None:
    """Raises ValueError unless the data set is the one that the run in `folder` began with."""
    saved = read_json(folder / "dataset.json")
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
