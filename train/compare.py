"""Train and evaluate a grid of methods and seeds, and write one table of means and standard deviations.

    python train/compare.py --out comparisons/digits --methods none cutmix --seeds 0 1 2 --train.epochs 5
    python train/compare.py --out comparisons/augmix --table augmix --train.data-dir DIR
    python train/compare.py --out comparisons/short --methods none mixup cutmix --suite clean,corruptions \\
        --train.dataset cifar10 --train.data-dir DIR --train.model resnet-8 --train.epochs 2

    python train/compare.py --table sage --list

The last prints what every run would train with, and needs no data. The same command continues after an interruption,
and trains only what is new after a method or a seed is added. The folder holds every run (runs/METHOD-sSEED; where a
table has several networks, runs/DATASET-MODEL/METHOD-sSEED), table.md, and table.json with all values.
"""

import dataclasses
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import jax
import tyro

import cifar
import configuration
import evaluate
import paper_rows
import run_dir
from checkpoints import Checkpoints
from eval import report, table_settings
from eval.paper_settings import PaperTable
from eval.suites.base import Options
from evaluate import Evaluation

# ---- command line


@dataclass(frozen=True)
class Comparison:
    """Train and evaluate a grid of methods and seeds."""

    out: Path = Path("comparison")
    """Folder of the comparison."""
    methods: tuple[str, ...] = ("none", "mixup", "cutmix")
    """Methods, as for train/cifar.py --method, or rows of the table."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each."""
    suite: str = "clean"
    """The suites to evaluate each run with, as for train/evaluate.py."""
    table: str | None = None
    """The setting of a paper's table: augmix, cutmix, sage or puzzlemix. Sets the methods, networks, data sets, suites
    and training options that are not given; --train.model and --train.dataset select one of several."""
    listed: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Print what each run would train with, and stop; needs no data for CIFAR."""
    train: cifar.Config = field(default_factory=cifar.Config)
    """Options of the training, as for train/cifar.py."""
    test: Options = field(default_factory=Options)
    """Options of the evaluation, as for train/evaluate.py."""
    given: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """The names of the training options that the command line gives: they come before those of the table."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns the exit code: 2 for a wrong command, 1 if a run failed, 130 if interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = parse(arguments)
        check(options)
        if options.listed:
            table = _table(options)
            print(table_settings.listing(paper_rows.settings(cells(options), table), paper_rows.notes(table)))
            return 0
        suites = evaluate.suite_names(_evaluation(options))
        open_folder(options)
        return compare(options, suites)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; finished work is kept: the same command continues", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> Comparison:
    """The options of a command line, where it names a paper's table with its setting as the defaults.

    Raises ValueError if there is no table of that name.
    """
    options = tyro.cli(Comparison, args=arguments, description=__doc__)
    if options.table is None:
        return options
    return tyro.cli(Comparison, args=arguments, default=paper_comparison(options.table, options.out, arguments))


def paper_comparison(name: str, out: Path, arguments: list[str]) -> Comparison:
    """The comparison of a paper's table. Raises ValueError if there is none of that name."""
    paper = paper_rows.paper_table(name)
    dataset, model = paper.networks[0]
    train = cifar.Config(**paper.train | {"dataset": dataset, "model": model})
    words = (re.match(r"--train\.([\w-]+)", argument) for argument in arguments)
    given = tuple(sorted({match[1].replace("-", "_") for match in words if match}))
    return Comparison(out, methods=paper.names(), suite=paper.suite, table=name, train=train, given=given)


def cells(options: Comparison) -> dict[str, cifar.Config]:
    """The training of each row of the table, by name, but for its seed and folder."""
    return paper_rows.cells(options.train, options.methods, _table(options), options.given)


def _table(options: Comparison) -> PaperTable | None:
    return None if options.table is None else paper_rows.paper_table(options.table)


def check(options: Comparison) -> None:
    """Raises ValueError for an invalid comparison, before anything is trained."""
    defaults = cifar.Config()
    for name in ("method", "seed", "resume", "runs_dir"):
        if getattr(options.train, name) != getattr(defaults, name):
            raise ValueError(
                f"--train.{name.replace('_', '-')} is set by the comparison: use --methods, --seeds, --out."
            )
    for name in ("methods", "seeds"):
        given = getattr(options, name)
        if not given or len(set(given)) < len(given):
            raise ValueError(f"--{name} are {', '.join(map(str, given)) or 'none'}; wanted one or more, each once.")
    configuration.check(options.train)
    paper_rows.check(cells(options), _table(options))


def open_folder(options: Comparison) -> None:
    """Make the folder, or check that it is one of the same training. Raises ValueError if it isn't."""
    path, training = options.out / "train.json", configuration.encode("cifar", options.train)
    for name in configuration.FREE_ON_RESUME:
        training.pop(name)
    training["rows"] = paper_rows.in_folder(options.train, _table(options), options.given)
    training = json.loads(json.dumps(training))  # as it is read: tuples become lists
    if not path.exists():
        options.out.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(path, training)
        return
    saved = run_dir.read_json(path)
    changed = [name for name in training if training[name] != saved.get(name)]
    if changed == ["rows"]:
        raise ValueError(
            f"{options.out} holds a comparison whose rows have other options than those of --table {options.table}. "
            "Name another folder with --out."
        )
    if changed:
        changed = [name for name in changed if name != "rows"]
        listed = ", ".join(f"--train.{name.replace('_', '-')} {saved.get(name)}" for name in changed)
        raise ValueError(f"{options.out} holds a comparison of runs with {listed}. Name another folder with --out.")


# ---- runs


def compare(options: Comparison, suites: list[str]) -> int:
    """Train and evaluate what is missing, and write the table after each run; returns the exit code."""
    failed = 0
    configs = cells(options)
    runs = [(method, seed) for seed in options.seeds for method in configs]
    for number, (method, seed) in enumerate(runs, 1):
        print(f"\n[{number}/{len(runs)}] {method}, seed {seed}", flush=True)
        try:
            code, folder = train(options, configs[method], method, seed)
            if code == 0:
                code = evaluate.evaluate(folder, suites, _evaluation(options))
        except ValueError as error:
            print(f"error: {method}, seed {seed}: {error}", file=sys.stderr)
            code = 1
        if code == 130:
            raise KeyboardInterrupt
        failed = max(failed, code)
        jax.clear_caches()  # the next run has another program
        text = write_table(options)
    print(f"\n{text}\nwritten to {options.out / 'table.md'}")
    return min(failed, 1)


def train(options: Comparison, config: cifar.Config, method: str, seed: int) -> tuple[int, Path]:
    """Train a run, or resume it, unless it is finished; returns the exit code and the run's folder."""
    place = options.out / "runs" / f"{method}-s{seed}"
    folder = _run(place)
    if folder is None:
        code = cifar.run(dataclasses.replace(config, seed=seed, runs_dir=place))
        folder = _run(place)
        assert folder is not None
        return code, folder
    saved = dataclasses.replace(cifar.read(folder, options.train.data_dir), resume=folder)
    lines = run_dir.read_lines(folder / "metrics.jsonl")
    checkpoints = Checkpoints(folder, create=False)
    latest = checkpoints.latest()
    checkpoints.close()
    if lines and lines[-1]["epoch"] == saved.epochs and latest == lines[-1]["step"]:
        print(f"  already trained: {folder}")
        return 0, folder
    return cifar.run(saved), folder


def _run(place: Path) -> Path | None:
    """The folder of the run under `place`, which holds one at most."""
    folders = sorted(path.parent for path in place.glob("*/config.json"))
    return folders[-1] if folders else None


def _evaluation(options: Comparison) -> Evaluation:
    return Evaluation(**vars(options.test), runs=(options.out,), suite=options.suite, data_dir=options.train.data_dir)


# ---- table


def write_table(options: Comparison) -> str:
    """Write table.md and table.json of the evaluated runs; returns the table as a terminal shows it."""
    folders: dict[str, dict[int, Path]] = {}
    for method in cells(options):
        for seed in options.seeds:
            folder = _run(options.out / "runs" / f"{method}-s{seed}")
            if folder is not None and (folder / "evaluation" / "report.json").is_file():
                folders.setdefault(method, {})[seed] = folder
    table, seeds = _table(options), ", ".join(map(str, options.seeds))
    titles = paper_rows.headings(cells(options), table)
    headings = {name: (f"{part}, seeds {seeds}", row) for name, (part, row) in titles.items()}
    best = table is not None and table.best_epoch
    return report.write_means(folders, options.out, headings, best_epoch=best, notes=paper_rows.notes(table))


if __name__ == "__main__":
    sys.exit(main())
