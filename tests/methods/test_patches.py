"""Patch Gaussian and Patch Uniform: the authors' square and noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix.methods import patches

pytestmark = pytest.mark.unoptimized


def test_noise_on_the_square_is_the_authors(golden):
    numbers = golden("beyond/patch_gaussian")
    row, column = numbers["centre_row_column"].T
    where = patches.patch(jnp.asarray(row), jnp.asarray(column), jnp.asarray(numbers["width"], jnp.float32), 32, 32)
    x = numbers["images"].astype(np.float32) / 255
    made = patches.noisy_patch(x, where, jnp.asarray(numbers["sigma"], jnp.float32), numbers["noise"])
    np.testing.assert_allclose(255 * np.asarray(made), numbers["out"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("width", "low", "high"), [(24.0, 12, 12), (25.0, 12, 13), (7.5, 3, 4), (0.4, 0, 1)])
def test_a_square_has_the_floor_of_half_its_width_before_its_center_and_the_ceiling_from_it_on(width, low, high):
    where = patches.patch(jnp.array([40, 2]), jnp.array([50, 99]), jnp.full(2, width, jnp.float32), 90, 100)
    expected = np.zeros((2, 90, 100))
    for image, (row, column) in enumerate(((40, 50), (2, 99))):
        expected[image, max(row - low, 0) : row + high, max(column - low, 0) : column + high] = 1
    np.testing.assert_array_equal(where, expected)


def changed(method, **options):
    """The share of changed pixels of each of 2,000 images."""
    program = jax.jit(lambda key, x, options: method(key, x, **options)[0])
    made = program(jax.random.key(0), jnp.full((2000, 32, 32, 1), 0.5), options)
    assert made.min() >= 0 and made.max() <= 1
    return np.asarray(made), np.asarray(made != 0.5).mean((1, 2, 3))


def test_the_mean_share_of_the_square_is_that_of_the_specification():
    made, share = changed(jaxmix.patch_gaussian, width=25.0)
    assert share.mean() == pytest.approx(0.396, abs=0.01)
    noise = np.where(made == 0.5, np.nan, made - 0.5)
    deviation = np.nanstd(noise, axis=(1, 2, 3))
    small = deviation[np.isfinite(deviation) & (deviation < 0.1)]  # of so little noise nothing is clipped
    assert small.size / 2000 == pytest.approx(0.1, abs=0.02)


def test_uniform_noise_replaces_the_square():
    made, share = changed(jaxmix.patch_uniform, width=(0.0, 40.0))
    inside = made[made != 0.5]
    assert inside.mean() == pytest.approx(0.5, abs=0.01) and inside.std() == pytest.approx(12**-0.5, abs=0.01)
    assert share.std() > 0.1


@pytest.mark.parametrize("method", [jaxmix.patch_gaussian, jaxmix.patch_uniform])
def test_a_wrong_width_says_what_was_wanted(method):
    x = jnp.zeros((2, 8, 8, 3))
    with pytest.raises(ValueError, match="width is -1; wanted a number from 0"):
        method(jax.random.key(0), x, width=-1)
    with pytest.raises(ValueError, match=r"width is \(5, 2\); wanted the lowest first"):
        method(jax.random.key(0), x, width=(5, 2))
    with pytest.raises(ValueError, match=r"width is \(5,\); wanted two numbers"):
        method(jax.random.key(0), x, width=(5,))
