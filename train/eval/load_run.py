"""A finished run, restored for evaluation: the network of its newest checkpoint and its test images."""

import importlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, UInt8

import configuration
import devices
import inputs
from eval import progress
from inputs import preprocess
from jaxmix.dtypes import to_unit

__all__ = ["Trained", "error", "load"]

# Programs that restore their runs.
PROGRAMS = ("cifar", "imagenet", "finegrained")


class Trained:
    """A trained network and the test images of its data set.

    config, dataset, step: what it was trained on, how, and for how many steps
    steps: of the whole training, None if unknown
    images, labels: the test images, uint8 [n h w c], and their class ids, [n]
    checksum: the CRC-32 of the test images
    identity: the CRC-32 of the last layer, by which measurements belong to this network
    kernel, bias: of the network's last, linear layer, [d k] and [k]
    batch_size: the number of images in each call of the network, a multiple of the number of devices; no more than
        there are test images
    """

    def __init__(
        self,
        model: Any,
        dataset: inputs.Dataset,
        config: Any,
        step: int,
        *,
        mesh: Mesh,
        limit: int | None = None,
        batch_size: int = 500,
        steps: int | None = None,
    ) -> None:
        """`limit` keeps some of the test images, as `inputs.some` chooses them."""
        self.steps = steps
        self.model, self.dataset, self.config, self.step = model, dataset, config, step
        rows = inputs.some(dataset.test_labels, limit)
        self.images, self.labels = dataset.test_images[rows], dataset.test_labels[rows]
        self.checksum = zlib.crc32(np.ascontiguousarray(self.images).data)
        linear = model.classifier.linear
        self.kernel, self.bias = (np.asarray(array[...], np.float32) for array in (linear.kernel, linear.bias))
        self.identity = zlib.crc32(self.kernel.tobytes() + self.bias.tobytes())
        self.batch_size = -(-min(batch_size, len(self.images)) // mesh.size) * mesh.size
        self._rows = NamedSharding(mesh, PartitionSpec("data"))
        self._logits, self._features = jax.jit(self.network), jax.jit(self.maps)

    def some(self, count: int) -> tuple[UInt8[np.ndarray, "n h w c"], Int[np.ndarray, "n"]]:
        """Some of the images and their labels, as `inputs.some` chooses them."""
        rows = inputs.some(self.labels, count)
        return self.images[rows], self.labels[rows]

    def network(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
        """Logits for pixels in 0..1. Differentiable, and may be called inside jit."""
        return self.model(self._standardized(pixels), train=False)

    def maps(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b n m d"]:
        """The features that the last layer averages, for pixels in 0..1."""
        return self.model.features(self._standardized(pixels), train=False).astype(jnp.float32)

    def _standardized(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return preprocess.standardize(pixels, self.dataset.mean, self.dataset.std)

    def logits(self, images: np.ndarray, title: str = "") -> np.ndarray:
        """Logits [n k] for n images, uint8 in 0..255 or floats in 0..1."""
        return self.batched(lambda x: self._logits(to_unit(x)), images, title=title)

    def features(self, images: np.ndarray, title: str = "") -> np.ndarray:
        """Features [n h w d] for n images."""
        return self.batched(lambda x: self._features(to_unit(x)), images, title=title)

    def batched(
        self, function: Callable[..., Any], *arrays: np.ndarray, title: str = "", fitted: bool = False
    ) -> np.ndarray:
        """`function` of the rows of the arrays, `batch_size` at a time, concatenated.

        Every call has `batch_size` rows, so that it compiles once; the first rows are repeated to fill the last batch.
        `fitted` makes no more calls but smaller ones, where there are fewer rows than `batch_size`.
        """
        count, devices = len(arrays[0]), self._rows.mesh.size
        size = min(self.batch_size, -(-count // devices) * devices) if fitted else self.batch_size
        results = []
        for start in progress.bar(range(0, count, size), title, " batches"):
            rows = np.arange(start, start + size) % count
            results.append(np.asarray(function(*(jax.device_put(array[rows], self._rows) for array in arrays))))
        return np.concatenate(results)[:count]


def load(
    folder: Path,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
    batch_size: int = 500,
    checkpoint: Literal["newest", "best"] = "newest",
) -> Trained:
    """Restore a checkpoint of the run in `folder`, and read its test images.

    Raises ValueError: no run there, a run without a checkpoint, data that are missing or not those of the training.
    """
    program = _program(folder)
    try:
        finished = program.restore(folder, data_dir, best=checkpoint == "best", limit=limit)
        model = nnx.merge(finished.graph, *finished.state.tested())
    except (OSError, TypeError, AttributeError, LookupError) as error:  # of a file, or of a value of another type in it
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(
            f"{folder} can't be restored ({type(error).__name__}: {reason}); wanted config.json, dataset.json and "
            "checkpoints/ as its training wrote them."
        ) from error
    return Trained(
        model,
        finished.dataset,
        finished.config,
        int(finished.state.step),
        mesh=devices.global_mesh(),
        limit=limit,
        batch_size=batch_size,
        steps=finished.steps,
    )


def _program(folder: Path) -> Any:
    """The program that trained the run in `folder`, as a module. Raises ValueError for none of this folder's."""
    name = configuration.program(folder)
    if name not in PROGRAMS:
        raise ValueError(f"{folder / 'config.json'} is of the program {name!r}; wanted {', '.join(PROGRAMS)}.")
    return importlib.import_module(name)


def error(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of the predictions that are wrong."""
    return float((logits.argmax(1) != labels).mean())
