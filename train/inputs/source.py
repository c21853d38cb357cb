"""The interface of a source of batches: what a training needs to know of its data."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from jax.sharding import Sharding
from jaxtyping import Array, Float, Int, UInt8

__all__ = ["Advance", "Batch", "Source", "Step", "require_batch_size"]


class Batch(NamedTuple):
    """Images and their class ids, on the devices."""

    images: UInt8[Array, "b h w c"]
    labels: Int[Array, "b"]


# step(state, batch, key) -> (state, metrics); the state has a field `step`, the number of steps done
Step = Callable[[Any, Batch, Array], tuple[Any, Array]]
# advance(state, epoch, count) -> (state, metrics [count ..]): `count` steps in one dispatch, inside one epoch; consumes
# the state
Advance = Callable[[Any, int, int], tuple[Any, Array]]


class Source(Protocol):
    """Yields batches of labelled images.

    name, classes: of the data set and its classes
    absent: the classes without a training image
    image_shape: h, w, c
    train_size, test_size, validation_size: the number of images; 0 for validation where there are none
    steps_per_epoch: the number of whole batches in an epoch
    mean, std: of each channel over the training images, as a share of 255
    batch_size: over all devices together
    replicated, rows: how a state, and the rows of a batch, lie on the devices
    """

    name: str
    classes: tuple[str, ...]
    absent: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train_size: int
    test_size: int
    validation_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch_size: int
    steps_per_epoch: int
    replicated: Sharding
    rows: Sharding

    def fingerprint(self) -> dict[str, Any]:
        """What tells one data set from another, as JSON holds it."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The training batches of an epoch, in its own order."""

    def test_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        """Every test image once, with weights: 1, or 0 for images that only fill up the last batch."""

    def validation_batches(self) -> Iterator[tuple[Batch, Float[Array, "b"]]]:
        """The same of the validation images; nothing where there are none."""

    def advance(self, step: Step, key: Array) -> Advance:
        """Compile a function that takes steps on training batches; the key of each is fold_in(key, state.step)."""


def require_batch_size(images: int, devices: int, batch_size: int, accumulate: int) -> None:
    """Raises ValueError for a batch size that doesn't suit the number of training images or of devices."""
    if batch_size < 2 or batch_size > images:
        raise ValueError(f"--batch-size is {batch_size}; wanted 2 to {images}, the number of training images.")
    if batch_size * accumulate > images:
        raise ValueError(
            f"--accumulate is {accumulate}; wanted 1 to {images // batch_size}, the number of steps of {batch_size} in "
            f"the {images} training images."
        )
    if batch_size % devices:
        raise ValueError(f"--batch-size is {batch_size}; wanted a multiple of the {devices} devices.")
