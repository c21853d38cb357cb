"""Partners: with whom each sample is mixed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import covers

from jaxmix import partners

pytestmark = pytest.mark.unoptimized

SIZE = 12
within, across, cover = (jax.jit(f) for f in (partners.within, partners.across, partners.cover))
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
        lambda key: partners.across(key, jnp.zeros(4, int)),
        lambda key: partners.near(key, jnp.zeros(4), 1.0),
        lambda key: partners.cover(jnp.zeros((4, 4))),
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


@properties
@given(groups, st.integers(0, 1000))
def test_across_leaves_the_class_and_a_batch_of_one_class_is_paired_with_itself(labels, seed):
    partner = np.asarray(across(jax.random.key(seed), jnp.array(labels)))
    if len(set(labels)) == 1:
        np.testing.assert_array_equal(partner, np.arange(SIZE))
    else:
        assert (np.array(labels)[partner] != labels).all()


def test_across_sends_a_sample_to_every_one_of_the_other_classes_alike():
    labels = jnp.array([7, 3, 7, 5, 3, 5])
    keys = jax.random.split(jax.random.key(1), 4000)
    found = np.asarray(jax.jit(jax.vmap(partners.across, (0, None)))(keys, labels))
    counts = np.bincount(found[:, 2], minlength=6)
    assert counts[[0, 2]].tolist() == [0, 0]
    assert ((counts[[1, 3, 4, 5]] - 1000) ** 2 / 1000).sum() < 16.3  # once in 1,000 draws (3 degrees of freedom)


def test_labels_of_64_bits_that_32_would_confuse_are_other_classes():
    assert partners.across(jax.random.key(0), np.array([2**32 + 7, 7])).tolist() == [1, 0]


@properties
@given(st.integers(0, 1000), st.sampled_from([1, 100]))
def test_cover_is_the_cycle_of_the_slow_loops_with_the_first_of_equal_distances(seed, steps):
    uniform = np.random.default_rng(seed).random((SIZE, SIZE))
    distance = np.float32(np.round(uniform * steps) / steps)  # with steps = 1, of 0 and 1 only
    partner = np.asarray(cover(distance))
    np.testing.assert_array_equal(partner, covers.cover(distance))
    seen, here = [], 0
    for _ in range(SIZE):
        seen.append(here)
        here = partner[here]
    assert here == 0 and sorted(seen) == list(range(SIZE))


def test_cover_pairs_as_the_authors_code(golden):
    # pairing.pyx of 3neutronstar/GuidedMixup @73494e1; the last matrix has many ties.
    numbers = golden("beyond/guided_pairing")
    for distance, partner in zip(numbers["distance"], numbers["partner"], strict=True):
        np.testing.assert_array_equal(cover(distance), partner)


def test_a_cover_is_one_cycle_whatever_the_distances_are():
    index = np.arange(SIZE)
    distances = (np.full((SIZE, SIZE), value, np.float32) for value in (0, np.nan, np.inf, -np.inf))
    for distance in distances:
        np.testing.assert_array_equal(cover(distance), (index + 1) % SIZE)
    assert partners.cover(np.zeros((1, 1), np.float32)).tolist() == [0]
    with pytest.raises(ValueError, match=r"distance has shape \(2, 3\)"):
        partners.cover(jnp.zeros((2, 3)))


@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_near_has_the_probabilities_of_the_authors_code(golden, case):
    # The functions of huaxiuyao/C-Mixup @0b88fb3, with scikit-learn's kernel density.
    numbers = golden("beyond/pairs_and_contrast")
    found = partners.nearness(numbers[f"{case}_y"], float(numbers[f"{case}_bandwidth"]))
    np.testing.assert_allclose(found, numbers[f"{case}_rate"], atol=1e-6)


def test_large_values_of_numpy_keep_their_differences():
    y = np.array([0.0, 30.0, 60.0])
    np.testing.assert_allclose(partners.nearness(y + 1.7e9, 10.0), partners.nearness(y, 10.0), atol=1e-6)
    broken = np.asarray(partners.nearness(np.array([0.0, 10.0, np.inf]), 10.0))
    np.testing.assert_allclose(broken[:2, :2], partners.nearness(y[:2] / 3, 10.0), atol=1e-6)


def test_near_samples_by_its_probabilities():
    y = jnp.array([0.0, 1.0, 3.0])
    for itself in (True, False):
        keys = jax.random.split(jax.random.key(itself), 6000)
        expected = np.asarray(partners.nearness(y, 1.0, itself=itself))
        found = np.asarray(jax.jit(jax.vmap(lambda key, own=itself: partners.near(key, y, 1.0, itself=own)))(keys))
        shares = (found[:, :, None] == np.arange(3)).mean(0)
        np.testing.assert_allclose(shares, expected, atol=4 * math.sqrt(0.25 / 6000))
        np.testing.assert_allclose(expected.sum(1), 1, rtol=1e-6)
    assert (np.diagonal(expected) == 0).all()


def test_a_wide_kernel_is_uniform_and_a_narrow_one_is_the_sample_itself_or_the_nearest_others():
    y = jnp.array([[0.0, 0.0], [3.0, 4.0], [30.0, 40.0], [jnp.nan, 0.0]])
    rows = jax.jit(partners.nearness, static_argnames="itself")
    np.testing.assert_allclose(rows(y[:3], 1e9), 1 / 3, rtol=1e-6)
    for narrow in (1e-30, 0.0, -1.0, np.nan):  # traced, so that what is out of range is made safe
        np.testing.assert_array_equal(rows(y[:3], narrow), np.eye(3))
    np.testing.assert_allclose(rows(y[:3], 1.0, itself=False)[0], [0, 1, 0], atol=1e-6)
    broken = np.asarray(rows(y, 1.0))
    np.testing.assert_array_equal(broken[:3, 3], 0)
    np.testing.assert_array_equal(broken[3], 0.25)


def test_what_near_and_across_refuse_says_what_was_wanted():
    mistakes = {
        r"bandwidth is 0; wanted a number above 0": lambda: partners.near(jax.random.key(0), jnp.zeros(3), 0),
        r"y has shape \(\); wanted values to regress": lambda: partners.near(jax.random.key(0), 1.0, 1.0),
        r"y has one sample": lambda: partners.near(jax.random.key(0), jnp.zeros(1), 1.0, itself=False),
        r"labels has shape \(3,\) and dtype float32; wanted integers": lambda: partners.across(
            jax.random.key(0), jnp.zeros(3)
        ),
        r"wanted a PRNG key": lambda: partners.near(0, jnp.zeros(3), 1.0),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(ValueError, match=message):
            mistake()
