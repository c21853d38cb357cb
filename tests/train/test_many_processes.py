"""Two processes of four devices each: they train as one process of eight, stop together, and end with each other."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from xla_flags import xla_flags

import cifar

pytestmark = pytest.mark.slow
SCRIPT = pathlib.Path(cifar.__file__)
# An epoch is a step, so that every line of the metrics has the loss of one.
STEPS = ("--limit-train", "32", "--limit-test", "32", "--batch-size", "32", "--lr", "0.001", "--epochs", "12")
HEARTBEAT = 10
# The program, which prints the bits of each step's loss as this process has it; once for all arguments up to THEN.
NOTING = """
import itertools, sys, cifar, jax, loop
read = loop._read
def noting(metrics, end, bar):
    print("step", end, jax.device_get(metrics).tobytes().hex(), file=sys.stderr, flush=True)
    read(metrics, end, bar)
loop._read = noting
parts = itertools.groupby(sys.argv[1:], lambda argument: argument == "THEN")
sys.exit(max(cifar.main(list(arguments)) for between, arguments in parts if not between))
"""


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


STARTED = []


@pytest.fixture(autouse=True)
def none_is_left():
    yield
    for process in STARTED:
        process.kill()
        process.wait()
    STARTED.clear()


def start(place, devices, *arguments, **environment):
    """The program on that many made-up devices; it writes to a log."""
    log = place / f"log-{len(list(place.glob('log-*')))}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XLA_", "SLURM_"))}
    variables = (
        inherited
        | environment
        | {
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{xla_flags()} --xla_force_host_platform_device_count={devices}",
            "PYTHONPATH": os.pathsep.join(map(str, (SCRIPT.parents[1], SCRIPT.parent))),
            "JAX_COMPILATION_CACHE_DIR": str(place.parent / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # they mostly compile
        }
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", NOTING, *arguments], env=variables, cwd=place, stdout=output, stderr=output
        )
    STARTED.append(process)
    return process, log


def two(place, *arguments):
    address = f"127.0.0.1:{free_port()}"
    options = ("--coordinator", address, "--processes", "2", "--heartbeat-seconds", str(HEARTBEAT))
    return [start(place, 4, *arguments, *options, "--process", str(number)) for number in (0, 1)]


def lines(folder):
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_lines(root, count, started):
    deadline = time.monotonic() + 300
    while not [folder for folder in root.glob("[!.]*") if len(lines(folder)) >= count]:
        for process, log in started:
            assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, [log.read_text() for _, log in started]
        time.sleep(0.05)
    (folder,) = root.glob("[!.]*")
    return folder


def losses(folder):
    return np.array([[line["train_loss"], line["test_loss"], line["train_accuracy"]] for line in lines(folder)])


def test_two_processes_train_as_one_stop_together_and_one_goes_on(tmp_path):
    slurm = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    slurm |= {"JAX_COORDINATOR_PORT": str(free_port()), "SLURM_STEP_ID": "0"}
    started = [
        start(tmp_path, 4, *STEPS, "--runs-dir", "two", **slurm | {"SLURM_PROCID": number, "SLURM_LOCALID": number})
        for number in "01"
    ]
    folder = wait_for_lines(tmp_path / "two", 5, started)
    started[1][0].send_signal(signal.SIGTERM)  # one of them alone
    assert [process.wait(120) for process, _ in started] == [143, 143], [log.read_text() for _, log in started]
    first, second = (log.read_text() for _, log in started)
    assert "of 2 processes" in first and re.search(r"interrupted after (step|epoch) .*; all of it is saved", first)
    assert all("waiting for 2 processes of step 0 of SLURM job" in text for text in (first, second))
    assert "epoch" not in second  # the first one prints
    bits = [re.findall("^step .*", text, re.MULTILINE) for text in (first, second)]
    assert bits[0] == bits[1] and len(bits[0]) >= 5
    done = len(lines(folder))
    assert (folder / "checkpoints" / str(done) / "_CHECKPOINT_METADATA").exists()

    alone, log = start(tmp_path, 8, *STEPS, "--runs-dir", "one", "THEN", "--resume", str(folder))
    assert alone.wait(300) == 0, log.read_text()
    (whole,) = (tmp_path / "one").glob("[!.]*")
    assert "devices not as in the first entry" in log.read_text()
    assert len(losses(whole)) == len(losses(folder)) == 12 > done >= 5
    differences = np.abs(losses(folder) - losses(whole))
    print("largest difference of a step:", *differences.max(axis=1))
    assert differences[:5].max() <= 1e-6
    # Rounding, which the steps amplify: a step that was left out or taken twice changes a loss by 1e-3 at least.
    assert differences.max() <= 1e-4 < np.abs(np.diff(losses(whole)[:, 1])).min()
    calls = json.loads((folder / "versions.json").read_text())
    assert [call["devices"].get("processes") for call in calls] == [2, None]
    assert not list(folder.glob("checkpoints/*tmp*")) and (folder / "mixed.png").exists()


def test_a_process_that_is_killed_ends_the_other_with_a_message(tmp_path):
    started = two(tmp_path, *STEPS, "--runs-dir", "two")
    folder = wait_for_lines(tmp_path / "two", 2, started)
    started[1][0].kill()
    begun = time.monotonic()
    code = started[0][0].wait(6 * HEARTBEAT)
    assert time.monotonic() - begun < 2 * HEARTBEAT
    text = started[0][1].read_text()
    assert code == 1, text
    (error,) = re.findall("^error: .*", text, re.MULTILINE)
    assert "can't go on, as where another process has ended" in error and f"--resume {folder}" in error
    assert "Traceback" not in text
