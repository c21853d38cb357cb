"""The weights that a network begins with: of a file of torchvision or timm, or of a run."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import processes
from checkpoints import Checkpoints
from models import weights
from state import State

__all__ = ["BODY", "body", "fresh", "from_file"]

# What the parameters of the network inside another are called there, and what is new where the classes are others.
BODY, HEADS = "body.", ("classifier.", "middle.", "linear.")
# What the name of a leaf of a state of Flax ends with.
VALUE = ".value"
# The biases of the last layer in files of torchvision and timm.
OF_FILES = ("fc.bias", "head.bias")

Arrays = dict[str, Any]


def from_file(
    path: Path | None, network: Callable[[nnx.Rngs], nnx.Module], *, inside: str = ""
) -> Callable[[State], State] | None:
    """A function that puts weights into the state before the first step; None where no path is given.

    Args:
        path: a .safetensors or .pth file, or the folder of a run, of which the newest checkpoint is read, the average
            of the network where there is one.
        network: that has the weights; of a file its names are those of torchvision or timm.
        inside: what the names of its parameters begin with in the state, `BODY` where it is inside another network.

    Raises ValueError, when it is called, for a file that can't be read, or that is of another network. The last layer
    stays as it is where the file has another number of classes.
    """
    if path is None:
        return None
    read = functools.cache(lambda: _of_run(path) if path.is_dir() else _of_file(path, network))

    def put(state: State) -> State:
        of_params, of_statistics = read()
        params = _replaced(state.params, of_params, inside, path)
        statistics = _replaced(state.statistics, of_statistics, inside, path)
        kept = jax.tree.map(jnp.copy, (params, statistics)) if state.average else state.average
        return state._replace(params=params, statistics=statistics, average=kept)

    return put


def _of_run(folder: Path) -> tuple[Arrays, Arrays]:
    """The parameters and statistics of the newest checkpoint of a run, by name."""
    if not (folder / "checkpoints").is_dir():
        raise ValueError(f"--weights {folder} has no checkpoints; wanted the folder of a run, or a file of weights.")
    checkpoints = Checkpoints(folder, create=False)
    try:
        if checkpoints.latest() is None:
            raise ValueError(f"--weights {folder} has no checkpoint: its training ended before the first one.")
        arrays = checkpoints.arrays()
    finally:
        checkpoints.close()
    averaged = any(name.startswith("average.") for name in arrays)
    params, statistics = ("average.0.", "average.1.") if averaged else ("params.", "statistics.")
    return _below(params, arrays), _below(statistics, arrays)


def _below(beginning: str, arrays: Arrays) -> Arrays:
    """The arrays whose names begin so, under what follows; of a network inside another, as if it were by itself."""
    found = {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}
    return {name.removeprefix(BODY).removesuffix(VALUE): array for name, array in found.items()}


def _of_file(path: Path, network: Callable[[nnx.Rngs], Any]) -> tuple[Arrays, Arrays]:
    """The parameters and statistics of a file, without those of a last layer of another number of classes."""
    made, arrays = network(nnx.Rngs(0)), weights.read(path)
    classes = next((arrays[name].shape[0] for name in OF_FILES if name in arrays), None)
    same = classes == made.classifier.linear.bias.shape[0]
    params, statistics = weights.load(path, made, head="keep" if same else "new")
    kept = {name: array for name, array in _named(params).items() if same or not name.startswith(HEADS)}
    return kept, _named(statistics)


def _named(tree: Any) -> Arrays:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
    return {name.removesuffix(VALUE): leaf for name, (_, leaf) in zip(names, leaves, strict=True)}


def _replaced(tree: Any, arrays: Arrays, inside: str, path: Path) -> Any:
    """A tree whose leaves have the values of the arrays of their names.

    Raises ValueError for a leaf without an array, or with one of another shape, that isn't of the last layer.
    """
    leaves = []
    for name, leaf in _named(tree).items():
        found = arrays.get(name.removeprefix(inside)) if name.startswith(inside) else None
        if found is not None and found.shape == leaf.shape:
            leaves.append(processes.put(np.asarray(found).astype(leaf.dtype), leaf.sharding))
        elif name.removeprefix(inside).startswith(HEADS):
            leaves.append(leaf)
        else:
            there = "nothing" if found is None else f"{list(found.shape)}"
            raise ValueError(
                f"--weights {path} is of another network: wanted {name.removeprefix(inside)} {list(leaf.shape)}, "
                f"found {there} of that name. Name its network with --model (and --stem)."
            )
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def fresh(params: Any) -> Any:
    """Which parameters are of new layers: the last one, and the middle head."""
    new = [name.removeprefix(BODY).startswith(HEADS) for name in _named(params)]
    return jax.tree.unflatten(jax.tree.structure(params), new)


def body(tree: Any) -> Any:
    """The parameters or statistics of the network inside another, or all of them where there is none inside."""
    return tree.get(BODY[:-1], tree)
