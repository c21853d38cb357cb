"""Rows of batches as a pure function of seed and step.

Every image of a training has a place: its epoch, and its position in the order of that epoch. Place and seed decide
which image that is and how it is cropped, by random access, so neither the number of threads, workers and processes nor
the step to begin with changes a bit, and there is no state to save. grain reads ahead, in threads or processes.
"""

import math
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import grain
import numpy as np
from absl import flags
from jaxtyping import Float, Int, UInt8

from inputs.decoded import DecodedImages

__all__ = ["EachOnce", "Examples", "InRandomOrder", "Order", "Parts", "Rows", "stream"]

# One image, its label and its weight.
Example = tuple[UInt8[np.ndarray, "h w 3"], int, float]
# The most rows that one thread makes at a time: few, so that several threads share a batch.
PART = 16


class Rows(NamedTuple):
    """Rows of a batch, on the host."""

    images: UInt8[np.ndarray, "n h w 3"]
    labels: Int[np.ndarray, "n"]
    weights: Float[np.ndarray, "n"]


class Order(NamedTuple):
    """Which place is at a row of a step.

    size: the number of places in an epoch
    batch: the number of rows of a step, over all processes
    steps: of an epoch; the places after them are left out
    """

    size: int
    batch: int
    steps: int

    def place(self, step: int, row: int) -> int:
        epoch, position = divmod(step, self.steps)
        return epoch * self.size + position * self.batch + row


class Examples(Protocol):
    """An example at every place."""

    def __getitem__(self, place: int) -> Example: ...


class InRandomOrder:
    """The images of a training: in every epoch in another order and with other crops.

    With `repeats` an epoch has that many times fewer images, each at consecutive places with a crop of its own.
    """

    def __init__(self, images: DecodedImages, seed: int, *, repeats: int = 1) -> None:
        self.images, self.seed, self.repeats = images, seed, repeats
        self._orders: dict[int, Int[np.ndarray, "n"]] = {}
        self._lock, self._own = threading.Lock(), threading.local()

    def __reduce__(self) -> Any:
        return partial(InRandomOrder, repeats=self.repeats), (self.images, self.seed)

    def __getitem__(self, place: int) -> Example:
        epoch, position = divmod(place, len(self.images))
        index = int(self.order(epoch)[position // self.repeats])
        return *self.images.crop(index, self._generator(place)), 1.0

    def order(self, epoch: int) -> Int[np.ndarray, "n"]:
        """The indices of the images in the order of an epoch; the last ones are kept."""
        with self._lock:
            if epoch not in self._orders:
                while len(self._orders) > 2:  # threads are in two epochs at once
                    del self._orders[min(self._orders)]
                self._orders[epoch] = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))
            return self._orders[epoch]

    def _generator(self, place: int) -> np.random.Generator:
        """The generator of a place, which is this thread's until the next place."""
        if not hasattr(self._own, "generator"):
            self._own.generator = np.random.Generator(np.random.Philox(self.seed))
            self._own.state = self._own.generator.bit_generator.state
        # A state that is set takes a seventh of the time of a new generator.
        state = self._own.state
        state["state"]["counter"][3] = place
        self._own.generator.bit_generator.state = state
        return self._own.generator


class EachOnce:
    """Each image once in the order of the listing, and after them black ones of weight 0."""

    def __init__(self, images: DecodedImages) -> None:
        self.images = images

    def __getitem__(self, place: int) -> Example:
        if place < len(self.images):
            return *self.images.crop(place), 1.0
        return np.zeros(self.images.shape, np.uint8), 0, 0.0


class Parts:
    """The rows of a process, in parts that one thread makes at a time: part i % count of step i // count."""

    def __init__(self, examples: Examples, order: Order, own: Sequence[int], shape: tuple[int, ...]) -> None:
        """`own`: the rows of each step that are of this process; `shape`: of an image."""
        self.count = next(count for count in range(math.ceil(len(own) / PART), len(own) + 1) if len(own) % count == 0)
        self.examples, self.order, self.own, self.shape = examples, order, tuple(own), shape

    @property
    def size(self) -> int:
        """The number of rows in a part."""
        return len(self.own) // self.count

    def __call__(self, index: int) -> Rows:
        step, part = divmod(int(index), self.count)
        rows = self.empty(self.size)
        self.fill(rows, 0, step, part)
        return rows

    def empty(self, size: int) -> Rows:
        return Rows(np.empty((size, *self.shape), np.uint8), np.empty(size, np.int32), np.empty(size, np.float32))

    def fill(self, rows: Rows, begin: int, step: int, part: int) -> None:
        """Put a part of a step into rows, from row `begin` on."""
        for slot, row in enumerate(self.own[part * self.size : (part + 1) * self.size], begin):
            example = self.examples[self.order.place(step, row)]
            rows.images[slot], rows.labels[slot], rows.weights[slot] = example


class _Shared:
    """Makes the parts of a step in the same arrays, so that threads need not have them copied to a batch."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._lock = threading.Lock()
        self._begun: dict[int, tuple[Rows, int]] = {}  # the rows of a step, and how many of its parts have begun

    def __call__(self, index: int) -> Rows:
        step, part = divmod(int(index), self.parts.count)
        with self._lock:
            if step not in self._begun:
                self._begun[step] = self.parts.empty(len(self.parts.own)), 0
            rows, begun = self._begun.pop(step)
            if begun + 1 < self.parts.count:
                self._begun[step] = rows, begun + 1
        self.parts.fill(rows, part * self.parts.size, step, part)
        return rows


def stream(parts: Parts, start: int, stop: int, *, threads: int, workers: int = 0) -> grain.IterDataset:
    """The rows of the steps from `start` to before `stop`, read ahead by a batch or two.

    With `workers` that many processes share the work, with `threads` in each.
    """
    ahead = max(2 * parts.count // max(workers, 1), 2 * threads)
    dataset = (
        grain.MapDataset.range(start * parts.count, stop * parts.count)
        .map(parts if workers else _Shared(parts))
        .to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead))
    )
    if workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # grain's processes read a flag of absl's
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=ahead))
        return dataset.batch(parts.count, batch_fn=_concatenated)
    return dataset.batch(parts.count, batch_fn=_first)


def _concatenated(found: Sequence[Rows]) -> Rows:
    return Rows(*map(np.concatenate, zip(*found, strict=True)))


def _first(found: Sequence[Rows]) -> Rows:
    """The rows of a step that all of its parts have been put into."""
    return found[0]
