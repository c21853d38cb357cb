"""Train and evaluate a grid of methods and seeds, and write one table of means and standard deviations.

    python train/compare.py --out comparisons/digits --methods none cutmix --seeds 0 1 2 --train.epochs 5
    python train/compare.py --out comparisons/augmix --table augmix --train.data-dir DIR
    python train/compare.py --out comparisons/short --methods none mixup cutmix --suite clean,corruptions \\
        --train.dataset cifar10 --train.data-dir DIR --train.model resnet-8 --train.epochs 2

The same command continues after an interruption, and trains only what is new after a method or a seed is added. The
folder holds every run (runs/METHOD-sSEED), table.md, and table.json with all values.

Exit codes: 0 finished, 1 a run failed, 2 a mistake in the command or a file, 130, 143 or 129 interrupted by Ctrl-C,
SIGTERM or SIGHUP.
"""

import exits

# isort: split
if __name__ == "__main__":
    exits.at_once()  # an interrupt while the rest is imported ends in one line

import dataclasses
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import tyro

import cifar
import configuration
import evaluate
import inputs
import recipes
import run_dir
from checkpoints import Checkpoints, DamagedError
from eval import report
from eval.paper_settings import PAPER_SETTINGS
from eval.results import Results
from eval.suites.base import Options
from evaluate import Evaluation
from locks import lock

# ---- command line


@dataclass(frozen=True)
class Comparison:
    """Train and evaluate a grid of methods and seeds."""

    out: Path
    """Folder of the comparison."""
    methods: tuple[str, ...] = ("none", "mixup", "cutmix")
    """Methods, as for train/cifar.py --method."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each."""
    suite: str = "clean"
    """The suites to evaluate each run with, as for train/evaluate.py."""
    table: str | None = None
    """The setting of a paper's table: augmix, cutmix, sage or puzzlemix. Sets the methods, the suites and the training
    options that are not given."""
    train: cifar.Config = field(default_factory=cifar.Config)
    """Options of the training, as for train/cifar.py."""
    test: Options = field(default_factory=Options)
    """Options of the evaluation, as for train/evaluate.py."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments

    def parsed() -> int:
        options = tyro.cli(Comparison, args=arguments, description=__doc__)
        if options.table is not None:
            # Parsed again, with the paper's setting as the defaults.
            options = tyro.cli(Comparison, args=arguments, default=paper_comparison(options.table, options.out))
        check(options)
        suites = evaluate.suite_names(_evaluation(options))
        fingerprint = inputs.describe(cifar.load(options.train))
        held = lock(options.out)
        try:
            open_folder(options, fingerprint)
            return compare(options, suites)
        finally:
            held.release()

    return exits.program(parsed, "finished work is kept: the same command continues")


def paper_comparison(name: str, out: Path) -> Comparison:
    """The comparison of a paper's table. Raises ValueError if there is none of that name."""
    if name not in PAPER_SETTINGS:
        raise ValueError(f"there is no table {name!r}. There are: {', '.join(PAPER_SETTINGS)}.")
    paper = PAPER_SETTINGS[name]
    return Comparison(out, methods=paper.methods, suite=paper.suite, table=name, train=cifar.Config(**paper.train))


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
    for seed in options.seeds:
        configuration.check(dataclasses.replace(options.train, seed=seed))
    for method in options.methods:
        recipes.cifar.create(method, options.train.dataset, 32, options.train.model)
    configuration.check(options.train)


def open_folder(options: Comparison, fingerprint: dict[str, Any]) -> None:
    """Note the training and the data set of the comparison, or check that the folder is one of the same.

    Raises ValueError if it isn't.
    """
    path, training = options.out / "train.json", configuration.encode("cifar", options.train)
    for name in configuration.FREE_ON_RESUME:
        training.pop(name)
    training = {name: list(value) if isinstance(value, tuple) else value for name, value in training.items()}
    if path.exists():
        saved = run_dir.read_json(path, dict)
        changed = [name for name in training if training[name] != saved.get(name)]
        if changed:
            listed = ", ".join(f"--train.{name.replace('_', '-')} {saved.get(name)}" for name in changed)
            raise ValueError(f"{options.out} holds a comparison of runs with {listed}. Name another folder with --out.")
    else:
        run_dir.write_json(path, training)
    # The folder of the data may move, but what is in it is the same for every cell of the table.
    if (options.out / "dataset.json").exists():
        run_dir.check_fingerprint(options.out, fingerprint, options.train.data_dir)
    else:
        for run in options.out.glob("runs/*/*/dataset.json"):
            run_dir.check_fingerprint(run.parent, fingerprint, options.train.data_dir)
        run_dir.write_json(options.out / "dataset.json", fingerprint)


# ---- runs


def compare(options: Comparison, suites: list[str]) -> int:
    """Train and evaluate what is missing, and write the table after each run; returns the exit code."""
    failed = 0
    cells = [(method, seed) for seed in options.seeds for method in options.methods]
    for number, (method, seed) in enumerate(cells, 1):
        print(f"\n[{number}/{len(cells)}] {method}, seed {seed}", flush=True)
        try:
            code = _cell(options, suites, method, seed)
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


def _cell(options: Comparison, suites: list[str], method: str, seed: int) -> int:
    """Train and evaluate a run as far as it is not; returns the exit code."""
    code, folder = train(options, method, seed)
    if code:
        return code
    try:
        return evaluate.evaluate(folder, suites, _evaluation(options))
    except DamagedError as error:
        print(f"warning: {error}", file=sys.stderr)
        code, folder = train(options, method, seed, whole=False)
        return code or evaluate.evaluate(folder, suites, _evaluation(options))


def train(options: Comparison, method: str, seed: int, *, whole: bool = True) -> tuple[int, Path]:
    """Train a run, or resume it, unless it is finished and its newest checkpoint `whole`; returns the exit code and the
    run's folder.
    """
    place = options.out / "runs" / f"{method}-s{seed}"
    for left in place.glob(".*.new"):  # by a kill before the run had begun; no other process is at work here
        shutil.rmtree(left)
    folder = _run(place)
    if folder is None:
        code = cifar.run(dataclasses.replace(options.train, method=method, seed=seed, runs_dir=place))
        folder = _run(place)
        assert folder is not None
        return code, folder
    config = dataclasses.replace(cifar.read(folder, options.train.data_dir), resume=folder)
    lines = run_dir.read_lines(folder / "metrics.jsonl")
    checkpoints = Checkpoints(folder, create=False)
    latest = checkpoints.latest()
    checkpoints.close()
    if whole and lines and lines[-1]["epoch"] == config.epochs and latest == lines[-1]["step"]:
        print(f"  already trained: {folder}")
        return 0, folder
    return cifar.run(config), folder


def _run(place: Path) -> Path | None:
    """The folder of the run under `place`, which holds one at most."""
    folders = sorted(path.parent for path in place.glob("[!.]*/config.json"))
    return folders[-1] if folders else None


def _evaluation(options: Comparison) -> Evaluation:
    return Evaluation(**vars(options.test), runs=(options.out,), suite=options.suite, data_dir=options.train.data_dir)


# ---- table


def write_table(options: Comparison) -> str:
    """Write table.md and table.json of the runs that are evaluated after their last step; returns the table.

    No table is written without a run: an earlier one stays.
    """
    folders: dict[str, dict[int, Path]] = {}
    for method in options.methods:
        for seed in options.seeds:
            folder = _run(options.out / "runs" / f"{method}-s{seed}")
            if folder is not None and _is_evaluated(folder):
                folders.setdefault(method, {})[seed] = folder
    if not folders:
        return "no run is evaluated: no table is written"
    title = f"{options.train.model} on {options.train.dataset}, seeds {', '.join(map(str, options.seeds))}"
    return f"{report.write_means(folders, options.out, title)}\nwritten to {options.out / 'table.md'}"


def _is_evaluated(folder: Path) -> bool:
    """Whether the report of a run is there, whole, and of the step of its last metrics."""
    path, lines = folder / "evaluation" / "report.json", run_dir.read_lines(folder / "metrics.jsonl")
    try:
        return path.is_file() and bool(lines) and Results(path).content["run"].get("step") == lines[-1]["step"]
    except ValueError:  # reported when the run was to be evaluated
        return False


if __name__ == "__main__":
    sys.exit(main())
