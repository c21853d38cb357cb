"""`jit` of tests of single bits and levels, which depend on how XLA compiles: as users do, whatever the tests' flags
and marks say.
"""

import functools
import os

import jax
from xla_flags import FUSION

__all__ = ["jit"]

_OPTIONS: dict[str, int | bool] = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
_EMITTERS = {FUSION: True} if FUSION in os.environ.get("XLA_FLAGS", "") else {}
jit = functools.partial(jax.jit, compiler_options=_OPTIONS | _EMITTERS)
