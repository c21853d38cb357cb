"""A finished run, ready to be asked: its network from the newest checkpoint, and its test pictures."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float
from tqdm import tqdm

import cifar
import inputs
from checkpoints import Checkpoints
from devices import local_mesh
from inputs import preprocess
from jaxmix.dtypes import to_unit


class Trained:
    """The network of a run and the pictures to test it on.

    config, dataset, step: what it was trained on and how long
    images, labels: the test pictures, uint8 [n h w c], and their class ids, [n]
    checksum: of these pictures
    kernel, bias: of the network's last, linear layer, [d k] and [k]
    """

    def __init__(
        self, folder: Path, *, data_dir: Path | None = None, limit: int | None = None, batch_size: int = 500
    ) -> None:
        """Reads the newest checkpoint under `folder`.

        Raises ValueError: no run there, a run without a checkpoint, data that are missing or not those of the training.
        """
        self.folder, self.config = folder, cifar.read_config(folder, data_dir)
        self.dataset = cifar.limited(inputs.load(self.config.dataset, self.config.data_dir), self.config)
        cifar.check_data(folder, self.dataset, self.config.data_dir)
        mesh = local_mesh()
        trainer = cifar.build(self.config, self.dataset, mesh)
        checkpoints = Checkpoints(folder, create=False)
        try:
            if checkpoints.latest() is None:
                raise ValueError(f"{folder} has no checkpoint: its training ended before the first one. Go on with it.")
            state = checkpoints.restore(trainer.fresh())
        finally:
            checkpoints.close()
        self.step = int(state.step)
        self.images, self.labels = self.dataset.test_images[:limit], self.dataset.test_labels[:limit]
        self.checksum = zlib.crc32(np.ascontiguousarray(self.images).data)
        self.model: Any = nnx.merge(trainer.graph, state.params, state.statistics)
        linear = self.model.classifier.linear
        self.kernel, self.bias = (np.asarray(part[...], np.float32) for part in (linear.kernel, linear.bias))
        # As many rows for every device.
        self.batch_size = -(-batch_size // mesh.size) * mesh.size
        self._rows = NamedSharding(mesh, PartitionSpec("data"))
        self._logits, self._features = jax.jit(self.network), jax.jit(self.maps)

    def network(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
        """Logits for pixels in 0..1. A function that can be differentiated, and called inside jit."""
        return self.model(self._standardized(pixels), train=False)

    def maps(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b n m d"]:
        """The features that the last layer averages, for pixels in 0..1."""
        return self.model.features(self._standardized(pixels), train=False).astype(jnp.float32)

    def _standardized(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return preprocess.standardize(pixels, self.dataset.mean, self.dataset.std)

    def logits(self, images: np.ndarray, title: str = "") -> np.ndarray:
        """Logits [n k] for any number of pictures, uint8 in 0..255 or floats in 0..1."""
        return self.over(lambda x: self._logits(to_unit(x)), images, title=title)

    def features(self, images: np.ndarray, title: str = "") -> np.ndarray:
        """Features [n h w d] for any number of pictures."""
        return self.over(lambda x: self._features(to_unit(x)), images, title=title)

    def over(self, function: Callable[..., Any], *arrays: np.ndarray, title: str = "") -> np.ndarray:
        """`function` of the rows of the arrays, `batch_size` at a time, put together again.

        It is always called with as many rows, so that it compiles once; the first are repeated to fill up the last.
        """
        count = len(arrays[0])
        starts = range(0, count, self.batch_size)
        found = []
        for start in tqdm(starts, desc=title, unit=" batches", leave=False, disable=None if title else True):
            rows = np.arange(start, start + self.batch_size) % count
            found.append(np.asarray(function(*(jax.device_put(array[rows], self._rows) for array in arrays))))
        return np.concatenate(found)[:count]


def error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of the predictions that are wrong."""
    return float((logits.argmax(1) != labels).mean())
