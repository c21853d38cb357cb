"""Colors and random erasing against slow versions from their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import augment as reference

from inputs import color, erasing
from inputs.augment import Augment
from inputs.preprocess import normalize

pytestmark = pytest.mark.unoptimized

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
RANDOM = np.random.default_rng(0)


def pixels(count=7, height=5, width=6):
    return RANDOM.random((count, height, width, 3), np.float32)


def test_brightness_contrast_and_saturation_are_changed_in_the_order_of_each_image():
    images, factors = pixels(), RANDOM.uniform(0.6, 1.4, (7, 3)).astype(np.float32)
    order = color.ORDERS[[0, 1, 2, 3, 4, 5, 0]]
    found = jax.jit(color.jittered)(images, factors, order)
    expected = [reference.jittered(*each) for each in zip(images, factors, order, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-6)  # a few roundings of values of 1 in float32


def test_lighting_adds_the_components_of_the_colors():
    images, shares = pixels(), RANDOM.normal(0, 0.1, (7, 3)).astype(np.float32)
    expected = [reference.lit(*each) for each in zip(images, shares, strict=True)]
    np.testing.assert_allclose(color.lit(images, shares), expected, atol=1e-6)


def test_factors_orders_and_shares_are_drawn_for_each_image_within_their_range():
    gray = jnp.full((600, 2, 2, 3), 0.5)
    # On one gray color contrast and saturation change nothing: what is left is the factor of the brightness.
    factors = np.asarray(color.jitter(jax.random.key(0), gray, 0.4))[:, 0, 0, 0] / 0.5
    assert 0.6 <= factors.min() < 0.63 and 1.37 < factors.max() <= 1.4
    shares = np.asarray(color.lighting(jax.random.key(0), gray, 0.1) - gray)[:, 0, 0]
    # The largest component dominates: its deviation in red is 0.1 * 0.2175 * 0.5675, give or take 3 of 600 draws.
    np.testing.assert_allclose(shares.std(0)[0], 0.1 * 0.2175 * 0.5675, rtol=3 / np.sqrt(2 * 600))
    np.testing.assert_array_equal(color.jitter(jax.random.key(0), gray, 0.0), gray)


def test_a_rectangle_of_the_share_is_erased_within_the_image_and_all_else_stays():
    images = jnp.asarray(pixels(400, 20, 24)) + 1
    erased = np.asarray(erasing.erase(jax.random.key(0), images, 0.5))
    hit = 0
    for before, after in zip(np.asarray(images), erased, strict=True):
        gone = (after == 0).all(-1)
        np.testing.assert_array_equal(after[~gone], before[~gone])
        if gone.any():
            hit += 1
            rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
            assert gone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert 0.015 < gone.mean() < 0.36  # the area 0.02 to 0.33, the sides rounded
    assert abs(hit - 200) < 40  # half of 400, four standard deviations


def test_the_sides_of_the_rectangle_are_those_of_the_paper():
    sizes, fits = erasing.sample(jax.random.key(0), 300, 20, 24, (0.1, 0.1), (1.5, 1.5))
    assert fits.all()
    np.testing.assert_array_equal(sizes, np.broadcast_to(reference.size(20, 24, 0.1, 1.5), (300, 2)))
    # Twice as high as wide, and as large as the image: it never fits, and nothing is erased.
    assert not erasing.sample(jax.random.key(0), 3, 20, 20, (1.0, 1.0), (2.0, 2.0))[1].any()
    images = jnp.ones((3, 20, 20, 3))
    np.testing.assert_array_equal(erasing.erase(jax.random.key(0), images, 1.0, (1.0, 1.0), (2.0, 2.0)), images)


def test_images_are_normalized_and_without_color_changes_only_mirrored():
    images = jnp.asarray(RANDOM.integers(0, 256, (16, 4, 4, 3), np.uint8))
    keys = jax.random.split(jax.random.key(0))
    normal = np.asarray(normalize(images, MEAN, STD))
    plain = Augment(MEAN, STD, flip=False)
    np.testing.assert_array_equal(plain.train(*keys, images), normal)
    mirrored = np.asarray(Augment(MEAN, STD).train(*keys, images))
    same = (mirrored == normal).all((1, 2, 3))
    assert 0 < same.sum() < 16
    np.testing.assert_array_equal(mirrored[~same], normal[~same][:, :, ::-1])
    np.testing.assert_array_equal(plain.restore(plain.test(images)), images)
    changed = Augment(MEAN, STD, flip=False, jitter=0.4, lighting=0.1).train(*keys, images)
    assert (np.abs(changed - normal).max((1, 2, 3)) > 0.01).all()
