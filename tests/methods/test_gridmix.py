"""GridMix, its cells from one of two pictures, and GridMixup, its lattice of holes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import grids, mixing

import jaxmix
from jaxmix import masks, partners

SHAPE = (4, 13, 10, 3)
gridmix = jax.jit(jaxmix.gridmix, static_argnames=("cells", "per_batch"))
gridmixup = jax.jit(jaxmix.gridmixup, static_argnames=("holes", "per_batch"))
properties = settings(max_examples=20, deadline=None, derandomize=True)


def pictures():
    return jnp.asarray(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32))


def assert_pixels_are_one_of_the_two(images, mix):
    x, mask = np.asarray(pictures()), np.asarray(mix.mask[:, 1])
    assert set(np.unique(mask)) <= {0.0, 1.0}
    expected = np.where(mask[..., None] == 1, x[np.asarray(mix.source[:, 1])], x)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(mix.weight[:, 1], mask.sum((1, 2)) / np.float32(13 * 10))


# GridMix.


@properties
@given(st.integers(0, 2**31))
def test_every_cell_is_whole_and_from_one_of_the_two(seed):
    images, mix = gridmix(jax.random.key(seed), pictures(), cells=4)
    assert_pixels_are_one_of_the_two(images, mix)
    # The first pixel of a cell says whose it is.
    first_rows, first_columns = ([math.ceil(cell * side / 4) for cell in range(4)] for side in (13, 10))
    for mask in np.asarray(mix.mask[:, 1]):
        chosen = mask[first_rows][:, first_columns]
        np.testing.assert_array_equal(mask, grids.cells(chosen, 13, 10))


def test_a_cell_is_the_partners_as_often_as_the_share_says():
    # Shares are uniform at alpha 1: of 16 cells, each number from 0 to 16 is the partner's equally often.
    _, mix = gridmix(jax.random.key(0), jnp.zeros((3400, 4, 4, 1)), cells=4)
    counts = np.bincount(np.asarray(mix.mask[:, 1]).sum((1, 2)).astype(int), minlength=17)
    assert ((counts - 200) ** 2 / 200).sum() < 39.3  # once in 1,000 draws (16 degrees of freedom)
    share = np.asarray(mix.mask[:, 1]).mean(0)
    assert np.abs(share - 0.5).max() < 5 * 0.5 / math.sqrt(3400)  # sixteen cells


def test_the_local_targets_are_the_labels_of_the_cells():
    labels = jnp.eye(4)
    images, mix = gridmix(jax.random.key(1), jnp.zeros((4, 8, 12, 1)), cells=4)
    local = jaxmix.apply(mix, jnp.broadcast_to(labels[:, None, None], (4, 4, 4, 4)))
    np.testing.assert_array_equal(local.sum(3), 1)
    np.testing.assert_allclose(local.mean((1, 2)), jaxmix.targets(mix, labels), rtol=0, atol=1e-6)


# GridMixup.


@pytest.mark.parametrize(("side", "number", "expected"), [(32, 4, 0.609375), (32, 8, 0.75), (224, 20, 0.5395)])
def test_worked_examples_of_gridmixup(side, number, expected):
    mix = jaxmix.pair(partners.following(1), *masks.outer(*masks.holes(jnp.float32([0.5]), number, side, side)))
    assert float(mix.weight[0, 0]) == pytest.approx(expected, abs=5e-5 if side == 224 else 0)
    np.testing.assert_array_equal(mix.mask[0, 1], grids.gridmixup(0.5, number, side, side))


@properties
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 5]))
def test_holes_repeat_from_the_corner_and_every_pixel_is_one_of_the_two(seed, number):
    images, mix = gridmixup(jax.random.key(seed), pictures(), holes=number)
    assert_pixels_are_one_of_the_two(images, mix)
    period = math.ceil(10 / number)
    possible = {grids.gridmixup((side / period) ** 2 + 1e-6, number, 13, 10).tobytes() for side in range(1, period)}
    for mask in np.asarray(mix.mask[:, 1]):
        assert mask.astype(float).tobytes() in possible


def test_the_side_of_a_hole_is_the_root_of_a_uniform_share():
    # Period 5: a side of n is a share in [(n / 5)^2, ((n + 1) / 5)^2), and 0 counts as 1, 5 as 4.
    _, mix = gridmixup(jax.random.key(2), jnp.zeros((2000, 5, 10, 1)), holes=2)
    side = np.asarray(mix.mask[:, 1, :, 0]).sum(1).astype(int)
    counts = np.bincount(side, minlength=5)
    expected = 2000 * np.array([0, 4, 5, 7, 9]) / 25
    assert counts[0] == 0 and len(counts) == 5
    assert ((counts - expected)[1:] ** 2 / expected[1:]).sum() < 16.3  # once in 1,000 draws (3 degrees of freedom)


@pytest.mark.parametrize("method", [gridmix, gridmixup])
def test_pictures_agree_with_the_slow_loops_and_a_batch_may_share_its_grid(method):
    images, mix = method(jax.random.key(3), pictures())
    np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, pictures())))
    for per_batch in (False, True):
        _, mix = method(jax.random.key(4), pictures(), per_batch=per_batch)
        assert (len({mask.tobytes() for mask in np.asarray(mix.mask)}) == 1) == per_batch
