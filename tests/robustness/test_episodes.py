"""Few-shot episodes: what is sampled, both classifiers, the law of the accuracy, error messages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jaxmix.robustness import episodes, few_shot

pytestmark = pytest.mark.unoptimized
run = jax.jit(few_shot, static_argnames=("ways", "shots", "queries", "episodes"))
# The same shapes in most tests, so that they share a program.
SIZES = {"ways": 5, "shots": 3, "queries": 4, "episodes": 300}
LABELS = np.repeat(np.arange(8), 12).astype(np.int32)


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_classes_far_apart_are_told_apart_and_noise_is_guessed():
    near = 20 * normals(8, 16)[LABELS] + normals(96, 16, seed=1)
    found = run(jax.random.key(0), near, LABELS, **SIZES)
    for estimate in found:
        assert estimate.mean == 1 and estimate.half_width == 0
    # Independent features; an own set for each estimate, as episodes of one set have its rows in common.
    means = [run(jax.random.key(i), normals(96, 16, seed=10 + i), LABELS, **SIZES) for i in range(20)]
    for name in ("centroid", "logistic"):
        own = np.array([float(getattr(found, name).mean) for found in means])
        assert abs(own.mean() - 1 / 5) < 3 * own.std(ddof=1) / np.sqrt(20), name
        # The binomial error of 300 episodes of 20 queries, if they were independent, and no less.
        half = np.array([float(getattr(found, name).half_width) for found in means])
        assert (half > 0.7 * 1.96 * np.sqrt(0.2 * 0.8 / 20 / 300)).all() and (half < 0.03).all()


def test_the_law_knows_neither_the_order_of_the_samples_nor_the_names_of_the_classes():
    features = normals(8, 16)[LABELS] + 1.5 * normals(96, 16, seed=1)
    order = np.random.default_rng(2).permutation(96)
    one = run(jax.random.key(0), features, LABELS, **SIZES)
    other = run(jax.random.key(1), 1e20 * features[order], 7 * LABELS[order] - 20, **SIZES)
    for own, permuted in zip(one, other, strict=True):
        assert 0.3 < own.mean < 0.9
        difference = abs(float(own.mean - permuted.mean))
        assert 0 < difference < 1.5 * np.hypot(own.half_width, permuted.half_width)  # 3 standard errors
    assert one.logistic.mean != one.centroid.mean


def test_an_episode_has_other_classes_and_no_row_twice():
    # One class is too small, and the labels have gaps and lie in no order.
    labels = np.r_[LABELS, np.full(6, 40)][np.random.default_rng(3).permutation(102)].astype(np.int32)
    sample = jax.jit(functools.partial(episodes.sample, ways=5, each=7, episodes=2000))
    rows, enough = map(np.asarray, sample(jax.random.key(0), labels))
    assert enough and rows.shape == (2000, 5, 7)
    classes = labels[rows]
    assert (classes == classes[..., :1]).all() and (classes != 40).all()
    assert all(len(set(row)) == 5 for row in classes[..., 0]) and all(
        len(set(row)) == 35 for row in rows.reshape(2000, -1)
    )
    # Every class, and every row at the first and the last place: within 5 standard deviations of uniform.
    counts = np.bincount(classes[..., 0].ravel(), minlength=8)[:8]
    assert np.abs(counts - 1250).max() < 5 * np.sqrt(1250)
    usable = labels != 40
    for place in (0, 6):
        counts = np.bincount(rows[..., place].ravel(), minlength=102)[usable]
        assert np.abs(counts - 10000 / 96).max() < 5 * np.sqrt(10000 / 96)
    assert not sample(jax.random.key(0), labels // 3)[1] or len(np.unique(labels // 3)) >= 5


@pytest.mark.parametrize("shots", [1, 5])
def test_the_logistic_regression_is_that_of_scikit_learn(shots):
    train = normals(5, shots, 12, seed=4)
    train /= np.linalg.norm(train, axis=-1, keepdims=True)
    weights = jax.jit(episodes.logistic_regression)(train)
    peer = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, max_iter=1000)
    peer.fit(train.reshape(-1, 12), np.repeat(np.arange(5), shots))
    np.testing.assert_allclose(weights, peer.coef_, atol=2e-3)  # 100 steps


def test_one_episode_is_that_of_a_slow_loop():
    features = normals(8, 16)[LABELS] + 1.5 * normals(96, 16, seed=1)
    sizes = {"ways": 4, "shots": 2, "queries": 3, "episodes": 2}
    with jax.debug_key_reuse(False):  # the same key on purpose
        found = few_shot(jax.random.key(5), features, LABELS, **sizes)
        rows = np.asarray(episodes.sample(jax.random.key(5), jnp.asarray(LABELS), 4, 5, 2)[0])
    unit, accuracies = features / np.linalg.norm(features, axis=1, keepdims=True), []
    for episode in rows:
        centers = [unit[own[:2]].mean(0) for own in episode]
        hits = [
            np.argmin([np.linalg.norm(unit[row] - c) for c in centers]) == way
            for way, own in enumerate(episode)
            for row in own[2:]
        ]
        accuracies.append(np.mean(hits))
    assert found.centroid.mean == pytest.approx(np.mean(accuracies))
    assert found.centroid.half_width == pytest.approx(1.96 * np.std(accuracies, ddof=1) / np.sqrt(2))


def test_it_lowers_for_every_platform_and_too_few_traced_classes_give_nan():
    shapes = (
        jax.ShapeDtypeStruct((), jax.random.key(0).dtype), jax.ShapeDtypeStruct((96, 16), jnp.float32),
        jax.ShapeDtypeStruct((96,), jnp.int32),
    )  # fmt: skip
    exported = jax.export.export(jax.jit(functools.partial(few_shot, **SIZES)), platforms=("cpu", "cuda", "tpu"))(
        *shapes
    )
    assert "callback" not in exported.mlir_module()
    assert np.isnan(run(jax.random.key(0), normals(96, 16), LABELS // 2, **SIZES).centroid.mean)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_an_error_or_give_nan(value):
    features = np.array(normals(96, 16))
    features[5, 3] = value
    with pytest.raises(ValueError, match="features have values that aren't finite"):
        few_shot(jax.random.key(0), features, LABELS, **SIZES)
    found = run(jax.random.key(0), features, LABELS, **SIZES)
    assert np.isnan(found.centroid.mean) and np.isnan(found.logistic.mean)


def test_mistakes_say_what_was_wanted():
    key, features = jax.random.key(0), normals(96, 16)
    with pytest.raises(ValueError, match=r"labels have 0 classes of 20 samples or more.*; wanted 5"):
        few_shot(key, features, LABELS)
    with pytest.raises(ValueError, match=r"labels have 4 classes of 20 samples or more.*; wanted 5"):
        jax.eval_shape(few_shot, key, features, LABELS)
    with pytest.raises(ValueError, match=r"labels has shape \(96,\) and dtype float32; wanted integers \[n\]"):
        few_shot(key, features, LABELS.astype(np.float32))
    with pytest.raises(ValueError, match=r"features has shape \(96, 4, 4\) .*; wanted floats \[n d\]"):
        few_shot(key, features.reshape(96, 4, 4), LABELS)
    for name in ("ways", "episodes"):
        with pytest.raises(ValueError, match=f"{name} is 1; wanted 2 or more"):
            few_shot(key, features, LABELS, **{name: 1})
