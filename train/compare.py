"""Train and evaluate a grid of methods and seeds, and write one table of means and standard deviations.

    python train/compare.py --out comparisons/digits --methods none cutmix --seeds 0 1 2 --train.epochs 5
    python train/compare.py --out comparisons/augmix --table augmix --train.data-dir DIR
    python train/compare.py --out comparisons/short --methods none mixup cutmix --suite clean,corruptions \\
        --train.dataset cifar10 --train.data-dir DIR --train.model resnet-8 --train.epochs 2
    python train/compare.py --out comparisons/birds --program finegrained --methods none cutmix snapmix \\
        --train.dataset cub --train.data-dir DIR --train.weights FILE

    python train/compare.py --table sage --list

The last prints what every run would train with, and needs no data. The same command continues after an interruption,
and trains only what is new after a method or a seed is added. The folder holds every run (runs/METHOD-sSEED; where a
table has several networks, runs/DATASET-MODEL/METHOD-sSEED), table.md, and table.json with all values.

Exit codes: 0 finished, 1 a run failed, 2 a mistake in the command or a file, 130, 143 or 129 interrupted by Ctrl-C,
SIGTERM or SIGHUP.
"""

import exits
import installed  # noqa: F401 - ends the program with one line where a package is missing

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import dataclasses
import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

import cifar
import configuration
import evaluate
import paper_rows
import run_dir
import trainers
from checkpoints import Checkpoints, DamagedError
from eval import report, table_settings
from eval.paper_settings import PaperTable
from eval.results import Results
from eval.suites.base import Options
from evaluate import Evaluation
from locks import lock

# ---- command line


@dataclass(frozen=True)
class Comparison:
    """Train and evaluate a grid of methods and seeds."""

    out: Path = Path("comparison")
    """Folder of the comparison."""
    program: Literal["cifar", "imagenet", "finegrained"] = "cifar"
    """Which program trains: train/cifar.py, train/imagenet.py or train/finegrained.py."""
    methods: tuple[str, ...] = ("none", "mixup", "cutmix")
    """Methods, as for --method of the program, or rows of the table."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each."""
    suite: str = "clean"
    """The suites to evaluate each run with, as for train/evaluate.py."""
    table: str | None = None
    """The setting of a paper's table: augmix, cutmix, sage or puzzlemix. Sets the methods, networks, data sets, suites
    and training options that are not given; --train.model and --train.dataset select one of several."""
    listed: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Print what each run would train with, and stop; needs no data for CIFAR."""
    train: Any = field(default_factory=cifar.Config)
    """Options of the training, as for the program."""
    test: Options = field(default_factory=Options)
    """Options of the evaluation, as for train/evaluate.py."""
    given: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """The names of the training options that the command line gives: they come before those of the table."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments

    def parsed() -> int:
        options = parse(arguments)
        check(options)
        if options.listed:
            table = _table(options)
            print(table_settings.listing(paper_rows.settings(cells(options), table), paper_rows.notes(table)))
            return 0
        suites = evaluate.suite_names(_evaluation(options))
        fingerprints = describe_data(options)
        held = lock(options.out)
        try:
            open_folder(options, fingerprints)
            return compare(options, suites)
        finally:
            held.release()

    return exits.program(parsed, "finished work is kept: the same command continues")


def parse(arguments: list[str]) -> Comparison:
    """The options of a command line, where it names a paper's table with its setting as the defaults.

    Raises ValueError if there is no table of that name.
    """
    kind = _kind(arguments)
    options = tyro.cli(kind, args=arguments, description=__doc__)
    if options.table is None:
        return options
    if options.program != "cifar":
        raise ValueError(f"--table is for --program cifar, and it is {options.program}: leave one of them out.")
    return tyro.cli(kind, args=arguments, default=paper_comparison(options.table, options.out, arguments))


def _kind(arguments: list[str]) -> type[Comparison]:
    """The options of a comparison of runs of the program that a command line names."""
    named = re.search(r"(?:^|\0)--program(?:=|\0)(\w+)", "\0".join(arguments))
    program = trainers.PROGRAMS.get(named[1] if named else "cifar", cifar)
    train = field(default_factory=program.Config)
    return dataclasses.make_dataclass(
        "Comparison", [("train", program.Config, train)], bases=(Comparison,), frozen=True
    )


def paper_comparison(name: str, out: Path, arguments: list[str]) -> Comparison:
    """The comparison of a paper's table. Raises ValueError if there is none of that name."""
    paper = paper_rows.paper_table(name)
    dataset, model = paper.networks[0]
    train = cifar.Config(**paper.train | {"dataset": dataset, "model": model})
    words = (re.match(r"--train\.([\w-]+)", argument) for argument in arguments)
    given = tuple(sorted({match[1].replace("-", "_") for match in words if match}))
    return _kind([])(out, methods=paper.names(), suite=paper.suite, table=name, train=train, given=given)


def cells(options: Comparison) -> dict[str, Any]:
    """The training of each row of the table, by name, but for its seed and folder."""
    return paper_rows.cells(options.train, options.methods, _table(options), options.given)


def _table(options: Comparison) -> PaperTable | None:
    return None if options.table is None else paper_rows.paper_table(options.table)


def check(options: Comparison) -> None:
    """Raises ValueError for an invalid comparison, before anything is trained."""
    defaults = trainers.PROGRAMS[options.program].Config()
    for name in ("method", "seed", "resume", "runs_dir"):
        if getattr(options.train, name) != getattr(defaults, name):
            raise ValueError(
                f"--train.{name.replace('_', '-')} is set by the comparison: use --methods, --seeds, --out."
            )
    for name in ("methods", "seeds"):
        given = getattr(options, name)
        if not given or len(set(given)) < len(given):
            raise ValueError(f"--{name} are {', '.join(map(str, given)) or 'none'}; wanted one or more, each once.")
    for seed in options.seeds:
        configuration.check(dataclasses.replace(options.train, seed=seed))
    paper_rows.check(cells(options), _table(options))


def describe_data(options: Comparison) -> dict[str, dict[str, Any]]:
    """The fingerprint of every data set of the table, by name: of its files, however a row prepares them."""
    configs = {config.dataset: config for config in cells(options).values()}
    if options.program == "cifar":
        plain = {"val_share": 0.0, "normalization": "data"}
        configs = {name: dataclasses.replace(config, **plain) for name, config in configs.items()}
    return {name: trainers.fingerprint(config) for name, config in configs.items()}


def open_folder(options: Comparison, fingerprints: dict[str, dict[str, Any]]) -> None:
    """Note the training and the data sets of the comparison, or check that the folder is one of the same.

    Raises ValueError if it isn't.
    """
    path, training = options.out / "train.json", configuration.encode(options.program, options.train)
    for name in configuration.FREE_ON_RESUME:
        training.pop(name, None)
    training["rows"] = paper_rows.in_folder(options.train, _table(options), options.given)
    training = json.loads(json.dumps(training))  # as it is read: tuples become lists
    if path.exists():
        saved = configuration.completed(type(options.train), run_dir.read_json(path, dict))
        changed = [name for name in training if training[name] != saved.get(name)]
        if changed == ["rows"]:
            raise ValueError(
                f"{options.out} holds a comparison whose rows have other options than those of --table "
                f"{options.table}. Name another folder with --out."
            )
        if changed:
            changed = [name for name in changed if name != "rows"]
            listed = ", ".join(f"--train.{name.replace('_', '-')} {saved.get(name)}" for name in changed)
            raise ValueError(f"{options.out} holds a comparison of runs with {listed}. Name another folder with --out.")
    else:
        run_dir.write_json(path, training)
    _pin_data(options, fingerprints)


def _pin_data(options: Comparison, fingerprints: dict[str, dict[str, Any]]) -> None:
    """The folder of the data may move, but what is in it is the same for every run of the table."""
    pinned, data_dir = options.out / "dataset.json", options.train.data_dir
    saved = run_dir.read_json(pinned, dict) if pinned.exists() else {}
    for name, fingerprint in fingerprints.items():
        if name in saved:
            run_dir.require_same_data(options.out, saved[name], fingerprint, data_dir)
    for path in options.out.glob("runs/**/dataset.json") if not saved else ():
        run = run_dir.read_json(path, dict)
        if run.get("name") in fingerprints:
            sums, own = fingerprints[run["name"]]["crc32"], run.get("crc32", {})
            if "validation" in own:  # a part of the training images
                sums = {name: value for name, value in sums.items() if "test" in name}
            own = {"crc32": {name: own.get(name) for name in sums}}
            run_dir.require_same_data(path.parent, own, {"crc32": sums}, data_dir)
    if saved.keys() != (saved | fingerprints).keys():
        run_dir.write_json(pinned, saved | fingerprints)


# ---- runs


def compare(options: Comparison, suites: list[str]) -> int:
    """Train and evaluate what is missing, and write the table after each run; returns the exit code."""
    failed = 0
    configs = cells(options)
    runs = [(method, seed) for seed in options.seeds for method in configs]
    for number, (method, seed) in enumerate(runs, 1):
        print(f"\n[{number}/{len(runs)}] {method}, seed {seed}", flush=True)
        try:
            code = _cell(options, suites, configs[method], method, seed)
        except exits.StorageError:  # the next run would fail in the same way
            raise
        except (ValueError, OSError) as error:
            text = exits.describe(error, options.out) if isinstance(error, OSError) else error
            print(f"error: {method}, seed {seed}: {text}", file=sys.stderr)
            code = 1
        if code > 128:
            raise exits.Stopped(code - 128)
        failed = max(failed, code)
        jax.clear_caches()  # the next run has another program
        table = write_table(options)
    print(f"\n{table}")
    return min(failed, 1)


def _cell(options: Comparison, suites: list[str], config: Any, method: str, seed: int) -> int:
    """Train and evaluate a run as far as it is not; returns the exit code."""
    code, folder = train(options, config, method, seed)
    if code:
        return code
    try:
        return evaluate.evaluate(folder, suites, _evaluation(options))
    except DamagedError as error:
        print(f"warning: {error}", file=sys.stderr)
        code, folder = train(options, config, method, seed, whole=False)
        return code or evaluate.evaluate(folder, suites, _evaluation(options))


def train(options: Comparison, config: Any, method: str, seed: int, *, whole: bool = True) -> tuple[int, Path]:
    """Train a run, or resume it, unless it is finished and its newest checkpoint `whole`; returns the exit code and the
    run's folder.
    """
    program, place = trainers.PROGRAMS[options.program], options.out / "runs" / f"{method}-s{seed}"
    for left in place.glob(".*.new"):  # by a kill before the run had begun; no other process is at work here
        shutil.rmtree(left)
    folder = run_folder(place)
    if folder is None:
        code = program.run(dataclasses.replace(config, seed=seed, runs_dir=place))
        return code, run_folder(place) or place
    saved = dataclasses.replace(program.read(folder, options.train.data_dir), resume=folder)
    lines = run_dir.read_lines(folder / "metrics.jsonl")
    checkpoints = Checkpoints(folder, create=False)
    latest = checkpoints.latest()
    checkpoints.close()
    if whole and lines and lines[-1]["epoch"] == saved.epochs + sum(saved.extend) and latest == lines[-1]["step"]:
        print(f"  already trained: {folder}")
        return 0, folder
    return program.run(saved), folder


def run_folder(place: Path) -> Path | None:
    """The folder of the run under `place`, which holds one at most."""
    folders = sorted(path.parent for path in place.glob("[!.]*/config.json"))
    return folders[-1] if folders else None


def _evaluation(options: Comparison) -> Evaluation:
    return Evaluation(**vars(options.test), runs=(options.out,), suite=options.suite, data_dir=options.train.data_dir)


# ---- table


def write_table(options: Comparison) -> str:
    """Write table.md and table.json of the runs that are evaluated after their last step; returns the table as a
    terminal shows it.

    No table is written without a run: an earlier one stays.
    """
    folders: dict[str, dict[int, Path]] = {}
    for method in cells(options):
        for seed in options.seeds:
            folder = run_folder(options.out / "runs" / f"{method}-s{seed}")
            if folder is not None and _is_evaluated(folder):
                folders.setdefault(method, {})[seed] = folder
    if not folders:
        return "no run is evaluated: no table is written"
    table, seeds = _table(options), ", ".join(map(str, options.seeds))
    titles = paper_rows.headings(cells(options), table)
    headings = {name: (f"{part}, seeds {seeds}", row) for name, (part, row) in titles.items()}
    best = table is not None and table.best_epoch
    notes = paper_rows.notes(table)
    shown = report.write_means(folders, options.out, headings, best_epoch=best, notes=notes)
    return f"{shown}\nwritten to {options.out / 'table.md'}"


def _is_evaluated(folder: Path) -> bool:
    """Whether the report of a run is there, whole, and of the step of its last metrics."""
    path, lines = folder / "evaluation" / "report.json", run_dir.read_lines(folder / "metrics.jsonl")
    try:
        return path.is_file() and bool(lines) and Results(path).content["run"].get("step") == lines[-1]["step"]
    except ValueError:  # reported when the run was to be evaluated
        return False


if __name__ == "__main__":
    sys.exit(main())
