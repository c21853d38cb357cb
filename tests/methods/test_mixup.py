"""mixup: one scalar blends two samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import mixing

import jaxmix

pytestmark = pytest.mark.unoptimized

SHAPE = (5, 7, 4, 2)
FOLLOWING = np.roll(np.arange(5), -1)
mixup = jax.jit(jaxmix.mixup, static_argnames="per_batch")


def mixed(seed, x, *, partner=FOLLOWING):
    """Partners traced: one program for all tests."""
    return mixup(jax.random.key(seed), x, partner=partner)


def mixed_by_one_share(seed, x, partner):
    return mixup(jax.random.key(seed), x, partner=partner, per_batch=True)


def images_of(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def test_images_and_labels_agree_with_the_slow_loops():
    partner = np.array([3, 0, 4, 1, 1])
    images, mix = mixed(0, images_of(), partner=partner)
    np.testing.assert_allclose(
        images, mixing.apply(mix, images_of()), rtol=0, atol=1e-6
    )  # three roundings of values < 4
    share = np.asarray(mix.mask[:, 1, 0, 0])
    assert mix.mask.shape == (5, 2, 1, 1) and len(set(share)) == 5
    np.testing.assert_array_equal(mix.source, np.stack([np.arange(5), partner], 1))
    np.testing.assert_array_equal(mix.weight, np.stack([1 - share, share], 1))
    x = np.asarray(images_of(), float)
    expected = [(1 - s) * x[b] + s * x[p] for b, (s, p) in enumerate(zip(share.astype(float), partner, strict=True))]
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)


def test_a_share_of_0_leaves_the_batch_and_a_share_of_1_gives_the_partners():
    x = images_of()

    @jax.jit
    def ends(alpha):
        whole = jaxmix.pair(FOLLOWING, jnp.ones((5, 1, 1)))
        return jaxmix.mixup(jax.random.key(1), x, alpha=alpha), (jaxmix.apply(whole, x), whole)

    (images, mix), (partner, whole) = ends(0.0)  # traced, so not refused: nothing is mixed
    np.testing.assert_array_equal(images, x)
    np.testing.assert_array_equal(mix.weight, [[1, 0]] * 5)
    np.testing.assert_array_equal(partner, x[FOLLOWING])
    np.testing.assert_array_equal(whole.weight, [[0, 1]] * 5)
    (_, mix), _ = ends(1.0)
    assert len(set(np.asarray(mix.weight[:, 1]))) == 5


def test_one_share_for_the_batch_keeps_its_mean_and_one_per_sample_does_not():
    partner = np.array([3, 0, 4, 1, 2])
    means = {}
    for per_batch, method in ((True, mixed_by_one_share), (False, mixed)):
        images, mix = method(2, images_of(), partner=partner)
        assert len(np.unique(mix.weight[:, 1])) == (1 if per_batch else 5)
        means[per_batch] = np.asarray(images, float).mean(0)
    mean = np.asarray(images_of(), float).mean(0)
    np.testing.assert_allclose(means[True], mean, rtol=0, atol=1e-6)  # roundings of five values below 4
    assert np.abs(means[False] - mean).max() > 0.01


def test_mixing_commutes_with_brightness_and_contrast():
    images, _ = mixed(3, images_of())
    changed, _ = mixed(3, 3 * images_of() + 1)
    np.testing.assert_allclose(changed, 3 * np.asarray(images) + 1, rtol=0, atol=1e-5)  # roundings of values below 16


def test_relabelling_the_samples_relabels_the_result():
    order, partner = np.array([2, 0, 3, 1, 4]), np.array([1, 3, 0, 4, 2])
    inverse = np.argsort(order)
    x = images_of()
    images, _ = mixed_by_one_share(4, x, partner)
    moved = inverse[partner[order]]
    relabelled, _ = mixed_by_one_share(4, x[order], moved)
    np.testing.assert_array_equal(relabelled, np.asarray(images)[order])


def test_gradients_of_hidden_features_flow_through_both_samples():
    # Manifold Mixup: the features that are mixed need their gradients.
    partner = np.array([3, 0, 4, 1, 1])
    _, mix = mixed(5, images_of(), partner=partner)
    gradient = jax.jit(jax.grad(lambda x: jaxmix.mixup(jax.random.key(5), x, partner=partner)[0].sum()))(images_of())
    expected = np.asarray(mix.weight[:, 0], float)
    for b, p in enumerate(partner):
        expected[p] += float(mix.weight[b, 1])
    np.testing.assert_allclose(gradient, np.broadcast_to(expected[:, None, None, None], SHAPE), rtol=1e-6)


@jax.jit
def sampled(alpha):
    x = jnp.zeros((1000, 1, 1, 1))
    return jaxmix.mixup(jax.random.key(6), x, alpha=alpha)[1].weight[:, 1]


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_drawn_from_beta_of_alpha(alpha):
    share = np.asarray(sampled(alpha), float)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(variance / 1000)
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    assert abs(share.var() - variance) < 4 * np.sqrt((fourth - variance**2) / 1000)


def test_labels_are_shared_as_the_images_are():
    _, mix = mixed(7, images_of())
    labels = np.eye(3)[[0, 1, 2, 1, 0]]
    soft = jax.jit(jaxmix.targets, static_argnums=2)(mix, np.array([0, 1, 2, 1, 0]), 3)
    np.testing.assert_allclose(soft, mixing.targets(mix, labels), rtol=0, atol=1e-7)
    np.testing.assert_allclose(soft.sum(1), 1, rtol=0, atol=1e-7)
