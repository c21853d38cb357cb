"""Partners: with whom each sample is mixed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmix import partners

pytestmark = pytest.mark.unoptimized

SIZE = 12
within = jax.jit(partners.within)
shuffles = jax.jit(jax.vmap(partners.shuffle, (0, None)), static_argnums=1)
properties = settings(max_examples=25, deadline=None, derandomize=True)
groups = st.lists(st.integers(-2, 4), min_size=SIZE, max_size=SIZE)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_following_is_the_next_sample_and_the_first_follows_the_last(size):
    assert partners.following(size).tolist() == [(i + 1) % size for i in range(size)]


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_reverse_is_the_batch_backwards(size):
    assert partners.reverse(size).tolist() == [size - 1 - i for i in range(size)]


def test_partners_are_32_bit_integers():
    calls = (
        lambda key: partners.following(4),
        lambda key: partners.reverse(4),
        lambda key: partners.shuffle(key, 4),
        lambda key: partners.within(key, jnp.zeros(4, int)),
    )
    assert {jax.eval_shape(call, jax.random.key(0)).dtype for call in calls} == {jnp.dtype("int32")}


def test_shuffle_is_a_permutation_and_sends_every_sample_everywhere_alike():
    partners = np.asarray(shuffles(jax.random.split(jax.random.key(0), 4000), 5))
    np.testing.assert_array_equal(np.sort(partners, 1), np.broadcast_to(np.arange(5), (4000, 5)))
    for place in range(5):
        counts = np.bincount(partners[:, place], minlength=5)
        chi_square = ((counts - 800) ** 2 / 800).sum()
        assert chi_square < 18.5  # exceeded once in 1,000 draws (4 degrees of freedom)
    alone = (partners == np.arange(5)).mean()  # fixed points are allowed: 1 / b of all samples
    assert abs(alone - 1 / 5) < 4 * math.sqrt(1 / 5 / 5 / 4000)


@properties
@given(groups, st.integers(0, 1000))
def test_within_stays_in_the_group_and_only_a_lone_sample_meets_itself(group, seed):
    partner = np.asarray(within(jax.random.key(seed), jnp.array(group)))
    np.testing.assert_array_equal(np.sort(partner), np.arange(SIZE))
    np.testing.assert_array_equal(np.array(group)[partner], group)
    for sample, other in enumerate(partner):
        assert (sample == other) == (group.count(group[sample]) == 1)


def test_within_sends_a_sample_to_every_other_of_its_group_alike():
    group = jnp.array([7, 3, 7, 7, 3, 7])
    keys = jax.random.split(jax.random.key(1), 3000)
    found = np.asarray(jax.jit(jax.vmap(partners.within, (0, None)))(keys, group))
    counts = np.bincount(found[:, 0], minlength=6)
    assert counts[[0, 1, 4]].tolist() == [0, 0, 0]
    assert ((counts[[2, 3, 5]] - 1000) ** 2 / 1000).sum() < 13.8  # once in 1,000 draws (2 degrees of freedom)
