"""Specimens: a tiny network, a tiny data set, and trainings of them, which compile in a second."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optimizer
from inputs.dataset import create as create_dataset
from inputs.on_device import OnDevice
from inputs.preprocess import Preprocess
from models import structure
from models.layers import Classifier, Conv, Network, Norm, unchanged
from optimizer import OptimizerOptions
from recipes.cifar import create as create_recipe
from recipes.core import LOSSES, Recipe
from step import Setup
from training import compile_training

CLASSES = 3


class Tiny(Network):
    """One convolution; mixing points: 0 the input, 1 after the convolution, 2 after the ReLU."""

    points = 3

    def __init__(self, channels, rngs):
        self.conv = Conv(channels, 4, 3, rngs=rngs)
        self.norm = Norm(4, rngs=rngs)
        self.classifier = Classifier(4, CLASSES, rngs=rngs)

    def features(self, x, *, train, hidden=unchanged, key=None):
        x = self.norm(hidden(1, self.conv(hidden(0, x))), train)
        return hidden(2, jax.nn.relu(x))


def one_device():
    return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))


def dataset(train=32, test=8, side=8, channels=1):
    """Random images; made as those of the readers."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (train + test, side, side, channels), np.uint8)
    labels = random.integers(0, CLASSES, train + test).astype(np.int32)
    names = tuple(f"class{label}" for label in range(CLASSES))
    return create_dataset(
        "tiny", (images[:train], labels[:train], images[train:], labels[train:]), names, padding=1, flip=False
    )


def source(mesh=None, data=None, batch_size=16, **options):
    return OnDevice(
        dataset() if data is None else data,
        one_device() if mesh is None else mesh,
        batch_size=batch_size,
        key=jax.random.key(1),
        **options,
    )


PLAIN, SGD = Recipe(), OptimizerOptions()


def training(
    recipe=PLAIN,
    mesh=None,
    data=None,
    *,
    batch_size=16,
    loss="cross_entropy",
    epochs=1,
    options=SGD,
    balanced=False,
    mix_until=None,
    create=Tiny,
):
    """As cifar.build makes it: SGD with Nesterov momentum 0.9 at a constant learning rate of 0.1, no weight decay."""
    batches = source(mesh, data, batch_size, accumulate=options.accumulate, balanced=balanced)

    def network(rngs):
        return create(batches.image_shape[-1], rngs)

    graph, points = structure(network, "tiny", batches.name, min(batches.image_shape[:2]))
    setup = Setup(
        graph=graph,
        points=points,
        recipe=recipe,
        preprocess=Preprocess(batches.mean, batches.std, 1, False),
        loss=LOSSES[loss],
        label_smoothing=0.0,
        optimizer=optimizer.create(options, lambda step: 0.1, 0.0),
        steps_per_epoch=batches.steps_per_epoch,
        steps=batches.steps_per_epoch * epochs,
        rows=batches.rows,
        accumulate=options.accumulate,
        ema=options.ema,
    )
    return compile_training(
        batches,
        setup,
        network,
        lambda step: jnp.float32(0.1),
        start_key=jax.random.key(0),
        step_key=jax.random.key(2),
        mix_until=mix_until,
    )


def shaken(key, pixels):
    """A stand-in for AugMix: the pixels, and two views of them with noise of their own."""
    noise = jax.random.uniform(key, (2, *pixels.shape))
    return jnp.concatenate([pixels[None], 0.7 * pixels[None] + 0.3 * noise])


def recipe(method, **changes):
    """The recipe of a method for small images, with other fields."""
    return create_recipe(method, "cifar10", 8, "resnet-8")._replace(**changes)


class Noted(NamedTuple):
    """The state of `note`."""

    step: Any


def note(state, batch, key):
    """A step that only notes its batch and draws from its key."""
    sums = [batch.images.astype(jnp.float32).sum(), batch.labels.sum().astype(jnp.float32), jax.random.uniform(key)]
    return Noted(state.step + 1), jnp.stack(sums)
