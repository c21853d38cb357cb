"""Timing on a busy machine: contenders interleaved in one process, in random order, and what ran where."""

import datetime
import json
import os
import pathlib
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

# Arrays of 32 MiB and more are fresh pages on every call with plain glibc, which costs more than the blend itself.
ALLOCATOR = (
    "glibc.malloc.mmap_threshold=2147483648:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)
RESULTS = pathlib.Path(__file__).parent / "results"


def with_allocator() -> None:
    """Starts the program again with the allocator's setting, which is read when a process starts."""
    if platform.system() == "Linux" and os.environ.get("GLIBC_TUNABLES") != ALLOCATOR:
        os.environ["GLIBC_TUNABLES"] = ALLOCATOR
        os.execv(sys.executable, [sys.executable, *sys.argv])


def seconds(call: Callable[[], Any], repeats: int, *, queue: bool = False) -> float:
    """Mean time of a call. With `queue` only the last one is waited for, so that an accelerator, which works its calls
    off in order, hides what it takes to dispatch them.
    """
    import jax

    start = time.perf_counter()
    for _ in range(repeats):
        result = call()
        if not queue:
            jax.block_until_ready(result)
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / repeats


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int, spend: float, *, queue: bool = False
) -> dict[str, list[float]]:
    """Seconds a call takes, for every contender and round; in a round each has about `spend` seconds."""
    for call in calls.values():
        seconds(call, 1)
    repeats = {name: max(1, round(spend / seconds(call, 1))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name in random.sample(list(calls), len(calls)):
            if repeats[name] > 1:
                seconds(calls[name], 1)
            times[name].append(seconds(calls[name], repeats[name], queue=queue))
    return times


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], float]:
    """A function compiled for these arguments, and the seconds that took, tracing included."""
    import jax

    start = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    return program, time.perf_counter() - start


def ratios(times: list[float], base: list[float]) -> dict[str, Any]:
    """The median ratio of two contenders over the rounds, in which the drift of the machine cancels, with quartiles."""
    found = sorted(a / b for a, b in zip(times, base, strict=True))
    quarter = len(found) // 4
    return {"ratio": statistics.median(found), "quartiles": [found[quarter], found[-1 - quarter]]}


def milliseconds(times: list[float]) -> float:
    return 1e3 * statistics.median(times)


def where() -> str:
    """The device, in words."""
    import jax

    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}"


def write(name: str, **content: Any) -> pathlib.Path:
    """Writes results/NAME-PLATFORM.json, with the date, the device and the versions."""
    import jax

    import jaxmix

    head = {
        "date": datetime.date.today().isoformat(),
        "device": where(),
        "jax": jax.__version__,
        "jaxmix": jaxmix.__version__,
        "dtype": "float32",
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{jax.devices()[0].platform}.json"
    path.write_text(json.dumps(head | content, indent=1) + "\n")
    return path
