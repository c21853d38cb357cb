"""That tests of single bits get the programs that users get."""

import os
import re
import subprocess
import sys

import as_users
import jax
import pytest
from specimens import images, key
from xla_flags import FUSION

import jaxmix

PLAIN = "import jax, jaxmix, test_as_users as t; print(t.instructions(jax.jit(lambda k, x: jaxmix.cutmix(k, x))))"


def instructions(function):
    """Those of a compiled mix, without where they are from."""
    text = function.lower(key(), images()).compile().as_text()
    return re.sub(r", (metadata|frontend_attributes)={[^}]*}", "", text[text.index("\n%") :])


@pytest.mark.skipif(f"{FUSION}=false" not in os.environ.get("XLA_FLAGS", ""), reason="the tests compile as users do")
def test_its_programs_are_those_of_a_process_without_flags():
    paths = os.pathsep.join(path for path in sys.path if path)
    # Where an instruction comes from, which the tests don't note, is in the numbers of its name.
    given = os.environ | {"XLA_FLAGS": "", "PYTHONPATH": paths, "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0"}
    plain = subprocess.run([sys.executable, "-c", PLAIN], env=given, capture_output=True, text=True, check=False)
    assert plain.returncode == 0, plain.stderr
    users, tests = (instructions(jit(lambda k, x: jaxmix.cutmix(k, x))) for jit in (as_users.jit, jax.jit))
    assert users == plain.stdout.removesuffix("\n") != tests
