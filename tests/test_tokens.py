"""Masks of tokens: TokenMix's blocks and random tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import tokens as slow

from jaxmix import masks

pytestmark = pytest.mark.unoptimized
with_blocks = jax.jit(masks.with_blocks, static_argnums=(2, 3))
token_blocks = jax.jit(masks.token_blocks, static_argnums=(2, 3), static_argnames="least")


def needed(numbers, shares):
    each = [masks.tokens_needed(s[None], 196, int(m)) for s, m in zip(shares, numbers["minimum"], strict=False)]
    return jnp.concatenate(each)


def test_blocks_of_the_authors_attempts_are_their_masks(golden):
    # generate_mask() of Sense-X/TokenMix @0e17d5d.
    numbers = golden("beyond/tokenmix")
    attempts = np.float32(numbers["attempts"])
    attempts[np.arange(attempts.shape[1])[None] >= numbers["n_attempts"][:, None]] = (1e6, 0, 0, 0)  # never placed
    counts = needed(numbers, jnp.float32(1 - numbers["lam"]))
    mask, covered = with_blocks(attempts, counts, 14, 14)
    np.testing.assert_array_equal(mask, numbers["mask_partner"])
    np.testing.assert_array_equal(covered, mask.sum((1, 2)))
    np.testing.assert_allclose(1 - np.float64(covered) / 196, numbers["lam_area"], atol=1e-12)


def test_random_tokens_of_the_authors_permutation_are_their_masks(golden):
    numbers = golden("beyond/tokenmix")
    counts = masks.tokens_needed(jnp.float32(1 - numbers["lam"][:8]), 196, 14)
    mask, covered = masks.first_tokens(numbers["random_perm"], counts, 14, 14)
    np.testing.assert_array_equal(mask, numbers["random_mask"])
    np.testing.assert_allclose(1 - np.float64(covered) / 196, numbers["random_lam"], atol=1e-12)


def test_blocks_are_those_of_the_slow_loops_on_a_grid_of_unequal_sides():
    random = np.random.default_rng(0)
    attempts = np.stack([1 + 12 * random.random((30, 40)), 2.4 * random.random((30, 40)) - 1.2], -1)
    corners = np.floor(random.random((30, 40, 2)) * [4, 6])
    attempts, counts = np.float32(np.concatenate([attempts, corners], -1)), random.integers(1, 25, 30)
    mask, _ = with_blocks(attempts, np.int32(counts), 5, 7)
    expected = [slow.blocks(given, count, 5, 7) for given, count in zip(attempts, counts, strict=True)]
    np.testing.assert_array_equal(mask, np.stack(expected))


def test_blocks_reach_what_is_needed_and_no_more():
    mask, covered = token_blocks(jax.random.key(0), jnp.full(1500, 0.5), 14, 14)
    np.testing.assert_array_equal(covered, mask.sum((1, 2)))
    assert set(np.unique(mask)) == {0, 1} and covered.max() == 112
    # In 1,500 masks of the authors' code 98.3 % had 112 tokens, and the least 108; three standard deviations of both.
    assert abs((covered == 112).mean() - 0.983) < 3 * np.sqrt(2 * 0.983 * 0.017 / 1500)
    assert covered.min() >= 100
    places = np.asarray(mask.mean(0))
    np.testing.assert_allclose(places, places[::-1, ::-1], atol=0.09)  # no corner is preferred
    assert len(np.unique(np.asarray(mask).reshape(1500, -1), axis=0)) > 1490


def test_eager_and_jitted_masks_are_the_same_bits_and_one_mask_serves_any_number_of_samples():
    share = jnp.array([0.1, 0.9])
    np.testing.assert_array_equal(
        masks.token_blocks(jax.random.key(3), share, 4, 6, least=2)[0],
        token_blocks(jax.random.key(3), share, 4, 6, least=2)[0],
    )
    mask, covered = masks.random_tokens(jax.random.key(3), share, 4, 6, least=2)
    assert covered.tolist() == [4, 23] == mask.sum((1, 2)).tolist()  # 2 + floor(2.4), 2 + floor(21.6)
    assert masks.tokens_needed(jnp.array([1.0]), 9, 1).tolist() == [9]
