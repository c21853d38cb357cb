"""AttentiveMix: the cells of the partner that are attended to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import grids

from jaxmix.methods import attentivemix as module
from jaxmix.methods.attentivemix import attentivemix as method

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 14, 21, 3)
PARTNER = np.array([2, 0, 3, 1])


X = np.random.default_rng(0).random(SHAPE).astype(np.float32)


@jax.jit
def attentivemix(attention, cells=6.0, partner=PARTNER):
    """The number of cells and partners traced: one program for each grid."""
    return method(jax.random.key(0), X, attention, cells=cells, partner=partner)


def top(attention, cells):
    """The highest cells, one after the other, the first of equals row by row."""
    left, chosen = attention.astype(float).copy(), np.zeros(attention.shape, bool)
    for _ in range(cells):
        best = np.unravel_index(np.argmax(left), left.shape)
        chosen[best], left[best] = True, -np.inf
    return chosen


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([(7, 7), (3, 5)]), st.integers(1, 49), st.booleans())
def test_the_top_cells_of_the_partner_are_pasted_as_in_the_slow_loops(seed, grid, cells, tied):
    generator, cells = np.random.default_rng(seed), min(cells, grid[0] * grid[1])
    attention = generator.standard_normal((SHAPE[0], *grid)).astype(np.float32)
    attention = np.sign(attention) * (np.abs(attention) > 0.5) if tied else attention
    images, mix = attentivemix(attention, float(cells))
    for b in range(SHAPE[0]):
        mask = grids.cells(top(attention[PARTNER[b]], cells), 14, 21)
        np.testing.assert_array_equal(mix.mask[b, 1], mask)
        np.testing.assert_array_equal(images[b], np.where(mask[..., None] == 1, X[PARTNER[b]], X[b]))
        assert float(mix.weight[b, 1]) == np.float32(mask.sum()) / np.float32(14 * 21)


def test_6_of_49_cells_give_the_partner_12_per_cent_as_in_the_paper():
    attention = np.random.default_rng(1).random((4, 7, 7)).astype(np.float32)
    _, mix = attentivemix(attention)
    np.testing.assert_array_equal(mix.weight[:, 1], np.float32(6 / 49))
    np.testing.assert_array_equal(mix.mask[:, 1].sum((1, 2)), 6 * 2 * 3)


@pytest.mark.parametrize("bad", [0.0, 7.0, np.nan, np.inf, -np.inf])
def test_uninformative_maps_give_the_first_cells(bad):
    attention = np.random.default_rng(1).random((4, 7, 7)).astype(np.float32)
    attention[:] = attention if not np.isfinite(bad) else bad
    attention[:, 3, 3] = bad
    images, mix = attentivemix(attention)
    expected = np.zeros((14, 21))
    expected[:2, : 6 * 3] = 1
    np.testing.assert_array_equal(mix.mask[:, 1], np.broadcast_to(expected, (4, 14, 21)))
    assert np.isfinite(images).all()


@jax.jit
def with_alpha(attention, alpha):
    """A number of cells for each sample, one for the batch, and many draws of it."""
    x = jnp.zeros((16, 7, 7, 1))
    mixes = [method(jax.random.key(0), x, attention, alpha=alpha, per_batch=one)[1] for one in (False, True)]
    return *mixes, module._sampled(jax.random.key(5), alpha, 49, 20_000)


def test_with_alpha_the_number_of_cells_is_drawn_for_every_sample_or_once_from_beta_alpha_8():
    attention, alpha, draws = np.random.default_rng(1).random((16, 7, 7)).astype(np.float32), 2.0, 20_000
    *mixes, counts = with_alpha(attention, alpha)
    for per_batch, mix in zip((False, True), mixes, strict=True):
        number = np.asarray(mix.mask[:, 1].sum((1, 2)))
        assert (len(set(number.tolist())) == 1) == per_batch and number.min() >= 1
        np.testing.assert_array_equal(mix.weight[:, 1], number / np.float32(49))
    counts = np.asarray(counts)
    expected = np.maximum(1, np.floor(49 * np.random.default_rng(0).beta(alpha, 8, draws)))
    # Two samples: four standard errors of their difference.
    assert abs(counts.mean() - expected.mean()) < 4 * np.sqrt((counts.var() + expected.var()) / draws)
    assert abs((counts == 1).mean() - (expected == 1).mean()) < 4 * np.sqrt(0.5 / draws)
    # A traced alpha of 0 mixes nothing.
    for mix in with_alpha(attention, 0.0)[:2]:
        np.testing.assert_array_equal(mix.weight[:, 0], 1)


def test_a_traced_number_of_cells_costs_no_new_trace_and_is_kept_in_range():
    attention, traces = np.random.default_rng(1).random((4, 7, 7)).astype(np.float32), []

    @jax.jit
    def run(cells):
        traces.append(1)
        return method(jax.random.key(0), X, attention, cells=cells)[1].weight[0, 1]

    pasted = [float(run(cells)) for cells in (1.0, 6.9, 1000.0, -3.0, np.nan)]
    np.testing.assert_allclose(pasted, [1 / 49, 6 / 49, 1, 1 / 49, 1 / 49], rtol=1e-7)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("attention", "options", "message"),
    [
        (np.zeros((4, 7, 7, 1), np.float32), {}, r"attention has shape \(4, 7, 7, 1\); wanted one map per image"),
        (np.zeros((3, 7, 7), np.float32), {}, r"attention has shape \(3, 7, 7\); wanted one map per image"),
        (np.zeros((4, 15, 7), np.float32), {}, r"attention has 15 x 7 cells for 14 x 21 pixels; wanted a coarser grid"),
        (np.zeros((4, 2, 2), np.float32), {}, r"cells is 6; wanted a number from 1 to 4"),
        (np.zeros((4, 2, 2), np.float32), {"cells": 0}, r"cells is 0; wanted a number from 1 to 4"),
        (np.zeros((4, 7, 7), np.float32), {"alpha": 0.0}, r"alpha is 0.0; wanted a number above 0"),
        (np.zeros((4, 7, 7), int), {}, r"attention has dtype int64; wanted a floating dtype or uint8"),
    ],
)
def test_maps_and_numbers_of_cells_that_do_not_fit_say_so(attention, options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda key: method(key, X, attention, **options), jax.random.key(0))
