"""Normalization, crops and mirrors against their plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inputs import dataset, preprocess

pytestmark = pytest.mark.unoptimized

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


def test_black_is_padded_around_the_8_bit_image_and_the_mean_around_the_normalized_one():
    images = jnp.asarray(batch(64))

    def trained(fill):
        keys = jax.random.key(0), jax.random.key(1)
        return np.asarray(preprocess.Preprocess(MEAN, STD, 2, False, fill).train(*keys, images))

    black, mean = trained("black"), trained("mean")
    wide = np.pad(batch(64), ((0, 0), (2, 2), (2, 2), (0, 0)))
    inside = np.pad(np.ones((64, 8, 8, 1), bool), ((0, 0), (2, 2), (2, 2), (0, 0)))
    for position, image in enumerate(preprocess.restore(jnp.asarray(black), MEAN, STD)):
        found = [
            (y, x) for y, x in np.ndindex(5, 5) if (wide[position, y : y + 8, x : x + 8] == np.asarray(image)).all()
        ]
        assert len(found) == 1
        y, x = found[0]
        outside = ~inside[position, y : y + 8, x : x + 8, 0]
        # Of normalized values black is -mean / std, and the mean is 0. The rest is the same.
        np.testing.assert_allclose(black[position][outside], np.broadcast_to(-np.divide(MEAN, STD), (outside.sum(), 3)))
        assert (mean[position][outside] == 0).all()
        np.testing.assert_array_equal(mean[position][~outside], black[position][~outside])


def test_images_are_normalized_by_the_data_by_a_half_or_by_cifar10():
    parts = (batch(), np.zeros(16, np.int32), batch(), np.zeros(16, np.int32))
    data = dataset.create("colors", parts, ("one",), padding=1, flip=False)
    assert preprocess.normalized_by("data", data) is data
    half = preprocess.normalized_by("half", data)
    np.testing.assert_allclose(
        preprocess.normalize(jnp.array([[[[0, 51, 255]]]], jnp.uint8), half.mean, half.std), [[[[-1, -0.6, 1]]]]
    )
    cifar10 = preprocess.normalized_by("cifar10", data)
    # As AugMix's and others' code rounds them.
    np.testing.assert_allclose(cifar10.mean, (0.4914, 0.4823, 0.4467), atol=1e-4)
    np.testing.assert_allclose(cifar10.std, (0.2471, 0.2435, 0.2616), atol=1e-4)
    with pytest.raises(ValueError, match="--normalization cifar10 is for images of 3 channels; those of colors have 1"):
        preprocess.normalized_by("cifar10", data._replace(mean=(0.5,)))


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
