"""The states of a run on disk."""

import errno
import gc
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax
from filelock import BaseFileLock

import exits
import processes
from agreements import gathered, together
from checksums import crc32, crc32_of_json, form, form_of, named, signed
from locks import lock
from storage_errors import first_line, silence_late_reports, storage_reason, unreadable

__all__ = ["Checkpoints", "DamagedError"]


class DamagedError(ValueError):
    """A checkpoint whose files are not as they were written."""


class Checkpoints:
    """checkpoints/: the last few states by step, each a mapping from the name of a leaf to its array.

    A state is written in the background while the training goes on, whole or not at all: what a kill leaves half
    written is never read. Beside each state lie the shape, dtype and CRC-32 of every leaf, which each restore compares.
    Of several processes all call these functions, on one shared folder, and all get the error of one. The first of them
    writes, without waiting for the others, as each has the whole state; every one reads for itself.
    """

    def __init__(self, folder: Path, *, keep: int | None = 3, create: bool = True) -> None:
        """`create` is for the process that trains: it makes the folder if it isn't there, and locks the run.

        Raises ValueError if another process has locked it.
        """
        self.folder = (folder / "checkpoints").absolute()
        self._lock: BaseFileLock | None = None
        self._writing: tuple[int, int] | None = None  # the step and the size of the state that is being written
        try:
            with together():
                if create and processes.first():
                    self._lock = lock(folder)
                    self.folder.mkdir(exist_ok=True)
                    self._remove_unfinished()
            options = orbax.CheckpointManagerOptions(
                max_to_keep=keep,
                create=create and not processes.several(),
                enable_async_checkpointing=create,
                multiprocessing_options=_alone() if processes.several() else orbax.options.MultiprocessingOptions(),
            )
            self._manager = orbax.CheckpointManager(self.folder, options=options)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def latest(self) -> int | None:
        """The step of the newest checkpoint that is whole, as this process sees it; None if there is none."""
        return max(self.seen(), default=None)

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are whole, the last hundred, as the first process sees them."""
        return json.loads(gathered(json.dumps(self.seen()[-100:]))[0])

    def seen(self) -> list[int]:
        """The same, as this process sees them."""
        unfinished = None if self._writing is None else self._writing[0]
        # Orbax gives a folder its name once all of it is written.
        whole = unfinished is not None and (self.folder / str(unfinished)).is_dir()
        return sorted(step for step in self._manager.all_steps() if step != unfinished or whole)

    def save(self, step: int, state: Any) -> None:
        """Begins to write the state, unless that step is there already, once an earlier one is written.

        When this returns the state has been copied, so its arrays may be overwritten. Raises OSError, in one line, if
        there is no room for it or the earlier one couldn't be written; the earlier checkpoints stay.
        """
        self.wait()
        if gathered("there" if step in self.seen() else "")[0]:
            return
        leaves = named(state)
        size = sum(leaf.nbytes for leaf in leaves.values())
        with together():
            if processes.first():
                self._begin(step, leaves, size)
        self._writing = step, size

    def _begin(self, step: int, leaves: dict[str, Any], size: int) -> None:
        silence_late_reports()
        self._remove_unfinished()
        if processes.several():  # each has the whole of every array
            leaves = {name: np.asarray(leaf) for name, leaf in leaves.items()}
        if shutil.disk_usage(self.folder).free < 1.1 * size + 2**16:
            raise self._no_room(step, size, os.strerror(errno.ENOSPC))
        arguments = orbax.args.Composite(
            state=orbax.args.StandardSave(leaves), checksums=orbax.args.JsonSave(signed(step, leaves))
        )
        try:
            saved = self._manager.save(step, args=arguments, force=True)
        except Exception as error:  # TensorStore raises a ValueError where a quota or a limit ends a write
            raise self._not_written(step, size, error) from error
        if not saved:
            raise OSError(f"the checkpoint {self.folder / str(step)} was not written")

    def wait(self) -> None:
        """Until the state that is being written is on disk. Raises OSError as `save`."""
        if self._writing is None:
            return
        step, size = self._writing
        with together():
            try:
                self._manager.wait_until_finished()
            except Exception as error:
                self._writing = None
                raise self._not_written(step, size, error) from error
        self._writing = None
        if not processes.first():
            self._manager.reload()

    def check(self) -> None:
        """Raises OSError, as `save`, if the state that was being written has met an error; waits for nothing."""
        if self._writing is None:
            return
        # Once it has ended, and not by Orbax's check for errors, which its own thread has taken out by then.
        if gathered("" if self._manager.is_saving_in_progress() else "ended")[0]:
            self.wait()

    def _not_written(self, step: int, size: int, error: Exception) -> Exception:
        """What to raise for an error in writing: one line, where the file system is the reason."""
        reason = storage_reason(error)
        if reason is None:
            return error
        if processes.first():
            self._remove_unfinished(looks=3)
        return self._no_room(step, size, reason)

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
        self.wait()
        step = self.latest() if step is None else step
        path, names = self.folder / str(step), named(like)
        saved = self._checksums(step)
        different = [name for name in sorted(saved.keys() | names) if form(names.get(name)) != form_of(saved, name)]
        if different:
            name = different[0]
            raise ValueError(
                f"the checkpoint {path} is of another model: {name} is {form_of(saved, name)} there and "
                f"{form(names.get(name))} here ({len(different)} of {len(saved)} differ). Nothing is damaged: go on "
                "with the version that began the run, or move the folder of the run away."
            )
        found = self._read(step, {name: _wanted(leaf) for name, leaf in names.items()}, saved)
        if processes.several():
            found = {name: processes.put(found[name], leaf.sharding) for name, leaf in names.items()}
        return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in names])

    def recover(self, like: Any) -> Any:
        """The newest state that is as it was written. Damaged newer ones are named and moved to damaged/.

        Raises ValueError if all are damaged, or as `restore` does.
        """
        self.wait()
        damaged: dict[int, str] = {}
        for step in reversed(self.steps()):
            state, reason = None, ""
            try:
                state = self.restore(like, step)
            except DamagedError as error:
                reason = str(error)
            reason = next(filter(None, gathered(reason)), "")  # of whichever process has found a damage
            if reason:
                damaged[step] = reason
                continue
            for bad, reason in damaged.items():
                with together():
                    moved = self._move_away(bad) if processes.first() else None
                if moved is not None:
                    print(
                        f"warning: {reason}; it is moved to {moved}. Going on from the one before it, of step {step}.",
                        file=sys.stderr,
                    )
            if damaged:
                self._manager.reload()
            return state
        raise ValueError(
            f"no checkpoint in {self.folder} can be used: {'; '.join(damaged.values())}. Put a copy in its place, or "
            "move that folder away and give the same command to begin again from the first step."
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The newest state as it lies on disk, name by name. Raises DamagedError."""
        self.wait()
        step = self.latest()
        return {name: np.asarray(array) for name, array in self._read(step, None, self._checksums(step)).items()}

    def drop(self, which: Callable[[int], bool]) -> None:
        """Removes the checkpoints of the steps for which `which` holds."""
        self.wait()
        for step in self.seen() if processes.first() else ():
            if which(step):
                self._manager.delete(step)

    def close(self) -> None:
        """Lets go of the folder, once what is being written is on disk; an error in that is no longer reported."""
        try:
            self._manager.close()
        except Exception:
            if self._writing is None:
                raise
        finally:
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
        if not isinstance(signed, dict) or content.get("crc32") != crc32_of_json(signed):
            raise DamagedError(f"the checkpoint {path} is damaged: its list of checksums has changed")
        if signed["step"] != step:
            raise DamagedError(f"the checkpoint {path} is damaged: it is of step {signed['step']}")
        return signed["leaves"]

    def _read(self, step: int | None, wanted: Any, saved: dict[str, Any]) -> dict[str, Any]:
        """The leaves of a step, compared with their checksums."""
        found = self._restored(step, state=orbax.args.StandardRestore(wanted))["state"]
        changed = [name for name in saved if name not in found or crc32(found[name]) != saved[name]["crc32"]]
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
                return self._manager.restore(step, args=orbax.args.Composite(**items))
            except (MemoryError, jax.errors.JaxRuntimeError):  # no fault of the files
                raise
            except Exception as error:  # a broken file can raise nearly anything
                reason = first_line(error)
            gc.collect()
        if not path.exists():
            raise ValueError(f"{path} is gone: a training has replaced it. Give the same command again.")
        closed = unreadable(path)
        if closed is not None:
            raise ValueError(f"the checkpoint {path} can't be read: {exits.describe(closed)}")
        raise DamagedError(f"the checkpoint {path} is damaged ({reason})")

    def _move_away(self, step: int) -> Path:
        place = self.folder.parent / "damaged"
        place.mkdir(exist_ok=True)
        names = (place / (str(step) if number == 1 else f"{step}-{number}") for number in range(1, 1000))
        moved = next(name for name in names if not name.exists())
        (self.folder / str(step)).rename(moved)
        return moved

    def _remove_unfinished(self, looks: int = 1) -> None:
        """Remove what a kill or a full disk has left half written, which would keep a full disk full; until nothing was
        there in a number of looks.
        """
        gone = 0
        for _ in range(30):
            lefts = list(self.folder.glob("*.orbax-checkpoint-tmp*"))
            for left in lefts:
                shutil.rmtree(left, ignore_errors=True)
            gone = 0 if lefts else gone + 1
            if gone == looks:
                return
            time.sleep(0.1)  # after a failure other threads still write for a moment, on a busy machine a longer one


def _alone() -> orbax.options.MultiprocessingOptions:
    """Let a manager of checkpoints work as if there were no other process."""
    own = processes.number()
    return orbax.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )


def _wanted(leaf: Any) -> Any:
    """What to restore a leaf as: an array on its devices, or, of several processes, one in memory."""
    if processes.several():
        return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
