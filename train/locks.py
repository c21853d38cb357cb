"""One process at a time on a folder."""

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

__all__ = ["InUseError", "lock", "locked"]


class InUseError(ValueError):
    """Another process works on the folder."""


def lock(folder: Path, *, patience: float = 0.5) -> BaseFileLock:
    """Lock a folder, which is made if it isn't there, until `release` or the end of the process, however it ends.

    Waits for `patience` seconds at most: by default for a moment, in which a program that a killed process was about to
    start lets go of the lock.

    Raises InUseError, naming the other process, if the folder is locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    held = FileLock(path, timeout=patience)
    try:
        held.acquire()
    except Timeout:
        owner = path.read_text().strip() or "another process"
        raise InUseError(
            f"{folder} is in use by {owner}. Wait for its end or stop it, then give the same command again."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
            raise
        print(f"warning: {folder}: this file system has no locks; start one process only on it.", file=sys.stderr)
        return held
    path.write_text(f"process {os.getpid()} on {platform.node()}\n")
    return held


@contextlib.contextmanager
def locked(folder: Path, *, patience: float = 0.5) -> Iterator[None]:
    """`lock` for a block of code."""
    held = lock(folder, patience=patience)
    try:
        yield
    finally:
        held.release()
