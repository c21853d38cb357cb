"""Warps: a slot's picture, moved."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import mixing, resizemix

from jaxmix import warps

pytestmark = pytest.mark.unoptimized

HEIGHT, WIDTH = 7, 10
resize_into = jax.jit(warps.resize_into, static_argnums=(3, 4))
move = jax.jit(lambda warp, x: warp(x))
properties = settings(max_examples=25, deadline=None, derandomize=True)


def pictures(*shape):
    return np.random.default_rng(len(shape)).random(shape).astype(np.float32)


def indices(seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(-3, HEIGHT + 3, (4, HEIGHT)), generator.integers(-3, WIDTH + 3, (4, WIDTH))


@pytest.mark.parametrize("channels", [(), (3,), (2, 3)], ids=["maps", "pictures", "many axes"])
def test_resample_copies_rows_and_columns_and_gives_0_outside(channels):
    x, (rows, columns) = pictures(4, HEIGHT, WIDTH, *channels), indices()
    out = move(warps.Resample(jnp.asarray(rows), jnp.asarray(columns)), jnp.asarray(x))
    warp = SimpleNamespace(rows=rows, columns=columns)
    expected = [mixing.warped(warp, b, x[b]) for b in range(4)]
    np.testing.assert_array_equal(out, expected)


def test_resample_keeps_the_dtype_and_never_lets_a_bad_pixel_leak_out_of_the_copied_ones():
    rows, columns = jnp.full((1, HEIGHT), -1), jnp.full((1, WIDTH), WIDTH)
    warp = warps.Resample(rows, columns)
    for dtype in (jnp.uint8, jnp.bfloat16):
        assert jax.eval_shape(warp, jax.ShapeDtypeStruct((1, HEIGHT, WIDTH, 3), dtype)).dtype == dtype
    np.testing.assert_array_equal(move(warp, jnp.full((1, HEIGHT, WIDTH), jnp.nan)), 0)


def fractions():
    generator = np.random.default_rng(3)
    return (jnp.asarray(generator.uniform(0, side - 1, (4, side)), jnp.float32) for side in (HEIGHT, WIDTH))


@pytest.mark.parametrize("channels", [(), (3,), (2, 3)], ids=["maps", "pictures", "many axes"])
def test_interpolate_shares_a_point_among_the_four_pixels_around_it(channels):
    x, warp = pictures(4, HEIGHT, WIDTH, *channels), warps.Interpolate(*fractions())
    expected = [mixing.warped(warp, b, x[b]) for b in range(4)]
    np.testing.assert_allclose(move(warp, jnp.asarray(x)), expected, atol=1e-6)  # a few roundings of float32


def test_interpolate_stays_at_the_border_and_widens_narrow_numbers():
    warp = warps.Interpolate(jnp.full((1, HEIGHT), -2.0), jnp.full((1, WIDTH), WIDTH + 0.5))
    x = jnp.asarray(pictures(1, HEIGHT, WIDTH))
    np.testing.assert_array_equal(move(warp, x), np.full((1, HEIGHT, WIDTH), x[0, 0, -1]))
    for dtype in (jnp.uint8, jnp.bfloat16):
        assert jax.eval_shape(warp, jax.ShapeDtypeStruct((1, HEIGHT, WIDTH, 3), dtype)).dtype == jnp.float32


def layouts(rows=3, columns=2):
    return warps.Blocks(jnp.asarray(np.random.default_rng(5).integers(-1, rows * columns, (4, rows, columns))))


@pytest.mark.parametrize("shape", [(6, 4), (9, 2, 3), (3, 8, 2, 2)], ids=str)
def test_blocks_are_laid_out_as_named_and_are_0_where_none_is(shape):
    x, warp = pictures(4, *shape), layouts()
    np.testing.assert_array_equal(move(warp, jnp.asarray(x)), [mixing.warped(warp, b, x[b]) for b in range(4)])
    assert move(warp, jnp.asarray(x).astype(jnp.uint8)).dtype == jnp.uint8


def test_blocks_refuse_pictures_that_they_do_not_divide():
    with pytest.raises(ValueError, match=r"moves 3 x 2 blocks.*shape \(4, 7, 4, 3\); wanted.*height that 3 divides"):
        layouts()(jnp.zeros((4, 7, 4, 3)))


def test_a_still_warp_moves_nothing_and_has_the_same_form():
    x = jnp.asarray(pictures(4, HEIGHT, WIDTH, 3))
    moving = warps.Resample(*map(jnp.asarray, indices()))
    kinds = moving, warps.Interpolate(*fractions()), layouts(HEIGHT, WIDTH // 2)
    for warp in (*kinds, warps.Chain((moving, moving))):
        np.testing.assert_array_equal(move(warp.still(), x), x)
        assert jax.tree.structure(warp.still()) == jax.tree.structure(warp)
        assert jax.tree.map(jnp.shape, warp.still()) == jax.tree.map(jnp.shape, warp)


def test_a_chain_applies_its_parts_in_order():
    x = jnp.asarray(pictures(4, HEIGHT, WIDTH, 3))
    first, second = (warps.Resample(*map(jnp.asarray, indices(seed))) for seed in (1, 2))
    np.testing.assert_array_equal(move(warps.Chain((first, second)), x), move(second, move(first, x)))


@pytest.mark.parametrize("shape", [(4, HEIGHT), (4, WIDTH, HEIGHT, 3), (4, HEIGHT + 1, WIDTH, 3)], ids=str)
def test_resample_refuses_pictures_of_another_size_and_names_both(shape):
    warp = warps.Resample(*map(jnp.asarray, indices()))
    with pytest.raises(ValueError, match=rf"\({HEIGHT}, {WIDTH}\).*\({', '.join(map(str, shape))}\)"):
        warp(jnp.zeros(shape))


@properties
@given(st.integers(0, 2**32 - 1), st.floats(0.125, 1, width=32))
def test_resizing_into_a_box_copies_the_pixel_at_floor_of_i_over_the_ratio(seed, ratio):
    assume(not resizemix.undecided(ratio, HEIGHT) and not resizemix.undecided(ratio, WIDTH))
    generator = np.random.default_rng(seed)
    own, partner = generator.random((2, HEIGHT, WIDTH, 2)).astype(np.float32)
    center = generator.integers(0, HEIGHT), generator.integers(0, WIDTH)
    expected, (top, bottom, left, right), _ = resizemix.paste(own, partner, ratio, center)
    warp = resize_into(jnp.float32([ratio]), jnp.array([top]), jnp.array([left]), HEIGHT, WIDTH)
    moved = np.asarray(move(warp, jnp.asarray(partner)[None]))[0]
    np.testing.assert_array_equal(moved[top:bottom, left:right], expected[top:bottom, left:right])


def test_a_ratio_of_1_in_the_corner_moves_nothing():
    x = jnp.asarray(pictures(1, HEIGHT, WIDTH, 2))
    warp = resize_into(jnp.ones(1), jnp.zeros(1, int), jnp.zeros(1, int), HEIGHT, WIDTH)
    np.testing.assert_array_equal(move(warp, x), x)


def test_warps_cross_vmap():
    x = jnp.asarray(pictures(4, HEIGHT, WIDTH, 3))
    warp = warps.Resample(*map(jnp.asarray, indices()))
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), warp)
    moved = jax.jit(jax.vmap(move))(stacked, jnp.stack([x, x]))
    np.testing.assert_array_equal(moved, np.stack([move(warp, x)] * 2))


def test_nearest_clips_indices_outside_of_the_image_to_its_own_sample():
    x = jnp.arange(8.0).reshape(2, 2, 2, 1)
    outside = warps.Nearest(jnp.array([[-3, 5], [-1, 2]]), jnp.array([[-1, 7], [0, 1]]))
    np.testing.assert_array_equal(outside(x), x)
