"""Views: next to each other in one pass, mixed alike, learnt from as the AugMix paper says."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cifar
import devices
import inputs
import jaxmix
import models
import recipes
from inputs import preprocess
from jaxmix import visualize
from recipes import views

B = 16


def one_device():
    return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))


def shaken(key, pixels):
    """A stand-in for AugMix: the pixels, and two views of them with noise of their own."""
    noise = jax.random.uniform(key, (2, *pixels.shape))
    return jnp.concatenate([pixels[None], 0.7 * pixels[None] + 0.3 * noise])


def thrice(key, pixels):
    return jnp.stack([pixels] * 3)


def trainer(method="augmix", mesh=None, made=None, **changes):
    options = {"limit_train": 2 * B, "limit_test": 8, "batch_size": B, "epochs": 1, "weight_decay": 0.0} | changes
    config = cifar.Config(method=method, **options)
    dataset = cifar.limited(inputs.load("digits", config.data_dir), config)
    learner = cifar.build(cifar.resolved(config, dataset), dataset, one_device() if mesh is None else mesh)
    if made is not None:
        learner.recipe = learner.recipe._replace(views=made)
    return learner


def test_the_views_of_a_picture_lie_next_to_each_other():
    batch = jnp.arange(24).reshape(3, 4, 2)
    folded = views.fold(batch)
    np.testing.assert_array_equal(folded[:4], [batch[0, 0], batch[1, 0], batch[2, 0], batch[0, 1]])
    np.testing.assert_array_equal(views.unfold(folded, 3), batch)


def test_augmix_makes_the_clean_pictures_and_two_views_or_one():
    pixels = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    made = jax.jit(views.three_views)(jax.random.key(1), pixels)
    np.testing.assert_array_equal(made[0], pixels)
    assert made.shape == (3, 4, 8, 8, 3) and 0 <= made.min() and made.max() <= 1
    assert (made[1] != pixels).any() and (made[1] != made[2]).any()
    alone = jax.eval_shape(views.one_view(jaxmix.augmix), jax.random.key(1), pixels)
    assert (alone.shape, alone.dtype) == ((1, 4, 8, 8, 3), jnp.float32)


@pytest.mark.parametrize("method", ["mixup", "cutmix-scheduled", "resizemix", "randommix", "cutout"])
def test_one_and_the_same_mix_hits_all_views(method):
    recipe = recipes.cifar.create(f"augmix+{method}", "cifar10", 8, "resnet-8")
    alone = recipes.cifar.create(method, "cifar10", 8, "resnet-8")
    seen = jax.random.normal(jax.random.key(1), (3, 4, 8, 8, 3))

    @jax.jit
    def mixed(key):
        mixing = recipes.core.Mixing(recipe, key, 1.0, 5, views=3)
        folded = mixing(0, views.fold(seen))
        each = [recipes.core.Mixing(alone, key, 1.0, 5) for _ in seen]
        return views.unfold(folded, 3), mixing.mix, [(m(0, x), m.mix) for m, x in zip(each, seen, strict=True)]

    with jax.debug_key_reuse(False):  # the same key on purpose
        found, mix, expected = mixed(jax.random.key(0))
    for view, (own, own_mix) in zip(found, expected, strict=True):
        np.testing.assert_allclose(view, own, atol=1e-6)
        np.testing.assert_array_equal(mix.weight, own_mix.weight)
    assert (found != seen).any()


def test_a_step_follows_the_gradient_of_the_paper():
    learner = trainer(made=shaken)
    state, order = learner.fresh(), learner.order(0)
    images, labels, keys = learner._batch(learner.train, order, learner._step_key, 0)
    mean, std = learner.dataset.mean, learner.dataset.std
    made = shaken(keys.views, preprocess.pixels(images, mean, std))
    seen = jnp.concatenate([(view - mean[0]) / std[0] for view in made])  # in the authors' order; digits are grey

    def objective(params):
        model = nnx.merge(learner.graph, params, state.statistics, copy=True)
        p = jax.nn.softmax(model(seen, train=True).reshape(3, B, 10))
        mixture = (p[0] + p[1] + p[2]) / 3
        divergence = sum((q * jnp.log(q / mixture)).sum() / B for q in p) / 3
        return -jnp.log(p[0][jnp.arange(B), labels]).mean() + 12 * divergence

    loss, gradients = jax.jit(jax.value_and_grad(objective))(state.params)
    before = jax.device_get(state.params)
    state, results = learner.advance(state, order, 1)
    np.testing.assert_allclose(results[0, 0], loss, rtol=1e-5)

    def compare(start, gradient, end):
        # The first step of Nesterov's momentum 0.9 at learning rate 0.1. Sums are taken in another order.
        np.testing.assert_allclose(end, start - 0.19 * gradient, rtol=1e-3, atol=1e-4)

    jax.tree.map(compare, before, jax.device_get(gradients), jax.device_get(state.params))


def test_equal_views_teach_what_the_picture_alone_does():
    augmix, plain = trainer(made=thrice), trainer("none")
    ends = [learner.advance(learner.fresh(), learner.order(0), 1) for learner in (augmix, plain)]
    (one, results), (other, expected) = ends
    np.testing.assert_allclose(results, expected, rtol=1e-5)
    for name in ("params", "statistics"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
            *(jax.device_get(getattr(state, name)) for state in (one, other)),
        )


def test_one_device_and_eight_learn_the_same_and_no_device_asks_another_for_its_pictures():
    ends = []
    for mesh in (one_device(), devices.local_mesh()):
        learner = trainer("augmix", mesh, shaken)
        state, order = learner.fresh(), learner.order(0)
        step = learner._advance.lower(state, learner.train, order, learner._step_key, count=1).compile()
        state, results = step(state, learner.train, order, learner._step_key)
        ends.append((np.asarray(results), jax.device_get(state.params)))
    assert "all-reduce(" in step.as_text()
    assert not re.search(r"(all-gather|all-to-all|collective-permute)\(", step.as_text())
    # Sums are taken in another order.
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-4)
    for one, eight in zip(*(jax.tree.leaves(params) for _, params in ends), strict=True):
        np.testing.assert_allclose(one, eight, atol=1e-3)


def test_the_preview_shows_the_pictures_and_their_last_view():
    learner = trainer(made=shaken)
    batch = learner.preview(learner.fresh())
    images, _, keys = learner._batch(learner.train, learner.order(0), learner._step_key, 0)
    last = shaken(keys.views, preprocess.pixels(images, learner.dataset.mean, learner.dataset.std))[-1]
    np.testing.assert_allclose(batch.mixed, 255 * last, atol=0.51)  # a rounding to whole levels
    assert (batch.mix.weight == 1).all() and batch.mix.weight.shape == (B, 1)
    visualize.contact_sheet(*batch[:4])


def test_the_preview_of_augmix_with_a_method_is_of_a_mixed_batch():
    learner = trainer("augmix+cutmix", made=shaken)
    batch = learner.preview(learner.fresh())
    assert (batch.mix.mask[:, 1] > 0).any()
    assert (batch.images != batch.mixed).any((1, 2, 3)).all()


def traced(learner):
    return jax.eval_shape(
        lambda *arguments: learner._calls(*arguments, count=1),
        jax.eval_shape(learner.fresh),
        learner.train,
        learner.order(0),
        learner._step_key,
    )


@pytest.mark.parametrize("method", ["none", "snapmix", "sage"])
def test_dropout_has_a_key_of_its_own_in_every_pass(method, tmp_path, monkeypatch):
    images, labels = np.random.default_rng(0).integers(0, 256, (32, 24, 24, 3), np.uint8), np.arange(32) % 2
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    dataset = inputs.load("npz", tmp_path / "own.npz")
    config = cifar.Config(dataset="npz", method=method, model="allconv", batch_size=B, epochs=1)
    keys, dropout = [], models.allconv.dropout
    monkeypatch.setattr(models.allconv, "dropout", lambda key, *rest: keys.append(key) or dropout(key, *rest))
    traced(cifar.build(cifar.resolved(config, dataset), dataset, one_device()))
    assert len(keys) == (2 if method == "none" else 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--method", "augmix+sage"],
            "There is no method 'augmix+sage'; wanted augmix+METHOD with METHOD one of mixup",
        ),
        (["--method", "augmix+manifold-mixup"], "which mix the pictures and need no maps"),
        (["--method", "augmix+cutmixx"], "Did you mean 'augmix+cutmix'?"),
        (["--method", "augmax"], "Did you mean 'augmix'?"),
        (["--method", "augmix", "--model", "allconv"], "--model allconv needs 24 pixels a side; digits has 8."),
    ],
)
def test_a_combination_that_cannot_be_is_one_message(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "")
    assert cifar.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_without_consistency_there_is_one_view_and_other_methods_do_not_care():
    pixels = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    for jsd, number, weight in ((True, 3, 12.0), (False, 1, 0.0)):
        for method in ("augmix", "augmix+cutmix"):
            recipe = recipes.cifar.create(method, "cifar10", 32, "wrn-40-2", jsd=jsd)
            assert recipe.consistency == weight
            assert jax.eval_shape(recipe.views, jax.random.key(0), pixels).shape[0] == number
        assert recipes.cifar.create("cutmix", "cifar10", 32, "wrn-40-2", jsd=jsd).views is None


def test_hyper_parameters_are_the_papers():
    settings = {
        "wrn-40-2": (5e-4, 100), "allconv": (5e-4, 100), "densenet-40-12": (1e-4, 200), "resnext-29-4x32": (5e-4, 200)
    }  # fmt: skip
    for model, (weight_decay, epochs) in settings.items():
        recipe = recipes.cifar.create("augmix", "cifar10", 32, model)
        found = recipe.weight_decay, recipe.epochs, recipe.padding, recipe.loss
        assert found == (weight_decay, epochs, 4, "cross_entropy")


@pytest.mark.parametrize("method", ["autoaugment", "randaugment", "trivialaugment"])
def test_policies_make_one_view_of_all_pictures(method):
    pixels = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    made = jax.jit(recipes.cifar.create(method, "cifar10", 8, "resnet-8").views)(jax.random.key(1), pixels)
    assert made.shape == (1, 4, 8, 8, 3) and 0 <= made.min() and made.max() <= 1
    assert (made[0] != pixels).any()
