"""Kill a small training again and again, and resume it: the folder, checkpoints, metrics and loop are those of every
training, and a step only computes.

    python tests/train/survivor.py FOLDER walk       kill before each operation that changes a file, one by one
    python tests/train/survivor.py FOLDER random 30  kill at random moments
    python tests/train/survivor.py FOLDER faults     no room, no permission, another process, two interrupts, ..

Prints a line of JSON. For kills: their number, how many were resumed, and those that then ended with other bits. For
faults: the exit code of each, the lines it printed, and whether the run, once resumed, ended with the same bits.
A process is forked for each run, before this one has used a device.
"""

import dataclasses
import json
import os
import pathlib
import pty
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
from types import SimpleNamespace

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "train")]
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np

import exits
import locks
import loop
import preview
import run_dir
import training
from checkpoints import Checkpoints
from configuration import RunOptions
from state import State

# One epoch more than there are checkpoints at a time.
STEPS_PER_EPOCH, EPOCHS = 2, 4
SIZE = 4096
# The images of an epoch, a half of them in each step.
IMAGES = 8
# What Python reports before it changes a file.
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link"}


@dataclasses.dataclass(frozen=True)
class Config(RunOptions):
    dataset: str = "tiny"
    model: str = "tiny"
    method: str = "none"
    epochs: int = EPOCHS
    batch_size: int = 4
    steps_per_call: int = 1
    lr: float = 0.1
    data_dir: pathlib.Path = pathlib.Path("data")


def first():
    values = np.random.default_rng(0).standard_normal((3, SIZE), np.float32)
    arrays = (
        np.int32(0),
        {"kernel": values[0]},
        {"mean": values[1], "seen": np.zeros(IMAGES, np.int32)},
        (values[2],),
        np.zeros(2, np.float32),
    )
    return State(*jax.device_put(arrays))


def advance(state, epoch, count):
    """One step, on the host; it counts the images that it trains on."""
    step, params, statistics, (momentum,), totals, _ = jax.device_get(state)
    gradient = np.random.default_rng(int(step)).standard_normal(SIZE, np.float32)
    momentum = np.float32(0.9) * momentum + gradient
    metrics = np.array([[np.abs(gradient).mean(), gradient[0] > 0]], np.float32)
    totals = metrics[0] + (totals if step % STEPS_PER_EPOCH else np.float32(0))
    half = IMAGES // STEPS_PER_EPOCH
    start = int(step) % STEPS_PER_EPOCH * half
    rows = np.random.default_rng(epoch).permutation(IMAGES)[start : start + half]
    seen = statistics["seen"] + np.bincount(rows, minlength=IMAGES).astype(np.int32)
    statistics = statistics | {"seen": seen}
    params = {"kernel": params["kernel"] - np.float32(0.1) * momentum}
    return State(*jax.device_put((step + np.int32(1), params, statistics, (momentum,), totals))), metrics


def evaluate(state):
    return loop.Evaluation(float(np.abs(state.params["kernel"]).mean()), 0.5, 8)


MADE = training.Training(
    source=SimpleNamespace(fingerprint=lambda: {"name": "tiny", "crc32": 1}, steps_per_epoch=STEPS_PER_EPOCH),
    setup=None,
    key=None,
    start=first,
    functions=loop.Functions(advance, evaluate, lambda state: True, lambda step: 0.1),
)


def train(place, made=MADE):
    """Begin the run in an empty folder, or resume the one that is there; returns the exit code."""

    def run():
        config = Config(runs_dir=place)
        found = runs(place)
        folder = found[0] if found else training.begin(made, "tiny", config)
        checkpoints, metrics, state = training.resume(made, folder, config)
        plan = training.plan(made, "tiny", config, folder)
        return loop.train(state, made.functions, plan, folder, checkpoints, metrics)[1]

    return exits.program(run, "no step was done")


def runs(place):
    return sorted(path for path in place.iterdir() if not path.name.startswith("."))


def result(place):
    """The bits of the last state and the metrics of a finished run, but for times."""
    (folder,) = runs(place)
    checkpoints = Checkpoints(folder, create=False)
    arrays = {name: array.tobytes().hex() for name, array in checkpoints.arrays().items()}
    assert arrays["statistics.seen"] == np.full(IMAGES, EPOCHS, np.int32).tobytes().hex()  # each once in an epoch
    lines = [
        {name: line[name] for name in sorted(line) if name not in ("seconds", "cpu_seconds", "images_per_second")}
        for line in run_dir.read_lines(folder / "metrics.jsonl")
    ]
    return [arrays, lines]


def forked(function, output):
    """Run a function in a process of its own that writes to a file; returns its id."""
    process = os.fork()
    if process:
        return process
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 99
    try:
        code = function()
        sys.stdout.flush()
    finally:
        os._exit(code)


def ended(process):
    """The exit code of a process, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def counted(place, note, signals=None):
    """Train, and note each operation that changes a file. Before those in `signals` the process gets that signal."""
    count, own = 0, str(place)

    def hook(event, arguments):
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY)
        if (event in CHANGES or writes) and own in str(arguments[0]):
            count += 1
            if signals and count - 1 in signals:
                os.kill(os.getpid(), signals[count - 1])
            note.write(f"{event} {str(arguments[0]).removeprefix(own)}\n")
            note.flush()

    sys.addaudithook(hook)
    return train(place)


def resumed(place, expected):
    """Resume a run that was killed; returns 0 if it ends with the expected bits."""
    return train(place) or int(result(place) != expected)


def whole(work):
    """The result of a run that is not killed, and its operations."""
    place = work / "whole"
    place.mkdir(parents=True)
    with (work / "operations").open("w") as note:
        begun = time.perf_counter()
        assert ended(forked(lambda: counted(place, note), work / "log")) == 0, (work / "log").read_text()
        seconds = time.perf_counter() - begun
    assert ended(forked(lambda: print(json.dumps(result(place))) or 0, work / "result")) == 0
    return json.loads((work / "result").read_text()), (work / "operations").read_text().splitlines(), seconds


def kinds(operations):
    """The first and the last operation of each kind: of the first and the last epoch, where every epoch has it."""
    found = {}
    for position, operation in enumerate(operations):
        found.setdefault(re.sub(r"\d+", "N", operation), []).append(position)
    return sorted({position for positions in found.values() for position in (positions[0], positions[-1])})


def killed_before(position, place, log):
    """Kill a run before one of its operations."""
    with open(os.devnull, "w") as note:
        return ended(forked(lambda: counted(place, note, {position: signal.SIGKILL}), log))


def killed_within(seconds, place, log):
    """Kill a run some time after its start, unless it has ended."""
    reader, writer = os.pipe()
    process = forked(lambda: train(place), log)
    os.close(writer)
    select.select([reader], [], [], seconds)  # ready when the process, the last to hold the other end, has ended
    os.close(reader)
    os.kill(process, signal.SIGKILL)
    return ended(process)


def kill(work, trials, expected, enough):
    """Kill a run in each of the trials, until there are enough, and resume it."""
    kills, done, failed = 0, 0, {}
    for title, kill_at, moment in trials:
        place, log = work / "run", work / "log"
        place.mkdir()
        kills += kill_at(moment, place, log) == -signal.SIGKILL
        done += 1
        if ended(forked(lambda p=place: resumed(p, expected), log)) != 0:
            failed[title] = log.read_text()[-2000:]
        shutil.rmtree(place)
        if kills == enough:
            break
    return {"kills": kills, "resumed": done - len(failed), "failed": failed}


def limited(size, place):
    """Train where no file can be larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return train(place)


def without_permission(place, folder):
    """Train where a folder may not be written to."""
    folder.chmod(0o555)
    if os.geteuid() == 0:  # who may write anywhere
        os.seteuid(65534)
    return train(place)


def interrupted_twice(place):
    """Train and get Ctrl-C in the second epoch, and again while its checkpoint is being written."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what runs in the background
    plain, wait = MADE.functions.advance, Checkpoints.wait

    def advance(state, epoch, count):
        if int(state.step) == STEPS_PER_EPOCH:
            while not list(place.glob(f"*/checkpoints/{STEPS_PER_EPOCH}")):
                time.sleep(0.01)
            Checkpoints.wait = waited
            signal.raise_signal(signal.SIGINT)
        return plain(state, epoch, count)

    def waited(self):
        Checkpoints.wait = wait
        signal.raise_signal(signal.SIGINT)
        wait(self)

    return train(place, MADE._replace(functions=MADE.functions._replace(advance=advance)))


def hung_up(place):
    """Train in a terminal that is closed after the first epoch; returns the exit code."""
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started the tests
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        plain = MADE.functions.advance

        def waiting(state, epoch, count):
            if int(state.step) == STEPS_PER_EPOCH:
                select.select([reader], [], [])
            return plain(state, epoch, count)

        code = 99
        try:
            code = train(place, MADE._replace(functions=MADE.functions._replace(advance=waiting)))
        finally:
            os._exit(code)
    text = b""
    while b"epoch 1/" not in text:
        text += os.read(terminal, 1000)
    os.close(terminal)
    return ended(process)


def begun(place):
    """A run that was killed in its second epoch; returns its folder."""
    killed_before(40, place, os.devnull)
    return runs(place)[0]


def locked(place):
    """Train while this process has locked the run."""
    held = locks.lock(runs(place)[0])
    code = ended(forked(lambda: train(place), place.parent / "log"))
    held.release()
    return code


def faults(work, expected):
    """The outcome of each fault, as the docstring at the top says."""

    def alone(function):
        return lambda place: ended(forked(lambda: function(place), work / "log"))

    outcomes = {}
    for name, fault in {
        "full at the start": alone(lambda place: limited(300, place)),
        "full at a checkpoint": alone(lambda place: begun(place) and limited(8000, place)),
        "another process": lambda place: begun(place) and locked(place),
        "a folder without permission": alone(lambda place: without_permission(place, place)),
        "a run without permission": alone(lambda place: without_permission(place, begun(place))),
        "two interrupts in a save": alone(lambda place: interrupted_twice(place)),
        "the end of the terminal": lambda place: hung_up(place),
    }.items():
        place, log = work / name.replace(" ", "-"), work / "log"
        place.mkdir()
        log.write_text("")
        code, lines = fault(place), log.read_text().splitlines()
        for folder in (place, *runs(place)):
            folder.chmod(0o755)
        mended = ended(forked(lambda p=place: resumed(p, expected), work / "mended")) == 0
        outcomes[name] = {"code": code, "lines": lines, "mended": mended}
    return outcomes


def main():
    work, kind = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    preview.plot = lambda setup, source, key, state, path, method: path.write_bytes(b"image")
    expected, operations, seconds = whole(work)
    random.seed(0)
    if kind == "walk":
        trials = [(operations[position], killed_before, position) for position in kinds(operations)]
        outcome = kill(work, trials, expected, len(trials))
    elif kind == "random":
        wanted, latest = int(sys.argv[3]), seconds

        def killed(moment, place, log):
            nonlocal latest
            code = killed_within(moment, place, log)
            if code == 0:  # ended before: a run takes less time than the first, which may have found the machine busy
                latest = moment
            return code

        moments = (random.uniform(0, latest) for _ in range(3 * wanted))
        outcome = kill(work, ((f"{moment:.3f} s", killed, moment) for moment in moments), expected, wanted)
    else:
        outcome = faults(work, expected)
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
