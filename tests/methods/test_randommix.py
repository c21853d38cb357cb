"""RandomMix: one of several methods for every batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import mixing

import jaxmix
from jaxmix import partners

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 9, 6, 2)
METHODS = (jaxmix.mixup, jaxmix.cutmix, jaxmix.resizemix, jaxmix.fmix)


X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
PARTNER = np.array([2, 3, 1, 0])


@jax.jit
def chosen_and_alone(weights):
    """What randommix gives, for each sample and for the batch, and what each method gives under its own key."""
    options = {"partner": PARTNER}
    key = functools.partial(jax.random.key, 0)
    shared = jaxmix.randommix(key(), X, weights=weights, per_batch=True)[1].mask
    keys = jax.random.split(key(), 1 + len(METHODS))[1:]
    alone = [method(keys[i], X, **options) for i, method in enumerate(METHODS)]
    return jaxmix.randommix(key(), X, weights=weights, **options), shared, alone


def constant(share, key, batch, *, partner=None, per_batch=False):
    """A method that is recognized by its weight."""
    mix = jaxmix.pair(partners.following(batch.shape[0]), jnp.full((batch.shape[0], 1, 1), share))
    return jaxmix.apply(mix, batch), mix


@pytest.mark.parametrize("chosen", range(4), ids=[method.__name__ for method in METHODS])
def test_a_single_weight_is_that_method_under_its_own_key(chosen):
    (images, mix), shared, alone = chosen_and_alone(2 * np.eye(4, dtype=np.float32)[chosen])
    expected, same = alone[chosen]
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)  # two programs may round a product differently
    np.testing.assert_array_equal(mix.weight, same.weight)
    np.testing.assert_array_equal(mix.source, same.source)
    np.testing.assert_array_equal(mix.mask, np.broadcast_to(same.mask, mix.mask.shape))
    np.testing.assert_allclose(images, mixing.apply(mix, X), rtol=0, atol=1e-6)
    if METHODS[chosen] is not jaxmix.resizemix:  # whose places are drawn for every sample
        assert len({mask.tobytes() for mask in np.asarray(shared)}) == 1


@functools.partial(jax.jit, static_argnums=0)
def drawn(draws, weights):
    methods = tuple(functools.partial(constant, share) for share in SHARES)
    keys = jax.random.split(jax.random.key(1), draws)
    return jax.vmap(lambda key: jaxmix.randommix(key, jnp.zeros((2, 1, 1, 1)), methods=methods, weights=weights)[1])(
        keys
    )


SHARES = (0.125, 0.25, 0.375, 0.5)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (3.0, 1.0, 1.0, 1.0), (0.0, 2.0, 0.0, 6.0)], ids=str)
def test_methods_are_drawn_in_proportion_to_their_weights(weights):
    draws = 3000
    weight = np.asarray(drawn(draws, np.float32(weights)).weight[:, :, 1])
    np.testing.assert_array_equal(weight[:, 0], weight[:, 1])  # one method a batch
    counts = np.array([(weight[:, 0] == share).sum() for share in SHARES])
    expected = draws * np.array(weights) / sum(weights)
    assert counts.sum() == draws and (counts[expected == 0] == 0).all()
    used = expected > 0
    # Once in 1,000 draws at three degrees of freedom.
    assert ((counts - expected)[used] ** 2 / expected[used]).sum() < 16.3
