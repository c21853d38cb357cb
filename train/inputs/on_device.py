"""A source whose images lie as uint8 on every device, of this process and of others.

A step gathers its batch by index inside its own program, the index being split over the devices, so each device crops
and mixes its own rows, while batch statistics, mixes and gradients are those of the whole batch: the draws and the
training are the same on one device and on eight.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding
from jaxtyping import Array, Float, Int

import processes
from inputs.balanced import balanced_order, members
from inputs.dataset import Dataset, describe
from inputs.source import Advance, Batch, Step, require_batch_size

__all__ = ["OnDevice"]


class OnDevice:
    """A data set on a mesh of devices; see `Source` for its attributes."""

    def __init__(
        self,
        dataset: Dataset,
        mesh: Mesh,
        *,
        batch_size: int,
        key: jax.Array,
        accumulate: int = 1,
        balanced: bool = False,
    ) -> None:
        """`key` shuffles. The number of steps in an epoch is a multiple of `accumulate`. `balanced` makes every class
        as frequent as any other.

        Raises ValueError if the batch size doesn't suit the data set or the devices.
        """
        count = len(dataset.train_images)
        require_batch_size(count, mesh.size, batch_size, accumulate)
        self.name, self.classes, self.mean, self.std = dataset.name, dataset.classes, dataset.mean, dataset.std
        self.absent = dataset.absent
        height, width, channels = dataset.train_images.shape[1:]
        self.image_shape = (height, width, channels)
        self.train_size, self.test_size, self.batch_size = count, len(dataset.test_images), batch_size
        self.replicated: Sharding
        self.rows: Sharding
        self.replicated, self.rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
        self.train, self.test = (
            Batch(*processes.put(arrays, self.replicated))
            for arrays in (
                (dataset.train_images, dataset.train_labels),
                (dataset.test_images, dataset.test_labels),
            )
        )
        self.validation: Batch | None = None
        self.validation_size = 0
        if dataset.validation_images is not None:
            self.validation_size = len(dataset.validation_images)
            arrays = dataset.validation_images, dataset.validation_labels
            self.validation = Batch(*processes.put(arrays, self.replicated))
        self.steps_per_epoch = count // (batch_size * accumulate) * accumulate
        self._dataset, self._order_key = dataset, processes.put_key(key, self.replicated)
        shuffle: Callable[[jax.Array], Array] = partial(jax.random.permutation, x=count)
        if balanced:
            table, counts = processes.put(members(dataset.train_labels), self.replicated)
            shuffle = partial(balanced_order, table=table, counts=counts, size=count)
        self._permutation = jax.jit(
            lambda key, epoch: shuffle(jax.random.fold_in(key, epoch)), out_shardings=self.replicated
        )
        self._order: tuple[int, Int[Array, "n"]] | None = None
        self._gather = jax.jit(self._gathered)

    def fingerprint(self) -> dict[str, Any]:
        return describe(self._dataset)

    def order(self, epoch: int) -> Int[Array, "n"]:
        """The indices of the training images in the order of an epoch; that of the last epoch is kept."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._permutation(self._order_key, processes.put(np.int32(epoch), self.replicated))
        return self._order[1]

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = self.order(epoch)
        for position in range(self.steps_per_epoch):
            start = position * self.batch_size
            yield self._gather(self.train, order[start : start + self.batch_size])

    def test_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        return self._weighted(self.test)

    def validation_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        return iter(()) if self.validation is None else self._weighted(self.validation)

    def _weighted(self, split: Batch) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        # The last batch is filled up with images of weight 0.
        count = len(split.labels)
        rows = np.arange(-(-count // self.batch_size) * self.batch_size, dtype=np.int32)
        weight = (rows < count).astype(np.float32)
        rows = np.where(rows < count, rows, 0)
        for start in range(0, len(rows), self.batch_size):
            here = slice(start, start + self.batch_size)
            rows_here, weight_here = processes.put((rows[here], weight[here]), self.rows)
            yield self._gather(split, rows_here), weight_here

    def advance(self, step: Step, key: jax.Array) -> Advance:
        program, key = self.program(step), processes.put_key(key, self.replicated)

        def advance(state: Any, epoch: int, count: int) -> tuple[Any, Array]:
            return program(state, self.train, self.order(epoch), key, count=count)

        return advance

    def program(self, step: Step) -> Any:
        """The jitted `(state, train, order, key, *, count) -> (state, metrics [count ..])` of `advance`."""

        def one(state: Any, train: Batch, order: Int[Array, "n"], key: jax.Array) -> tuple[Any, Array]:
            start = state.step % self.steps_per_epoch * self.batch_size
            rows = jax.lax.dynamic_slice(order, (start,), (self.batch_size,))
            return step(state, self._gathered(train, rows), jax.random.fold_in(key, state.step))

        def steps(state: Any, train: Batch, order: Int[Array, "n"], key: jax.Array, *, count: int) -> tuple[Any, Array]:
            if count == 1:
                state, metrics = one(state, train, order, key)
                return state, metrics[None]
            return jax.lax.scan(lambda state, _: one(state, train, order, key), state, length=count)

        return jax.jit(steps, static_argnames="count", donate_argnames="state", out_shardings=self.replicated)

    def _gathered(self, split: Batch, rows: Int[Array, "b"]) -> Batch:
        rows = jax.lax.with_sharding_constraint(rows, self.rows)
        return Batch(split.images[rows], split.labels[rows])
