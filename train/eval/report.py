"""Reports of evaluations as Markdown and figures: of one run, of several side by side, and of means over seeds."""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import run_dir
from eval import figures
from eval.results import Results
from eval.suites import corruptions
from eval.suites.base import Suite

__all__ = [
    "aligned",
    "markdown",
    "mean_and_deviation",
    "rounded",
    "run_titles",
    "write",
    "write_comparison",
    "write_means",
]

WIDTH = 100  # of a terminal

# The settings that distinguish runs.
SETTINGS = ("dataset", "model", "method", "epochs", "seed", "step")
# The settings of a suite in which the sections of two runs differ though their values compare.
OWN = ("step", "network", "batch_size")


def write(results: Results, suites: Mapping[str, Suite], missing: Mapping[str, str]) -> Path:
    """Write report.md, report.json and the figures of all suites that are complete for what was tested last.

    `missing` has the reason for each suite whose data are not given. A suite whose measurements can't be reported is
    added to those that failed, which the "run" of the report has. Returns the path.
    """
    folder, run = results.path.parent, results.content["run"]
    folder.mkdir(parents=True, exist_ok=True)
    sections, failed = [], run.setdefault("failed", {})
    for name, section in results.complete().items():
        if name in suites:
            own = results.folder(name, section["settings"])
            own.mkdir(parents=True, exist_ok=True)
            try:
                sections.append((name, _section(suites[name], section["measurements"], own)))
            except OSError:
                raise
            except Exception as error:  # values of another type can raise nearly anything
                failed[name] = (
                    f"its measurements in {results.path} can't be reported ({type(error).__name__}: {error}); move the "
                    "file to measure anew."
                )
    results.save()
    results.publish()
    complete = results.complete()
    text = [
        f"# {run['folder']}",
        "",
        f"{run['model']} trained by {run['method']} on {run['dataset']}, {run['step']} steps, seed {run['seed']}.",
        "",
    ]
    if _unfinished(run):
        text += [f"The training isn't finished: {run['step']} of {run['steps']} steps.", ""]
    text += [*markdown(("", ""), [(name, rounded(value)) for name, value in results.summary().items()]), ""]
    text += [line for _, lines in sorted(sections, key=lambda one: [*suites].index(one[0])) for line in lines]
    reasons = {name: reason for name, reason in missing.items() if name not in complete} | failed
    if reasons:
        text += ["## Left out", "", *(f"- {name}: {reason}" for name, reason in reasons.items()), ""]
    text += [_versions([*complete.values()]), ""]
    path = folder / "report.md"
    part = path.with_suffix(".part")
    part.write_text("\n".join(text), encoding="utf-8")
    part.replace(path)
    return path


def _section(suite: Suite, measurements: dict[str, Any], folder: Path) -> list[str]:
    """The lines of a suite; writes its figures into the folder."""
    table = suite.tabulate(measurements)
    lines = [f"## {suite.title}", "", *markdown(table.header, table.rows), ""]
    lines += [line for note in table.notes for line in (note, "")]
    return lines + [f for figure in suite.plot(measurements, folder) for f in (f"![{suite.title}]({figure})", "")]


def _unfinished(run: Mapping[str, Any]) -> bool:
    return run.get("steps") is not None and run["step"] < run["steps"]


def _versions(sections: Sequence[Mapping[str, Any]]) -> str:
    """A line on the versions by which the sections were measured."""
    found: list[dict[str, Any]] = []
    for section in sections:
        found += [versions for versions in section.get("versions", []) if versions not in found]
    if len(found) != 1:
        several = "by several versions; " if found else ""
        return f"Measured {several}report.json has the versions of each suite."
    names = ("jaxmix", "jax", "flax", "python")
    listed = ", ".join(f"{name} {found[0].get(name) or 'of a checkout'}" for name in names)
    return f"Measured by {listed}; report.json has all versions."


def write_comparison(folders: Sequence[Path], out: Path) -> None:
    """Write and print the summaries of several runs side by side, and plot their errors by corruption."""
    reports = []
    for folder in folders:
        path = folder / "evaluation" / "report.json"
        if not path.is_file():
            raise ValueError(f"--compare {folder}: there is no {path}; evaluate that run first.")
        reports.append(Results(path))
        lacking = [name for name in (*SETTINGS, "folder") if name not in reports[-1].content["run"]]
        if lacking:
            raise ValueError(f"--compare {folder}: the run in {path} lacks {', '.join(lacking)}; evaluate it again.")
    titles = run_titles([report.content["run"] for report in reports])
    summaries = [report.summary() for report in reports]
    metrics = list(dict.fromkeys(name for summary in summaries for name in summary))
    rows = [(metric, *(rounded(summary.get(metric)) for summary in summaries)) for metric in metrics]
    lines = ["# Comparison", "", *markdown(("", *titles), rows), ""]
    lines += _differences(reports)
    unfinished = [title for title, one in zip(titles, reports, strict=True) if _unfinished(one.content["run"])]
    if unfinished:
        lines += [f"The training isn't finished of: {'; '.join(unfinished)}.", ""]
    out.mkdir(parents=True, exist_ok=True)
    errors = {
        title: _corruption_errors(report)
        for title, report in zip(titles, reports, strict=True)
        if "corruptions" in report.complete()
    }
    if errors:
        figures.points(out / "corruptions.png", errors, "error, mean of five severities, %")
        lines += ["![Error by corruption](corruptions.png)", ""]
    (out / "comparison.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines[2:-1]))
    print(f"written to {out / 'comparison.md'}")


def _differences(reports: Sequence[Results]) -> list[str]:
    """Lines on the settings, such as the images, that differ between the runs, so that values don't compare."""
    lines = []
    tested = [report.content["run"].get("tested", {}) for report in reports]
    different = [name for name in ("images", "crc32", "seed") if len({one.get(name) for one in tested}) > 1]
    if different:
        lines += [f"These runs were tested on different images or seeds: {', '.join(different)} differ.", ""]
    complete = [report.complete() for report in reports]
    for suite in dict.fromkeys(name for sections in complete for name in sections):
        settings = [sections[suite]["settings"] for sections in complete if suite in sections]
        names = dict.fromkeys(name for one in settings for name in one if name not in OWN and name not in different)
        other = [name for name in names if any(one.get(name) != settings[0].get(name) for one in settings)]
        if other:
            lines += [f"The runs had different settings in the suite {suite}: {', '.join(other)} differ.", ""]
    return lines


def _corruption_errors(report: Results) -> dict[str, float]:
    """By corruption, the mean error over severities, in percent."""
    by_name = corruptions.by_corruption(report.complete()["corruptions"]["measurements"])
    return {name: 100 * statistics.mean(errors) for name, errors in by_name.items()}


def write_means(
    folders: Mapping[str, Mapping[int, Path]],
    out: Path,
    headings: Mapping[str, tuple[str, str]],
    *,
    best_epoch: bool = False,
    notes: Sequence[str] = (),
) -> str:
    """Write table.md and table.json of runs, `folders[name][seed]`: a row per name with the means over its seeds.

    Args:
        folders: of the runs.
        out: the folder to write to.
        headings: of each name, the title of the part of the table that it belongs to, and of its row.
        best_epoch: whether the error of the best epoch on the test images is listed, too.
        notes: what to know about the table.

    Returns:
        The table as a terminal shows it.
    """
    reports = {run: Results(run / "evaluation" / "report.json") for runs in folders.values() for run in runs.values()}
    by_name = {
        name: {seed: _summary(run, reports[run], best_epoch) for seed, run in runs.items()}
        for name, runs in folders.items()
    }
    shown, lines = [], []
    for part in dict.fromkeys(headings[name][0] for name in by_name):
        members = [name for name in by_name if headings[name][0] == part]
        rows = {headings[name][1]: by_name[name] for name in members}
        header, cells = _means(rows)
        title = f"{part}; mean ± standard deviation of n runs."
        differences = _differences([reports[run] for name in members for run in folders[name].values()])
        lines += [title, "", *markdown(header, cells), "", *differences]
        shown += [title, *aligned(header, cells), "", *differences]
    lines += [line for note in notes for line in (note, "")]
    shown += [textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in notes]
    (out / "table.md").write_text("\n".join(lines), encoding="utf-8")
    run_dir.write_json(out / "table.json", {"versions": run_dir.versions(), "runs": by_name})
    return "\n".join(shown)


def _means(rows: Mapping[str, Mapping[int, Mapping[str, float]]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The header of a table, and its rows of means over seeds."""
    metrics = list(dict.fromkeys(name for by_seed in rows.values() for row in by_seed.values() for name in row))
    found = []
    for title, by_seed in rows.items():
        columns = [[row[name] for row in by_seed.values() if name in row] for name in metrics]
        fewer = [f" (n = {len(column)})" if 0 < len(column) < len(by_seed) else "" for column in columns]
        cells = [mean_and_deviation(column) + note for column, note in zip(columns, fewer, strict=True)]
        found.append((title, str(len(by_seed)), *cells))
    return ("method", "n", *metrics), found


def _summary(folder: Path, results: Results, best_epoch: bool) -> dict[str, float]:
    """The training loss of the first and the last epoch of a run, and the summary of its evaluation."""
    lines = run_dir.read_lines(folder / "metrics.jsonl")
    found: dict[str, float] = {}
    if lines and lines[0]["epoch"] == 1:
        found["training loss, first epoch"] = lines[0]["train_loss"]
    if lines:
        found["last epoch"] = lines[-1]["train_loss"]
    if lines and best_epoch:
        found["error of the best test epoch, %"] = 100 * (1 - max(line["test_accuracy"] for line in lines))
    return found | {name: value for name, value in results.summary().items() if value is not None}


def run_titles(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short title for each run: the settings in which the runs differ, and its position where titles repeat."""
    different = [name for name in SETTINGS if len({str(run[name]) for run in runs}) > 1]

    def title(run: Mapping[str, Any]) -> str:
        words = [str(run[n]) if n in ("dataset", "model", "method") else f"{n} {run[n]}" for n in different]
        return ", ".join(words) or str(run["folder"])

    titles = [title(run) for run in runs]
    return [title if titles.count(title) == 1 else f"{title} ({place})" for place, title in enumerate(titles, 1)]


def aligned(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a table for a terminal: as many columns side by side as fit, then the next below them."""
    columns = []
    for name, *cells in zip(header, *rows, strict=True):
        words = textwrap.wrap(name, max(12, *map(len, cells)))
        columns.append((words, cells, max(map(len, [*words, *cells]))))
    first, *others = columns
    blocks: list[list[tuple[list[str], list[str], int]]] = [[first]]
    for column in others:
        if sum(width + 2 for _, _, width in (*blocks[-1], column)) > WIDTH + 2:
            blocks.append([first])
        blocks[-1].append(column)
    lines: list[str] = []
    for block in blocks:
        height = max(len(words) for words, _, _ in block)
        padded = [([""] * (height - len(words)) + words + cells, width) for words, cells, width in block]
        lines += [""] + ["  ".join(_padded(padded, line)).rstrip() for line in range(height + len(rows))]
    return lines


def _padded(columns: Sequence[tuple[list[str], int]], line: int) -> list[str]:
    """The cells of a line, the first aligned left and the others right."""
    (first, width), *others = columns
    return [first[line].ljust(width), *(cells[line].rjust(width) for cells, width in others)]


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a table; all columns but the first are aligned right."""
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def rounded(value: float | None) -> str:
    """A value with two decimals, or three below 10; empty for None."""
    return "" if value is None else f"{value:.{_decimals(value)}f}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """Mean and standard deviation (n - 1 in its divisor) of several values; empty for none."""
    if not values:
        return ""
    mean = statistics.mean(values)
    deviation = f" ± {statistics.stdev(values):.{_decimals(mean)}f}" if len(values) > 1 else ""
    return f"{mean:.{_decimals(mean)}f}{deviation}"


def _decimals(value: float) -> int:
    return 2 if abs(value) >= 10 else 3
