"""Spectral residual saliency: the values of GuidedMixup's code, and what follows from the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix import saliency

pytestmark = pytest.mark.unoptimized
spectral_residual = jax.jit(saliency.spectral_residual, static_argnames="antialias")
MEAN, STD = np.array([125.3, 123.0, 113.9]) / 255, np.array([63.0, 62.1, 66.7]) / 255


def normalized(levels):
    return np.float32((levels / 255 - MEAN) / STD)


def slow(image):
    """Of one image of up to 128 rows, in float64, by the formula."""
    grey = image.astype(float) @ [0.2989, 0.587, 0.114]
    spectrum = np.fft.fft2(grey)
    amplitude = np.sqrt(np.abs(spectrum) ** 2 + 1e-10)
    level = np.log(amplitude)
    padded = np.pad(level, 1, mode="edge")
    height, width = level.shape
    mean = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9
    found = np.abs(np.fft.ifft2(spectrum * np.exp(level - mean) / amplitude))
    taps = np.exp(-0.5 * (np.arange(-3, 4) / 3) ** 2)
    for axis in (0, 1):
        padded = np.pad(found, [(3, 3) if a == axis else (0, 0) for a in range(2)], mode="reflect")
        parts = [np.take(padded, np.arange(t, t + found.shape[axis]), axis) for t in range(7)]
        found = sum(tap * part for tap, part in zip(taps / taps.sum(), parts, strict=True))
    return found


def test_maps_are_those_of_the_authors_code(golden):
    # spectral_residual.py of 3neutronstar/GuidedMixup @73494e1.
    numbers = golden("beyond/guided_32")
    np.testing.assert_allclose(spectral_residual(normalized(numbers["images"])), numbers["saliency"], atol=1e-5)


@pytest.mark.parametrize("antialias", [True, False])
def test_high_images_are_resized_to_128_and_back_as_there(golden, antialias):
    numbers = golden("beyond/guided_large")
    maps = spectral_residual(normalized(numbers["images"]), antialias=antialias)
    assert maps.shape == (1, 136, 136)
    wanted = numbers["saliency_antialias" if antialias else "saliency_plain"]
    np.testing.assert_allclose(maps[:, ::2, ::2], wanted, atol=2e-5)


def test_maps_of_any_shape_are_those_of_the_formula():
    images = np.random.default_rng(0).normal(size=(2, 9, 14, 3)).astype(np.float32)
    expected = np.stack([slow(image) for image in images])
    np.testing.assert_allclose(spectral_residual(images), expected, rtol=1e-4)
    np.testing.assert_allclose(spectral_residual(4 * images), expected, rtol=1e-3)  # the scale doesn't matter
    assert saliency.spectral_residual({"image": np.uint8(images * 0)}).max() == 0
    assert jax.eval_shape(spectral_residual, images[..., :1]).shape == (2, 9, 14)


def test_what_is_no_image_of_one_or_three_channels_says_so():
    with pytest.raises(ValueError, match=r"images have shape \(1, 8, 8, 2\); wanted \[b h w 3\]"):
        saliency.spectral_residual(jnp.zeros((1, 8, 8, 2)))
    with pytest.raises(ValueError, match="antialias is 1; wanted True or False"):
        saliency.spectral_residual(jnp.zeros((1, 8, 8, 3)), antialias=1)
