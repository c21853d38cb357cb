"""Strict settings for every test: eight devices, no silent promotion, no reused key, no warning."""

import os
import pathlib
import re

os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

from jaxtyping import install_import_hook

install_import_hook([f"jaxmix.{name}" for name in ("masks", "partners", "warps")], "beartype.beartype")

import jax
import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Nearly all of the time goes into compiling: what a test or an earlier run has compiled is kept, a folder per process.
CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled" / os.environ.get("PYTEST_XDIST_WORKER", "main")
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.02)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# A compiled program holds some 30 mappings of memory, and Linux gives a process 65,530.
PROGRAMS_AT_ONCE = 1000
_programs = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, _, **kinds: _programs.append(event) if event.endswith("backend_compile_duration") else None
)


def pytest_runtest_teardown():
    if len(_programs) > PROGRAMS_AT_ONCE:
        jax.clear_caches()
        _programs.clear()


class _Scheduling(LoadScopeScheduling):
    """A file is a unit of work, but where a file runs over the methods, each method is one."""

    def _split_scope(self, nodeid):
        method = re.search(r"test_(contract|sharding)\.py::.*\W([a-z_]+)\]$", nodeid)
        return method[2] if method else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return _Scheduling(config, log)


GOLDEN = pathlib.Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture(scope="session")
def golden():
    """Reads numbers of the authors' code, `golden("mixing/cutmix_box")`; a clone without them skips those tests."""

    def read(name):
        path = GOLDEN / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no golden numbers at {path}")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    return read
