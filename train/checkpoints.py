"""The states of a run on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax

__all__ = ["Checkpoints"]


class Checkpoints:
    """checkpoints/: the last few states by step, each a mapping from the name of a leaf to its array.

    A state is written whole or not at all: what a kill leaves half written is never read.
    """

    def __init__(self, folder: Path, *, keep: int | None = 3, create: bool = True) -> None:
        """`create` makes the folder if it isn't there."""
        self.folder = (folder / "checkpoints").absolute()
        # Not asynchronous: the next step overwrites the arrays that would still be being written.
        options = orbax.CheckpointManagerOptions(max_to_keep=keep, create=create, enable_async_checkpointing=False)
        self._manager = orbax.CheckpointManager(self.folder, options=options)

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Writes the state, unless that step is there already."""
        if step != self.latest():
            self._manager.save(step, args=orbax.args.StandardSave(_named(state)), force=True)

    def restore(self, like: Any) -> Any:
        """The newest state; `like` is one of the same structure, shapes, dtypes and devices.

        Raises ValueError naming the checkpoint if it is damaged.
        """
        wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), _named(like))
        try:
            found = self._manager.restore(self.latest(), args=orbax.args.StandardRestore(wanted))
            return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in _named(like)])
        except Exception as error:  # a broken file can raise nearly anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"the checkpoint {self.folder / str(self.latest())} can't be read ({reason}). Delete that folder to go "
                "on from the checkpoint before it, or from the start where there is none."
            ) from error

    def arrays(self) -> dict[str, np.ndarray]:
        """The newest state as it lies on disk, name by name."""
        found = self._manager.restore(self.latest(), args=orbax.args.StandardRestore())
        return {name: np.asarray(array) for name, array in found.items()}

    def drop(self, which: Callable[[int], bool]) -> None:
        """Removes the checkpoints of the steps for which `which` holds."""
        for step in self._manager.all_steps():
            if which(step):
                self._manager.delete(step)

    def close(self) -> None:
        """Lets go of the folder."""
        self._manager.close()


def _named(state: Any) -> dict[str, Any]:
    """The leaves by their path: {"params.stem.kernel": ...}."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
