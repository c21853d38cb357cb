"""RandomMix: one of several methods for every batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import mixing

import jaxmix
from jaxmix import partners

SHAPE = (4, 9, 6, 2)
METHODS = (jaxmix.mixup, jaxmix.cutmix, jaxmix.resizemix, jaxmix.fmix)
randommix = jax.jit(jaxmix.randommix, static_argnames=("methods", "per_batch"))


def pictures():
    return jnp.asarray(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32))


def constant(share, key, batch, *, partner=None, per_batch=False):
    """A method that can be told by its weight."""
    mix = jaxmix.pair(partners.following(batch.shape[0]), jnp.full((batch.shape[0], 1, 1), share))
    return jaxmix.apply(mix, batch), mix


@pytest.mark.parametrize("chosen", range(4), ids=[method.__name__ for method in METHODS])
def test_a_single_weight_is_that_method_under_the_same_key(chosen):
    weights = jnp.zeros(4).at[chosen].set(2.0)
    partner = jnp.array([2, 3, 1, 0])
    images, mix = randommix(jax.random.key(0), pictures(), weights=weights, partner=partner)
    expected, alone = jax.jit(METHODS[chosen])(jax.random.key(0), pictures(), partner=partner)
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)  # two programs may round a product differently
    np.testing.assert_array_equal(mix.weight, alone.weight)
    np.testing.assert_array_equal(mix.source, alone.source)
    np.testing.assert_array_equal(mix.mask, np.broadcast_to(alone.mask, mix.mask.shape))
    np.testing.assert_allclose(images, mixing.apply(mix, pictures()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (3.0, 1.0, 1.0, 1.0), (0.0, 2.0, 0.0, 6.0)], ids=str)
def test_methods_are_drawn_in_proportion_to_their_weights(weights):
    draws = 3000
    methods = tuple(functools.partial(constant, share) for share in (0.125, 0.25, 0.375, 0.5))
    many = jax.vmap(lambda key: jaxmix.randommix(key, jnp.zeros((2, 1, 1, 1)), methods=methods, weights=weights)[1])
    weight = np.asarray(jax.jit(many)(jax.random.split(jax.random.key(1), draws)).weight[:, :, 1])
    np.testing.assert_array_equal(weight[:, 0], weight[:, 1])  # one method a batch
    counts = np.array([(weight[:, 0] == share).sum() for share in (0.125, 0.25, 0.375, 0.5)])
    expected = draws * np.array(weights) / sum(weights)
    assert counts.sum() == draws and (counts[expected == 0] == 0).all()
    used = expected > 0
    # Once in 1,000 draws at three degrees of freedom.
    assert ((counts - expected)[used] ** 2 / expected[used]).sum() < 16.3


def test_one_draw_for_the_batch_reaches_the_methods():
    for chosen in (0, 1, 3):
        weights = jnp.zeros(4).at[chosen].set(1.0)
        _, mix = randommix(jax.random.key(2), pictures(), weights=weights, per_batch=True)
        assert len({mask.tobytes() for mask in np.asarray(mix.mask)}) == 1
