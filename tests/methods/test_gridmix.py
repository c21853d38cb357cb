"""GridMix, its cells from one of two images, and GridMixup, its lattice of holes."""

import functools
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

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 13, 10, 3)
X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
properties = settings(max_examples=20, deadline=None, derandomize=True)
HOLES = (1, 5, 3)


@jax.jit
def mixed(seed):
    """GridMix for each sample and for the batch, and GridMixup with numbers of holes, the last two with 3."""
    key = functools.partial(jax.random.key, seed)
    grids = [jaxmix.gridmix(key(), X, cells=4, per_batch=shared) for shared in (False, True)]
    lattices = [jaxmix.gridmixup(key(), X, holes=number) for number in HOLES]
    return grids, [*lattices, jaxmix.gridmixup(key(), X, holes=3, per_batch=True)]


def assert_pixels_are_one_of_the_two(images, mix):
    x, mask = X, np.asarray(mix.mask[:, 1])
    assert set(np.unique(mask)) <= {0.0, 1.0}
    expected = np.where(mask[..., None] == 1, x[np.asarray(mix.source[:, 1])], x)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(mix.weight[:, 1], mask.sum((1, 2)) / np.float32(13 * 10))


# GridMix.


@properties
@given(st.integers(0, 2**31 - 1))
def test_every_cell_is_whole_and_from_one_of_the_two(seed):
    images, mix = mixed(seed)[0][0]
    assert_pixels_are_one_of_the_two(images, mix)
    # The first pixel of a cell shows whose it is.
    first_rows, first_columns = ([math.ceil(cell * side / 4) for cell in range(4)] for side in (13, 10))
    for mask in np.asarray(mix.mask[:, 1]):
        chosen = mask[first_rows][:, first_columns]
        np.testing.assert_array_equal(mask, grids.cells(chosen, 13, 10))


def test_a_cell_is_the_partners_as_often_as_the_share_says():
    # Shares are uniform at alpha 1: of 16 cells, each number from 0 to 16 is the partner's equally often.
    mask = jax.jit(lambda key: jaxmix.gridmix(key, jnp.zeros((3400, 4, 4, 1)), cells=4)[1].mask[:, 1])
    mask = np.asarray(mask(jax.random.key(0)))
    counts = np.bincount(mask.sum((1, 2)).astype(int), minlength=17)
    assert ((counts - 200) ** 2 / 200).sum() < 39.3  # once in 1,000 draws (16 degrees of freedom)
    share = mask.mean(0)
    assert np.abs(share - 0.5).max() < 5 * 0.5 / math.sqrt(3400)  # sixteen cells


def test_the_local_targets_are_the_labels_of_the_cells():
    @jax.jit
    def targets(labels):
        _, mix = jaxmix.gridmix(jax.random.key(1), jnp.zeros((4, 8, 12, 1)), cells=4)
        local = jaxmix.apply(mix, jnp.broadcast_to(labels[:, None, None], (4, 4, 4, 4)))
        return local, jaxmix.targets(mix, labels)

    local, whole = map(np.asarray, targets(np.eye(4, dtype=np.float32)))
    np.testing.assert_array_equal(local.sum(3), 1)
    np.testing.assert_allclose(local.mean((1, 2)), whole, rtol=0, atol=1e-6)


# GridMixup.


def test_worked_examples_of_gridmixup():
    cases = ((32, 4, 0.609375), (32, 8, 0.75), (224, 20, 0.5395))

    @jax.jit
    def mixes(share):
        boxes = [masks.outer(*masks.holes(share, number, side, side)) for side, number, _ in cases]
        return [jaxmix.pair(partners.following(1), *box) for box in boxes]

    for (side, number, expected), mix in zip(cases, mixes(np.float32([0.5])), strict=True):
        assert float(mix.weight[0, 0]) == pytest.approx(expected, abs=5e-5 if side == 224 else 0)
        np.testing.assert_array_equal(mix.mask[0, 1], grids.gridmixup(0.5, number, side, side))


@properties
@given(st.integers(0, 2**31 - 1), st.sampled_from(HOLES))
def test_holes_repeat_from_the_corner_and_every_pixel_is_one_of_the_two(seed, number):
    images, mix = mixed(seed)[1][HOLES.index(number)]
    assert_pixels_are_one_of_the_two(images, mix)
    period = math.ceil(10 / number)
    possible = {grids.gridmixup((side / period) ** 2 + 1e-6, number, 13, 10).tobytes() for side in range(1, period)}
    for mask in np.asarray(mix.mask[:, 1]):
        assert mask.astype(float).tobytes() in possible


def test_the_side_of_a_hole_is_the_root_of_a_uniform_share():
    # Period 5: a side of n is a share in [(n / 5)^2, ((n + 1) / 5)^2), and 0 counts as 1, 5 as 4.
    mask = jax.jit(lambda key: jaxmix.gridmixup(key, jnp.zeros((2000, 5, 10, 1)), holes=2)[1].mask[:, 1])
    side = np.asarray(mask(jax.random.key(2)))[:, :, 0].sum(1).astype(int)
    counts = np.bincount(side, minlength=5)
    expected = 2000 * np.array([0, 4, 5, 7, 9]) / 25
    assert counts[0] == 0 and len(counts) == 5
    assert ((counts - expected)[1:] ** 2 / expected[1:]).sum() < 16.3  # once in 1,000 draws (3 degrees of freedom)


def test_images_agree_with_the_slow_loops_and_a_batch_may_share_its_grid():
    grids_of, lattices = mixed(4)
    for one, shared in (grids_of, lattices[-2:]):
        for number, (images, mix) in ((4, one), (1, shared)):
            np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, X)))
            assert (len({mask.tobytes() for mask in np.asarray(mix.mask)}) == 1) == (number == 1)
