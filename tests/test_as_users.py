"""That tests of single bits get the programs that users get."""

import os

import as_users
import jax
import pytest
from specimens import images, key
from xla_flags import FUSION

import jaxmix


@pytest.mark.skipif(f"{FUSION}=false" not in os.environ.get("XLA_FLAGS", ""), reason="the tests compile as users do")
def test_its_programs_are_those_of_the_fusion_emitters():
    emitted, other = (
        made(jaxmix.cutmix).lower(key(), images()).compile().as_text() for made in (as_users.jit, jax.jit)
    )
    assert emitted.count("fusion(") > other.count("fusion(")
