"""DropBlock: squares of features are set to zero."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import dropblock as slow

import jaxmix
from jaxmix.methods import dropblock as module

pytestmark = pytest.mark.unoptimized

SHAPE = (8, 9, 11, 8)
FEW = [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 6))]
dropblock = jax.jit(jaxmix.dropblock, static_argnames="block")
spread = jax.jit(module.spread, static_argnums=1)
gamma = jax.jit(module.gamma, static_argnums=(1, 2, 3))
rescale = jax.jit(module.rescale)
fits_of = jax.jit(module.fits, static_argnums=(0, 1, 2))
properties = settings(max_examples=20, deadline=None, derandomize=True)


def features(shape=SHAPE):
    return 1 + np.random.default_rng(0).random(shape).astype(np.float32)


def case(golden, number):
    prefix = f"c{number}_"
    numbers = {
        name[len(prefix) :]: value for name, value in golden("mixing/dropblock").items() if name.startswith(prefix)
    }
    _, height, width, _ = numbers["x"].shape
    sides = min(int(numbers["block"]), height), min(int(numbers["block"]), width)
    return numbers, sides, height, width


@pytest.mark.parametrize(
    ("side", "block", "expected"),
    [(14, 7, 0.00625), (7, 7, 0.1), (8, 4, 0.016), (16, 4, 0.0094675), (32, 4, 0.0076100)],
)
def test_worked_examples_of_gamma_at_keep_9_tenths(side, block, expected):
    made = float(gamma(0.9, (block, block), side, side))
    assert made == pytest.approx(expected, abs=5e-8)
    assert made == pytest.approx(slow.gamma(0.9, block, side, side), rel=1e-6)


# Golden numbers: Google's TensorFlow dropblock, from given noise.


@pytest.mark.parametrize("number", FEW)
def test_gamma_and_seeds_are_those_of_the_authors_code(golden, number):
    numbers, sides, height, width = case(golden, number)
    rate = gamma(float(numbers["keep"]), sides, height, width)
    assert float(rate) == pytest.approx(float(numbers["gamma"]), rel=1e-6)
    seeds = (numbers["noise"] < np.float32(rate)) & np.asarray(fits_of(sides, height, width))[None, :, :, None]
    np.testing.assert_array_equal(seeds, numbers["seeds"])


@pytest.mark.parametrize("number", FEW)
def test_blocks_and_outputs_are_those_of_the_authors_code(golden, number):
    numbers, sides, _, _ = case(golden, number)
    kept = ~np.asarray(spread(numbers["seeds"] == 1, sides))
    np.testing.assert_array_equal(kept, numbers["keepmask"])
    np.testing.assert_allclose(rescale(numbers["x"], kept), numbers["out"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("number", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4, 5))])
def test_odd_blocks_are_those_of_the_other_code_and_even_ones_its_mirror_image(golden, number):
    # _compute_block_mask of miguelvr/dropblock: an even block reaches one pixel further after a seed, not before it.
    numbers, sides, _, _ = case(golden, number)
    seeds = (numbers["migue_seeds"] == 1)[..., None]
    expected = numbers["migue_keepmask"] == 1
    straight = ~np.asarray(spread(seeds, sides))[..., 0]
    mirrored = ~np.asarray(spread(seeds[:, ::-1, ::-1], sides))[:, ::-1, ::-1, 0]
    np.testing.assert_array_equal(mirrored, expected)
    assert (straight == expected).all() == (sides[0] % 2 == 1)


@properties
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (2, 2), (3, 3), (4, 4), (9, 10)]))
def test_blocks_agree_with_the_slow_loops_wherever_the_seeds_are(seed, sides):
    seeds = np.random.default_rng(seed).random((1, 9, 11, 1)) < 0.05
    kept = ~np.asarray(spread(seeds, sides))[0, :, :, 0]
    expected = np.ones((9, 11), bool)
    for y, x in zip(*np.nonzero(seeds[0, :, :, 0]), strict=True):
        expected[
            max(y - sides[0] // 2, 0) : y + (sides[0] - 1) // 2 + 1,
            max(x - sides[1] // 2, 0) : x + (sides[1] - 1) // 2 + 1,
        ] = False
    np.testing.assert_array_equal(kept, expected)
    if sides[0] == sides[1]:
        np.testing.assert_array_equal(kept, slow.kept(seeds[0, :, :, 0], sides[0]))


@pytest.mark.parametrize("block", [1, 2, 3, 4, 9, 10, 20])
def test_seeds_lie_where_the_block_fits_so_that_no_block_is_cut(block):
    sides = min(block, 9), min(block, 11)
    fits = np.asarray(fits_of(sides, 9, 11))
    np.testing.assert_array_equal(fits, slow.valid(block, 9, 11))
    assert fits.sum() == (9 - sides[0] + 1) * (11 - sides[1] + 1)
    for y, x in zip(*np.nonzero(fits), strict=True):
        seed = np.zeros((9, 11), bool)
        seed[y, x] = True
        assert (~slow.kept(seed, block)).sum() == sides[0] * sides[1]


@properties
@given(st.integers(0, 2**31), st.sampled_from([3, 4]), st.sampled_from([0.5, 0.8, 0.95]))
def test_what_is_dropped_is_a_union_of_blocks_and_the_rest_is_over_the_share_kept(seed, block, keep):
    x = np.asarray(features())
    out = np.asarray(dropblock(jax.random.key(seed), features(), block=block, keep=keep))
    dropped = out == 0
    for b in range(2):
        for c in range(2):
            np.testing.assert_array_equal(slow.covered(dropped[b, :, :, c], block), dropped[b, :, :, c])
    if not dropped.all():
        share = 1 - dropped.mean()  # of the whole batch, not of each sample
        np.testing.assert_allclose(out[~dropped], x[~dropped] / share, rtol=1e-6)


def test_blocks_are_drawn_for_every_sample_and_channel():
    out = np.asarray(dropblock(jax.random.key(0), features(), block=3, keep=0.5))
    assert len({(out[b, :, :, c] == 0).tobytes() for b in range(8) for c in range(8)}) > 60


def test_a_block_of_the_whole_side_drops_whole_channels():
    out = np.asarray(dropblock(jax.random.key(1), features(), block=11, keep=0.5))
    dropped = (out == 0).mean((1, 2))
    assert set(np.unique(dropped)) == {0.0, 1.0}


def test_keeping_everything_changes_nothing():
    np.testing.assert_array_equal(dropblock(jax.random.key(2), features(), keep=1.0, block=3), features())


@functools.partial(jax.jit, static_argnames="block")
def of_ones(seeds, keep, block):
    return jax.vmap(lambda seed: jaxmix.dropblock(jax.random.key(seed), jnp.ones(SHAPE), keep=keep, block=block))(seeds)


@pytest.mark.parametrize("block", [3, 4])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_the_share_dropped_is_the_expected_one_minus_overlaps(block, keep):
    outs = np.asarray(of_ones(np.arange(16), keep, block))
    for out in outs:
        assert out.mean() == pytest.approx(1, abs=1e-5)
    rate = slow.gamma(keep, block, 9, 11)
    # A feature stays if none of the places from which a block would reach it has a seed.
    reach = np.zeros((9, 11))
    for y, x in zip(*np.nonzero(slow.valid(block, 9, 11)), strict=True):
        seed = np.zeros((9, 11), bool)
        seed[y, x] = True
        reach += ~slow.kept(seed, block)
    expected = 1 - (1 - rate) ** reach
    dropped = np.ravel([(out == 0).mean((1, 2)) for out in outs])  # each sample and channel: 1,024 values
    assert abs(dropped.mean() - expected.mean()) < 4 * dropped.std() / math.sqrt(1024)
    assert expected.mean() <= 1 - keep + 1e-9


def test_keep_may_follow_a_schedule_of_the_step_without_a_new_trace():
    # From 1 to the target over the training; a group's own target is 1 - (1 - keep) / 4^(4 - group).
    traces = []

    @jax.jit
    def step(progress, group):
        traces.append(group)
        keep = 1 - progress * (1 - 0.5) / 4.0 ** (4 - group)
        return jaxmix.dropblock(jax.random.key(4), jnp.ones(SHAPE), keep=keep, block=3)

    shares = {(t, g): (np.asarray(step(t, float(g))) == 0).mean() for t in (0.0, 0.5, 1.0) for g in (3, 4)}
    assert len(traces) == 1
    for group in (3, 4):
        assert shares[0.0, group] == 0 < shares[0.5, group] < shares[1.0, group]
    assert shares[1.0, 3] < shares[0.5, 4] < shares[1.0, 4] < 0.5


def test_dropping_everything_gives_zeros_not_nan():
    np.testing.assert_array_equal(dropblock(jax.random.key(5), features(), keep=0.0, block=11), 0)
