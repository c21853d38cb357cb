"""A step of training and a pass of evaluation, as pure functions of a state, compiled once.

The pictures lie as uint8 on every device. A step gathers its batch by index, the index being split over the devices, so
each device cuts, mixes and learns from its own rows, while batch statistics, mixes and gradients are those of the whole
batch: the same command draws and learns the same on one device and on eight. Everything random follows from the seed
and the number of the step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, UInt8

import models
from inputs import preprocess
from inputs.dataset import Dataset
from jaxmix import accuracy, jsd
from jaxmix.mix import Mix, identity
from recipes import core, saliency_passes, views

# How many batches are looked through for a mixed one to show: a method that mixes every second one will have come by.
PREVIEW_STEPS = 32


class State(NamedTuple):
    """All that a step changes; what a checkpoint holds.

    step: Int[], how many were done
    params, statistics: of the network
    optimizer: of optax
    totals: Float[2], sums of loss and accuracy over the steps of the present epoch
    """

    step: Int[Array, ""]
    params: Any
    statistics: Any
    optimizer: Any
    totals: Float[Array, "2"]


class Keys(NamedTuple):
    """What the random parts of a step after cropping and mirroring draw from."""

    mix: jax.Array
    views: jax.Array
    dropout: jax.Array
    guide: jax.Array


class Split(NamedTuple):
    """Pictures and labels on the devices."""

    images: UInt8[Array, "n h w c"]
    labels: Int[Array, "n"]


class Evaluation(NamedTuple):
    """Means over the test pictures, and how many were counted."""

    loss: float
    accuracy: float
    pictures: int


class Preview(NamedTuple):
    """A mixed batch to look at: the pictures before and after, how they were mixed, and the maps that guided it."""

    images: UInt8[Array, "b h w c"]
    mixed: UInt8[Array, "b h w c"]
    mix: Mix
    labels: Int[Array, "b"]
    maps: Float[Array, "b n m"] | None


class Trainer:
    """A network, a data set and a recipe on a mesh of devices.

    `fresh` starts, `order` shuffles, `advance` learns, `finite` guards, `evaluate` tests, `preview` shows a mixed
    batch. None of them keeps anything: the caller holds the state.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: str,
        recipe: core.Recipe,
        mesh: Mesh,
        *,
        batch_size: int,
        epochs: int,
        optimizer: Callable[[int], optax.GradientTransformation],
        loss: str,
        label_smoothing: float,
        padding: int,
        flip: bool,
        dtype: str,
        seed: int,
    ) -> None:
        """`optimizer` is made from the number of steps in an epoch. Raises ValueError where sizes don't fit."""
        pictures_count, devices = len(dataset.train_images), mesh.size
        if batch_size < 2 or batch_size > pictures_count:
            raise ValueError(
                f"--batch-size is {batch_size}; wanted 2 to {pictures_count}, the number of training preprocess."
            )
        if batch_size % devices:
            raise ValueError(f"--batch-size is {batch_size}; wanted a multiple of the {devices} devices.")
        self.dataset, self.recipe, self.batch_size = dataset, recipe, batch_size
        self.loss, self.label_smoothing, self.padding, self.flip = core.LOSSES[loss], label_smoothing, padding, flip
        self.steps_per_epoch = pictures_count // batch_size
        self.steps = self.steps_per_epoch * epochs
        self.optimizer = optimizer(self.steps_per_epoch)
        self._replicated = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec("data"))

        def network(key: jax.Array) -> Any:
            channels = dataset.train_images.shape[-1]
            return models.create(model, len(dataset.names), channels, nnx.Rngs(params=key), jnp.dtype(dtype))

        def fresh(key: jax.Array) -> State:
            model = network(key)
            params, statistics = nnx.state(model, nnx.Param), nnx.state(model, nnx.BatchStat)
            zero = jnp.zeros((), jnp.int32)
            return State(zero, params, statistics, self.optimizer.init(params), jnp.zeros(2))

        init_key, self._order_key, self._step_key = jax.random.split(jax.random.key(seed), 3)
        shapes = nnx.eval_shape(network, init_key)
        side = min(dataset.train_images.shape[1:3])
        if side < shapes.smallest:
            raise ValueError(f"--model {model} needs {shapes.smallest} pixels a side; {dataset.name} has {side}.")
        self.graph, self._points = nnx.graphdef(shapes), shapes.points
        self.fresh = partial(jax.jit(fresh, out_shardings=self._replicated), init_key)
        self.train = self._placed(dataset.train_images, dataset.train_labels)
        self.test = self._placed(dataset.test_images, dataset.test_labels)
        self._permute = jax.jit(self._permutation, out_shardings=self._replicated)
        self._advance = jax.jit(
            self._calls, static_argnames="count", donate_argnames="state", out_shardings=self._replicated
        )
        self._finite = jax.jit(_all_finite, out_shardings=self._replicated)
        self._test = jax.jit(self._tested, out_shardings=self._replicated)
        self._preview = jax.jit(self._previewed, out_shardings=self._replicated)

    def _placed(self, images: np.ndarray, labels: np.ndarray) -> Split:
        return Split(jax.device_put(images, self._replicated), jax.device_put(labels, self._replicated))

    # ---- training

    def order(self, epoch: int) -> Int[Array, "n"]:
        """The training pictures in the order of that epoch."""
        return self._permute(self._order_key, epoch)

    def advance(self, state: State, order: Int[Array, "n"], count: int) -> tuple[State, Float[Array, "count 2"]]:
        """`count` steps in one dispatch, inside one epoch. Returns the loss and accuracy of each. Consumes `state`."""
        return self._advance(state, self.train, order, self._step_key, count=count)

    def finite(self, state: State) -> bool:
        """Whether every number of the state is finite. The last update can blow up where no loss has shown it yet."""
        return bool(self._finite(state))

    def _permutation(self, key: jax.Array, epoch: Int[Array, ""]) -> Int[Array, "n"]:
        return jax.random.permutation(jax.random.fold_in(key, epoch), len(self.dataset.train_images))

    def _calls(self, state: State, train: Split, order: Array, key: jax.Array, *, count: int) -> tuple[State, Array]:
        state = state._replace(totals=jnp.where(state.step % self.steps_per_epoch == 0, 0.0, state.totals))

        def body(state: State, _: None) -> tuple[State, Array]:
            return self._step(state, train, order, key)

        if count == 1:
            state, results = body(state, None)
            return state, results[None]
        return jax.lax.scan(body, state, length=count)

    def _step(self, state: State, train: Split, order: Array, key: jax.Array) -> tuple[State, Float[Array, "2"]]:
        images, labels, keys = self._batch(train, order, key, state.step)
        progress = state.step.astype(jnp.float32) / self.steps
        guidance = self._guidance(state, images, labels, keys.guide)
        seen, count = self._seen(images, keys.views)

        def objective(params: Any) -> tuple[Array, tuple[Any, Array]]:
            model = nnx.merge(self.graph, params, guidance.statistics, copy=True)
            mixing = core.Mixing(self.recipe, keys.mix, progress, self._points, guidance.maps, count)
            logits = views.unfold(model(seen, train=True, hidden=mixing, key=keys.dropout), count)
            loss = self.loss(logits[0], labels, mixing.mix, label_smoothing=self.label_smoothing).mean()
            if self.recipe.consistency > 0:
                loss += self.recipe.consistency * jsd(logits).mean()
            right = accuracy(logits[0], labels, mixing.mix).mean()
            return self.recipe.mixed_weight * loss, (nnx.state(model, nnx.BatchStat), jnp.stack([loss, right]))

        gradients, (statistics, results) = jax.grad(objective, has_aux=True)(state.params)
        if guidance.gradients is not None:
            gradients = jax.tree.map(jnp.add, gradients, guidance.gradients)
        updates, optimizer = self.optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(state.step + 1, params, statistics, optimizer, state.totals + results), results

    def _guidance(
        self, state: State, images: Float[Array, "b h w c"], labels: Int[Array, "b"], key: jax.Array
    ) -> saliency_passes.Guidance:
        """The maps that the recipe asks for, seen by the network as it is before this step."""
        if self.recipe.guide is None:
            return saliency_passes.Guidance((), None, state.statistics)
        pixels = preprocess.restore(images, self.dataset.mean, self.dataset.std)
        loss = partial(self.loss, label_smoothing=self.label_smoothing)
        clean = saliency_passes.Clean(images, pixels, labels, self.graph, state.params, state.statistics, loss, key)
        return self.recipe.guide(clean)

    def _seen(self, images: Float[Array, "b h w c"], key: jax.Array) -> tuple[Float[Array, "b*v h w c"], int]:
        """What the network sees of the pictures, before mixing: their views, next to each other, and how many."""
        if self.recipe.views is None:
            return images, 1
        mean, std = self.dataset.mean, self.dataset.std
        made = self.recipe.views(key, preprocess.pixels(images, mean, std))
        seen = preprocess.standardize(views.fold(made), mean, std)
        return jax.lax.with_sharding_constraint(seen, self._rows), made.shape[0]

    def _batch(
        self, train: Split, order: Array, key: jax.Array, step: Array
    ) -> tuple[Float[Array, "b h w c"], Int[Array, "b"], Keys]:
        """The pictures of a step, cropped and mirrored, with their labels and the keys of what follows."""
        crop_key, mirror_key, *keys = jax.random.split(jax.random.fold_in(key, step), 6)
        position = step % self.steps_per_epoch
        rows = jax.lax.dynamic_slice(order, (position * self.batch_size,), (self.batch_size,))
        rows = jax.lax.with_sharding_constraint(rows, self._rows)
        images = preprocess.normalize(train.images[rows], self.dataset.mean, self.dataset.std)
        images = preprocess.crop(crop_key, images, self.padding)
        if self.flip:
            images = preprocess.mirror(mirror_key, images)
        return images, train.labels[rows], Keys(*keys)

    # ---- evaluation

    def evaluate(self, state: State) -> Evaluation:
        """Loss and accuracy over the test pictures, each counted once."""
        count = len(self.dataset.test_images)
        # The last batch is filled up with pictures that weigh nothing.
        rows = np.arange(-(-count // self.batch_size) * self.batch_size, dtype=np.int32)
        weight = (rows < count).astype(np.float32)
        rows = np.where(rows < count, rows, 0)
        sums = jax.device_put(np.zeros(3, np.float32), self._replicated)
        for start in range(0, len(rows), self.batch_size):
            here = slice(start, start + self.batch_size)
            rows_here, weight_here = jax.device_put((rows[here], weight[here]), self._rows)
            sums = self._test(state.params, state.statistics, self.test, rows_here, weight_here, sums)
        loss, right, counted = np.asarray(sums, np.float64)
        return Evaluation(float(loss / counted), float(right / counted), int(counted))

    def _tested(self, params: Any, statistics: Any, test: Split, rows: Array, weight: Array, sums: Array) -> Array:
        model = nnx.merge(self.graph, params, statistics, copy=True)
        images = preprocess.normalize(test.images[rows], self.dataset.mean, self.dataset.std)
        logits, labels = model(images, train=False), test.labels[rows]
        loss, right = self.loss(logits, labels), accuracy(logits, labels)
        return sums + jnp.stack([(loss * weight).sum(), (right * weight).sum(), weight.sum()])

    # ---- looking

    def preview(self, state: State) -> Preview | None:
        """The first batch that training mixes, guided by the network as it is in the state.

        Taken at the end of the schedule, where a scheduled method is at full strength. None where nothing mixes
        pictures, or no mixed batch comes in the first `PREVIEW_STEPS` steps.
        """
        if self.recipe.augmentation is None and self.recipe.views is None:
            return None
        for step in range(PREVIEW_STEPS):
            order = self.order(step // self.steps_per_epoch)
            batch, before = jax.device_get(self._preview(state, self.train, order, self._step_key, step))
            if (before != batch.mixed).any():
                return batch
        return None

    def _previewed(
        self, state: State, train: Split, order: Array, key: jax.Array, step: Array
    ) -> tuple[Preview, UInt8[Array, "b h w c"]]:
        """The batch, its last view where it has several, and the same not mixed (nor a view, if nothing mixes)."""
        images, labels, keys = self._batch(train, order, key, step)
        maps = self._guidance(state, images, labels, keys.guide).maps
        seen, count = self._seen(images, keys.views)
        mixing = core.Mixing(self.recipe._replace(points=(0,)), keys.mix, 1.0, self._points, maps, count)
        last = [views.unfold(batch, count)[-1] for batch in (seen, mixing(0, seen))]
        original, before, mixed = (
            preprocess.restore(batch, self.dataset.mean, self.dataset.std) for batch in (images, *last)
        )
        mix = identity(images.shape[0]) if mixing.mix is None else mixing.mix
        preview = Preview(original, mixed, mix, labels, maps[0] if maps else None)
        return preview, original if self.recipe.augmentation is None else before


def _all_finite(state: State) -> Array:
    numbers = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]).all()
