"""Trains and evaluates several methods with several seeds, and writes one table: mean and standard deviation.

    python train/compare.py --out comparisons/digits --methods none cutmix --seeds 0 1 2 --train.epochs 5
    python train/compare.py --out comparisons/augmix --table augmix --train.data-dir DIR
    python train/compare.py --out comparisons/short --methods none mixup cutmix --suite clean,corruptions \\
        --train.dataset cifar10 --train.data-dir DIR --train.model resnet-8 --train.epochs 2

The same command goes on after an interruption, and trains only what is new after adding a method or a seed. The folder
holds every run (runs/METHOD-sSEED), table.md, and table.json with all numbers.
"""

import dataclasses
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import tyro

import cifar
import evaluate
import recipes
import run_dir
from checkpoints import Checkpoints
from eval.report import Results
from eval.suites import SUITES, Options
from evaluate import Evaluation


class Table(NamedTuple):
    """The setting of a paper's table: methods and suites, and what is trained how."""

    methods: tuple[str, ...]
    suite: str
    train: dict[str, Any]


_AUGMIX = {"model": "wrn-40-2", "epochs": 100, "batch_size": 128, "lr": 0.1, "weight_decay": 5e-4}
_CUTMIX = {"model": "pyramidnet-240-200", "epochs": 300, "batch_size": 64, "lr": 0.25, "weight_decay": 1e-4}
_SAGE = {"model": "preact-resnet-18", "epochs": 300, "batch_size": 100, "lr": 0.2, "weight_decay": 1e-4}
TABLES = {
    # Hendrycks et al., AugMix, ICLR 2020, tables 1 and 2.
    "augmix": Table(
        ("none", "cutout", "mixup", "cutmix", "autoaugment", "augmix"),
        "clean,corruptions,calibration",
        _AUGMIX | {"dataset": "cifar10", "crop_padding": 4},
    ),
    # Yun et al., CutMix, ICCV 2019, tables 5 and 7.
    "cutmix": Table(
        (
            *("none", "cutout", "mixup", "manifold-mixup", "feature-cutmix", "dropblock", "cutmix"),
            *("cutmix-center-gaussian", "cutmix-fixed-size", "cutmix-one-hot", "cutmix-complete-label"),
            "cutmix-scheduled",
        ),
        "clean,occlusion,in_between,attacks,detection",
        _CUTMIX | {"dataset": "cifar100", "schedule": "step", "milestones": (150, 225)},
    ),
    # Ma et al., SAGE, BMVC 2022.
    "sage": Table(
        ("none", "mixup", "manifold-mixup", "cutmix", "saliencymix", "puzzlemix", "sage"),
        "clean,attacks,detection",
        _SAGE | {"dataset": "cifar10", "schedule": "step", "milestones": (100, 200)},
    ),
    # Kim et al., PuzzleMix, ICML 2020.
    "puzzlemix": Table(
        ("none", "mixup", "manifold-mixup", "cutmix", "augmix", "puzzlemix"),
        "clean,attacks,corruptions",
        _SAGE | {"dataset": "cifar100", "epochs": 1200, "lr": 0.1, "schedule": "step", "milestones": (400, 800)},
    ),
}


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
    """What to test each run on, as for train/evaluate.py."""
    table: str | None = None
    """The setting of a paper: augmix, cutmix, sage or puzzlemix. Takes its methods, suites and training where they
    are not given."""
    train: cifar.Config = field(default_factory=cifar.Config)
    """What is trained, as for train/cifar.py."""
    test: Options = field(default_factory=Options)
    """What is tested, as for train/evaluate.py."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 2 for a wrong command, 1 if a run failed, 130 if cut short."""
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = tyro.cli(Comparison, args=arguments, description=__doc__)
    try:
        if asked.table is not None:
            # Once more, with the table's setting in place of what isn't given.
            asked = tyro.cli(Comparison, args=arguments, default=setting(asked.table, asked.out))
        checked(asked)
        wanted = evaluate.chosen(_evaluation(asked))
        opened(asked)
        return compare(asked, wanted)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; what was computed is kept: the same command goes on from there", file=sys.stderr)
        return 130


def setting(name: str, out: Path) -> Comparison:
    """The comparison of a paper's table. Raises ValueError if there is none of that name."""
    if name not in TABLES:
        raise ValueError(f"there is no table {name!r}. There are: {', '.join(TABLES)}.")
    table = TABLES[name]
    return Comparison(out, methods=table.methods, suite=table.suite, table=name, train=cifar.Config(**table.train))


def checked(asked: Comparison) -> None:
    """Raises ValueError for a comparison that makes no sense, before anything is trained."""
    defaults = cifar.Config()
    for name in ("method", "seed", "resume", "runs_dir"):
        if getattr(asked.train, name) != getattr(defaults, name):
            raise ValueError(
                f"--train.{name.replace('_', '-')} is set by the comparison: use --methods, --seeds, --out."
            )
    for name in ("methods", "seeds"):
        given = getattr(asked, name)
        if not given or len(set(given)) < len(given):
            raise ValueError(f"--{name} are {', '.join(map(str, given)) or 'none'}; wanted one or more, each once.")
    for method in asked.methods:
        recipes.cifar.create(method, asked.train.dataset, 32, asked.train.model)
    cifar.checked(asked.train)


def opened(asked: Comparison) -> None:
    """Makes the folder, or checks that it is one of the same training. Raises ValueError if it isn't."""
    path, training = asked.out / "train.json", cifar.encoded(asked.train)
    for name in cifar.FREE_ON_RESUME:
        training.pop(name)
    training = {name: list(value) if isinstance(value, tuple) else value for name, value in training.items()}
    if not path.exists():
        asked.out.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(path, training)
        return
    saved = run_dir.read_json(path)
    changed = [name for name in training if training[name] != saved.get(name)]
    if changed:
        listed = ", ".join(f"--train.{name.replace('_', '-')} {saved.get(name)}" for name in changed)
        raise ValueError(f"{asked.out} holds a comparison of runs with {listed}. Name another folder with --out.")


def compare(asked: Comparison, wanted: list[str]) -> int:
    """Trains and evaluates what is missing, run by run, and writes the table after each; returns the exit code."""
    failed = 0
    cells = [(method, seed) for seed in asked.seeds for method in asked.methods]
    for number, (method, seed) in enumerate(cells, 1):
        print(f"\n[{number}/{len(cells)}] {method}, seed {seed}", flush=True)
        try:
            code, folder = trained(asked, method, seed)
            if code == 0:
                code = evaluate.evaluate(folder, wanted, _evaluation(asked))
        except ValueError as error:
            print(f"error: {method}, seed {seed}: {error}", file=sys.stderr)
            code = 1
        if code == 130:
            raise KeyboardInterrupt
        failed = max(failed, code)
        jax.clear_caches()  # the next run has another program
        text = write_table(asked)
    print(f"\n{text}\nwritten to {asked.out / 'table.md'}")
    return min(failed, 1)


def trained(asked: Comparison, method: str, seed: int) -> tuple[int, Path]:
    """Trains one run, or goes on with it, unless it is finished; returns the exit code and its folder."""
    place = asked.out / "runs" / f"{method}-s{seed}"
    found = _run(place)
    if found is None:
        code = cifar.run(dataclasses.replace(asked.train, method=method, seed=seed, runs_dir=place))
        found = _run(place)
        assert found is not None
        return code, found
    config = dataclasses.replace(cifar.read_config(found, asked.train.data_dir), resume=found)
    lines = run_dir.read_lines(found / "metrics.jsonl")
    checkpoints = Checkpoints(found, create=False)
    latest = checkpoints.latest()
    checkpoints.close()
    if lines and lines[-1]["epoch"] == config.epochs and latest == lines[-1]["step"]:
        print(f"  trained before: {found}")
        return 0, found
    return cifar.run(config), found


def _run(place: Path) -> Path | None:
    """The folder of the run under `place`, which holds one at most."""
    found = sorted(path.parent for path in place.glob("*/config.json"))
    return found[-1] if found else None


def _evaluation(asked: Comparison) -> Evaluation:
    return Evaluation(**vars(asked.test), runs=(asked.out,), suite=asked.suite, data_dir=asked.train.data_dir)


def write_table(asked: Comparison) -> str:
    """table.md and table.json of the runs that are evaluated; returns the table."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for method in asked.methods:
        for seed in asked.seeds:
            folder = _run(asked.out / "runs" / f"{method}-s{seed}")
            if folder is not None and (folder / "evaluation" / "report.json").is_file():
                found.setdefault(method, {})[seed] = numbers(folder)
    measures = list(dict.fromkeys(name for by_seed in found.values() for row in by_seed.values() for name in row))
    rows = []
    for method, by_seed in found.items():
        columns = [[row[name] for row in by_seed.values() if name in row] for name in measures]
        fewer = [f" (n = {len(column)})" if 0 < len(column) < len(by_seed) else "" for column in columns]
        cells = [spread(column) + note for column, note in zip(columns, fewer, strict=True)]
        rows.append((method, str(len(by_seed)), *cells))
    train = asked.train
    text = "\n".join(
        [
            f"{train.model} on {train.dataset}, seeds {', '.join(map(str, asked.seeds))}; mean ± standard deviation of "
            "n runs.",
            "",
            *evaluate.markdown(("method", "n", *measures), rows),
            "",
        ]
    )
    (asked.out / "table.md").write_text(text)
    run_dir.write_json(asked.out / "table.json", {"versions": run_dir.versions(), "runs": found})
    return text


def numbers(folder: Path) -> dict[str, float]:
    """The training loss of the first and the last epoch of a run, and what its evaluation comes to."""
    lines, report = run_dir.read_lines(folder / "metrics.jsonl"), Results(folder / "evaluation" / "report.json")
    complete = report.complete()
    summaries = [complete[name]["summary"] for name in SUITES if name in complete]
    return {
        "training loss, first epoch": lines[0]["train_loss"],
        "last epoch": lines[-1]["train_loss"],
        **{name: value for summary in summaries for name, value in summary.items() if value is not None},
    }


def spread(values: list[float]) -> str:
    """Mean and standard deviation (n - 1 in its divisor) of several numbers."""
    if not values:
        return ""
    digits = 2 if abs(statistics.mean(values)) >= 10 else 3
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    sys.exit(main())
