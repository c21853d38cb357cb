"""Tests what a run of train/cifar.py has learnt, beyond its accuracy.

    python train/evaluate.py runs/20260131-120000-digits-resnet-8-cutmix-s0
    python train/evaluate.py runs/A runs/B --suite clean,corruptions,calibration
    python train/evaluate.py --compare runs/A runs/B

Each run gets a folder evaluation/ with report.json, report.md and figures. What was computed before is not computed
again, so an interrupted evaluation goes on where it was.
"""

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from eval import figures, suites
from eval.load_run import Trained
from eval.report import Results
from eval.suites import SUITES, MissingError, Options

ALL = ",".join(SUITES)


@dataclass(frozen=True)
class Evaluation(Options):
    """Evaluate runs of train/cifar.py."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs."""
    suite: str = "all"
    """Which suites, with commas between them: clean, corruptions, calibration, attacks, occlusion, in_between,
    detection, localization, backgrounds; all is every one whose data are there."""
    compare: tuple[Path, ...] = ()
    """Runs that were evaluated, to be put side by side: writes a table and a figure."""
    out: Path = Path("comparison")
    """Folder for --compare."""
    data_dir: Path | None = None
    """Where the data set lies now, if not where the training found it."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 2 for a wrong command, 1 if data are missing, 130 if cut short."""
    asked = tyro.cli(Evaluation, args=arguments, description=__doc__)
    try:
        wanted = chosen(asked)
    except ValueError as error:
        return _failed(error)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 0
    try:
        for folder in asked.runs:
            try:
                code = max(code, evaluate(folder, wanted, asked))
            except ValueError as error:
                code = _failed(error)
        if asked.compare:
            compare(asked.compare, asked.out)
    except ValueError as error:
        return _failed(error)
    except KeyboardInterrupt:
        print("\ninterrupted; what was computed is kept: the same command goes on from there", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return code


def chosen(asked: Evaluation) -> list[str]:
    """The names of the suites. Raises ValueError for a command that makes no sense."""
    if not asked.runs and not asked.compare:
        raise ValueError("no run: name the folder of one, such as runs/20260131-120000-..., or --compare several.")
    if asked.compare and len(asked.compare) < 2:
        raise ValueError("--compare has one run; wanted two or more.")
    for name in ("limit", "attacked", "batch_size"):
        value = getattr(asked, name)
        if value is not None and value < 2:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; wanted 2 or more.")
    names = list(SUITES) if asked.suite == "all" else [name.strip() for name in asked.suite.split(",")]
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise ValueError(f"--suite: there is no {', '.join(map(repr, unknown))}. There are: {', '.join(SUITES)}.")
    return names


def evaluate(folder: Path, wanted: list[str], asked: Evaluation) -> int:
    """Computes what is missing of the suites and writes the report; returns the exit code.

    Raises ValueError for a folder that is no run, or whose data are missing.
    """
    started = time.perf_counter()
    trained = Trained(folder, data_dir=asked.data_dir, limit=asked.limit, batch_size=asked.batch_size)
    results = Results(folder / "evaluation" / "report.json")
    results.content["run"] = {
        "folder": folder.name,
        **{name: getattr(trained.config, name) for name in ("dataset", "model", "method", "epochs", "seed")},
        "step": trained.step,
    }
    print(
        f"{folder.name}: {trained.config.model}, {trained.config.method}, {trained.step} steps; "
        f"{len(trained.images):,} test pictures of {trained.config.dataset}"
    )
    tested = {"step": trained.step, "pictures": len(trained.images), "crc32": trained.checksum, "seed": asked.seed}
    results.content["run"]["tested"] = tested
    common = tested | {"batch_size": trained.batch_size}
    code = 0
    left_out: dict[str, str] = {}
    for name in wanted:
        suite = SUITES[name]
        section = results.suite(name, common | suite.settings(asked))
        begun, known = time.perf_counter(), len(section.parts)
        try:
            suite.compute(trained, section, asked)
            shown = suite.show(section.parts)
            section.finish(shown.summary)
        except MissingError as error:
            left_out[name] = str(error)
            print(f"  {name}: left out; {error}", file=sys.stderr)
            code = max(code, 0 if asked.suite == "all" else 1)
            continue
        except ValueError as error:
            left_out[name] = str(error)
            print(f"  {name}: failed; {error}", file=sys.stderr)
            code = 1
            continue
        took = "from before" if known == len(section.parts) else f"{time.perf_counter() - begun:.0f} s"
        print(f"  {name}: {_in_words(shown.summary)} ({took})", flush=True)
    report = write_report(results, left_out)
    print(f"  {report} ({time.perf_counter() - started:.0f} s)")
    return code


def write_report(results: Results, left_out: dict[str, str]) -> Path:
    """report.md and the figures, of all suites that were finished on the same pictures and step."""
    folder, complete = results.path.parent, results.complete()
    run = results.content["run"]
    text = [
        f"# {run['folder']}",
        "",
        f"{run['model']} trained by {run['method']} on {run['dataset']}, {run['step']} steps, seed {run['seed']}.",
        "",
    ]
    summary = {name: value for section in complete.values() for name, value in section["summary"].items()}
    text += [*markdown(("", ""), [(name, _number(value)) for name, value in summary.items()]), ""]
    for name, suite in SUITES.items():
        if name not in complete:
            continue
        parts = complete[name]["parts"]
        shown = suite.show(parts)
        text += [f"## {suite.title}", "", *markdown(shown.header, shown.rows), ""]
        text += [line for note in shown.notes for line in (note, "")]
        text += [line for figure in suite.plot(parts, folder) for line in (f"![{suite.title}]({figure})", "")]
    if left_out:
        text += ["## Left out", "", *(f"- {name}: {reason}" for name, reason in left_out.items()), ""]
    path = folder / "report.md"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text))
    return path


def compare(folders: tuple[Path, ...], out: Path) -> None:
    """Writes the numbers of several runs side by side, and a figure of their errors by corruption."""
    reports = []
    for folder in folders:
        path = folder / "evaluation" / "report.json"
        if not path.is_file():
            raise ValueError(f"--compare {folder}: there is no {path}; evaluate that run first.")
        reports.append(Results(path))
    names = titles([report.content["run"] for report in reports])
    complete = [report.complete() for report in reports]
    summaries = [
        {name: value for section in sections.values() for name, value in section["summary"].items()}
        for sections in complete
    ]
    measures = list(dict.fromkeys(name for summary in summaries for name in summary))
    rows = [(measure, *(_number(summary.get(measure)) for summary in summaries)) for measure in measures]
    out.mkdir(parents=True, exist_ok=True)
    lines = ["# Comparison", "", *markdown(("", *names), rows), ""]
    differing = [
        name
        for name in ("pictures", "crc32", "seed")
        if len({report.content["run"].get("tested", {}).get(name) for report in reports}) > 1
    ]
    if differing:
        lines += [f"These runs were not tested alike: {', '.join(differing)} of the test pictures differ.", ""]
    errors = {
        name: {
            corruption: 100 * sum(row) / len(row)
            for corruption, row in suites.corruptions.by_corruption(sections["corruptions"]["parts"]).items()
        }
        for name, sections in zip(names, complete, strict=True)
        if "corruptions" in sections
    }
    if errors:
        figures.grouped(out / "corruptions.png", errors, "error, mean of five severities, %")
        lines += ["![Error by corruption](corruptions.png)", ""]
    (out / "comparison.md").write_text("\n".join(lines))
    print("\n".join(lines[2:-1]))
    print(f"written to {out / 'comparison.md'}")


def titles(described: list[dict[str, Any]]) -> list[str]:
    """A short name for each run: what differs between them, and a number where that isn't enough."""
    keys = [key for key in ("dataset", "model", "method", "epochs", "seed", "step") if _differ(described, key)]
    plain = [str(run["folder"]) if not keys else ", ".join(_named(key, run[key]) for key in keys) for run in described]
    return [name if plain.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(plain, 1)]


def _differ(described: list[dict[str, Any]], key: str) -> bool:
    return len({str(run[key]) for run in described}) > 1


def _named(key: str, value: Any) -> str:
    return str(value) if key in ("dataset", "model", "method") else f"{key} {value}"


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a table; numbers to the right."""
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _in_words(summary: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in summary.items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _failed(error: ValueError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
