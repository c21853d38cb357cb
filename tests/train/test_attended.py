"""Labels weighted by the attention of the forward pass that gives the logits; TokenMix; the decoupled loss."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

import jaxmix
import step
from models.vision_transformer import VisionTransformer
from recipes import attended, description, imagenet
from recipes.applied import always
from recipes.core import LOSSES, Mixing, Recipe

pytestmark = pytest.mark.unoptimized
CUTMIX = Recipe(always(jaxmix.cutmix))


def transformer(channels, rngs, class_token=False):
    """Of one block, on patches of 2 x 2 pixels, or of 1 pixel with a class token, which needs 14 x 14 patches."""
    patch = 1 if class_token else 2
    return VisionTransformer("mu", patch, tiny.CLASSES, channels, class_token=class_token, rngs=rngs, dtype=jnp.float32)


def attending(share, **options):
    return CUTMIX._replace(attend=partial(jaxmix.attend, share=share), **options)


def started(made):
    """The state before the first step, with logits that differ: the head of a vision transformer starts from 0."""

    def moved(x):
        return x + 0.5 * jnp.sin(jnp.arange(x.size, dtype=x.dtype).reshape(x.shape))

    state = made.start()
    return state._replace(params=jax.tree.map(moved, state.params))


def first_step(made):
    return jax.device_get(made.functions.advance(started(made), 0, 1))


def test_a_share_of_0_trains_as_plain_cutmix_to_the_bit():
    (plain, metrics), (state, same) = (
        first_step(tiny.training(recipe, create=transformer)) for recipe in (CUTMIX, attending(0.0))
    )
    np.testing.assert_array_equal(metrics, same)
    jax.tree.map(np.testing.assert_array_equal, plain, state)


@pytest.mark.parametrize("class_token", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_labels_are_weighted_by_the_attention_of_the_pass_that_gives_the_logits(class_token):
    create = partial(transformer, class_token=class_token)
    made = tiny.training(attending(0.5), data=tiny.dataset(side=14 if class_token else 8), create=create)
    state = started(made)
    batch = next(made.source.batches(0))

    @jax.jit
    def by_hand(state):
        keys, images = step.prepare(made.setup, batch, jax.random.key(3))
        mixing = Mixing(made.setup.recipe, keys.mix, 0.0, made.setup.points)
        mixed, mix = mixing(0, images), mixing.mix
        model = nnx.merge(made.setup.graph, state.params, state.statistics)
        features, attention = model.features_and_attention(mixed, train=True)
        return mix, attention, jax.nn.log_softmax(model.classifier(features))

    _, metrics = jax.jit(partial(step.train_step, made.setup))(state, batch, jax.random.key(3))
    mix, attention, logs = jax.tree.map(np.asarray, by_hand(state))
    grid = attention.shape[1]
    pasted = mix.mask[:, 1].reshape(len(attention), grid, mix.mask.shape[2] // grid, grid, -1).mean((2, 4))
    by_attention = (attention * pasted).sum((1, 2)) / attention.sum((1, 2))
    share = (mix.weight[:, 1] + by_attention) / 2
    labels, rows = np.asarray(batch.labels), np.arange(len(attention))
    loss = -(1 - share) * logs[rows, labels] - share * logs[rows, labels[mix.source[:, 1]]]
    np.testing.assert_allclose(metrics[0], loss.mean(), rtol=1e-5)
    plain = -(mix.weight * logs[rows[:, None], labels[mix.source]]).sum(1)
    assert abs(plain.mean() - loss.mean()) > 1e-3
    assert np.abs(share - mix.weight[:, 1]).max() > 1e-4 and share.max() > 0.05


def traced(made, **changes):
    """The shapes of a step."""
    state, batch = jax.eval_shape(made.start), next(made.source.batches(0))
    return jax.eval_shape(partial(step.train_step, made.setup), state, batch, jax.random.key(0))


def test_there_is_one_forward_pass_and_views_are_weighted_by_the_first(monkeypatch):
    calls, forward = [], VisionTransformer.features_and_attention
    monkeypatch.setattr(
        VisionTransformer,
        "features_and_attention",
        lambda *args, **options: calls.append(1) or forward(*args, **options),
    )
    traced(tiny.training(attending(0.5), create=transformer))
    assert len(calls) == 1
    traced(tiny.training(attending(0.5, views=tiny.shaken, consistency=12.0), create=transformer))
    assert len(calls) == 2
    recipe = imagenet.create("augmix+transmix", "imagenet", 32)
    assert recipe.attend is jaxmix.attend and recipe.views is not None


def test_after_the_mixing_labels_are_no_longer_weighted():
    calls, recipe = [], attending(0.5)
    recipe = recipe._replace(attend=lambda mix, attention: calls.append(1) or mix)
    made = tiny.training(recipe, create=transformer, epochs=2, mix_until=1)
    state = jax.eval_shape(made.start)
    weighted = []
    for epoch in (0, 1):
        calls.clear()
        jax.eval_shape(lambda state, epoch=epoch: made.functions.advance(state, epoch, 1), state)
        weighted.append(len(calls))
    assert weighted == [1, 0]


def test_a_network_without_attention_is_refused_with_what_to_do():
    with pytest.raises(
        ValueError, match="--method weights the labels by the attention of a vision transformer.*deit-s16"
    ):
        tiny.training(attending(0.5))


@pytest.mark.parametrize("name", ["transmix", "tokenmix"])
def test_recipes_mix_on_the_grid_of_the_patches_and_say_what_they_do(name):
    recipe = imagenet.create(name, "imagenet", 28)
    x = jax.random.uniform(jax.random.key(1), (4, 28, 28, 3))
    keys = jax.random.split(jax.random.key(0), 8)
    mixes = jax.jit(lambda keys: jax.lax.map(lambda key: recipe.augmentation(key, x, 0.0)[1], keys))(keys)
    side = 28 if name == "transmix" else 14
    assert mixes.mask.shape == (8, 4, 2, side, side)
    np.testing.assert_array_equal(mixes.weight, np.broadcast_to(mixes.weight[:, :1], mixes.weight.shape))
    if name == "tokenmix":
        binary = np.isin(mixes.mask, (0, 1)).all((1, 2, 3, 4))
        assert 0 < binary.sum() < 8  # the others are mixup's
        assert (np.asarray(mixes.weight)[binary, :, 1] * 196 >= 107.9).all()
    assert description.settings(recipe)["labels"] == "attend"
    assert [attended.cells(side) for side in (224, 32, 17)] == [14, 8, 1]


def test_tokenmix_copies_whole_tokens_of_the_partner():
    x = jax.random.uniform(jax.random.key(1), (3, 12, 12, 1))
    images, mix = jax.jit(partial(attended.tokenmix, cells=4, tokens=jaxmix.masks.random_tokens))(jax.random.key(0), x)
    pasted = np.asarray(mix.mask[:, 1]).repeat(3, 1).repeat(3, 2)[..., None] == 1
    np.testing.assert_array_equal(images, np.where(pasted, x[mix.source[:, 1]], x))
    np.testing.assert_array_equal(mix.weight[:, 1], 9 / 16)  # 8 of 16, and a fourteenth, at least 1


def test_the_decoupled_loss_trains_a_step_with_label_smoothing():
    made = tiny.training(CUTMIX, loss="decoupled")
    assert made.setup.loss is LOSSES["decoupled"] is jaxmix.decoupled
    assert traced(made)[1].shape == (2,)
