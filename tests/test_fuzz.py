"""Random calls; `python tests/fuzz.py` makes as many as are wanted."""

import pathlib
import subprocess
import sys

import jaxtyping
import pytest
from fuzz import FUNCTIONS, run
from xla_flags import xla_flags

pytestmark = pytest.mark.unoptimized


@pytest.mark.slow
def test_random_calls_give_right_values_or_errors_of_the_library():
    calls = 60
    # What the type checker of these tests refuses first is never seen by the library.
    counts, faults = run(calls, seed=0, accepted=(ValueError, jaxtyping.TypeCheckError))
    assert not faults
    assert sum(counts.values()) == calls and len({name for name, _ in counts}) > calls // 4


@pytest.mark.slow
def test_every_wrong_argument_of_a_building_block_is_an_error_of_the_library():
    # In a process without type checks.
    listed = "masks partners sampling warps shifts blocks backgrounds calibration detection mce occlusion robustness"
    names = listed.split()
    assert all(any(function.startswith(f"{name}.") for function in FUNCTIONS) for name in names)
    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, str(root / "tests" / "fuzz.py"), "--each", *names]
    environment = {"PYTHONPATH": str(root), "XLA_FLAGS": xla_flags(), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    made = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert int(made.stdout.split()[0]) < 10_000  # of all functions there are 18,000
