"""Train and evaluate a grid of methods and seeds in fixed settings, cell by cell, the most wanted ones first.

    python benchmarks/evidence.py --setting small --data-dir DIR --data-name "CIFAR-10" --minutes 60
    python benchmarks/evidence.py --list
    python benchmarks/evidence.py --table

The first does the missing cells of the setting that end within the minutes; the same command goes on another time, on
another machine, or at the same time as itself where one training leaves a GPU idle: --at-once says how many there are.
benchmarks/evidence_grid.py has the settings. A cell is one training and its evaluation, kept as one small file under
benchmarks/results/evidence. A training that is cut short goes on from its checkpoint, where its folder under --runs-dir
is still there; a cell that lacks suites, which the grid has since gained, is completed from that folder. The last
writes the tables and figures of all cells to docs/results.md, what they say of published claims to docs/claims.md, and
the table of README.md between its markers.

Twenty on one GPU, which they share by NVIDIA's MPS:

    export XLA_PYTHON_CLIENT_PREALLOCATE=false
    nvidia-cuda-mps-control -d
    for i in $(seq 20); do python benchmarks/evidence.py --setting full \\
        --data-dir DIR --data-name CIFAR-10 --at-once 20 & done; wait

--data-name says what copy of the data DIR holds, as it stands beside every value: copies don't mix.

Exit codes: 0 finished or out of time, 1 a cell failed, 2 a mistake in the command or a file, 130, 143 or 129
interrupted by Ctrl-C, SIGTERM or SIGHUP.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "train"))

import exits

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

import cifar
import evidence_cells
import evidence_grid
import evidence_output
import evidence_pages
import evidence_run
import inputs
import run_dir
from evidence_cells import Cell
from locks import InUseError, locked

RESULTS = pathlib.Path(__file__).parent / "results" / "evidence"
DOCS, README = pathlib.Path(__file__).parents[1] / "docs", pathlib.Path(__file__).parents[1] / "README.md"

Train = Callable[[evidence_run.Wanted], Cell]


@dataclass(frozen=True)
class Evidence:
    """Train and evaluate a grid of methods and seeds."""

    setting: str = "small"
    """A setting of benchmarks/evidence_grid.py."""
    data_dir: Path = Path("data")
    """Folder of the data set, as for train/cifar.py."""
    data_name: str = ""
    """What copy of the data it is, such as CIFAR-10."""
    minutes: float = 60.0
    """What would take longer isn't started, and at the end of them a training is stopped at its next step."""
    methods: tuple[str, ...] = ()
    """These only. Default: all of the grid."""
    seeds: tuple[int, ...] = ()
    """These only. Default: all of the grid."""
    suites: tuple[str, ...] = ()
    """These only, which leaves cells in part. Default: all of the setting."""
    runs_dir: Path = Path("runs/evidence")
    """Where the folders of the runs are made."""
    results: Path = RESULTS
    """Where the cells are kept."""
    at_once: int = 1
    """How many such commands work on the device at the same time, each on cells of its own. The cells say so, and
    their seconds by the clock don't count as those of a training."""
    again: bool = False
    """Train cells in part again whose folder under --runs-dir is gone. Otherwise they stay in part, and are named."""
    docs: Path = DOCS
    """The folder that --table writes results.md, claims.md and the figures of results/ to."""
    readme: Path = README
    """The file whose part between the markers --table writes, where it has them."""
    listed: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Print which cells there are and which are missing, and stop."""
    table: bool = False
    """Write the tables and figures of all cells, and stop; nothing is trained."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = tyro.cli(Evidence, args=arguments, description=__doc__)

    def run() -> int:
        check(options)
        if options.listed:
            print(evidence_pages.listing(evidence_cells.read_all(options.results)))
            return 0
        if options.table:
            cells, chosen = evidence_cells.read_all(options.results), pilots(options.results)
            written = evidence_output.write(cells, chosen, options.docs, options.readme)
            print(f"written: {', '.join(map(str, written))}")
            return 0
        evidence_cells.read_all(options.results)  # a damaged file shows before anything is trained
        data = describe(options)
        with place_of(options):
            return fill(options, data, evidence_run.train_and_evaluate)

    return exits.program(run, "finished cells are kept: the same command goes on")


def check(options: Evidence) -> None:
    """Raises ValueError for an invalid command."""
    if options.setting not in evidence_grid.SETTINGS:
        listed = ", ".join(evidence_grid.SETTINGS)
        raise ValueError(f"there is no setting {options.setting!r}. There are: {listed}.")
    suites = tuple(evidence_grid.SETTINGS[options.setting].suites)
    grid: dict[str, tuple[str | int, ...]]
    grid = {"methods": evidence_grid.SETTINGS[options.setting].names, "seeds": evidence_grid.SEEDS, "suites": suites}
    for name, known in grid.items():
        unknown = [str(value) for value in getattr(options, name) if value not in known]
        if unknown:
            raise ValueError(
                f"--{name}: {', '.join(unknown)} not in the grid. There are: {', '.join(map(str, known))}."
            )
    if not options.minutes > 0:
        raise ValueError(f"--minutes is {options.minutes}; wanted more than 0.")
    if options.at_once < 1:
        raise ValueError(f"--at-once is {options.at_once}; wanted 1 or more.")
    if not (options.listed or options.table or evidence_cells.slug(options.data_name)):
        raise ValueError(
            "--data-name is missing: say what copy of the data --data-dir holds, such as --data-name CIFAR-10 for the "
            "official files. It stands beside every value, and copies don't mix."
        )


def describe(options: Evidence) -> dict[str, Any]:
    """The data of a setting as its cells name them: the training images that are used, and all test images."""
    train = evidence_grid.SETTINGS[options.setting].train
    config = cifar.Config(**{**train, "limit_test": None}, data_dir=options.data_dir)
    found = inputs.describe(cifar.load(config))
    return {"name": options.data_name, **{name: found[name] for name in ("sizes", "crc32")}}


# ---- cells


def fill(options: Evidence, data: dict[str, Any], train: Train, clock: Callable[[], float] = time.monotonic) -> int:
    """Make the missing cells that end in time, most wanted first; returns the exit code.

    Args:
        options: of the command line.
        data: of the setting, see `describe`.
        train: makes a cell, or raises exits.Stopped when it is interrupted.
        clock: the time in seconds.
    """
    end, code = clock() + 60 * options.minutes, 0
    left_over, in_part, elsewhere = list[str](), list[str](), list[str]()
    for method, seed in chosen(options):
        title = f"{method}, seed {seed}"
        if missing(options, data, method, seed) is None:  # asked before the lock, too, which needs a folder
            continue
        folder = options.runs_dir / options.setting / evidence_cells.slug(data["name"]) / "locks" / f"{method}-s{seed}"
        try:
            with locked(folder):
                wanted = missing(options, data, method, seed)
                if wanted is None:  # another process has made it meanwhile
                    continue
                if wanted.known is not None and not evidence_run.has_run(wanted):
                    if not options.again:
                        in_part.append(title)
                        continue
                    wanted = wanted._replace(known=None)
                left, needed = end - clock(), seconds_needed(options, wanted)
                if left <= 0 or (needed is not None and needed > left):
                    left_over.append(title + ("" if needed is None else f" ({needed / 60:.1f} minutes)"))
                    continue
                print(f"\n{title}, {left / 60:.1f} minutes left", flush=True)
                with Alarm(left):
                    cell = train(wanted)
                print(f"written to {evidence_cells.write(options.results, cell)}", flush=True)
        except InUseError:
            elsewhere.append(title)
        except exits.Stopped:
            if clock() < end:
                raise
            print(f"{title}: out of time; the same command goes on from here")
            break
        except exits.StorageError:  # the next cell would fail in the same way
            raise
        except Exception as error:  # whatever it is, the other cells are made
            print(f"error: {title}: {error}", file=sys.stderr)
            if not isinstance(error, ValueError):
                traceback.print_exception(error)
            code = 1
        jax.clear_caches()  # the next cell has other programs
    if left_over:
        print(f"left for another time: {'; '.join(left_over)}")
    if elsewhere:
        print(f"in other processes: {'; '.join(elsewhere)}")
    if in_part:
        where = options.runs_dir / options.setting
        print(f"in part, and not in {where}: {'; '.join(in_part)}. --again trains them again, with all suites")
    return code


@contextlib.contextmanager
def place_of(options: Evidence) -> Iterator[None]:
    """One of the places for commands that work at the same time on the folder of the runs.

    Raises ValueError if as many as --at-once says are at work already: their seconds would be wrong.
    """
    with contextlib.ExitStack() as stack:
        for place in range(options.at_once):
            with contextlib.suppress(InUseError):
                stack.enter_context(locked(options.runs_dir / "at_once" / str(place), patience=0.05))
                break
        else:
            raise ValueError(
                f"{options.runs_dir} is in use by {options.at_once} other such command"
                f"{'' if options.at_once == 1 else 's'}. Wait for an end, or tell each of them by --at-once how many "
                "there are."
            )
        yield


def seconds_needed(options: Evidence, wanted: evidence_run.Wanted) -> float | None:
    """What a cell takes by those that are known, without what it has behind it; None if none is."""
    known, device = evidence_cells.read_all(options.results), evidence_run.device(options.at_once)
    trained = wanted.known is not None
    needed = evidence_cells.expected_seconds(known, options.setting, wanted.method, device, trained=trained)
    return needed if needed is None or trained else max(needed - evidence_run.seconds_done(wanted), 0.0)


def chosen(options: Evidence) -> Iterator[tuple[str, int]]:
    """The methods of the setting with their seeds, as far as they are asked for, most wanted first."""
    for method, seed in evidence_grid.wanted(options.setting):
        if (not options.methods or method in options.methods) and (not options.seeds or seed in options.seeds):
            yield method, seed


def missing(options: Evidence, data: dict[str, Any], method: str, seed: int) -> evidence_run.Wanted | None:
    """A cell of the setting that lacks a suite; None if it lacks none."""
    suites = options.suites or tuple(evidence_grid.SETTINGS[options.setting].suites)
    path = evidence_cells.path_of(options.results, options.setting, data["name"], method, seed)
    known = evidence_cells.read(options.results, path) if path.exists() else None
    if known is not None and not evidence_cells.lacks(known, suites):
        return None
    places = data, options.data_dir, options.runs_dir
    return evidence_run.Wanted(options.setting, method, seed, *places, suites, known, options.at_once)


class Alarm:
    """Sends this process SIGTERM after some seconds, at which a training saves its state and ends."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def pilots(results: Path) -> dict[str, Any]:
    """How each setting was chosen, by its name, where a file says so."""
    paths = {name: results / f"{name}-pilot.json" for name in evidence_grid.SETTINGS}
    return {name: run_dir.read_json(path, dict) for name, path in paths.items() if path.exists()}


if __name__ == "__main__":
    sys.exit(main())
