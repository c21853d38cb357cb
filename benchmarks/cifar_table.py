"""The table of short trainings in docs/benchmarks.md, from the folders of the runs.

    methods="none mixup cutmix smoothmix_c saliencymix attentivemix snapmix puzzlemix sage comixup"
    for seed in 0 1 2; do for method in $methods; do
        python train/cifar.py --dataset cifar10 --data-dir DIR --method $method --model resnet-8 --epochs 2 \\
            --weight-decay 5e-4 --seed $seed --runs-dir runs/table
    done; done
    python benchmarks/cifar_table.py runs/table "what data it is" benchmarks/results/NAME.json

Means over seeds with their standard deviation (of one run, n - 1 in its divisor).
"""

import json
import pathlib
import statistics
import sys

KEPT = ("dataset", "model", "method", "epochs", "batch_size", "lr", "schedule", "weight_decay", "seed", "loss", "dtype")
VERSIONS = ("python", "jax", "flax", "optax", "numpy", "jaxmix", "devices", "git")
SHOWN = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_images")


def read(folder: pathlib.Path) -> dict:
    """The configuration of a run, its versions, and its metrics at every epoch."""
    config, versions = (json.loads((folder / f"{name}.json").read_text()) for name in ("config", "versions"))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = [{name: line[name] for name in SHOWN} for line in lines]
    calls = versions if isinstance(versions, list) else [versions]
    kept = [{name: call[name] for name in VERSIONS} for call in calls]
    return {"config": {name: config[name] for name in KEPT}, "versions": kept, "epochs": epochs}


def spread(values: list[float], digits: int) -> str:
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def table(runs: list[dict]) -> str:
    """A Markdown row per method, in the order in which they were first run."""
    rows = [
        "| method | n | training loss, first and last epoch | test loss | test accuracy, % |",
        "|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(run["config"]["method"] for run in runs):
        same = [run for run in runs if run["config"]["method"] == method]
        first, last = ([run["epochs"][i] for run in same] for i in (0, -1))
        rows.append(
            f"| {method} | {len(same)} | {spread([e['train_loss'] for e in first], 2)}, "
            f"{spread([e['train_loss'] for e in last], 2)} | {spread([e['test_loss'] for e in last], 3)} "
            f"| {spread([100 * e['test_accuracy'] for e in last], 2)} |"
        )
    return "\n".join(rows)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    source, data, target = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    runs = [read(folder) for folder in sorted(source.iterdir()) if (folder / "metrics.jsonl").exists()]
    target.write_text(json.dumps({"data": data, "runs": runs}, indent=1) + "\n")
    print(f"{data}\n\n{table(runs)}\n\nwritten to {target}")


if __name__ == "__main__":
    main()
