"""The states of a run on disk."""

import errno
import gc
import json
import logging
import os
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax

import exits
from locks import lock

__all__ = ["Checkpoints", "DamagedError"]


# What keeps a whole file from being opened.
CLOSED = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)


class DamagedError(ValueError):
    """A checkpoint whose files are not as they were written."""


class Checkpoints:
    """checkpoints/: the last few states by step, each a mapping from the name of a leaf to its array.

    A state is written whole or not at all: what a kill leaves half written is never read. Beside each state lie the
    shape, dtype and CRC-32 of every leaf, which each restore compares.
    """

    def __init__(self, folder: Path, *, keep: int | None = 3, create: bool = True) -> None:
        """`create` is for the process that trains: it makes the folder if it isn't there, and locks the run.

        Raises ValueError if another process has locked it.
        """
        self.folder = (folder / "checkpoints").absolute()
        self._lock = lock(folder) if create else None
        try:
            if create:
                self.folder.mkdir(exist_ok=True)
                self._remove_unfinished()
            # Not asynchronous: the next step overwrites the arrays that would still be being written.
            options = orbax.CheckpointManagerOptions(max_to_keep=keep, create=create, enable_async_checkpointing=False)
            with _no_log():
                self._manager = orbax.CheckpointManager(self.folder, options=options)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None if there is none."""
        return max(self.steps(), default=None)

    def steps(self) -> list[int]:
        """The steps of all checkpoints."""
        with _no_log():
            return sorted(self._manager.all_steps())

    def save(self, step: int, state: Any) -> None:
        """Writes the state, unless that step is there already.

        Raises OSError, in one line, if there is no room for it; the earlier checkpoints stay.
        """
        if step == self.latest():
            return
        leaves = _named(state)
        size = sum(leaf.nbytes for leaf in leaves.values())
        if shutil.disk_usage(self.folder).free < 1.1 * size + 2**16:
            raise self._no_room(step, size, os.strerror(errno.ENOSPC))
        arguments = orbax.args.Composite(
            state=orbax.args.StandardSave(leaves), checksums=orbax.args.JsonSave(_signed(step, leaves))
        )
        try:
            with _no_log():
                saved = self._manager.save(step, args=arguments, force=True)
        except Exception as error:  # TensorStore raises a ValueError where a quota or a limit ends a write
            reason = _storage_reason(error)
            if reason is None:
                raise
            self._remove_unfinished()
            raise self._no_room(step, size, reason) from error
        if not saved:
            raise OSError(f"the checkpoint {self.folder / str(step)} was not written")

    def _no_room(self, step: int, size: int, reason: str) -> OSError:
        return OSError(
            f"the checkpoint {self.folder / str(step)} can't be written: {reason}; it needs about "
            f"{size / 1e6:,.1f} MB, {exits.free_space(self.folder)} are free"
        )

    def restore(self, like: Any, step: int | None = None) -> Any:
        """The state of a step, the newest if none is given; `like` has the same structure, shapes, dtypes and devices.

        Raises DamagedError where it is not as it was written; ValueError where it is of another model, or where its
        files can't be opened.
        """
        step = self.latest() if step is None else step
        path, names = self.folder / str(step), _named(like)
        saved = self._checksums(step)
        different = [name for name in sorted(saved.keys() | names) if _form(names.get(name)) != _form_of(saved, name)]
        if different:
            name = different[0]
            raise ValueError(
                f"the checkpoint {path} is of another model: {name} is {_form_of(saved, name)} there and "
                f"{_form(names.get(name))} here ({len(different)} of {len(saved)} differ). Nothing is damaged: go on "
                "with the version that began the run, or move the folder of the run away."
            )
        wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), names)
        found = self._read(step, wanted, saved)
        return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in names])

    def recover(self, like: Any) -> Any:
        """The newest state that is as it was written. Damaged newer ones are named and moved to damaged/.

        Raises ValueError if all are damaged, or as `restore` does.
        """
        damaged: dict[int, str] = {}
        for step in reversed(self.steps()):
            try:
                state = self.restore(like, step)
            except DamagedError as error:
                damaged[step] = str(error)
                continue
            for bad, reason in damaged.items():
                moved = self._move_away(bad)
                print(
                    f"warning: {reason}; it is moved to {moved}. Going on from the one before it, of step {step}.",
                    file=sys.stderr,
                )
            return state
        raise ValueError(
            f"no checkpoint in {self.folder} can be used: {'; '.join(damaged.values())}. Put a copy in its place, or "
            "move that folder away and give the same command to begin again from the first step."
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The newest state as it lies on disk, name by name. Raises DamagedError."""
        step = self.latest()
        return {name: np.asarray(array) for name, array in self._read(step, None, self._checksums(step)).items()}

    def drop(self, which: Callable[[int], bool]) -> None:
        """Removes the checkpoints of the steps for which `which` holds."""
        for step in self._manager.all_steps():
            if which(step):
                self._manager.delete(step)

    def close(self) -> None:
        """Lets go of the folder."""
        self._manager.close()
        if self._lock is not None:
            self._lock.release()

    def _checksums(self, step: int | None) -> dict[str, Any]:
        """What was written of each leaf of a step."""
        path = self.folder / str(step)
        if (path / "default").is_dir() and not (path / "checksums").exists():
            raise ValueError(
                f"the checkpoint {path} is of an earlier version, without checksums. Go on with the version that began "
                "the run; its versions.json names it."
            )
        content = self._restored(step, checksums=orbax.args.JsonRestore())["checksums"]
        signed = content.get("signed") if isinstance(content, dict) else None
        if not isinstance(signed, dict) or content.get("crc32") != _crc32_of_json(signed):
            raise DamagedError(f"the checkpoint {path} is damaged: its list of checksums has changed")
        if signed["step"] != step:
            raise DamagedError(f"the checkpoint {path} is damaged: it is of step {signed['step']}")
        return signed["leaves"]

    def _read(self, step: int | None, wanted: Any, saved: dict[str, Any]) -> dict[str, Any]:
        """The leaves of a step, compared with their checksums."""
        found = self._restored(step, state=orbax.args.StandardRestore(wanted))["state"]
        changed = [name for name in saved if name not in found or _crc32(found[name]) != saved[name]["crc32"]]
        if changed:
            raise DamagedError(
                f"the checkpoint {self.folder / str(step)} is damaged: {len(changed)} of {len(saved)} arrays have "
                f"changed on disk, the first of them {changed[0]}"
            )
        return found

    def _restored(self, step: int | None, **items: Any) -> Any:
        path = self.folder / str(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that an error leaves behind
            try:
                with _no_log():
                    return self._manager.restore(step, args=orbax.args.Composite(**items))
            except (MemoryError, jax.errors.JaxRuntimeError):  # no fault of the files
                raise
            except Exception as error:  # a broken file can raise nearly anything
                reason = _first_line(error)
            gc.collect()
        if not path.exists():
            raise ValueError(f"{path} is gone: a training has replaced it. Give the same command again.")
        closed = _unreadable(path)
        if closed is not None:
            raise ValueError(f"the checkpoint {path} can't be read: {exits.describe(closed)}")
        raise DamagedError(f"the checkpoint {path} is damaged ({reason})")

    def _move_away(self, step: int) -> Path:
        place = self.folder.parent / "damaged"
        place.mkdir(exist_ok=True)
        names = (place / (str(step) if number == 1 else f"{step}-{number}") for number in range(1, 1000))
        moved = next(name for name in names if not name.exists())
        (self.folder / str(step)).rename(moved)
        self._manager.reload()
        return moved

    def _remove_unfinished(self) -> None:
        """Remove what a kill or a full disk has left half written, which would keep a full disk full."""
        for left in self.folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(left, ignore_errors=True)


def _named(state: Any) -> dict[str, Any]:
    """The leaves by their path: {"params.stem.kernel": ...}."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _signed(step: int, leaves: dict[str, Any]) -> dict[str, Any]:
    """Shape, dtype and CRC-32 of each leaf, and the CRC-32 of that list."""
    content = {"step": step, "leaves": {name: _form(leaf) | {"crc32": _crc32(leaf)} for name, leaf in leaves.items()}}
    return {"signed": content, "crc32": _crc32_of_json(content)}


def _form(leaf: Any) -> dict[str, Any]:
    """The shape and dtype of a leaf, as JSON holds them; nothing for no leaf."""
    return {} if leaf is None else {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def _form_of(saved: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in saved.get(name, {}).items() if key != "crc32"}


def _crc32(leaf: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)


def _crc32_of_json(content: Any) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _unreadable(folder: Path) -> OSError | None:
    """The error of the first file or folder below that may not be opened, or None."""
    errors: list[OSError] = []
    for place, _, files in os.walk(folder, onerror=errors.append):
        for name in files:
            try:
                with (Path(place) / name).open("rb"):
                    pass
            except OSError as error:
                errors.append(error)
    return next((error for error in errors if error.errno in CLOSED), None)


def _storage_reason(error: Exception) -> str | None:
    """What the file system refused, or None where the error is another one. TensorStore passes it on as text."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    codes = (*exits.FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
    words = [os.strerror(code) for code in codes] + ["Failed to write", "RESOURCE_EXHAUSTED"]
    return next((word for word in words if word in str(error)), None)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep tracebacks of errors that Orbax raises as well from being printed once more."""
    logger, hook = logging.getLogger("absl"), sys.unraisablehook
    before = logger.disabled
    logger.disabled = True

    def report(unraisable: Any) -> None:
        # After a failure the threads of TensorStore go on to report, to an event loop that has ended.
        if "Event loop is closed" not in str(unraisable.exc_value):
            hook(unraisable)

    sys.unraisablehook = report
    try:
        yield
        sys.unraisablehook = hook  # after an error ours stays: the last of those reports come late
    finally:
        logger.disabled = before
