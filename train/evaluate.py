"""Evaluate finished runs: robustness, calibration, out-of-distribution detection and localization.

    python train/evaluate.py runs/20260131-120000-digits-resnet-8-cutmix-s0
    python train/evaluate.py runs/A runs/B --suite clean,corruptions,calibration
    python train/evaluate.py --compare runs/A runs/B

Each run gets a folder evaluation/ with report.json, report.md and figures. Every measurement is kept, so the same
command continues an interrupted evaluation.

Exit codes: 0 finished, 1 data are missing or a suite failed, 2 a mistake in the command or a file, 130, 143 or 129
interrupted by Ctrl-C, SIGTERM or SIGHUP.
"""

import exits

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from eval import load_run, report
from eval.load_run import Trained
from eval.results import Results
from eval.suites import SUITES
from eval.suites.base import MissingError, Options
from locks import lock

# ---- command line


@dataclass(frozen=True)
class Evaluation(Options):
    """Evaluate finished runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs."""
    suite: str = "all"
    """Which suites, separated by commas: clean, corruptions, calibration, attacks, occlusion, in_between, detection,
    localization, backgrounds; all runs every suite whose data are given."""
    compare: tuple[Path, ...] = ()
    """Evaluated runs to compare: writes a table and a figure."""
    out: Path = Path("comparison")
    """Folder for --compare."""
    data_dir: Path | None = None
    """Folder of the data set, if it has moved since the training."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = tyro.cli(Evaluation, args=arguments, description=__doc__)

    def evaluate_all() -> int:
        suites = suite_names(options)
        code = 0
        for folder in options.runs:
            try:
                code = max(code, evaluate(folder, suites, options))
            except (ValueError, OSError) as error:
                print(
                    f"error: {exits.describe(error, folder) if isinstance(error, OSError) else error}", file=sys.stderr
                )
                code = 2
        if options.compare:
            report.write_comparison(options.compare, options.out)
        return code

    return exits.program(evaluate_all, "measurements are kept: the same command continues")


def suite_names(options: Evaluation) -> list[str]:
    """The suites to run. Raises ValueError for an invalid command."""
    if not options.runs and not options.compare:
        raise ValueError("no run: name the folder of one, such as runs/20260131-120000-..., or --compare several.")
    if options.compare and len(options.compare) < 2:
        raise ValueError("--compare has one run; wanted two or more.")
    for name in ("limit", "attacked", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 2:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; wanted 2 or more.")
    if not 0 <= options.seed < 2**32:  # a key takes no more bits of it
        raise ValueError(f"--seed is {options.seed}; wanted 0 to {2**32 - 1}.")
    names = list(SUITES) if options.suite == "all" else [name.strip() for name in options.suite.split(",")]
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise ValueError(f"--suite: there is no {', '.join(map(repr, unknown))}. There are: {', '.join(SUITES)}.")
    return names


# ---- one run


def evaluate(folder: Path, suites: list[str], options: Evaluation) -> int:
    """Make the measurements of the suites that are missing, and write the report; returns the exit code.

    Raises ValueError for a folder that is no run, or whose data are missing.
    """
    started = time.perf_counter()
    trained = load_run.load(folder, data_dir=options.data_dir, limit=options.limit, batch_size=options.batch_size)
    held = lock(folder / "evaluation")
    try:
        return _evaluate(folder, trained, suites, options, started)
    finally:
        held.release()


def _evaluate(folder: Path, trained: Trained, suites: list[str], options: Evaluation, started: float) -> int:
    results = Results(folder / "evaluation" / "report.json")
    results.content["run"] = _description(folder, trained, options)
    print(
        f"{folder.name}: {trained.config.model}, {trained.config.method}, {trained.step} steps; "
        f"{len(trained.images):,} test images of {trained.config.dataset}"
    )
    code = 0
    left_out: dict[str, str] = {}
    for name in suites:
        try:
            print(f"  {name}: {_measured(name, trained, results, options)}", flush=True)
        except MissingError as error:
            left_out[name] = str(error)
            print(f"  {name}: left out; {error}", file=sys.stderr)
            code = max(code, 0 if options.suite == "all" else 1)
        except ValueError as error:
            left_out[name] = str(error)
            print(f"  {name}: failed; {error}", file=sys.stderr)
            code = 1
    path = report.write(results, SUITES, left_out)
    print(f"  {path} ({time.perf_counter() - started:.0f} s)")
    return code


def _description(folder: Path, trained: Trained, options: Evaluation) -> dict[str, Any]:
    """The "run" of report.json: the training, and what was tested."""
    training = {name: getattr(trained.config, name) for name in ("dataset", "model", "method", "epochs", "seed")}
    tested = {
        "step": trained.step,
        "images": len(trained.images),
        "crc32": trained.checksum,
        "seed": options.seed,
    }
    return {"folder": folder.name, **training, "step": trained.step, "tested": tested}


def _measured(name: str, trained: Trained, results: Results, options: Evaluation) -> str:
    """Complete a suite; returns its summary as text."""
    suite, tested = SUITES[name], results.content["run"]["tested"]
    section = results.suite(name, tested | {"batch_size": trained.batch_size} | suite.settings(options))
    started, known = time.perf_counter(), len(section.measurements)
    suite.measure(trained, section, options)
    summary = suite.tabulate(section.measurements).summary
    section.finish(summary)
    took = "kept" if known == len(section.measurements) else f"{time.perf_counter() - started:.0f} s"
    return f"{', '.join(f'{metric} {report.rounded(value)}' for metric, value in summary.items())} ({took})"


if __name__ == "__main__":
    sys.exit(main())
