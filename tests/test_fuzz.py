"""A few random calls; `python tests/fuzz.py` makes as many as are wanted."""

import jaxtyping
import pytest
from fuzz import FUNCTIONS, run

pytestmark = pytest.mark.unoptimized


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_random_calls_give_right_values_or_errors_of_the_library(seed):
    calls = 60 if seed == 0 else 300
    # What the type checker of these tests refuses first is never seen by the library.
    counts, faults = run(calls, seed, accepted=(ValueError, jaxtyping.TypeCheckError))
    assert not faults
    assert sum(counts.values()) == calls and len({name for name, _ in counts}) > len(FUNCTIONS) // 3
