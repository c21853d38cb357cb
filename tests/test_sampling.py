"""Random shares: their distribution, their dtype, and the same bits however they are compiled."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users import jit
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmix import sampling

DRAWS = 20_000
traced_beta = jit(sampling.beta, static_argnums=2)
scale_to = jit(sampling.scale_to)
fractions = st.floats(0, 1, width=32, allow_subnormal=False)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0, 5.0])
def test_beta_has_the_moments_of_a_symmetric_beta(alpha):
    share = np.asarray(traced_beta(jax.random.key(0), alpha, DRAWS), float)
    assert share.min() >= 0 and share.max() <= 1
    variance = 1 / (4 * (2 * alpha + 1))
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    assert abs(share.mean() - 0.5) < 4 * math.sqrt(variance / DRAWS)
    assert abs(((share - 0.5) ** 2).mean() - variance) < 4 * math.sqrt((fourth - variance**2) / DRAWS)
    assert abs(((share - 0.5) ** 4).mean() - fourth) < 0.05 * fourth  # fourth powers of 20,000 draws


def test_beta_of_1_is_uniform_in_every_tenth():
    share = np.asarray(sampling.beta(jax.random.key(1), 1.0, DRAWS))
    counts = np.histogram(share, 10, (0, 1))[0]
    assert ((counts - DRAWS / 10) ** 2 / (DRAWS / 10)).sum() < 27.9  # once in 1,000 draws (9 degrees of freedom)


@pytest.mark.parametrize("alpha", [1, pytest.param(0.7, marks=pytest.mark.slow)])
def test_shares_are_the_same_bits_eager_jitted_and_of_a_traced_alpha(alpha):
    traced = traced_beta(jax.random.key(2), alpha, DRAWS)
    constant = functools.partial(sampling.beta, alpha=alpha, draws=DRAWS)  # with which XLA may compute ahead
    np.testing.assert_array_equal(constant(jax.random.key(2)), traced)
    np.testing.assert_array_equal(jit(constant)(jax.random.key(2)), traced)


def test_shares_are_float32_whatever_alpha_is():
    for alpha in (1, 0.2, np.float64(0.2), jnp.bfloat16(0.25), jnp.float16(1)):
        made = jax.eval_shape(lambda alpha=alpha: sampling.beta(jax.random.key(3), alpha, 4))
        assert made.dtype == jnp.float32


def test_a_small_alpha_gives_shares_at_both_ends_and_none_that_is_not_a_number():
    share = np.asarray(traced_beta(jax.random.key(4), 0.01, DRAWS))
    assert np.isfinite(share).all()
    assert abs((share < 0.5).mean() - 0.5) < 4 * 0.5 / math.sqrt(DRAWS)
    assert ((share < 0.01) | (share > 0.99)).mean() > 0.9


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_that_is_not_above_0_is_refused_and_where_traced_mixes_nothing(alpha):
    with pytest.raises(ValueError, match="alpha"):
        sampling.beta(jax.random.key(5), alpha, 4)
    if not math.isnan(alpha):
        np.testing.assert_array_equal(traced_beta(jax.random.key(5), alpha, DRAWS), 0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(fractions, fractions, fractions)
def test_a_share_is_stretched_onto_its_interval(low, high, share):
    low, high = sorted((low, high))
    made, lowest = map(float, scale_to(np.float32(low), np.float32(high), np.float32([share, 0])))
    assert made == pytest.approx(low + (high - low) * share, abs=1e-7)  # three roundings below 1
    assert low <= made <= high + 1e-7
    assert lowest == low


def test_uniform_samples_spread_evenly_over_their_interval():
    made = np.asarray(sampling.uniform(jax.random.key(6), jnp.float32(0.25), jnp.float32(0.5), DRAWS))
    assert 0.25 <= made.min() < 0.251 and 0.499 < made.max() <= 0.5
    counts = np.histogram(made, 10, (0.25, 0.5))[0]
    assert ((counts - DRAWS / 10) ** 2 / (DRAWS / 10)).sum() < 27.9  # once in 1,000 draws (9 degrees of freedom)
