"""Normalization, crops and mirrors against their plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np

from inputs import preprocess

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def batch(count=16, side=8):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def test_normalization_is_undone_bit_for_bit():
    images = batch()
    normal = preprocess.normalize(jnp.asarray(images), MEAN, STD)
    # One rounding of the factor and one of the sum.
    np.testing.assert_allclose(normal, (images / 255 - MEAN) / STD, atol=1e-5)
    np.testing.assert_array_equal(preprocess.restore(normal, MEAN, STD), images)


def test_pixels_are_in_0_to_1_and_standardizing_undoes_them():
    normal = preprocess.normalize(jnp.asarray(batch()), MEAN, STD)
    pixels = preprocess.pixels(normal, MEAN, STD)
    assert pixels.min() >= 0 and pixels.max() <= 1
    np.testing.assert_allclose(pixels, batch() / 255, atol=1e-6)
    np.testing.assert_allclose(preprocess.standardize(pixels, MEAN, STD), normal, atol=1e-5)


def test_every_crop_is_a_window_of_the_zero_padded_image_and_all_windows_come():
    images = jnp.asarray(batch(500, 4), jnp.float32) + 1
    cropped = np.asarray(preprocess.crop(jax.random.key(0), images, 1))
    padded = np.pad(np.asarray(images), ((0, 0), (1, 1), (1, 1), (0, 0)))
    counts = np.zeros((3, 3), int)
    for image, wide in zip(cropped, padded, strict=True):
        found = [(y, x) for y in range(3) for x in range(3) if (wide[y : y + 4, x : x + 4] == image).all()]
        assert len(found) == 1
        counts[found[0]] += 1
    # 500 draws of nine windows: 55.6 each, spread 7; five times that either way.
    assert counts.min() > 20
    assert counts.max() < 91


def test_no_padding_is_no_crop():
    images = jnp.asarray(batch(), jnp.float32)
    np.testing.assert_array_equal(preprocess.crop(jax.random.key(0), images, 0), images)


def test_a_mirrored_image_is_itself_or_its_mirror_image_half_of_the_time():
    images = jnp.asarray(batch(400, 4), jnp.float32)
    mirrored = np.asarray(preprocess.mirror(jax.random.key(0), images))
    same = (mirrored == np.asarray(images)).all((1, 2, 3))
    turned = (mirrored == np.asarray(images)[:, :, ::-1]).all((1, 2, 3))
    assert (same | turned).all()
    assert 150 < same.sum() < 250
