"""Functions on pixel values never take normalized images, or floats in 0..255, for images in 0..1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from specimens import KEEPS_LABELS, METHODS, key

import jaxmix
from jaxmix import arguments
from jaxmix.robustness import attacks, backgrounds, corruptions, occlusion, strong_edges

pytestmark = pytest.mark.unoptimized

MASKS = jnp.ones((4, 8, 8)).at[:, :4].set(0)
LARGE = 32


def loss(x):
    return (x**2).sum((1, 2, 3))


# Each from images [4 h w 3] in 0..1 to images, whose leading axis or last four axes are those of the images.
FUNCTIONS = {
    **{name: lambda x, name=name: METHODS[name](key(), x)[0] for name in sorted(KEEPS_LABELS)},
    "augmix_views": lambda x: jaxmix.augmix_views(key(), x)[1],
    "rotate": lambda x: jax.vmap(lambda image: jaxmix.pixels.rotate(image, 10.0))(x),
    "equalize": lambda x: jax.vmap(jaxmix.pixels.equalize)(x),
    "pixels.cutout": lambda x: jax.vmap(lambda image: jaxmix.pixels.cutout(image, 2, 1, 1))(x),
    "fgsm": lambda x: attacks.fgsm(loss, x, 0.1),
    "pgd": lambda x: attacks.pgd(key(), loss, x, 0.1, step=0.05, steps=1),
    "center": lambda x: occlusion.center(x, 4),
    "border": lambda x: occlusion.border(x, 4),
    "strong_edges": lambda x: strong_edges(key(), x, "soft", 4)[0],
    "only_foreground": lambda x: backgrounds.only_foreground(x, MASKS),
    "no_foreground": lambda x: backgrounds.no_foreground(x, MASKS),
    "mixed": lambda x: backgrounds.mixed(x, MASKS, jnp.zeros_like(x)),
    "only_background_tiled": lambda x: backgrounds.only_background_tiled(x, jnp.array([[2, 2, 4, 4]] * 4)),
}
PER_IMAGE = {"rotate", "equalize", "pixels.cutout"}  # under vmap, where no value is known
# One of each way to the result: of floats, of levels, of a compiled chain of both.
CORRUPTED = ("contrast", "jpeg_compression", "gaussian_noise")


def wrong(side, shift):
    """Images of which the second has a value that isn't one of 0..1."""
    x = jnp.asarray(np.random.default_rng(0).random((4, side, side, 3)), jnp.float32)
    return x.at[1, 3, 2, 1].set(shift)


def assert_only_the_second_image_has_nan(function, side):
    for value in (-1.5, 1.2, 255.0, jnp.nan, jnp.inf):
        out = function(wrong(side, value))
        assert jnp.isnan(out[1]).any() and not jnp.isfinite(out[1].sum())
        assert jnp.isfinite(out[jnp.array([0, 2, 3])]).all()
    # What an interpolation leaves is as if it were clipped.
    np.testing.assert_array_equal(function(wrong(side, 1.09)), function(wrong(side, 1.0)))
    np.testing.assert_array_equal(function(wrong(side, -0.09)), function(wrong(side, 0.0)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_out_of_range_are_nan_under_jit_and_an_error_elsewhere(name):
    assert_only_the_second_image_has_nan(jax.jit(FUNCTIONS[name]), 8)
    if name not in PER_IMAGE:
        with pytest.raises(ValueError, match=r"values from .* to 255; wanted 0\.\.1"):
            FUNCTIONS[name](wrong(8, 255.0))


@pytest.mark.parametrize("name", [*CORRUPTED, *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "glass_blur", "motion_blur", "pixelate", "fog", "snow", "defocus_blur", "zoom_blur", "brightness", "saturate",
    "elastic_transform", "impulse_noise", "shot_noise", "speckle_noise", "gaussian_blur",
))])  # fmt: skip
def test_values_out_of_range_are_nan_in_a_corrupted_image_under_jit(name):
    function = jax.jit(lambda x: corruptions.corrupt(key(), x, name, 2))
    assert_only_the_second_image_has_nan(function, LARGE)


def test_the_gradient_of_a_pixel_of_0_or_1_is_whole():
    x = jnp.array([0.0, 0.5, 1.0]).reshape(1, 1, 3, 1)
    gradient = jax.grad(lambda x: arguments.unit(x).sum())(x)
    np.testing.assert_array_equal(gradient, 1)
