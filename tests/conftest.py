"""Strict settings for the tests: no silent promotion, no reused key, no warning; and which worker runs what."""

import gc
import importlib.util
import mmap
import os
import pathlib
import re
import threading

from xla_flags import FUSION

os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS", "cpu")


def _has_flag(name):
    """Whether this XLA has the flag: one that it doesn't know ends the process."""
    library = pathlib.Path(importlib.util.find_spec("jaxlib").origin).parent / "libjax_common.so"
    if not library.exists():
        return False
    with library.open() as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as code:
        return code.find(b"\0" + name.encode() + b"\0") >= 0  # a string by itself; without that, a field it once had


# Half of the time goes into compiling, which takes half as long without the CPU's fusion emitters, and a little less in
# one piece. Tests of single bits compile as users do (as_users.py). From jaxlib 0.12 on the emitters are always used.
PIECES = "xla_cpu_parallel_codegen_split_count"
if not _has_flag(FUSION):
    os.environ["XLA_FLAGS"] = re.sub(rf"--{FUSION}=\w+", "", os.environ.get("XLA_FLAGS", ""))
for flag, setting in ((FUSION, "false"), (PIECES, "1")):
    if _has_flag(flag) and flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --{flag}={setting}"

import jax
import jax.export
import numpy as np
import pytest
from costs import Costs
from jax._src.interpreters import mlir
from jaxtyping import install_import_hook
from xdist.scheduler import LoadScopeScheduling

# jax 0.7 knows one name by its old path, and `jax.export` only once it is imported, as above.
if not hasattr(jax, "enable_x64"):
    jax.enable_x64 = jax.experimental.enable_x64

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_traceback_in_locations_limit", 0)  # to note in a program where it comes from takes 4 % of all

# Tracing allocates much that lives for long, which Python otherwise searches for garbage again and again.
gc.freeze()
gc.set_threshold(100_000)

# To make a context of MLIR takes longer (5 ms) than to lower most programs of the tests, so a thread has one for them;
# a new one now and then, as a context keeps the constants of all its programs.
PROGRAMS_OF_A_CONTEXT = 500
_contexts = threading.local()
_make_context = mlir.make_ir_context


def _context():
    if mlir.ir.Context.current is not None:  # a program that is needed to lower another
        return _make_context()
    if getattr(_contexts, "left", 0) == 0:
        _contexts.context, _contexts.left = _make_context(), PROGRAMS_OF_A_CONTEXT
    _contexts.left -= 1
    return _contexts.context


mlir.make_ir_context = _context

# What a test or an earlier run has compiled is kept, a folder per process.
# (Of the programs of two workers 3 % are the same, all of them small; and the lock of a shared cache reads the whole
# folder whenever a program is added.)
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled" / WORKER
if not os.environ.get("CI"):  # there hardly a program comes twice, and to look each of them up takes longer
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.02)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# A compiled program holds some mappings of memory, 12 from jaxlib 0.12 on, and Linux gives a process 65,530.
PROGRAMS_AT_ONCE = 1000
_programs = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, _, **kinds: _programs.append(event) if event.endswith("backend_compile_duration") else None
)

# A process has its number of devices for life. The tests that shard have eight, in a worker of their own beside the -n
# workers; all others have one, as most users have (without workers, those that are run together with tests that shard
# have eight too).
SHARDS = re.compile(r"test_([a-z]+_)?sharding\.py")
DEVICES = 8
# Files of few tests that take long, which begin first so that no worker is left with one at the end.
LONG = tuple(
    f"tests/{name}.py"
    for name in (
        *("test_fuzz", "test_colabs", "docs/test_build"),
        *("train/test_many_processes", "train/test_survival", "train/test_cifar", "train/test_options"),
        *("visualize/test_command_line", "benchmarks/test_evidence"),
    )
)


def _may_shard(config):
    paths = [pathlib.Path(argument.split("::")[0]) for argument in config.args]
    return any(SHARDS.search(str(file)) for path in paths for file in (path, *path.rglob("test_*.py")))


def pytest_addoption(parser):
    parser.addoption("--costs", action="store_true", help="print CPU seconds and compiled programs of files and tests")


def pytest_configure(config):
    # Types and keys are checked throughout by default, which takes a tenth of the time; slow tests prove values.
    if config.getoption("markexpr") != "slow":
        install_import_hook(["jaxmix"], "typechecker.check")
        jax.config.update("jax_debug_key_reuse", True)
    config.pluginmanager.register(_Optimizations())  # a plugin, as the examples in jaxmix/ are not below this folder
    if config.getoption("costs"):
        config.pluginmanager.register(Costs())
    alone = WORKER == "main" and not config.getoption("numprocesses", None)
    if WORKER == "shards" or (alone and _may_shard(config)):
        flag = f" --xla_force_host_platform_device_count={DEVICES}"
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + flag


class _Optimizations:
    """Half the compile time for what is marked `unoptimized` and for examples: XLA's own passes, but none of LLVM's."""

    def pytest_runtest_setup(self, item):
        marker = item.get_closest_marker("unoptimized")
        wanted = isinstance(item, pytest.DoctestItem) or (marker is not None and marker.args != (False,))
        if jax.config.values["jax_disable_most_optimizations"] and not wanted:
            jax.clear_caches()  # an optimized test must not run what was compiled for the others
        jax.config.update("jax_disable_most_optimizations", wanted)


def pytest_runtest_teardown():
    if len(_programs) > PROGRAMS_AT_ONCE:
        jax.clear_caches()
        _programs.clear()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config, specs):
    if _may_shard(config):
        specs.append("popen//id=shards")


class _Scheduling(LoadScopeScheduling):
    """A file is a unit of work, but where a file runs over the methods each method is one."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.numnodes += _may_shard(config)

    def _split_scope(self, nodeid):
        method = re.search(r"test_(?:contract|eager)\.py::.*\W([a-z_]+)\]$", nodeid)
        return method[1] if method else nodeid.split("::")[0]

    def schedule(self):
        if self.collection is None:  # workers in excess are shut down from the end: the one for sharding, if idle
            idle = not any(SHARDS.search(test) for tests in self.registered_collections.values() for test in tests)
            order = sorted(self.assigned_work, key=lambda node: (node.gateway.id == "shards") == idle)
            self.assigned_work = {node: self.assigned_work[node] for node in order}
        super().schedule()

    def _assign_work_unit(self, node):
        """The next unit that is for this worker."""
        own = node.gateway.id == "shards"
        units = [scope for scope in self.workqueue if bool(SHARDS.search(scope)) == own]
        if not units:
            node.shutdown()
            return
        unit = min(units, key=lambda scope: scope not in LONG)
        self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
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
