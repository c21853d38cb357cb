"""Block transport: the authors' plans, the slow loops, and what must hold for every assignment of blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import puzzlemix as slow

from jaxmix.blocks.transport import refine, transport

pytestmark = pytest.mark.unoptimized

BATCH = 20
_run = jax.jit(lambda saliency, visible, weight: transport(saliency, visible, distance_weight=weight))
properties = settings(max_examples=25, deadline=None, derandomize=True)
slowly = pytest.mark.slow


def run(saliency, visible, weight):
    """Sources of each sample, in batches of one size: a program for each grid."""
    saliency, visible = np.asarray(saliency, np.float32), np.asarray(visible)
    padded = np.arange(-(-len(saliency) // BATCH) * BATCH) % len(saliency)
    parts = [_run(saliency[at], visible[at], np.float32(weight)) for at in np.split(padded, len(padded) // BATCH)]
    return np.concatenate(parts)[: len(saliency)]


def maps(generator, size, n, m, peaks=1.0):
    values = generator.random((size, n, m)) ** (3 * peaks) + 1e-3
    return (values / values.sum((1, 2), keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [2, 4, pytest.param(8, marks=slowly), 16])
def test_visible_places_show_the_blocks_of_the_authors_code(golden, n):
    # mask_transport of snu-mllab/PuzzleMix @e2dbf3a, with masks under which a third of the blocks move.
    arrays = golden("mixing/puzzle_transport")
    saliency, z, expected = (arrays[f"n{n}_{name}"] for name in ("s", "z", "source_of_dest_visible"))
    sources = np.zeros(expected.shape, int)
    for weight in np.unique(arrays[f"n{n}_eps"]):
        cases = arrays[f"n{n}_eps"] == weight
        sources[cases] = run(saliency[cases], z[cases] > 0, weight)
    np.testing.assert_array_equal(sources, np.where(expected == -2, -1, expected))
    shown = np.kron(z[:6] > 0, np.ones((1, 32 // n, 32 // n), bool))
    moved = [
        slow.moved(image, source, n, n) for image, source in zip(arrays[f"n{n}_image_u8"], sources[:6], strict=True)
    ]
    np.testing.assert_array_equal(np.stack(moved)[shown], arrays[f"n{n}_transported_u8"][shown])


@pytest.mark.parametrize(("weight", "expected"), [(0.8, [0, -1, -1, -1]), (0.2, [1, -1, -1, -1])])
def test_worked_example(weight, expected):
    visible = np.array([[[True, False], [False, False]]])
    assert run([[[0.1, 0.6], [0.2, 0.1]]], visible, weight)[0].tolist() == expected


@pytest.mark.parametrize(
    ("n", "m"), [(5, 5), (3, 6), *(pytest.param(*size, marks=slowly) for size in [(4, 1), (1, 1)])]
)
@pytest.mark.parametrize("weight", [0.05, 0.8])
def test_sources_agree_with_the_slow_rounds(n, m, weight):
    generator = np.random.default_rng(n * m)
    saliency, visible = maps(generator, 20, n, m), generator.random((20, n, m)) < 0.4
    sources = run(saliency, visible, weight)
    expected = [slow.transport(s.astype(float), v, weight) for s, v in zip(saliency, visible, strict=True)]
    np.testing.assert_array_equal(sources, expected)


def test_equal_costs_are_settled_as_by_the_slow_rounds():
    # Saliency in 64ths and distances in 32nds: costs are exact, and many are the same.
    generator = np.random.default_rng(0)
    saliency, visible = generator.integers(1, 5, (40, 5, 5)) / 64, generator.random((40, 5, 5)) < 0.4
    sources = run(saliency, visible, 1 / 32)
    np.testing.assert_array_equal(
        sources, [slow.transport(s, v, 1 / 32) for s, v in zip(saliency, visible, strict=True)]
    )
    assert (np.asarray(sources) != np.where(visible.reshape(40, -1), np.arange(25), -1)).any(1).mean() > 0.5


@properties
@given(st.sampled_from([(4, 4), (3, 6)]), st.integers(0, 2**32 - 1), st.floats(0, 2, width=32), st.floats(0.0625, 1))
def test_every_visible_place_shows_one_block_and_no_block_is_shown_twice(size, seed, weight, seen):
    generator = np.random.default_rng(seed)
    saliency, visible = maps(generator, 20, *size, peaks=2), generator.random((20, *size)) < seen
    for s, v, source in zip(saliency, visible, np.asarray(run(saliency, visible, weight)), strict=True):
        shown = source[v.ravel()]
        assert (shown >= 0).all() and len(set(shown)) == len(shown)
        assert (source[~v.ravel()] == -1).all()
        places = np.flatnonzero(v.ravel())
        squares = sum((a - b) ** 2 for a, b in zip(np.divmod(shown, size[1]), np.divmod(places, size[1]), strict=True))
        cost = weight * squares / (max(size) - 1) ** 2 - s.ravel()[shown]
        assert (cost <= -s.ravel()[places] + 1e-7).all(), "a place's own block was pushed out by a worse one"


def test_nothing_moves_without_a_reason():
    generator = np.random.default_rng(0)
    visible, block = generator.random((20, 16, 16)) < 0.5, np.arange(256)
    stay = np.where(visible.reshape(20, -1), block, -1)
    uniform = np.full((20, 16, 16), 1 / 256)
    np.testing.assert_array_equal(run(uniform, visible, 0.8), stay)
    peaked = maps(generator, 20, 16, 16, peaks=3)
    np.testing.assert_array_equal(run(peaked, visible, 1e9), stay)
    everywhere = np.broadcast_to(block, (20, 256))
    np.testing.assert_array_equal(run(peaked, np.ones((20, 16, 16), bool), 0.8), everywhere)
    np.testing.assert_array_equal(run(peaked, np.zeros((20, 16, 16), bool), 0.8), np.full((20, 256), -1))


def test_chains_of_refusals_end_with_the_last_round():
    # One place is seen, and all want it: after the two rounds of 2 x 2 blocks it shows the best.
    saliency = [[[0.01, 0.2], [0.25, 0.54]]]
    visible = np.array([[[True, False], [False, False]]])
    assert run(saliency, visible, 0.01)[0].tolist() == [3, -1, -1, -1]
    # A row of places, blocks pushed on and on: what is shown after m rounds is what the slow rounds show.
    row = np.linspace(1, 2, 9).reshape(1, 1, 9) / np.linspace(1, 2, 9).sum()
    seen = np.arange(9).reshape(1, 1, 9) < 4
    sources = run(row, seen, 0.1)[0]
    np.testing.assert_array_equal(sources, slow.transport(row[0], seen[0], 0.1))


def test_arrays_that_are_not_finite_do_no_harm():
    saliency = np.full((3, 4, 4), 1 / 16)
    saliency[0, 1, 1], saliency[1], saliency[2] = np.nan, np.inf, np.nan
    visible = np.broadcast_to(np.arange(16).reshape(4, 4) % 3 > 0, (3, 4, 4))
    for weight in (0.8, np.nan, np.inf, -1.0):
        source = np.asarray(run(saliency, visible, weight))
        shown = source[np.asarray(visible).reshape(3, -1)]
        assert ((shown >= 0) & (shown < 16)).all()


def test_sources_are_int32_and_the_same_eager_and_with_64_bit_values():
    generator = np.random.default_rng(2)
    saliency, visible = maps(generator, BATCH, 4, 4), generator.random((BATCH, 4, 4)) < 0.4
    sources = run(saliency, visible, 0.8)
    assert sources.dtype == np.int32 and sources.shape == (BATCH, 16)
    np.testing.assert_array_equal(transport(jnp.asarray(saliency), jnp.asarray(visible)), sources)
    with jax.enable_x64(True):
        wide = _run(saliency, visible, np.float64(0.8))
    assert wide.dtype == np.int32
    np.testing.assert_array_equal(wide, sources)


def test_refined_moves_are_the_same_moves():
    generator = np.random.default_rng(3)
    source, images = generator.integers(-1, 6, (4, 2, 3)), generator.random((4, 8, 18, 2))
    for rows, columns in ((4, 9), (2, 3)):
        fine = jax.jit(refine, static_argnums=(1, 2))(jnp.asarray(source, jnp.int32), rows, columns)
        assert fine.shape == (4, rows, columns) and fine.dtype == jnp.int32
        for image, coarse, finer in zip(images, source, np.asarray(fine), strict=True):
            expected = slow.moved(image, coarse.ravel(), 2, 3)
            np.testing.assert_array_equal(slow.moved(image, finer.ravel(), rows, columns), expected)


def test_a_negative_distance_weight_says_what_was_wanted():
    with pytest.raises(ValueError, match=r"distance_weight is -1.0; wanted a number from 0"):
        transport(jnp.ones((1, 2, 2)), jnp.ones((1, 2, 2), bool), distance_weight=-1.0)
