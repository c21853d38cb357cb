"""What several processes decide together, from what each of them knows alone. With one process nothing is sent."""

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jax.experimental import multihost_utils

import exits
import processes

__all__ = ["Agreement", "gathered", "require_same", "shared_folder", "together"]

# Bytes of a message from one process to the others.
LENGTH = 2048
# Seconds in which a folder that one process has made has to show up at the others.
VISIBLE = 60


def gathered(text: str) -> list[str]:
    """The text of every process, by its number."""
    if not processes.several():
        return [text]
    encoded = np.zeros(LENGTH, np.uint8)
    content = np.frombuffer(text.encode()[:LENGTH], np.uint8)
    encoded[: len(content)] = content
    rows = np.asarray(multihost_utils.process_allgather(encoded))
    return [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in rows]


@contextmanager
def together() -> Iterator[None]:
    """Let an error in what each process does by itself end all of them: the same, with the number of the process.

    For OSError and ValueError; nothing in the body may wait for another process.
    """
    if not processes.several():
        yield
        return
    error: OSError | ValueError | None = None
    try:
        yield
    except (OSError, ValueError) as found:
        error = found
    texts = gathered(_noted(error))
    if error is not None:
        raise error
    for number, text in enumerate(texts):
        if text:
            raise (OSError if text[0] == "O" else ValueError)(f"in process {number}: {text[1:]}")


def _noted(error: OSError | ValueError | None) -> str:
    if error is None:
        return ""
    return "O" + exits.describe(error) if isinstance(error, OSError) else f"V{error}"


def require_same(**values: Any) -> None:
    """Raises ValueError, in every process, where they don't all have the same values, which are as JSON holds them."""
    mine = {name: zlib.crc32(json.dumps(value, sort_keys=True).encode()) for name, value in values.items()}
    found = [json.loads(text) for text in gathered(json.dumps(mine))]
    for number, theirs in enumerate(found):
        for name in mine:
            if theirs[name] != found[0][name]:
                raise ValueError(
                    f"the {name} of process {number} and of process 0 differ. Give every process the same command "
                    "(but for --process), the same version and the same files."
                )


def shared_folder(folder: Path | None) -> Path:
    """The folder that the first process has made; the others give None.

    Raises ValueError where a process doesn't see it.
    """
    if not processes.several() and folder is not None:
        return folder
    found = Path(gathered("" if folder is None else str(folder.absolute()))[0])
    with together():
        deadline = time.monotonic() + VISIBLE
        while not found.is_dir():
            if time.monotonic() > deadline:
                raise ValueError(f"{found} is not there: --runs-dir must be a folder that all processes share.")
            time.sleep(0.5)
    return found


class Agreement:
    """The signal at which all processes stop, after one of them has noted it.

    number: of the signal, 0 before
    """

    def __init__(self) -> None:
        self.number = 0
        self._next, self._asked = 0, (0, time.perf_counter())

    def after(self, step: int, noted: int) -> int:
        """The signal to stop at before `step`, if there is one. Processes are asked about once a second of steps."""
        if not processes.several():
            self.number = noted
        elif step >= self._next:
            self.ask(step, noted)
        return self.number

    def ask(self, step: int, noted: int) -> int:
        """The same, and all processes are asked now."""
        if not processes.several():
            self.number = noted
            return noted
        (before, then), now = self._asked, time.perf_counter()
        pace = int(np.clip((step - before) / max(now - then, 1e-3), 1, 1000))
        found = np.asarray(multihost_utils.process_allgather(np.asarray([noted, pace], np.int32)))
        self.number = int(found[:, 0].max())
        # All go by the slowest, so that they ask again at the same step.
        self._next, self._asked = step + int(found[:, 1].min()), (step, now)
        return self.number
