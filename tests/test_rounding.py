"""Compiled as users do, methods draw the bits of their eager calls, however LLVM fuses multiply and add."""

import pytest
from as_users import jit
from specimens import assert_same_mixes, eager, every_method, images, key

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]  # the eager calls are unoptimized


@every_method
def test_jit_gives_what_eager_gives_and_the_same_bits_of_the_draws(method):
    compiled = jit(method)
    for seed in range(3):
        assert_same_mixes(method, eager(method, seed), compiled(key(seed), images()))
