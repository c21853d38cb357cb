"""How the programs end: exit codes, signals, and one line for a mistake instead of a traceback.

0               finished
1               the training or an evaluation failed, or its files could not be written
2               a mistake in the command line, in a file or in a folder
130, 143, 129   interrupted by Ctrl-C (SIGINT), by SIGTERM, or by the end of the terminal (SIGHUP)
"""

import errno
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["FULL", "Interrupt", "Stopped", "StorageError", "at_once", "describe", "free_space", "program"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
HANGUP = getattr(signal, "SIGHUP", None)
# Errors that more room ends: of the disk, of a quota, of a limit on the size of a file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StorageError(OSError):
    """A file of a run that has begun could not be written; the message is whole."""


class Stopped(KeyboardInterrupt):
    """A signal that ends the program at once. Notes, where it has some, say how to go on."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


class Interrupt:
    """Notes signals until the loop can stop; after the first one they are handled as before, so a second one stops
    at once.

    number: of the signal that was noted, 0 before
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}
        self._terminals: list[int] = []

    def __enter__(self) -> "Interrupt":
        self._terminals = [number for number in (1, 2) if os.isatty(number)]
        ignored = HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN  # by nohup
        self._before = _handle(self._note, [number for number in SIGNALS if not (number == HANGUP and ignored)])
        return self

    def __exit__(self, *_: object) -> None:
        _put_back(self._before)

    @property
    def code(self) -> int:
        """The exit code of an interrupt by that signal."""
        return 128 + self.number

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        _put_back(self._before)
        if number == HANGUP:  # writing to a terminal that is gone would fail before anything is saved
            _silence(self._terminals)


def at_once() -> None:
    """Let a signal end the process in one line while a program is still importing; `program` takes over."""
    _handle(_leave, _not_ignored())


def program(run: Callable[[], int], advice: str) -> int:
    """The exit code of `run`; `advice` says after an interrupt what is kept and how to go on."""
    before = _handle(_raise, _not_ignored())
    try:
        return run()
    except KeyboardInterrupt as stop:
        notes = getattr(stop, "__notes__", None) or [advice]
        return _end("\ninterrupted; " + "; ".join(notes), getattr(stop, "code", 130))
    except StorageError as error:
        return _end(f"error: {error}", 1)
    except BrokenPipeError:  # as of `train/cifar.py | head`
        _silence([1])
        return _end("error: the reader of the output has ended (broken pipe)", 1)
    except OSError as error:
        return _end(f"error: {describe(error)}", 2)
    except ValueError as error:
        return _end(f"error: {error}", 2)
    finally:
        _put_back(before)


def describe(error: OSError, folder: Path | None = None) -> str:
    """One line on an error of the file system: the path, what is wrong, and what to do.

    `folder` stands for the path where the error has none, as in the middle of writing.
    """
    named = folder if error.filename is None else error.filename
    if error.errno is None or not isinstance(named, str | bytes | os.PathLike):
        return str(error)
    path = Path(os.fsdecode(named))
    advice = {
        errno.EACCES: ": change its permissions, or name another folder",
        errno.EPERM: ": change its permissions, or name another folder",
        errno.EROFS: ": name a folder that can be written to",
        errno.ENOTDIR: ": a file stands where a folder is wanted; move it away, or name another folder",
        errno.EEXIST: ": a file stands where a folder is wanted; move it away, or name another folder",
        errno.EISDIR: ": a folder stands where a file is wanted; move it away",
    } | dict.fromkeys(FULL, f": {free_space(path)} are free")
    return f"{path}: {error.strerror}{advice.get(error.errno, '')}"


def free_space(path: Path) -> str:
    """The free space of the disk that holds a path, in words."""
    there = next((folder for folder in (path, *path.absolute().parents) if folder.exists()), Path())
    return f"{shutil.disk_usage(there).free / 1e6:,.1f} MB"


def _handle(handler: Any, numbers: list[int]) -> dict[int, Any]:
    """Set the handler of signals; returns those before. Only the main thread of Python can."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in numbers}


def _put_back(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        # None is a handler that wasn't set from Python: the default is the nearest there is.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _not_ignored() -> list[int]:
    """The signals that the program's caller lets through: nohup ignores SIGHUP, a shell SIGINT for a background job."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _raise(number: int, frame: FrameType | None) -> None:
    _handle(_leave, _not_ignored())
    raise Stopped(number)


def _leave(number: int, frame: FrameType | None) -> None:
    _print("\ninterrupted")
    os._exit(128 + number)


def _end(line: str, code: int) -> int:
    _print(line)
    return code


def _print(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # the terminal is gone
        _silence([2])


def _silence(numbers: list[int]) -> None:
    """Send what is written to these file descriptors from now on to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in numbers:
        os.dup2(nowhere, number)
    os.close(nowhere)
