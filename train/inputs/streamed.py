"""A source of images in files: decoded and cropped on the host while the devices are at the steps before.

Every process loads its own rows of a batch; the batch is one array over all devices. What is random on the host, the
order and the crops, follows from the seed and the step alone, see `pipeline`.
"""

import os
import time
import weakref
from collections.abc import Iterator
from typing import Any

import grain
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding
from jaxtyping import Array, Float

import processes
from inputs.decoded import DecodedImages, TestCrop, TrainCrop
from inputs.decoding import Decoder
from inputs.listing import Listing
from inputs.pipeline import EachOnce, InRandomOrder, Order, Parts, Rows, stream
from inputs.source import Advance, Batch, Step, require_batch_size

__all__ = ["Streamed"]

# The number of steps that an iterator can count to.
STEPS = 2**31 - 1
# Batches that wait on the devices, beside the one that is being put there.
ON_DEVICES = 1


class Streamed:
    """Listings of images on a mesh of devices; see `Source` for its attributes.

    seconds_waited: for how long steps have waited for their batch, the start of the reading included
    """

    def __init__(
        self,
        train: Listing,
        test: Listing,
        mesh: Mesh,
        *,
        batch_size: int,
        seed: int,
        train_crop: TrainCrop,
        test_crop: TestCrop,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        threads: int | None = None,
        workers: int = 0,
        cache: bool = False,
        accumulate: int = 1,
        repeats: int = 1,
        validation: Listing | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        """Read the first image of each split, for its size.

        Args:
            seed: of the order and the crops of the training images.
            train_crop: (image, generator) -> uint8 [h w 3], all of one size; as functools.partial of a function of
                `crops`.
            test_crop: (image) -> uint8 [h w 3], all of one size, for testing and validation.
            mean, std: of each channel, as a share of 255.
            threads: that decode, in each process; by default one for each core, 16 at the most.
            workers: processes that decode, beside each process of the training; 0 for its own threads.
            cache: whether decoded images are kept in memory.
            accumulate: the number of steps in an epoch is a multiple of it.
            repeats: the number of crops of an image in an epoch, which has that many times fewer images.
            decoder: see `decoding`; by default the fastest.

        Raises ValueError if the batch size doesn't suit the images or the devices, for other classes in a split, for
        workers with a cache, and for a first image that can't be read.
        """
        _check(train, test, validation, mesh, batch_size, accumulate, repeats)
        if cache and workers:
            raise ValueError("--cache keeps images in the memory of one process; wanted --workers 0 with it.")
        self.name, self.classes, self.absent = train.name, train.classes, train.absent
        self.mean, self.std, self.batch_size = mean, std, batch_size
        self.train_size, self.test_size = len(train), len(test)
        self.validation_size = 0 if validation is None else len(validation)
        self.steps_per_epoch = len(train) // (batch_size * accumulate) * accumulate
        self.replicated: Sharding
        self.rows: Sharding
        self.replicated, self.rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
        self.seconds_waited = 0.0
        self._threads, self._workers = threads or min(os.cpu_count() or 1, 16), workers
        self._own = _own_rows(self.rows, batch_size)
        images = DecodedImages(train, train_crop, random=True, decoder=decoder, cache=cache)
        height, width, channels = images.shape
        self.image_shape = (height, width, channels)
        order = Order(len(train), batch_size, self.steps_per_epoch)
        self._train = Parts(InRandomOrder(images, seed, repeats=repeats), order, self._own, images.shape)
        self._test = DecodedImages(test, test_crop, decoder=decoder, cache=cache)
        self._validation = None
        if validation is not None:
            self._validation = DecodedImages(validation, test_crop, decoder=decoder, cache=cache)
        self._listings = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
        self._running: list[Any] = []  # the iterator of the training, or nothing
        self._next: tuple[int, Any] = -1, None  # the step that it is at, and the step of the state that comes with it
        weakref.finalize(self, _close, self._running)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and labels of all files, not their pixels."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
            "sizes": {name: [len(listing)] for name, listing in self._listings.items()},
            "crc32": {name: listing.checksum() for name, listing in self._listings.items()},
        }

    def batches(self, epoch: int) -> Iterator[Batch]:
        start = epoch * self.steps_per_epoch
        iterator = iter(self._on_devices(self._train, start, start + self.steps_per_epoch))
        try:
            for batch, _ in iterator:
                yield batch
        finally:
            iterator.close()

    def test_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        return self._each_once(self._test)

    def validation_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        return iter(()) if self._validation is None else self._each_once(self._validation)

    def _each_once(self, images: DecodedImages) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        # All processes have equally many batches, the last of which is filled up with images of weight 0.
        count = -(-len(images) // self.batch_size)
        parts = Parts(EachOnce(images), Order(count * self.batch_size, self.batch_size, count), self._own, images.shape)
        iterator = iter(self._on_devices(parts, 0, count))
        try:
            yield from iterator
        finally:
            iterator.close()

    def advance(self, step: Step, key: Array) -> Advance:
        program, key = self.program(step), processes.put_key(key, self.replicated)

        def advance(state: Any, epoch: int, count: int) -> tuple[Any, Array]:
            found = []
            for _ in range(count):
                batch, position = self._batch_for(state)
                state, metrics = program(state, batch, key)
                self._next = position + 1, state.step
                found.append(metrics)
            return state, found[0] if count == 1 else jax.numpy.concatenate(found)

        return advance

    def program(self, step: Step) -> Any:
        """The jitted `(state, batch, key) -> (state, metrics [1 ..])` of `advance`; it consumes the state."""

        def one(state: Any, batch: Batch, key: jax.Array) -> tuple[Any, Array]:
            state, metrics = step(state, batch, jax.random.fold_in(key, state.step))
            return state, metrics[None]

        return jax.jit(one, donate_argnums=0, out_shardings=self.replicated)

    def close(self) -> None:
        """End the reading ahead; a step begins it anew."""
        _close(self._running)
        self._next = -1, None

    def _batch_for(self, state: Any) -> tuple[Batch, int]:
        """The batch of the step that a state is at, and that step."""
        position, known = self._next
        # A state that comes from elsewhere, as from a checkpoint, is at a step of its own. It is read from the devices
        # then only.
        if known is not state.step:
            step = int(jax.device_get(state.step))
            if step != position or not self._running:
                self.close()
                self._running.append(iter(self._on_devices(self._train, step, STEPS)))
            position = step
        begun = time.perf_counter()
        try:
            batch, _ = next(self._running[0])
        except BaseException:  # grain would go on with the next batch
            self.close()
            raise
        self.seconds_waited += time.perf_counter() - begun
        return batch, position

    def _on_devices(self, parts: Parts, start: int, stop: int) -> grain.IterDataset:
        """The batches of steps, read ahead and put on the devices by a thread of their own."""
        rows = stream(parts, start, stop, threads=self._threads, workers=self._workers).map(self._put)
        return grain.experimental.ThreadPrefetchIterDataset(rows, prefetch_buffer_size=ON_DEVICES)

    def _put(self, rows: Rows) -> tuple[Batch, Array]:
        images, labels, weights = (
            jax.make_array_from_process_local_data(self.rows, array, (self.batch_size, *array.shape[1:]))
            for array in rows
        )
        return Batch(images, labels), weights


def _close(running: list[Any]) -> None:
    while running:
        running.pop().close()


def _own_rows(sharding: Sharding, batch_size: int) -> list[int]:
    """The rows of a batch that lie on the devices of this process, in order."""
    places = sharding.addressable_devices_indices_map((batch_size,)).values()
    slices = {place[0].indices(batch_size) for place in places if place is not None}
    return [row for one in sorted(slices) for row in range(*one)]


def _check(
    train: Listing,
    test: Listing,
    validation: Listing | None,
    mesh: Mesh,
    batch_size: int,
    accumulate: int,
    repeats: int,
) -> None:
    count = len(train)
    require_batch_size(count, mesh.size, batch_size, accumulate)
    if not 1 <= repeats <= count:
        raise ValueError(f"--repeats is {repeats}; wanted 1 to {count}, the number of training images.")
    for split in (test, validation):
        if split is not None and split.classes != train.classes:
            raise ValueError(
                f"{split.name} has other classes ({len(split.classes)}) than {train.name}, which is trained on "
                f"({len(train.classes)}); wanted the same."
            )
