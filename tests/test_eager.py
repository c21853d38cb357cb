"""Eager calls, of three methods by default and of all in CI: one compiles as much as ten jitted calls."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users import jit
from specimens import KEEPS_LABELS, assert_same_mixes, eager, every_method, every_method_slowly, images, key

import jaxmix

pytestmark = pytest.mark.unoptimized


@every_method_slowly
def test_images_are_the_blend_that_the_mix_describes(method):
    x, mix = eager(method)
    if method.__name__ in KEEPS_LABELS:
        np.testing.assert_array_equal(jaxmix.apply(mix, images()), images())
        np.testing.assert_array_equal(mix.weight, 1)
    else:
        np.testing.assert_array_equal(x, jaxmix.apply(mix, images()))


@every_method_slowly
def test_mappings_numpy_arrays_and_legacy_keys_give_the_same_mix(method):
    expected = eager(method)
    chex.assert_trees_all_equal(method(key(), {"image": images(), "label": jnp.arange(5)}), expected)
    chex.assert_trees_all_equal(method(key(), np.asarray(images())), expected)
    chex.assert_trees_all_equal(method(jax.random.PRNGKey(0), images()), expected)


@pytest.mark.slow
@every_method
def test_methods_compiled_as_users_do_draw_the_same_bits_however_llvm_fuses_multiply_and_add(method):
    compiled = jit(method)
    for seed in range(3):
        assert_same_mixes(method, eager(method, seed), compiled(key(seed), images()))
