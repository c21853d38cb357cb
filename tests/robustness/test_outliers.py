"""Synthetic pictures of no class: what they are drawn from, and scipy's blur."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxmix.robustness.detection import outliers

SHAPE = (50, 16, 16, 3)
KINDS = [outliers.uniform, outliers.gaussian, outliers.normalized_gaussian, outliers.rademacher, outliers.blobs]
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@functools.cache
def jitted(kind):
    return jax.jit(lambda key: kind(key, SHAPE))


def drawn(kind, seed=0):
    return np.asarray(jitted(kind)(jax.random.key(seed)))


@each
def test_pictures_keep_their_range_shape_and_dtype_and_depend_on_the_key(kind):
    x = drawn(kind)
    low, high = (0, 1) if kind in KINDS[:2] else (-1, 1)
    assert x.shape == SHAPE and x.dtype == np.float32 and x.min() >= low and x.max() <= high
    assert (x != drawn(kind, 1)).any()
    np.testing.assert_array_equal(x, drawn(kind))


def test_levels_have_the_distributions_that_are_documented():
    # 38,400 numbers: a share has a standard deviation of at most .0026.
    clipped = stats.norm(0.5, 1), stats.norm(0, 0.5)
    for kind, (low, high), law in zip(KINDS[1:3], ((0, 1), (-1, 1)), clipped, strict=True):
        x = drawn(kind)
        for level in np.linspace(low, high, 5)[:-1]:
            np.testing.assert_allclose((x <= level).mean(), law.cdf(level), atol=0.012)
        np.testing.assert_allclose((x == high).mean(), law.sf(high), atol=0.012)
    assert stats.kstest(drawn(outliers.uniform).ravel(), "uniform").pvalue > 1e-4
    coins = drawn(outliers.rademacher)
    assert set(np.unique(coins)) == {-1.0, 1.0}
    np.testing.assert_allclose(coins.mean(), 0, atol=0.025)


@pytest.mark.parametrize("shape", [(2, 16, 12, 3), (2, 5, 4, 1)], ids=str)
def test_blobs_are_scipys_blur_over_rows_columns_and_channels(shape):
    tosses = (np.random.default_rng(0).uniform(size=shape) < 0.7).astype(np.float32)
    for one, made in zip(tosses, outliers.blurred(jnp.asarray(tosses)), strict=True):
        smooth = ndimage.gaussian_filter(one.astype(float), 1.5, mode="nearest", truncate=4)
        clear = np.abs(smooth - 0.75) > 1e-6
        np.testing.assert_allclose(np.asarray(made)[clear], np.where(smooth < 0.75, 0, smooth)[clear], atol=1e-6)


def test_blobs_have_the_share_of_ground_that_scipy_gives():
    tosses = np.random.default_rng(1).uniform(size=SHAPE) < 0.7
    smooth = np.stack([ndimage.gaussian_filter(one.astype(float), 1.5, mode="nearest") for one in tosses])
    made = drawn(outliers.blobs)
    # Blobs of a picture go together, so the spread between pictures is what counts.
    ground = (made == -1).mean((1, 2, 3))
    np.testing.assert_allclose(ground.mean(), (smooth < 0.75).mean(), atol=5 * ground.std() / np.sqrt(len(ground)))


@each
def test_it_lowers_for_every_platform_and_never_calls_the_host(kind):
    shape = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    exported = jax.export.export(jitted(kind), platforms=("cpu", "cuda", "tpu"))(shape)
    assert "callback" not in exported.mlir_module()


def test_jit_gives_what_eager_gives():
    for kind in (outliers.gaussian, outliers.blobs):
        np.testing.assert_allclose(drawn(kind), kind(jax.random.key(0), SHAPE), atol=1e-6)


@each
def test_a_shape_that_is_no_batch_of_pictures_says_so(kind):
    with pytest.raises(ValueError, match=r"shape is \(8, 8, 3\); wanted four whole numbers"):
        kind(jax.random.key(0), (8, 8, 3))
    with pytest.raises(ValueError, match=r"shape\[0\] is 0; wanted 1 or more"):
        kind(jax.random.key(0), (0, 8, 8, 3))
