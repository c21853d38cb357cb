"""TensorBoard's copy of the metrics of a run."""

import time
from pathlib import Path
from typing import Any

__all__ = ["Events"]


class Events:
    """events.out...: on disk when `write` returns.

    Written by the thread that trains: SummaryWriter has one of its own, which a full disk ends with a traceback.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """TensorBoard leaves out what earlier calls have written of `first_step` and later ones."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._event = Event
        self._writer = EventsWriter(str(folder / "events"), filename_suffix=f".from-{first_step}")
        self._write(step=first_step, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: dict[str, Any]) -> None:
        """Adds the values of a step, but for None."""
        from tensorboardX.summary import scalar

        for name, value in values.items():
            if value is not None:
                self._write(step=step, summary=scalar(name, value))
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _write(self, **content: Any) -> None:
        self._writer.write_event(self._event(wall_time=time.time(), **content))
