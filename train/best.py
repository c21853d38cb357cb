"""best/: the state after the epoch with the highest accuracy on the validation images, of equals the first."""

import math
from pathlib import Path
from typing import Any

import processes
from agreements import together
from checkpoints import Checkpoints
from run_dir import best_line

__all__ = ["Best"]


class Best:
    """The checkpoint of the best epoch so far."""

    def __init__(self, folder: Path, step: int) -> None:
        """Goes on after `step` of the run in `folder`: a later state, of a run that was cut short, is dropped."""
        # Kept until the next checkpoint: a resumed run may find another epoch best than the one that was cut short.
        place = folder / "best"
        with together():
            if processes.first():
                place.mkdir(exist_ok=True)
        self._kept = Checkpoints(place, keep=None)
        self._kept.drop(lambda other: other > step)

    def offer(self, step: int, state: Any, lines: list[dict[str, Any]]) -> None:
        """Save the state if its line of metrics is the best of them; comes before the checkpoint of that step."""
        best = best_line(lines)
        if best is not None and best["step"] == step:
            self._kept.save(step, state)
            # Before the checkpoint can be: a run that goes on from that step has this one.
            self._kept.wait()

    def settle(self, written: float = math.inf) -> None:
        """Drop those that were best before the newest one that a checkpoint, of step `written`, includes."""
        if not processes.first():
            return
        latest = max((step for step in self._kept.seen() if step <= written), default=0)
        self._kept.drop(lambda other: other < latest)

    def close(self) -> None:
        """Lets go of the folder."""
        self._kept.close()
