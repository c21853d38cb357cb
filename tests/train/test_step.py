"""A step of training: the update, its devices, its views, its saliency pass; and the preview of its batches."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

import jaxmix
import models
import preview
import step
from inputs import preprocess
from jaxmix import saliency, visualize
from models.layers import unchanged
from optimizer import OptimizerOptions
from recipes import core, views
from recipes.cifar import create
from recipes.core import Recipe
from recipes.saliency_passes import Saliency, fine_grained

pytestmark = pytest.mark.unoptimized

B = 16


def first_images(made):
    """The first batch as the network takes it, its labels, and the keys of the step."""
    batch = next(made.source.batches(0))
    keys, images = step.prepare(made.setup, batch, jax.random.fold_in(made.key, 0))
    return images, batch.labels, keys


def assert_first_update(before, gradients, after, **tolerance):
    """The first step of Nesterov's momentum 0.9 at learning rate 0.1."""
    jax.tree.map(
        lambda a, g, b: np.testing.assert_allclose(b, a - 0.19 * g, **tolerance),
        before,
        gradients,
        jax.device_get(after),
    )


def test_evaluation_is_by_hand():
    made = tiny.training(batch_size=3)
    state, data = made.start(), tiny.dataset()
    model = nnx.merge(made.setup.graph, state.params, state.statistics)
    images = preprocess.normalize(jnp.asarray(data.test_images), data.mean, data.std)
    logits = jax.jit(lambda images: model(images, train=False))(images)
    own = np.asarray(jax.nn.log_softmax(logits))[np.arange(8), data.test_labels]
    found = made.functions.evaluate(state)
    assert found.images == 8
    assert found.accuracy == pytest.approx((np.argmax(logits, 1) == data.test_labels).mean())
    assert found.loss == pytest.approx(-own.mean(), rel=1e-5)


def test_cutout_comes_before_a_method_that_mixes():
    made = tiny.training(tiny.recipe("cutout+manifold-mixup", points=(0, 1)))
    images, _, keys = first_images(made)
    inputs, count = step.make_views(made.setup, images, keys.views)
    size = images.shape[1] // 2
    holes = np.asarray(inputs != images).any(-1)
    assert count == 1 and (np.asarray(inputs)[holes] == 0).all() and 0 < holes.sum((1, 2)).max() <= size**2


def test_a_step_follows_the_gradient_of_the_augmix_paper_and_is_compiled_once():
    made = tiny.training(tiny.recipe("augmix", views=tiny.shaken), epochs=2)
    state = made.start()
    images, labels, keys = first_images(made)
    pixels = tiny.shaken(keys.views, made.setup.preprocess.pixels(images))
    seen = jnp.concatenate([made.setup.preprocess.standardize(view) for view in pixels])  # in the authors' order

    def objective(params):
        model = nnx.merge(made.setup.graph, params, state.statistics, copy=True)
        p = jax.nn.softmax(model(seen, train=True).reshape(3, B, tiny.CLASSES))
        mixture = (p[0] + p[1] + p[2]) / 3
        divergence = sum((q * jnp.log(q / mixture)).sum() / B for q in p) / 3
        return -jnp.log(p[0][jnp.arange(B), labels]).mean() + 12 * divergence

    loss, gradients = jax.jit(jax.value_and_grad(objective))(state.params)
    before = jax.device_get(state.params)
    program = made.source.program(partial(step.train_step, made.setup))
    for epoch in range(2):
        for position in range(2):
            state, metrics = program(state, made.source.train, made.source.order(epoch), made.key, count=1)
            if (epoch, position) == (0, 0):
                np.testing.assert_allclose(metrics[0, 0], loss, rtol=1e-5)
                # Sums are taken in another order.
                assert_first_update(before, jax.device_get(gradients), state.params, rtol=1e-3, atol=1e-4)
                first = np.asarray(metrics[0])
            elif (epoch, position) == (0, 1):
                np.testing.assert_allclose(state.totals, first + np.asarray(metrics[0]), rtol=1e-6)
            elif (epoch, position) == (1, 0):
                np.testing.assert_array_equal(state.totals, metrics[0])  # of this epoch alone
    assert program._cache_size() == 1
    assert made.functions.finite(state)
    assert not made.functions.finite(state._replace(params=jax.tree.map(lambda x: x / 0, state.params)))


def test_equal_views_train_as_the_image_alone():
    ends = []
    for chosen in (tiny.recipe("augmix", views=lambda key, pixels: jnp.stack([pixels] * 3)), Recipe()):
        made = tiny.training(chosen)
        ends.append(jax.device_get(made.functions.advance(made.start(), 0, 1)))
    (one, metrics), (other, expected) = ends
    np.testing.assert_allclose(metrics, expected, rtol=1e-5)
    for name in ("params", "statistics"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
            getattr(one, name),
            getattr(other, name),
        )


def test_a_step_adds_the_gradient_of_the_saliency_pass_and_goes_on_from_its_statistics():
    def saliency_pass(batch):
        ones = jax.tree.map(jnp.ones_like, batch.params)
        many = jax.tree.map(lambda x: jnp.full_like(x, 1e4), batch.statistics)
        return Saliency((jnp.ones(batch.images.shape[:3]),), ones, many)

    chosen = Recipe(lambda key, images, progress, maps: jaxmix.mixup(key, images), saliency_pass=saliency_pass)
    made = tiny.training(chosen._replace(mixed_weight=0.0))
    state = made.start()
    before = jax.device_get(state.params)
    state, metrics = made.functions.advance(state, 0, 1)
    assert metrics[0, 0] > 0.1  # the loss of the mixed images, whatever its weight
    assert_first_update(before, jax.tree.map(np.ones_like, before), state.params, atol=1e-5)
    for found in jax.tree.leaves(state.statistics):
        np.testing.assert_allclose(found, 9000, rtol=0.01)  # nine tenths of the pass's, a tenth of the batch's


@pytest.mark.parametrize("method", ["none", "snapmix", "sage"])
def test_dropout_has_a_key_of_its_own_in_every_pass(method, monkeypatch):
    made = tiny.training(tiny.recipe(method), data=tiny.dataset(side=24, channels=3))
    graph, points = models.structure(lambda rngs: models.create("allconv", tiny.CLASSES, 3, rngs), "allconv", "", 24)
    setup = dataclasses.replace(made.setup, graph=graph, points=points)

    def start(key):
        network = models.create("allconv", tiny.CLASSES, 3, nnx.Rngs(params=key))
        return step.State(
            jnp.int32(0), nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat), (), jnp.zeros(2)
        )

    keys, dropout = [], models.allconv.dropout
    monkeypatch.setattr(models.allconv, "dropout", lambda key, *rest: keys.append(key) or dropout(key, *rest))
    state, batch = jax.eval_shape(start, jax.random.key(0)), next(made.source.batches(0))
    setup = dataclasses.replace(
        setup, optimizer=setup.optimizer._replace(update=lambda updates, state, params: (updates, state))
    )
    jax.eval_shape(partial(step.train_step, setup), state, batch, jax.random.key(1))
    assert len(keys) == (2 if method == "none" else 4)


# ---- the preview


def shown(made):
    return preview.first_mixed(made.setup, made.source, made.key, made.start())


@pytest.mark.parametrize("method", ["none", "dropblock"])
def test_methods_that_mix_no_images_have_no_preview(method, tmp_path, capsys):
    made = tiny.training(tiny.recipe(method))
    assert shown(made) is None
    preview.plot(made.setup, made.source, made.key, made.start(), tmp_path / "mixed.png", method)
    assert f"no mixed.png: {method} mixes no images" in capsys.readouterr().out


def test_the_preview_is_of_the_batch_that_training_mixes():
    made = tiny.training(tiny.recipe("mixup"))
    images, mixed, mix, labels, maps = shown(made)
    assert maps is None
    assert images.dtype == mixed.dtype == np.uint8
    np.testing.assert_array_equal(labels, tiny.dataset().train_labels[np.asarray(made.source.order(0))[:B]])
    share = mix.weight[:, 1, None, None, None]
    # Two roundings to whole levels, of the image and of the mix.
    np.testing.assert_allclose(mixed, (1 - share) * images + share * images[mix.source[:, 1]], atol=1.01)


def test_the_preview_shows_the_images_and_their_last_view():
    made = tiny.training(tiny.recipe("augmix", views=tiny.shaken))
    batch = shown(made)
    images, _, keys = first_images(made)
    last = tiny.shaken(keys.views, made.setup.preprocess.pixels(images))[-1]
    np.testing.assert_allclose(batch.mixed, 255 * last, atol=0.51)  # a rounding to whole levels
    assert (batch.mix.weight == 1).all() and batch.mix.weight.shape == (B, 1)
    visualize.contact_sheet(*batch[:4])


def test_the_preview_of_augmix_with_a_method_is_of_a_mixed_batch():
    batch = shown(tiny.training(tiny.recipe("augmix+cutmix", views=tiny.shaken)))
    assert (batch.mix.mask[:, 1] > 0).any()
    assert (batch.images != batch.mixed).any((1, 2, 3)).all()


def test_the_maps_reach_the_method_and_the_preview():
    made = tiny.training(tiny.recipe("saliencymix"))
    batch = shown(made)
    assert made.setup.recipe.saliency_pass is fine_grained
    np.testing.assert_array_equal(batch.maps, saliency.fine_grained(jnp.asarray(batch.images)))
    row, column = (np.asarray(place) for place in saliency.peak(jnp.asarray(batch.maps)))
    partner = batch.mix.source[:, 1]
    boxes = batch.mix.mask[np.arange(B), 1, row[partner], column[partner]]
    assert (boxes == (batch.mix.mask[:, 1].sum((1, 2)) > 0)).all()


def test_images_that_cannot_be_plotted_and_a_preview_without_a_mixed_batch_say_so(tmp_path, capsys, monkeypatch):
    path = tmp_path / "mixed.png"
    made = tiny.training(tiny.recipe("mixup"), data=tiny.dataset(channels=2))
    preview.plot(made.setup, made.source, made.key, None, path, "mixup")
    assert "no mixed.png: images of 2 channels can't be plotted" in capsys.readouterr().out
    made = tiny.training(tiny.recipe("mixup"))
    monkeypatch.setattr(preview, "first_mixed", lambda *_: None)
    preview.plot(made.setup, made.source, made.key, None, path, "mixup")
    assert "no mixed.png: no mixed batch found in the first 32 steps" in capsys.readouterr().out


# ---- views


def test_the_views_of_an_image_lie_next_to_each_other():
    batch = jnp.arange(24).reshape(3, 4, 2)
    folded = views.fold(batch)
    np.testing.assert_array_equal(folded[:4], [batch[0, 0], batch[1, 0], batch[2, 0], batch[0, 1]])
    np.testing.assert_array_equal(views.unfold(folded, 3), batch)


@pytest.mark.parametrize(
    "method",
    [
        "cutmix-scheduled",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("mixup", "resizemix", "randommix", "cutout")),
    ],
)
def test_one_and_the_same_mix_acts_on_all_views(method):
    both, alone = tiny.recipe(f"augmix+{method}"), tiny.recipe(method)
    seen = jax.random.normal(jax.random.key(1), (3, 4, 8, 8, 3))

    @jax.jit
    def mixed(key):
        mixing = core.Mixing(both, key, 1.0, 5, views=3)
        folded = mixing(0, views.fold(seen))
        each = [core.Mixing(alone, key, 1.0, 5) for _ in seen]
        return views.unfold(folded, 3), mixing.mix, [(m(0, x), m.mix) for m, x in zip(each, seen, strict=True)]

    with jax.debug_key_reuse(False):  # the same key on purpose
        found, mix, expected = mixed(jax.random.key(2))  # one whose boxes are not empty
    for view, (own, own_mix) in zip(found, expected, strict=True):
        np.testing.assert_allclose(view, own, atol=1e-6)
        np.testing.assert_array_equal(mix.weight, own_mix.weight)
    assert (found != seen).any()


@pytest.mark.slow
def test_augmix_makes_the_clean_images_and_two_views():
    pixels = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    made = jax.jit(views.three_views)(jax.random.key(1), pixels)
    np.testing.assert_array_equal(made[0], pixels)
    assert 0 <= made.min() and made.max() <= 1
    assert (made[1] != pixels).any() and (made[1] != made[2]).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["autoaugment", "randaugment", "trivialaugment", "random-autoaugment"])
def test_policies_augment_all_images(method):
    pixels = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    made = jax.jit(tiny.recipe(method).views)(jax.random.key(1), pixels)
    assert 0 <= made.min() and made.max() <= 1
    assert (made[0] != pixels).any()


@pytest.mark.parametrize(
    ("method", "jsd", "number", "weight"),
    [
        ("augmix", True, 3, 12.0), ("augmix+cutmix", True, 3, 12.0), ("augmix", False, 1, 0.0),
        ("augmix+cutmix", False, 1, 0.0), ("autoaugment", True, 1, 0.0), ("randaugment", True, 1, 0.0),
        ("trivialaugment", True, 1, 0.0), ("random-autoaugment", True, 1, 0.0), ("patch-gaussian", True, 1, 0.0),
        ("patch-uniform", True, 1, 0.0),
    ],
)  # fmt: skip
def test_without_consistency_there_is_one_view(method, jsd, number, weight):
    chosen = create(method, "cifar10", 32, "wrn-40-2", jsd=jsd)
    assert chosen.consistency == weight
    made = jax.eval_shape(chosen.views, jax.random.key(0), jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32))
    assert (made.shape, made.dtype) == ((number, 2, 8, 8, 3), jnp.float32)
    assert create("cutmix", "cifar10", 32, "wrn-40-2", jsd=jsd).views is None


def test_hyper_parameters_of_augmix_are_the_papers():
    settings = {
        "wrn-40-2": (5e-4, 100), "allconv": (5e-4, 100), "densenet-40-12": (1e-4, 200), "resnext-29-4x32": (5e-4, 200)
    }  # fmt: skip
    for model, (weight_decay, epochs) in settings.items():
        chosen = create("augmix", "cifar10", 32, model)
        assert (chosen.weight_decay, chosen.epochs, chosen.padding, chosen.loss) == (
            weight_decay,
            epochs,
            4,
            "cross_entropy",
        )


# ---- updates of several steps, the average, the end of the mixing


class Plain(tiny.Tiny):
    """Without batch normalization, in which a batch is not the sum of its parts."""

    def features(self, x, *, train, hidden=unchanged, key=None):
        return hidden(2, jax.nn.relu(hidden(1, self.conv(hidden(0, x)))))


@pytest.mark.unoptimized
def test_two_steps_of_half_a_batch_make_the_update_of_a_whole_one():
    whole = tiny.training(create=Plain, batch_size=32)
    halves = tiny.training(create=Plain, batch_size=16, options=OptimizerOptions(accumulate=2))
    # No crops, which are drawn anew in each step.
    ends = []
    for made, count in ((whole, 1), (halves, 2)):
        setup = dataclasses.replace(made.setup, preprocess=made.setup.preprocess._replace(padding=0))
        advance = made.source.advance(partial(step.train_step, setup), made.key)
        with jax.numpy_dtype_promotion("standard"):  # as for users: optax divides by a count
            ends.append(jax.device_get(advance(made.start(), 0, count)[0]))
    one, other = ends
    assert int(other.step) == 2
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one.params, other.params)


@pytest.mark.unoptimized
def test_the_average_of_the_network_is_what_is_tested_and_its_statistics_are_averaged_too():
    made = tiny.training(options=OptimizerOptions(ema=0.5), epochs=2)
    state, seen = made.start(), []
    jax.tree.map(np.testing.assert_array_equal, state.average, (state.params, state.statistics))
    for number in range(3):
        state, _ = made.functions.advance(state, number // 2, 1)
        seen.append(jax.device_get((state.params, state.statistics)))
    expected = jax.tree.map(lambda a, b, c: (0.25 * a + 0.5 * b + c) / 1.75, *seen)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), state.average, expected)
    plain = state._replace(params=state.average[0], statistics=state.average[1], average=())
    assert made.functions.evaluate(state) == made.functions.evaluate(plain)
    assert made.functions.evaluate(state) != made.functions.evaluate(state._replace(average=()))


@pytest.mark.unoptimized
def test_after_its_last_epoch_of_mixing_a_training_steps_as_without_a_method():
    chosen = tiny.recipe("mixup")
    mixing, until, plain = tiny.training(chosen), tiny.training(chosen, mix_until=1), tiny.training(Recipe())
    ends = [
        [jax.device_get(made.functions.advance(made.start(), epoch, 1)) for epoch in (0, 1)]
        for made in (mixing, until, plain)
    ]
    for found, expected in ((ends[1][0], ends[0][0]), (ends[1][1], ends[2][1])):
        jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert (ends[0][1][1] != ends[2][1][1]).any()


def test_a_method_needs_the_points_at_which_it_mixes():
    with pytest.raises(ValueError, match="mixes at the points 0, 9 of a network, and --model has 0 to"):
        tiny.training(tiny.recipe("cutmix", points=(0, 9)))
