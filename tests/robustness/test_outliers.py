"""Synthetic out-of-distribution images: their distributions, and scipy's blur."""

import functools

import jax
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxmix.robustness.detection import outliers

pytestmark = pytest.mark.unoptimized

SHAPE = (50, 16, 16, 3)
KINDS = [outliers.uniform, outliers.gaussian, outliers.normalized_gaussian, outliers.rademacher, outliers.blobs]
each = pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])


@jax.jit
def every_kind(key):
    return [kind(key, SHAPE) for kind in KINDS]


@functools.cache
def sampled(seed=0):
    """All kinds from one key each, of one program."""
    with jax.debug_key_reuse(False):
        return [np.asarray(x) for x in every_kind(jax.random.key(seed))]


@each
def test_images_keep_their_range_shape_and_dtype_and_depend_on_the_key(kind):
    x = sampled()[kind]
    low, high = (0, 1) if kind < 2 else (-1, 1)
    assert x.shape == SHAPE and x.dtype == np.float32 and x.min() >= low and x.max() <= high
    assert (x != sampled(1)[kind]).any()


def test_samples_have_the_distributions_that_are_documented():
    uniform, gaussian, normalized, coins, _ = sampled()
    # 38,400 values: a share has a standard deviation of at most .0026.
    for x, (low, high), law in ((gaussian, (0, 1), stats.norm(0.5, 1)), (normalized, (-1, 1), stats.norm(0, 0.5))):
        for level in np.linspace(low, high, 5)[:-1]:
            np.testing.assert_allclose((x <= level).mean(), law.cdf(level), atol=0.012)
        np.testing.assert_allclose((x == high).mean(), law.sf(high), atol=0.012)
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-4
    assert set(np.unique(coins)) == {-1.0, 1.0}
    np.testing.assert_allclose(coins.mean(), 0, atol=0.025)


@pytest.mark.parametrize("shape", [(2, 16, 12, 3), (2, 5, 4, 1)], ids=str)
def test_blobs_are_scipys_blur_over_rows_columns_and_channels(shape):
    coins = (np.random.default_rng(0).uniform(size=shape) < 0.7).astype(np.float32)
    for one, made in zip(coins, np.asarray(jax.jit(outliers.blurred)(coins)), strict=True):
        smooth = ndimage.gaussian_filter(one.astype(float), 1.5, mode="nearest", truncate=4)
        clear = np.abs(smooth - 0.75) > 1e-6
        np.testing.assert_allclose(made[clear], np.where(smooth < 0.75, 0, smooth)[clear], atol=1e-6)


def test_blobs_have_the_share_of_background_that_scipy_gives():
    coins = np.random.default_rng(1).uniform(size=SHAPE) < 0.7
    smooth = np.stack([ndimage.gaussian_filter(one.astype(float), 1.5, mode="nearest") for one in coins])
    # Blobs of an image go together, so the spread between images is what counts.
    ground = (sampled()[4] == -1).mean((1, 2, 3))
    np.testing.assert_allclose(ground.mean(), (smooth < 0.75).mean(), atol=5 * ground.std() / np.sqrt(len(ground)))


def test_it_lowers_for_every_platform_and_never_calls_the_host():
    shape = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    with jax.debug_key_reuse(False):
        exported = jax.export.export(every_kind, platforms=("cpu", "cuda", "tpu"))(shape)
    assert "callback" not in exported.mlir_module()


def test_jit_gives_what_eager_gives():
    np.testing.assert_allclose(sampled()[1], outliers.gaussian(jax.random.key(0), SHAPE), atol=1e-6)


@pytest.mark.slow
def test_jit_gives_the_blobs_that_eager_gives():
    np.testing.assert_allclose(sampled()[4], outliers.blobs(jax.random.key(0), SHAPE), atol=1e-6)


@each
def test_a_shape_that_is_no_batch_of_images_says_so(kind):
    with pytest.raises(ValueError, match=r"shape is \(8, 8, 3\); wanted four integers"):
        KINDS[kind](jax.random.key(0), (8, 8, 3))
    with pytest.raises(ValueError, match=r"shape\[0\] is 0; wanted 1 or more"):
        KINDS[kind](jax.random.key(0), (0, 8, 8, 3))
