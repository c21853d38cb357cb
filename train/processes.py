"""Several processes that train one network: their start, the arrays that all of them hold, and their end.

Each runs the same command. On SLURM and on TPU slices they find each other; elsewhere the command says where the first
of them listens. Together they are one program on all devices: the batch, the learning rate and the images of an epoch
don't depend on their number. The first process, number 0, writes the files of the run and prints.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NoReturn

import jax
import numpy as np
from jax.sharding import Sharding

import exits

__all__ = [
    "ProcessOptions",
    "check",
    "count",
    "first",
    "leave",
    "lost",
    "number",
    "program",
    "put",
    "put_key",
    "put_rows",
    "several",
    "start",
]

# Seconds to wait for the start of all processes.
START = 300
# Seconds that the first process, on which the others depend, stays after an error, so that they can print theirs.
LAST = 2.0


@dataclass(frozen=True)
class ProcessOptions:
    """How several processes find each other; on SLURM and on TPU slices no option is needed."""

    coordinator: str | None = None
    """HOST:PORT at which process 0 listens to the others; the same in every process."""
    processes: int | None = None
    """The number of processes."""
    process: int | None = None
    """Which of them this is, from 0."""
    heartbeat_seconds: int = 60
    """Seconds without a sign of life after which a process is taken for dead, which ends the others."""


def check(options: ProcessOptions) -> None:
    """Raises ValueError for options that don't suit each other."""
    given = (options.coordinator, options.processes, options.process)
    if given == (None, None, None):
        return
    if None in given:
        missing = [f"--{name}" for name in ("coordinator", "processes", "process") if getattr(options, name) is None]
        raise ValueError(f"--coordinator, --processes and --process go together; wanted {' and '.join(missing)} too.")
    host, _, port = str(options.coordinator).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ValueError(f"--coordinator is {options.coordinator}; wanted HOST:PORT, such as node001:12345.")
    if options.process >= options.processes:  # type: ignore[operator]
        raise ValueError(f"--process is {options.process}; wanted less than --processes, {options.processes}.")


def start(options: ProcessOptions) -> None:
    """Join the other processes, if there are any; to be called before JAX first uses a device.

    Prints what it waits for before it does: where a process is missing, JAX ends this one without an exception.
    """
    if jax.distributed.is_initialized():
        return
    limits = {"initialization_timeout": START, "heartbeat_timeout_seconds": options.heartbeat_seconds}
    limits["shutdown_timeout_seconds"] = START
    if options.coordinator is not None:
        _announce(f"{options.processes} processes at {options.coordinator}")
        jax.distributed.initialize(
            options.coordinator,
            options.processes,
            options.process,
            cluster_detection_method="deactivate",
            **limits,  # type: ignore[arg-type]
        )
    elif (found := _cluster()) is not None:
        _announce(found)
        jax.distributed.initialize(**limits)  # type: ignore[arg-type]
    elif _tpu_machine():
        _start_on_tpu(limits)
    if not first():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the end of the process


def _announce(what: str) -> None:
    print(f"waiting for {what}, up to {START} s", file=sys.stderr, flush=True)


def _cluster() -> str | None:
    """The processes that the environment of this one promises, in words; None for this one alone."""
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if {"SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID"} <= os.environ.keys() and tasks != "1":
        return f"{tasks} processes of step {os.environ.get('SLURM_STEP_ID', '')} of SLURM job " + (
            f"{os.environ['SLURM_JOB_ID']} at {os.environ['SLURM_STEP_NODELIST']}"
        )
    hosts = os.environ.get("TPU_PROCESS_ADDRESSES") or os.environ.get("TPU_WORKER_HOSTNAMES", "")
    if "," in hosts or os.environ.get("MEGASCALE_COORDINATOR_ADDRESS"):
        return f"the processes of the TPU slice {hosts}"
    return None


def _tpu_machine() -> bool:
    """Whether this is a virtual machine with TPUs that can be asked for its slice. JAX sets the variable elsewhere."""
    return "TPU_SKIP_MDS_QUERY" not in os.environ and find_spec("libtpu") is not None


def _start_on_tpu(limits: dict[str, int]) -> None:
    """Join the other machines of a TPU slice, or go on alone, with a warning, where nothing is known of any."""
    _announce("the processes of this TPU slice")
    try:
        jax.distributed.initialize(**limits)  # type: ignore[arg-type]
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"warning: no other process was found ({reason}); going on with this one.", file=sys.stderr, flush=True)


def several() -> bool:
    """Whether this process is one of several."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def count() -> int:
    """The number of processes."""
    return jax.process_count() if several() else 1


def number() -> int:
    """Which of the processes this is, from 0."""
    return jax.process_index() if several() else 0


def first() -> bool:
    """Whether this process writes the files of the run and prints."""
    return number() == 0


def put(tree: Any, sharding: Sharding) -> Any:
    """Arrays that every process has as a whole, on the devices of all of them."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    # `device_put` of the whole would send the array between the processes, to compare it.
    return jax.tree.map(lambda array: _placed(np.asarray(array), sharding, np.shape(array), 0), tree)


def put_rows(tree: Any, sharding: Sharding) -> Any:
    """Arrays of which every process has its own rows, next to each other in the order of the processes."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def placed(array: Any) -> jax.Array:
        own, *rest = np.shape(array)
        return _placed(np.asarray(array), sharding, (own * count(), *rest), own * number())

    return jax.tree.map(placed, tree)


def _placed(array: np.ndarray, sharding: Sharding, shape: tuple[int, ...], start: int) -> jax.Array:
    """The array of that shape, of which `array` is this process's part from row `start` on, on its devices.

    By explicit transfers, which a step may make, unlike those of `jax.make_array_from_callback`.
    """
    parts = []
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        if index and start:
            low, high, _ = index[0].indices(shape[0])
            index = (slice(low - start, high - start), *index[1:])
        parts.append(jax.device_put(array[index], device))
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


def put_key(key: jax.Array, sharding: Sharding) -> jax.Array:
    """A key that every process has, on the devices of all of them, so that no step has to send it there."""
    if sharding.is_fully_addressable:
        return jax.device_put(key, sharding)
    bits = put(np.asarray(jax.random.key_data(key)), sharding)
    return jax.random.wrap_key_data(bits, impl=jax.random.key_impl(key))


def program(run: Callable[[], int], advice: str) -> int:
    """As `exits.program`. Where this process alone ends by an error, it ends at once, after its message.

    Python's own end would wait for the other processes, which wait for this one. They end by the failure of their next
    communication, in one line, or are ended by JAX once the heartbeats of this one are missed.
    """
    agreed = False

    def noted() -> int:
        nonlocal agreed
        try:
            code = run()
        except jax.errors.JaxRuntimeError as error:
            if not several():
                raise
            raise exits.StorageError(f"{lost(error)}; {advice}") from error
        agreed = True
        return code

    try:
        code = exits.program(noted, advice)
    except BaseException:
        if several():
            traceback.print_exc()
            leave(1)
        raise
    if several() and not agreed:
        leave(code)
    return code


def lost(error: Exception) -> str:
    """One line on a computation of all processes that has failed in this one."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return f"process {number()} can't go on, as where another process has ended ({reason})"


def leave(code: int) -> NoReturn:
    """End this process at once."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if first():
        time.sleep(LAST)
    os._exit(code)
