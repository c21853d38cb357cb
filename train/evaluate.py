"""Evaluate finished runs: robustness, calibration, out-of-distribution detection, localization and few-shot tasks.

    python train/evaluate.py runs/20260131-120000-digits-resnet-8-cutmix-s0
    python train/evaluate.py runs/A runs/B --suite clean,corruptions,calibration
    python train/evaluate.py --compare runs/A runs/B

Each run gets a folder evaluation/ with report.md, its figures and logits, and report.json. Every measurement is kept,
so the same command continues an interrupted evaluation; what has changed since (the network, files, settings) is
measured anew.

Exit codes: 0 finished, 1 data are missing or a suite failed, 2 a mistake in the command or a file, 130, 143 or 129
interrupted by Ctrl-C, SIGTERM or SIGHUP.
"""

import exits
import installed  # noqa: F401 - ends the program with one line where a package is missing

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import shlex
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

import configuration
from eval import load_run, report
from eval.load_run import Trained
from eval.results import Results
from eval.suites import SUITES
from eval.suites.base import MissingError, Options
from jaxmix.robustness import sequences
from locks import lock

# ---- command line


@dataclass(frozen=True)
class Evaluation(Options):
    """Evaluate finished runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs."""
    suite: str = "all"
    """Which suites, separated by commas: clean, corruptions, cbar, stability, calibration, attacks, noise, occlusion,
    edges, in_between, detection, localization, backgrounds, fewshot; all runs every suite whose data are given."""
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
    for name in ("limit", "attacked", "sequences", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 2:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; wanted 2 or more.")
    known = (*sequences.MAIN, *sequences.EXTRA)
    other = [name for name in options.perturbations if name not in known]
    if other:
        raise ValueError(f"--perturbations: there is no {', '.join(map(repr, other))}. There are: {', '.join(known)}.")
    configuration.check(options)
    names = list(SUITES) if options.suite == "all" else [name.strip() for name in options.suite.split(",")]
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise ValueError(f"--suite: there is no {', '.join(map(repr, unknown))}. There are: {', '.join(SUITES)}.")
    return names


# ---- one run


def evaluate(folder: Path, suites: list[str], options: Evaluation) -> int:
    """Make the measurements of the suites that are missing, and write the report; returns the exit code.

    Raises ValueError for a folder that is no run, whose data are missing, or that can't be written to.
    """
    trained = load_run.load(
        folder,
        data_dir=options.data_dir,
        limit=options.limit,
        batch_size=options.batch_size,
        checkpoint=options.checkpoint,
    )
    return measure(folder, trained, suites, options)


def measure(folder: Path, trained: Trained, suites: list[str], options: Evaluation) -> int:
    """As `evaluate`, for the network and the test images of `trained`, which may be others than the run was tested on.

    Raises ValueError for a folder that can't be written to.
    """
    held = lock(folder / "evaluation")
    try:
        return _measure(folder, trained, suites, options, time.perf_counter())
    finally:
        held.release()


def _measure(folder: Path, trained: Trained, suites: list[str], options: Evaluation, started: float) -> int:
    results = Results(folder / "evaluation" / "report.json")
    before = results.content["run"].get("failed", {})
    failed = {name: reason for name, reason in before.items() if name not in suites}
    results.content["run"] = _description(folder, trained, options) | {"failed": failed}
    print(
        f"{folder.name}: {trained.config.model}, {trained.config.method}, {trained.step} steps; "
        f"{len(trained.images):,} test images of {trained.config.dataset}",
        flush=True,
    )
    if trained.steps is not None and trained.step < trained.steps:
        print(
            f"  warning: the training isn't finished, {trained.step} of {trained.steps} steps: go on with it by "
            f"--resume {shlex.quote(str(folder))}, or take these for values of that step",
            file=sys.stderr,
        )
    code = 0
    missing: dict[str, str] = {}
    for name in suites:
        try:
            print(f"  {name}: {_measured(name, trained, results, options)}", flush=True)
        except MissingError as error:
            missing[name] = str(error)
            print(f"  {name}: left out; {error}", file=sys.stderr)
            code = max(code, 0 if options.suite == "all" else 1)
        except Exception as error:  # a suite that fails for any reason leaves the others and the report
            failed[name] = _reason(error)
            print(f"  {name}: failed; {failed[name]}", file=sys.stderr)
            code = 1
    try:
        known = set(failed)
        path = report.write(results, SUITES, missing)
    except OSError as error:
        raise ValueError(f"{results.path.parent}: the report can't be written: {error}") from error
    for name in failed.keys() - known:
        print(f"  {name}: not in the report; {failed[name]}", file=sys.stderr)
        code = 1
    print(f"  {path} ({time.perf_counter() - started:.0f} s)")
    return code


def _reason(error: Exception) -> str:
    """What went wrong, in one line; a traceback is printed for what isn't about a file, a value or memory."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    if not isinstance(error, (jax.errors.JaxRuntimeError, MemoryError)):
        traceback.print_exception(error)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _description(folder: Path, trained: Trained, options: Evaluation) -> dict[str, Any]:
    """The "run" of report.json: the training, and what was tested."""
    training = {name: getattr(trained.config, name) for name in ("dataset", "model", "method", "epochs", "seed")}
    tested = {
        "step": trained.step,
        "images": len(trained.images),
        "crc32": trained.checksum,
        "network": trained.identity,
        "seed": options.seed,
    }
    return {"folder": folder.name, **training, "step": trained.step, "steps": trained.steps, "tested": tested}


def _measured(name: str, trained: Trained, results: Results, options: Evaluation) -> str:
    """Complete a suite; returns its summary as text."""
    suite, tested = SUITES[name], results.content["run"]["tested"]
    section = results.suite(name, tested | {"batch_size": trained.batch_size} | suite.settings(options))
    started, known = time.perf_counter(), len(section.measurements)
    suite.measure(trained, section, options)
    try:
        summary = suite.tabulate(section.measurements).summary
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(
            f"the measurements of {name} in {results.path} aren't those of this suite ({type(error).__name__}: "
            f"{error}); move the file to measure anew."
        ) from error
    section.finish(summary)
    took = "kept" if known == len(section.measurements) else f"{time.perf_counter() - started:.0f} s"
    return f"{', '.join(f'{metric} {report.rounded(value)}' for metric, value in summary.items())} ({took})"


if __name__ == "__main__":
    sys.exit(main())
