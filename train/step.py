"""A step of training and one of testing, as pure functions that know no data set.

`functools.partial(train_step, setup)` is a `step(state, batch, key) -> (state, metrics)`: everything random follows
from its key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Sharding
from jaxtyping import Array, Float, Int

import adversarial
import averages
from inputs.preprocess import Preparation
from inputs.source import Batch
from jaxmix import Mix, accuracy, jsd
from recipes import views
from recipes.core import Loss, Mixing, Recipe
from recipes.saliency_passes import CleanBatch, Saliency
from state import State

__all__ = [
    "Keys",
    "Measure",
    "Setup",
    "attack",
    "forward",
    "make_views",
    "one_head",
    "prepare",
    "saliency",
    "test_step",
    "top_five",
    "train_step",
]


# measure(logits [b k] of each head, labels [b]) -> [b]
Measure = Callable[[tuple[Array, ...], Array], Array]


def one_head(network: Any, images: Float[Array, "b h w c"], **options: Any) -> tuple[Array, ...]:
    """The logits of a network that has one head."""
    return (network(images, **options),)


def top_five(heads: tuple[Array, ...], labels: Int[Array, "b"]) -> Float[Array, "b"]:
    """Whether the first head gives fewer than five classes a higher value than the right one."""
    right = jnp.take_along_axis(heads[0], labels[:, None], 1)
    return ((heads[0] > right).sum(1) < 5).astype(jnp.float32)


@dataclass(frozen=True)
class Setup:
    """What is the same in every step.

    graph: of the network, for `nnx.merge`
    points: the number of its mixing points
    recipe, preprocess: of the method and the data set
    loss: per example, loss(logits, labels, mix, label_smoothing=...)
    optimizer: of optax
    steps_per_epoch: of the training
    steps: in which the progress of a scheduled method goes from 0 to 1, where it stays
    rows: how the rows of a batch lie on the devices
    accumulate: the number of steps to an update of the optimizer
    ema: the factor by which weights fall in the average that the state keeps of the network; None keeps none
    erase: (key, images) -> images, the last that happens to them before they are mixed; None for nothing
    heads: (network, images, **options) -> the logits [b k] of each head. The first one predicts; the losses of all,
        with the same mixed labels, are added
    attack: on the images of every step, after they are mixed; None for an ordinary training
    measures: of the test images besides the accuracy: name and (logits of each head, labels [b]) -> [b]
    """

    graph: Any
    points: int
    recipe: Recipe
    preprocess: Preparation
    loss: Loss
    label_smoothing: float
    optimizer: optax.GradientTransformation
    steps_per_epoch: int
    steps: int
    rows: Sharding
    accumulate: int = 1
    ema: float | None = None
    erase: Callable[[Array, Array], Array] | None = None
    heads: Callable[..., tuple[Array, ...]] = one_head
    attack: adversarial.Attack | None = None
    measures: tuple[tuple[str, Measure], ...] = ()


class Keys(NamedTuple):
    """The keys of the random parts of a step, in the order in which they are split from its key."""

    crop: jax.Array
    mirror: jax.Array
    mix: jax.Array
    views: jax.Array
    dropout: jax.Array
    saliency: jax.Array


def train_step(setup: Setup, state: State, batch: Batch, key: jax.Array) -> tuple[State, Float[Array, "2"]]:
    """One update of the network. Returns the next state, and the loss and accuracy of the batch."""
    keys, images = prepare(setup, batch, key)
    found = saliency(setup, state, images, batch.labels, keys.saliency)
    inputs, count = make_views(setup, images, keys.views)
    progress = jnp.minimum(state.step, setup.steps).astype(jnp.float32) / setup.steps
    make_mixing: Callable[[], Mixing]
    make_mixing = partial(Mixing, setup.recipe, keys.mix, progress, setup.points, found.maps, count)
    if setup.attack is not None:
        mixed = make_mixing()
        inputs = attack(setup, state.params, found.statistics, mixed, mixed(0, inputs), batch.labels, keys)
        make_mixing = mixed.after_input

    def objective(params: Any) -> tuple[Array, tuple[Any, Array]]:
        model = nnx.merge(setup.graph, params, found.statistics, copy=True)
        mixing = make_mixing()
        heads, mix = forward(setup, model, inputs, mixing, keys.dropout)
        logits, *others = (views.unfold(head, count) for head in heads)
        loss = setup.loss(logits[0], batch.labels, mix, label_smoothing=setup.label_smoothing).mean()
        for other in others:
            loss += setup.loss(other[0], batch.labels, mix, label_smoothing=setup.label_smoothing).mean()
        if setup.recipe.consistency > 0:
            loss += setup.recipe.consistency * jsd(logits).mean()
        correct = accuracy(logits[0], batch.labels, mix).mean()
        return setup.recipe.mixed_weight * loss, (nnx.state(model, nnx.BatchStat), jnp.stack([loss, correct]))

    gradients, (statistics, metrics) = jax.grad(objective, has_aux=True)(state.params)
    if found.gradients is not None:
        gradients = jax.tree.map(jnp.add, gradients, found.gradients)
    updates, optimizer = setup.optimizer.update(gradients, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    totals = jnp.where(state.step % setup.steps_per_epoch == 0, 0.0, state.totals)
    average = state.average
    if setup.ema is not None:
        average = averages.moved(
            average, (params, statistics), state.step, decay=setup.ema, accumulate=setup.accumulate
        )
    return State(state.step + 1, params, statistics, optimizer, totals + metrics, average), metrics


def forward(
    setup: Setup, model: Any, inputs: Float[Array, "b*v h w c"], mixing: Mixing, key: jax.Array
) -> tuple[tuple[Array, ...], Mix | None]:
    """The logits of each head in training, and the mix of the labels, which one pass through the network gives: what
    weights labels by the network's attention takes that of the mixed images (of their first view).
    """
    if setup.recipe.attend is None:
        heads = setup.heads(model, inputs, train=True, hidden=mixing, key=key)
        return heads, mixing.mix
    features, attention = model.features_and_attention(inputs, train=True, hidden=mixing, key=key)
    assert mixing.mix is not None  # only what mixes has labels to weight
    return (model.classifier(features),), setup.recipe.attend(mixing.mix, views.unfold(attention, mixing.views)[0])


def attack(
    setup: Setup,
    params: Any,
    statistics: Any,
    mixing: Mixing,
    images: Float[Array, "b h w c"],
    labels: Int[Array, "b"],
    keys: Keys,
) -> Float[Array, "b h w c"]:
    """Attack mixed images to raise the loss of their mixed labels, by the network in training mode: each pass
    normalizes by its own batch, drops the same features as the step does, and moves no running average.
    """

    def loss(images: Array) -> Float[Array, "b"]:
        model = nnx.merge(setup.graph, params, statistics, copy=True)
        heads, mix = forward(setup, model, images, mixing.after_input(), jax.random.clone(keys.dropout))
        losses = [setup.loss(head, labels, mix, label_smoothing=setup.label_smoothing) for head in heads]
        return jnp.stack(losses).sum(0)

    if setup.attack is None:
        return images
    key = jax.random.fold_in(jax.random.clone(keys.views), 2)
    return adversarial.attacked(setup.attack, setup.preprocess, loss, images, key)


def test_step(
    setup: Setup, params: Any, statistics: Any, batch: Batch, weight: Float[Array, "b"], sums: Float[Array, "m"]
) -> Float[Array, "m"]:
    """Add the loss, the accuracy, the weights and the other measures of a batch to `sums`."""
    model = nnx.merge(setup.graph, params, statistics, copy=True)
    heads = setup.heads(model, setup.preprocess.test(batch.images), train=False)
    loss, correct = setup.loss(heads[0], batch.labels), accuracy(heads[0], batch.labels)
    others = [(measure(heads, batch.labels) * weight).sum() for _, measure in setup.measures]
    return sums + jnp.stack([(loss * weight).sum(), (correct * weight).sum(), weight.sum(), *others])


def prepare(setup: Setup, batch: Batch, key: jax.Array) -> tuple[Keys, Float[Array, "b h w c"]]:
    """The keys of a step, and its images as the network takes them: normalized, cropped and mirrored."""
    keys = Keys(*jax.random.split(key, len(Keys._fields)))
    return keys, setup.preprocess.train(keys.crop, keys.mirror, batch.images)


def saliency(
    setup: Setup, state: State, images: Float[Array, "b h w c"], labels: Int[Array, "b"], key: jax.Array
) -> Saliency:
    """The maps that the recipe requests, from the network as it is before this step."""
    if setup.recipe.saliency_pass is None:
        return Saliency((), None, state.statistics)
    loss = partial(setup.loss, label_smoothing=setup.label_smoothing)
    quantized = setup.preprocess.restore(images)
    clean = CleanBatch(images, quantized, labels, setup.graph, state.params, state.statistics, loss, key)
    return setup.recipe.saliency_pass(clean)


def make_views(setup: Setup, images: Float[Array, "b h w c"], key: jax.Array) -> tuple[Float[Array, "b*v h w c"], int]:
    """The network's input before mixing: the views of the images, next to each other, and their number v."""
    first = setup.recipe.first
    if setup.recipe.views is None:
        inputs, count = images if first is None else first(key, images, 0.0)[0], 1
    else:
        made = setup.recipe.views(key, setup.preprocess.pixels(images))
        inputs, count = setup.preprocess.standardize(views.fold(made)), made.shape[0]
        inputs = jax.lax.with_sharding_constraint(inputs, setup.rows)
    return inputs if setup.erase is None else setup.erase(jax.random.fold_in(key, 1), inputs), count
