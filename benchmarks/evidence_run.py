"""One cell of benchmarks/evidence.py: the training, as train/compare.py does it, and its evaluation."""

import dataclasses
import datetime
import pathlib
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from flax import nnx

import cifar
import compare
import configuration
import devices
import evaluate
import evidence_grid
import exits
import measure
import run_dir
from checkpoints import DamagedError
from eval.load_run import Trained, error
from eval.results import Results
from evidence_cells import Cell, slug
from locks import locked

__all__ = ["Wanted", "device", "has_run", "seconds_done", "train_and_evaluate"]

ROOT = pathlib.Path(__file__).parents[1]
BATCH = 500  # images in each call of the network in an evaluation
# Measurements that are too long for a small file, by suite.
LEFT_OUT = {"calibration": ("reliability",), "corruptions": ("figures",), "backgrounds": ("figures",)}


class Wanted(NamedTuple):
    """A cell to make.

    data: the copy of the data, as cells name it
    suites: the names of those that it is tested by
    known: the cell in part, where suites are missing
    at_once: how many cells the device works on
    """

    setting: str
    method: str
    seed: int
    data: dict[str, Any]
    data_dir: Path
    runs_dir: Path
    suites: tuple[str, ...]
    known: Cell | None = None
    at_once: int = 1


class Timed:
    """The seconds of a block of code: by the clock, and of the processor in this process."""

    def __enter__(self) -> "Timed":
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.wall, self.cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]


def train_and_evaluate(wanted: Wanted) -> Cell:
    """Train a cell, or go on with its training, and evaluate it.

    Raises ValueError for data that aren't those that the folder of the runs began with and for a suite that fails;
    exits.Stopped where it is interrupted.
    """
    options = _comparison(wanted)
    described = compare.describe_data(options)
    with locked(options.out, patience=60.0):  # trainings at the same time open it too
        compare.open_folder(options, described)
    most = _most_at_once(options, wanted)
    code, folder = _trained(options, wanted)
    lines = run_dir.read_lines(folder / "metrics.jsonl")
    made = _cell(wanted, folder, lines, device(most))
    made.seconds.update({"train": _total(lines, "seconds"), "train cpu": _total(lines, "cpu_seconds")})
    if code:
        at = f"in epoch {len(lines) + 1}"
        failed = made._replace(failed=f"the loss or the state of the network was not finite, {at}")
        return failed if most == 1 else _without_seconds(failed, most)
    in_one_go = not (folder / "evaluation" / "report.json").exists()
    with Timed() as evaluation:
        try:
            _evaluate(wanted, folder, made)
        except DamagedError as error:
            print(f"warning: {error}", file=sys.stderr)
            _trained(options, wanted, whole=False)
            _evaluate(wanted, folder, made)
    seconds: dict[str, float | None] = {"evaluate": evaluation.wall, "evaluate cpu": evaluation.cpu}
    # Those of an evaluation in parts are unknown.
    made.seconds.update(
        {name: round(value, 1) if value is not None and in_one_go else None for name, value in seconds.items()}
    )
    if most > 1:
        made, seconds["evaluate"] = _without_seconds(made, most), None
    return made if wanted.known is None else _completed(wanted.known, made, seconds)


def device(at_once: int) -> str:
    """The device, in words, and how many trainings it works on at the same time where those are several."""
    return measure.where() + (f", {at_once} trainings at once" if at_once > 1 else "")


def _most_at_once(options: compare.Comparison, wanted: Wanted) -> int:
    """On how many trainings the device works at the same time, or has worked before this one goes on, at most."""
    path = options.out / "runs" / f"{options.methods[0]}-s{wanted.seed}" / "at_once.json"
    before = run_dir.read_json(path, dict)["most"] if path.exists() and has_run(wanted) else 1
    most = max(wanted.at_once, before)
    if most > 1:
        path.parent.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(path, {"most": most})
    return most


def _without_seconds(made: Cell, at_once: int) -> Cell:
    """A cell whose seconds by the clock stand under names of their own, as others took part of the device's time."""
    seconds: dict[str, float | None] = dict.fromkeys(("train", "evaluate"))
    seconds |= {f"{name}, {at_once} at once": made.seconds.get(name) for name in seconds}
    history = made.history | {"seconds": [None] * len(made.history["seconds"])}
    return made._replace(seconds=made.seconds | seconds, history=history)


def _completed(known: Cell, made: Cell, seconds: dict[str, float | None]) -> Cell:
    """A cell with the suites that it lacked, its training and the other suites as they were; what was made is returned
    whole if it is of another training. Seconds are those of the added suites, None where they are unknown.
    """
    if any(made.measurements.get(suite) != values for suite, values in known.measurements.items()):
        return made
    added = [suite for suite in made.images if suite not in known.images]
    total = {name: value for name, value in known.seconds.items() if not name.startswith("evaluate, ")}
    for name, more in seconds.items():
        before = known.seconds.get(name)
        total[name] = None if before is None or more is None else round(before + more, 1)
    here = {"suites": added, "device": made.device, "versions": made.versions, "date": made.date}
    return made._replace(
        summary=made.summary | known.summary,
        seconds=total,
        device=known.device,
        versions=known.versions,
        date=known.date,
        later=[*known.later, here],
    )


def has_run(wanted: Wanted) -> bool:
    """Whether the folder of the cell's training is there."""
    return _folder(wanted) is not None


def seconds_done(wanted: Wanted) -> float:
    """How long the epochs took that a training has behind it."""
    folder = _folder(wanted)
    return 0.0 if folder is None else sum(line["seconds"] for line in run_dir.read_lines(folder / "metrics.jsonl"))


def _comparison(wanted: Wanted) -> compare.Comparison:
    """The trainings that a cell's is one of; those with options of their own have a folder of their own."""
    method, train = evidence_grid.training(wanted.setting, wanted.method)
    out = wanted.runs_dir / wanted.setting / slug(wanted.data["name"])
    out = out if method == wanted.method else out / wanted.method
    return compare.Comparison(
        out, methods=(method,), seeds=(wanted.seed,), train=cifar.Config(**train, data_dir=wanted.data_dir)
    )


def _folder(wanted: Wanted) -> Path | None:
    options = _comparison(wanted)
    return compare.run_folder(options.out / "runs" / f"{options.methods[0]}-s{wanted.seed}")


def _trained(options: compare.Comparison, wanted: Wanted, *, whole: bool = True) -> tuple[int, Path]:
    method = options.methods[0]
    code, folder = compare.train(options, compare.cells(options)[method], method, wanted.seed, whole=whole)
    if code > 128:
        raise exits.Stopped(code - 128)
    return code, folder


def _total(lines: list[dict[str, Any]], name: str) -> float | None:
    """The seconds of all epochs; None where an epoch's are unknown."""
    known = [line[name] for line in lines if line.get(name) is not None]
    return round(sum(known), 1) if len(known) == len(lines) else None


def _cell(wanted: Wanted, folder: Path, lines: list[dict[str, Any]], where: str) -> Cell:
    """A cell without its evaluation."""
    left_out = (*configuration.FREE_ON_RESUME, "program", "method")
    training = run_dir.read_json(folder / "config.json", dict)
    summary = {}
    if lines:
        summary["augmented training accuracy, last epoch, %"] = 100 * lines[-1]["train_accuracy"]
        summary["training loss, last epoch"] = lines[-1]["train_loss"]
    return Cell(
        setting=wanted.setting,
        method=wanted.method,
        seed=wanted.seed,
        failed="",
        data=wanted.data,
        training={name: value for name, value in training.items() if name not in left_out},
        images={},
        summary=summary,
        measurements={},
        seconds={},
        device=where,
        versions=run_dir.versions() | {"git": _commit()},
        date=datetime.date.today().isoformat(),
        history=_history(lines),
    )


def _history(lines: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """The epochs of a training as a cell keeps them."""

    def rounded(name: str) -> list[float | None]:
        return [None if line.get(name) is None else round(line[name], 2) for line in lines]

    return {
        "epoch": [line["epoch"] for line in lines],
        "watched error, %": [round(100 * (1 - line["test_accuracy"]), 2) for line in lines],
        "seconds": rounded("seconds"),
        "cpu seconds": rounded("cpu_seconds"),
    }


def _commit() -> dict[str, Any] | None:
    """The commit, and whether code has changed since: new cells and pages don't count."""
    code = ("jaxmix", "train", "benchmarks", ":!benchmarks/results")
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(ROOT), *call], capture_output=True, text=True, check=True).stdout.strip()
            for call in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", *code))
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or not a checkout
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _evaluate(wanted: Wanted, folder: Path, made: Cell) -> None:
    """Fill in the images, the summary and the measurements of a cell; the training accuracy is of the images as they
    are, so that it compares between methods.

    All test images are tested here for the first time, at the end of the training. Raises ValueError for a suite that
    fails.
    """
    setting = evidence_grid.SETTINGS[wanted.setting]
    run = cifar.restore(folder, wanted.data_dir)
    dataset = cifar.load(dataclasses.replace(run.config, limit_test=None))
    model, step = nnx.merge(run.graph, *run.state.tested()), int(run.state.step)
    whole = Trained(model, dataset, run.config, step, mesh=devices.global_mesh(), batch_size=BATCH)
    wrong = error(whole.logits(dataset.train_images, "training images"), dataset.train_labels)
    made.summary["training accuracy, %"] = 100 * (1 - wrong)
    chosen = {*wanted.suites, *(wanted.known.images if wanted.known else ())}
    counts = {suite: count for suite, count in setting.suites.items() if suite in chosen}
    for limit in dict.fromkeys(counts.values()):
        suites = [suite for suite, count in counts.items() if count == limit]
        mesh = devices.global_mesh()
        trained = Trained(model, dataset, run.config, step, mesh=mesh, limit=limit, batch_size=BATCH)
        files: dict[str, Any] = {option: wanted.data_dir / place for option, place in setting.files.items()}
        options = evaluate.Evaluation(runs=(folder,), limit=limit, batch_size=BATCH, **setting.test, **files)
        code = evaluate.measure(folder, trained, suites, options)
        complete = Results(folder / "evaluation" / "report.json").complete()
        if code or not complete.keys() >= set(suites):
            raise ValueError(f"the evaluation of {folder} failed; the same command goes on with it.")
        for suite in suites:
            section = complete[suite]
            made.images[suite] = limit
            made.summary.update({name: value for name, value in section["summary"].items() if value is not None})
            kept = section["measurements"].items()
            made.measurements[suite] = {name: value for name, value in kept if name not in LEFT_OUT.get(suite, ())}
