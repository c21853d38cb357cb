"""Saliency passes: the maps of the paper, from as few passes as can be, and the gradient of the clean images."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

import jaxmix
import models
from inputs import preprocess
from jaxmix import saliency
from recipes import cifar as recipes
from recipes import saliency_passes

pytestmark = pytest.mark.unoptimized

SIDE, CLASSES = 16, 3
LABELS = jnp.arange(6) % CLASSES
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def clean(loss=jaxmix.softmax_bce, side=SIDE, make=lambda: tiny.Tiny(3, nnx.Rngs(0))):
    quantized = jax.random.randint(jax.random.key(4), (6, side, side, 3), 0, 256).astype(jnp.uint8)
    graph, params, statistics = nnx.split(make(), nnx.Param, nnx.BatchStat)
    images = preprocess.normalize(quantized, MEAN, STD)
    return saliency_passes.CleanBatch(images, quantized, LABELS, graph, params, statistics, loss)


def compiled(function, batch):
    """The function of a clean batch, compiled for batches whose arrays are arguments."""
    rest = {name: getattr(batch, name) for name in ("graph", "loss")}
    arrays = {name: value for name, value in batch._asdict().items() if name not in rest}
    return jax.jit(lambda arrays: function(saliency_passes.CleanBatch(**arrays, **rest))), arrays


def run(function, batch):
    call, arrays = compiled(function, batch)
    return call(arrays)


def pass_of(method, dataset="cifar10", model="preact-resnet-18"):
    return recipes.create(method, dataset, 32, model).saliency_pass


def by_hand(batch, score, train):
    """Gradients of score(logits) with respect to images and parameters, each by a pass of its own."""

    def value(images, params):
        return score(nnx.merge(batch.graph, params, batch.statistics, copy=True)(images, train=train))

    return (jax.jit(jax.grad(value, argnums=i))(batch.images, batch.params) for i in (0, 1))


def assert_close(one, other):
    # Sums of a few thousand float32 products in another order.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-6), one, other)


def moved(batch, found):
    return any(
        (a != b).any()
        for a, b in zip(jax.tree.leaves(batch.statistics), jax.tree.leaves(found.statistics), strict=True)
    )


def cross_entropy(logits):
    return -jax.nn.log_softmax(logits)[jnp.arange(6), LABELS].mean()


def softmax_bce(logits):
    probability, label = jax.nn.softmax(logits), jax.nn.one_hot(LABELS, CLASSES)
    return -(label * jnp.log(probability) + (1 - label) * jnp.log(1 - probability)).mean()


@pytest.mark.parametrize(
    ("method", "score", "train", "contributes", "magnitude"),
    [
        # Clean loss of weight 1 - update_ratio, batch statistics of the batch, mean |gradient|.
        ("sage", lambda z: 0.3 * softmax_bce(z), True, True, lambda g: jnp.abs(g).mean(-1)),
        # CIFAR's clean_lam is 0: running averages, no gradient of the parameters.
        ("puzzlemix", cross_entropy, False, False, lambda g: jnp.sqrt(jnp.square(g).mean(-1))),
        # clean_lam 1: 2 mean(CE) / classes.
        (
            "comixup",
            lambda z: 2 * cross_entropy(z) / CLASSES,
            True,
            True,
            lambda g: jnp.sqrt(jnp.square(g).mean(-1)),
        ),
    ],
)
def test_one_pass_back_gives_the_map_and_the_gradient_of_the_clean_images(method, score, train, contributes, magnitude):
    batch = clean()
    found = run(pass_of(method), batch)
    by_pixel, by_parameter = by_hand(batch, score, train)
    (maps,) = found.maps
    assert_close(maps / maps.sum((1, 2), keepdims=True), (m := magnitude(by_pixel)) / m.sum((1, 2), keepdims=True))
    assert (found.gradients is not None) == contributes
    if contributes:
        assert_close(found.gradients, by_parameter)
    assert moved(batch, found) == train


def test_both_gradients_share_their_pass():
    batch = clean(make=lambda: nnx.eval_shape(lambda: models.create("resnet-8", CLASSES, 3, nnx.Rngs(0))))

    def convolutions(function):
        call, arrays = compiled(function, batch)
        return len(re.findall(r"stablehlo\.convolution", call.lower(arrays).as_text()))

    both = pass_of("comixup")
    pixels_only = partial(both, parameter_gradient=False)
    forward = convolutions(lambda batch: batch.network(batch.params)(batch.images, train=True))
    # Forward and back to the images: 2 convolutions a layer. The parameters' gradient adds one, and no pass.
    assert convolutions(pixels_only) == 2 * forward
    assert convolutions(both) == 3 * forward


@pytest.mark.parametrize(
    ("dataset", "model", "upper", "ratio"),
    [
        ("cifar10", "preact-resnet-18", 0.6, 0.7),
        ("cifar100", "preact-resnet-18", 0.5, 0.7),
        ("cifar100", "resnext-29-4x24", 0.7, 0.5),
        ("cifar10", "wrn-16-8", 0.7, 0.5),
    ],
)
def test_sage_has_the_values_of_its_authors(dataset, model, upper, ratio, monkeypatch):
    found = []
    monkeypatch.setattr(jaxmix, "sage", lambda key, images, maps, **options: found.append(options["upper"]))
    recipe = recipes.create("sage", dataset, 32, model)
    recipe.augmentation(jax.random.key(0), None, 0.0, None)
    assert (found, recipe.mixed_weight) == ([upper], ratio)


def test_class_activation_averages_to_the_logit_and_moves_the_running_averages():
    batch = clean()
    found = run(saliency_passes.class_activation, batch)
    maps, labels = found.maps
    logits = run(lambda b: b.network(b.params)(b.images, train=True), batch)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_allclose(maps.mean((1, 2)), logits[jnp.arange(6), LABELS], atol=1e-5)
    assert moved(batch, found) and found.gradients is None


def test_attention_is_the_mean_activation_on_a_grid_and_leaves_the_network_alone():
    batch = clean(side=7)
    found = run(partial(saliency_passes.attention, cells=7), batch)
    features = run(lambda b: b.network(b.params).features(b.images, train=False), batch)
    assert features.shape[1:3] == (7, 7)
    np.testing.assert_allclose(found.maps[0], features.mean(-1), rtol=1e-5, atol=1e-6)
    assert not moved(batch, found) and found.gradients is None


def test_fine_grained_saliency_is_that_of_the_uint8_images():
    batch = clean()
    (maps,) = saliency_passes.fine_grained(batch).maps
    np.testing.assert_array_equal(maps, saliency.fine_grained(batch.quantized))


def test_spectral_residual_saliency_is_that_of_the_normalized_images():
    batch = clean()
    (maps,) = saliency_passes.spectral_residual(batch).maps
    np.testing.assert_array_equal(maps, saliency.spectral_residual(batch.images))


def test_the_maps_of_a_pass_do_not_depend_on_the_scale_of_the_clean_loss():
    batch = clean()
    one, other = (
        run(partial(pass_of("sage"), objective=partial(saliency_passes.training_loss, weight=weight)), batch)
        for weight in (0.3, 0.9)
    )
    assert_close(*(saliency.normalize(found.maps[0]) for found in (one, other)))
    assert_close(jax.tree.map(lambda g: 3 * g, one.gradients), other.gradients)
