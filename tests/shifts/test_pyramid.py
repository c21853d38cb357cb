"""Pyramid: maps at half their size, neighborhoods of shifts, and the estimate of the detail that is lost."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.shifts import pyramid

pytestmark = pytest.mark.unoptimized

lost_detail = jax.jit(pyramid.lost_detail)


def test_downsampled_maps_are_means_of_four_pixels():
    maps = np.random.default_rng(5).random((2, 6, 4)).astype(np.float32)
    made = np.asarray(jax.jit(pyramid.downsample)(maps))
    assert made.shape == (2, 3, 2)
    for i, j in np.ndindex(made.shape[1:]):
        expected = maps[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum((1, 2)) / 4
        np.testing.assert_allclose(made[:, i, j], expected, rtol=1e-6)


def test_the_neighborhood_of_a_shift_is_itself_and_its_eight_neighbors():
    made = pyramid.neighborhoods(jnp.array([[[6, -4], [-8, 8]], [[0, 0], [0, 2]]])).tolist()
    assert made[0][:9] == [[dy, dx] for dy in (5, 6, 7) for dx in (-5, -4, -3)]
    assert made[0][9:] == [[dy, dx] for dy in (-9, -8, -7) for dx in (7, 8, 9)]
    assert made[1][9:] == [[dy, dx] for dy in (-1, 0, 1) for dx in (1, 2, 3)]


def test_the_estimate_of_lost_detail_is_what_noise_in_single_pixels_makes_it():
    generator = np.random.default_rng(10)
    level, spread, shape = 0.5 / 40**2, 0.2, (300, 40, 40)
    own, other = (level * (1 + spread * generator.standard_normal(shape)) for _ in range(2))

    def both(a, b):
        return 2 * (a * b / (a + b)).sum((1, 2))

    # The effect of the details of both together.
    effect = both(own, other) - both(own, level) - both(level, other) + both(level, level + 0 * other)
    estimates = np.asarray(lost_detail(np.float32(own), np.float32(other)))
    # Of normal noise E d^4 is 3 (E d^2)^2, which makes the norm sqrt(3) times as large.
    assert math.sqrt(3) * effect.std() == pytest.approx(estimates.mean(), rel=0.1)


@pytest.mark.parametrize("place", [(0, 0), (0, 7), (5, 0), (19, 14), (8, 8)], ids=str)
def test_no_single_pixel_is_overlooked_and_no_slope_taken_for_one(place):
    pixel = np.full((1, 20, 15), 1e-4, np.float32)
    slope = np.float32(np.add.outer(np.arange(20), 2 * np.arange(15)))[None] / 1e4 + 1e-4
    pixel[0, *place] = 0.1
    assert lost_detail(pixel, pixel)[0] > 1e-2
    assert lost_detail(pixel, slope)[0] < 1e-5 and lost_detail(0 * pixel, pixel)[0] == 0


def test_stripes_are_detail_whichever_way_they_run():
    stripes = np.broadcast_to(np.float32([1, 3] * 8)[None, None] / 512, (1, 16, 16))
    across, down = lost_detail(stripes, stripes), lost_detail(*[stripes.swapaxes(1, 2)] * 2)
    assert across[0] > 1e-3
    np.testing.assert_allclose(across, down, rtol=1e-6)
