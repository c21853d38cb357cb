"""Errors of the file system below Orbax and TensorStore, which report them as text, late and more than once."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exits

__all__ = ["first_line", "silence_late_reports", "storage_reason", "unreadable"]

# What keeps a whole file from being opened.
CLOSED = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)


def unreadable(folder: Path) -> OSError | None:
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


def storage_reason(error: Exception) -> str | None:
    """What the file system refused, or None where the error is another one. TensorStore passes it on as text."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    codes = (*exits.FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
    words = [os.strerror(code) for code in codes] + ["Failed to write", "RESOURCE_EXHAUSTED"]
    return next((word for word in words if word in str(error)), None)


def first_line(error: Exception) -> str:
    """The first line of the message of an error."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Whether a record is of other code than Orbax, which logs each error that it raises, with its traceback."""
    return f"{os.sep}orbax{os.sep}" not in record.pathname


logging.getLogger("absl").addFilter(_not_of_orbax)


def silence_late_reports() -> None:
    """After a failure the threads of TensorStore go on to report it, to an event loop that has ended."""
    before = sys.unraisablehook
    if before in _silenced:
        return

    def report(unraisable: Any) -> None:
        if "Event loop is closed" not in str(unraisable.exc_value):
            before(unraisable)

    _silenced.append(report)
    sys.unraisablehook = report


_silenced: list[Callable[[Any], Any]] = []
