"""Draws are the same bits eager or jitted, where LLVM may fuse and reorder what it likes."""

import jax
from specimens import assert_same_mixes, every_method_slowly, images, key


@every_method_slowly
def test_optimized_code_draws_the_bits_of_eager_calls(method):
    compiled = jax.jit(method)
    for seed in range(3):
        assert_same_mixes(method, method(key(seed), images()), compiled(key(seed), images()))
