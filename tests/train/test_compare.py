"""A comparison trains and evaluates what is missing, and its table has the mean and deviation of the runs."""

import dataclasses
import json
import os
import pathlib
import statistics
import types

import jax
import pytest

import cifar
import compare
import configuration
import devices
import evaluate
import exits
import inputs
import loop
import run_dir
from checkpoints import DamagedError
from eval import report
from eval.paper_settings import PAPER_TABLES
from eval.results import Results
from eval.suites import SUITES
from locks import lock

QUICK = (
    *("--train.limit-train", "160", "--train.limit-test", "50", "--train.batch-size", "32", "--train.epochs", "1"),
    *("--test.batch-size", "50"),
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Fakes:
    """Trainings and evaluations that take no time: a run's loss and error follow from its method and seed.

    trained, evaluated: method, seed, and for trainings whether an earlier one is resumed
    interrupted: the next training stops before its first checkpoint
    damaged: the next evaluation finds a damaged checkpoint
    data: the fingerprint of the data set
    """

    def __init__(self, monkeypatch):
        self.trained, self.evaluated, self.configs, self.steps = [], [], {}, {}
        self.interrupted = self.damaged = False
        self.data = {"name": "digits", "crc32": {"train": 1}}
        monkeypatch.setattr(cifar, "load", lambda config: None)
        monkeypatch.setattr(inputs, "describe", lambda dataset: self.data)
        monkeypatch.setattr(cifar, "run", self.run)
        monkeypatch.setattr(cifar, "read", lambda folder, data_dir: self.configs[folder.absolute()])
        monkeypatch.setattr(compare, "Checkpoints", self.checkpoints)
        monkeypatch.setattr(evaluate, "evaluate", self.evaluate)

    def run(self, config):
        folder = (config.resume or config.runs_dir / "run").absolute()
        self.trained.append((config.method, config.seed, config.resume is not None))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        self.configs[folder] = config
        if self.interrupted:
            return 130
        line = dict.fromkeys(run_dir.FIELDS, 0.5) | {"step": 5, "train_loss": 1.0 + config.seed}
        line |= {"epoch": config.epochs, "test_accuracy": 0.75}
        (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        self.steps[folder] = 5
        return 0

    def checkpoints(self, folder, *, create):
        return types.SimpleNamespace(latest=lambda: self.steps.get(folder.absolute()), close=lambda: None)

    def evaluate(self, folder, suites, options):
        config = self.configs[folder.absolute()]
        if config.method == "mixup":
            raise ValueError("no luck")
        if self.damaged:
            self.damaged = False
            raise DamagedError("the checkpoint 5 is damaged. Resume the run.")
        self.evaluated.append((config.method, config.seed))
        results = Results(folder / "evaluation" / "report.json")
        results.content["run"] = {"step": 5}
        section = results.suite("clean", {})
        loss = {"clean loss": 0.5} if config.seed else {}
        section.finish({"clean error, %": 20.0 + 3 * config.seed} | loss)
        return 0


@pytest.fixture
def fakes(monkeypatch):
    return Fakes(monkeypatch)


def test_only_what_is_new_is_trained_and_the_table_has_all(place, fakes, capsys):
    command = ("--out", "grid", "--methods", "none", "--train.epochs", "1")
    assert compare.main([*command, "--seeds", "0"]) == 0
    assert compare.main([*command, "--seeds", "0", "1"]) == 0
    assert fakes.trained == [("none", 0, False), ("none", 1, False)]
    assert fakes.evaluated == [("none", 0), ("none", 0), ("none", 1)]
    assert "already trained" in capsys.readouterr().out
    runs = json.loads((place / "grid" / "table.json").read_text())["runs"]["none"]
    assert runs["1"] == {
        "training loss, first epoch": 2.0,
        "last epoch": 2.0,
        "clean error, %": 23.0,
        "clean loss": 0.5,
    }
    table = (place / "grid" / "table.md").read_text()
    assert "| none | 2 | 1.500 ± 0.707 |" in table and "| 21.50 ± 2.12 | 0.500 (n = 1) |" in table


def test_an_interrupted_run_is_resumed(place, fakes, capsys):
    command = ("--out", "grid", "--methods", "none", "--seeds", "0", "--train.epochs", "1")
    fakes.interrupted = True
    assert compare.main([*command]) == 130
    assert "the same command continues" in capsys.readouterr().err and not fakes.evaluated
    fakes.interrupted = False
    assert compare.main([*command]) == 0
    assert fakes.trained == [("none", 0, False), ("none", 0, True)] and fakes.evaluated == [("none", 0)]
    assert len(list((place / "grid" / "runs" / "none-s0").iterdir())) == 1


def test_a_run_whose_last_checkpoint_is_missing_is_resumed(fakes):
    command = ("--out", "grid", "--methods", "none", "--seeds", "0", "--train.epochs", "1")
    assert compare.main([*command]) == 0
    fakes.steps = dict.fromkeys(fakes.steps, 4)
    assert compare.main([*command]) == 0
    assert fakes.trained == [("none", 0, False), ("none", 0, True)]


def test_a_run_whose_last_checkpoint_is_damaged_is_resumed(fakes, capsys):
    command = ("--out", "grid", "--methods", "none", "--seeds", "0", "--train.epochs", "1")
    assert compare.main([*command]) == 0
    fakes.damaged = True
    assert compare.main([*command]) == 0
    assert fakes.trained == [("none", 0, False), ("none", 0, True)] and fakes.evaluated == [("none", 0)] * 2
    assert "warning: the checkpoint 5 is damaged" in capsys.readouterr().err


def test_a_table_has_no_cells_of_two_data_sets(place, fakes, capsys):
    command = ("--out", "grid", "--methods", "none", "--train.epochs", "1", "--train.data-dir")
    assert compare.main([*command, "here", "--seeds", "0"]) == 0
    table = (place / "grid" / "table.md").read_text()
    fakes.data = {"name": "digits", "crc32": {"train": 2}}
    assert compare.main([*command, "there", "--seeds", "0", "1"]) == 2
    assert "error: there holds other images than grid began with: crc32 differ" in capsys.readouterr().err
    # A folder of a version that did not note the data set has it from its runs.
    (place / "grid" / "dataset.json").unlink()
    run_dir.write_json(place / "grid" / "runs" / "none-s0" / "run" / "dataset.json", {"name": "digits", "crc32": {}})
    assert compare.main([*command, "there", "--seeds", "0", "1"]) == 2
    assert "holds other images than grid/runs/none-s0/run began with" in capsys.readouterr().err
    assert fakes.trained == [("none", 0, False)] and (place / "grid" / "table.md").read_text() == table


def test_a_report_that_is_half_written_costs_its_own_cell_only(place, fakes, capsys):
    command = ("--out", "grid", "--methods", "none", "cutmix", "--seeds", "0", "--train.epochs", "1")
    assert compare.main([*command]) == 0
    (report,) = (place / "grid").glob("runs/none-s0/*/evaluation/report.json")
    half = report.read_text()[:40]
    report.write_text(half)
    assert compare.main([*command]) == 1
    assert f"error: none, seed 0: {report.relative_to(place)} is not JSON" in capsys.readouterr().err
    table = (place / "grid" / "table.md").read_text()
    assert "| cutmix | 1 |" in table and "none" not in table and report.read_text() == half


def test_a_table_is_never_replaced_by_an_empty_one(place, fakes, capsys):
    command = ("--out", "grid", "--seeds", "0", "--train.epochs", "1", "--methods")
    assert compare.main([*command, "none"]) == 0
    table = (place / "grid" / "table.md").read_text()
    assert compare.main([*command, "mixup"]) == 1
    assert "no run is evaluated: no table is written" in capsys.readouterr().out
    assert (place / "grid" / "table.md").read_text() == table


def test_an_evaluation_of_an_earlier_step_is_not_in_the_table(place, fakes, monkeypatch):
    command = ("--out", "grid", "--methods", "none", "--seeds", "0", "--train.epochs", "1")
    assert compare.main([*command]) == 0
    (run,) = (place / "grid").glob("runs/none-s0/*")
    line = json.loads((run / "metrics.jsonl").read_text()) | {"step": 10}
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    options = compare.Comparison(pathlib.Path("grid"), methods=("none",), seeds=(0,))
    assert compare.write_table(options) == "no run is evaluated: no table is written"


def test_a_full_disk_ends_the_grid(place, fakes, monkeypatch, capsys):
    def full(config):
        fakes.trained.append(config.method)
        raise exits.StorageError("there: No space left on device")

    monkeypatch.setattr(cifar, "run", full)
    assert compare.main(["--out", "grid", "--methods", "none", "cutmix", "--seeds", "0"]) == 1
    assert fakes.trained == ["none"] and capsys.readouterr().err == "error: there: No space left on device\n"


def test_two_comparisons_do_not_share_a_folder(place, fakes, capsys):
    held = lock(place / "grid")
    assert compare.main(["--out", "grid", "--methods", "none"]) == 2
    assert "error: grid is in use by process" in capsys.readouterr().err and not fakes.trained
    held.release()


def test_what_a_kill_left_of_a_run_is_removed(place, fakes):
    left = place / "grid" / "runs" / "none-s0" / ".20260131-120000-digits.new"
    left.mkdir(parents=True)
    (left / "config.json").write_text("{}")
    assert compare.main(["--out", "grid", "--methods", "none", "--seeds", "0", "--train.epochs", "1"]) == 0
    assert fakes.trained == [("none", 0, False)] and not left.exists()


@pytest.mark.slow
@pytest.mark.unoptimized
def test_real_runs_are_trained_evaluated_and_resumed(place, monkeypatch, capsys):
    def one_device():
        return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))

    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setattr(devices, "global_mesh", one_device)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # the programs of these runs are the same
    command = ("--out", "grid", "--methods", "none", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(
            loop,
            "train",
            lambda state, functions, plan, folder, checkpoints, metrics: (state, checkpoints.close() or 130),
        )
        assert compare.main([*command, "--seeds", "0"]) == 130
    before = list((place / "grid" / "runs" / "none-s0").iterdir())
    assert compare.main([*command, "--seeds", "0"]) == 0
    assert list((place / "grid" / "runs" / "none-s0").iterdir()) == before and len(before) == 1
    assert compare.main([*command, "--seeds", "0", "1"]) == 0
    assert "already trained" in capsys.readouterr().out
    runs = json.loads((place / "grid" / "table.json").read_text())["runs"]["none"]
    errors = [runs[seed]["clean error, %"] for seed in ("0", "1")]
    expected = f"{statistics.mean(errors):.2f} ± {statistics.stdev(errors):.2f}"
    table = (place / "grid" / "table.md").read_text()
    assert "| none | 2 |" in table and f"| {expected} |" in table
    lines = (place / "grid" / "runs").glob("none-s1/*/metrics.jsonl")
    (last,) = [json.loads(line.read_text().splitlines()[-1]) for line in lines]
    assert 100 * (1 - last["test_accuracy"]) == pytest.approx(errors[1], abs=1e-4)
    # A loss of power has kept the checkpoint, but not the line of its epoch.
    (lost,) = (place / "grid" / "runs").glob("none-s1/*/metrics.jsonl")
    lost.write_text("")
    assert compare.main([*command, "--seeds", "0", "1"]) == 0
    assert "epoch 1/1 was missing in the metrics, and is tested again" in capsys.readouterr().out
    assert json.loads((place / "grid" / "table.json").read_text())["runs"]["none"] == runs


def test_a_table_of_a_paper_sets_what_is_not_given(monkeypatch):
    compared = []
    monkeypatch.setattr(cifar, "load", lambda config: None)
    monkeypatch.setattr(inputs, "describe", lambda dataset: {})
    monkeypatch.setattr(compare, "compare", lambda options, suites: compared.append(options) or 0)
    assert compare.main(["--out", "one", "--table", "augmix", "--train.epochs", "1"]) == 0
    own = ("--methods", "none", "mixup", "--suite", "clean", "--train.dataset", "digits", "--train.batch-size", "128")
    assert compare.main(["--out", "other", "--table", "cutmix", *own]) == 0
    filled, changed = compared
    assert filled.methods[-1] == "augmix" and filled.suite == "clean,corruptions,calibration"
    assert filled.train.model == "wrn-40-2" and filled.train.epochs == 1 and filled.train.weight_decay == 5e-4
    assert changed.methods == ("none", "mixup") and changed.suite == "clean" and changed.train.milestones == (150, 225)
    assert changed.train.dataset == "digits" and changed.train.batch_size == 128


def trained(*arguments):
    """The training of each run of a paper's table."""
    return compare.cells(compare.parse([*arguments]))


def test_what_the_command_line_gives_comes_before_the_table_even_where_it_is_a_default():
    found = trained("--table", "puzzlemix", "--train.loss", "cross_entropy", "--train.epochs=12")
    assert len(found) == 12 and {config.loss for config in found.values()} == {"cross_entropy"}
    # Milestones keep their place in the training.
    milestones = {name: config.milestones for name, config in found.items() if name.endswith("/none")}
    assert milestones == {
        "cifar100-preact-resnet-18-puzzlemix/none": (4, 8),
        "cifar100-wrn-28-10-puzzlemix/none": (6, 9),
    }
    assert trained("--table", "cutmix", "--train.epochs", "1")["none"].milestones == (1,)
    found = trained("--table", "augmix", "--train.model", "densenet-100-12", "--methods", "none", "snapmix")
    assert {name: (config.epochs, config.weight_decay) for name, config in found.items()} == {
        "cifar10-densenet-100-12/none": (200, 1e-4),
        "cifar10-densenet-100-12/snapmix": (200, 1e-4),
        "cifar100-densenet-100-12/none": (200, 1e-4),
        "cifar100-densenet-100-12/snapmix": (200, 1e-4),
    }
    assert (
        trained("--table", "augmix", "--train.weight-decay", "5e-4")["cifar10-densenet-40-12/none"].weight_decay == 5e-4
    )
    # The crops and the normalization of the paper are for its images.
    digits = trained("--table", "cutmix", "--train.dataset", "digits")["label-smoothing"]
    assert (digits.crop_padding, digits.normalization, digits.label_smoothing) == (None, "data", 0.1)


def test_the_table_of_a_paper_has_a_part_for_each_network_and_says_what_is_missing(place, fakes, capsys):
    command = ("--out", "grid", "--table", "sage", "--train.model", "resnet-8", "--methods", "none", "sage-all-shifts")
    assert compare.main([*command, "--seeds", "0", "1"]) == 0
    names = [f"{dataset}-resnet-8/{row}" for dataset in ("cifar10", "cifar100") for row in ("none", "sage-all-shifts")]
    assert {str(path.relative_to(place / "grid" / "runs")) for path in place.glob("grid/runs/*/*")} == {
        f"{name}-s{seed}" for name in names for seed in (0, 1)
    }
    assert {method for method, _, _ in fakes.trained} == {"none", "sage"}
    assert list(json.loads((place / "grid" / "table.json").read_text())["runs"]) == names
    table, shown = (place / "grid" / "table.md").read_text(), capsys.readouterr().out
    for text in (table, shown):
        assert text.count("resnet-8 on cifar10, seeds 0, 1; mean ± standard deviation of n runs.") == 1
        assert "resnet-8 on cifar100, seeds 0, 1" in text and "sage-all-shifts (ours)" in text
        assert "Missing: mini-ImageNet" in text and "best test epoch" not in text
    # The same folder takes no rows of other options.
    assert compare.main([*command, "--seeds", "0", "--train.loss", "auto"]) == 2
    assert "grid holds a comparison of runs with --train.loss softmax_bce" in capsys.readouterr().err
    assert compare.main([*command, "--seeds", "0", "--train.loss", "softmax_bce"]) == 0


def test_options_of_single_rows_are_part_of_what_a_folder_holds(fakes, capsys):
    command = ("--out", "grid", "--table", "cutmix", "--methods", "label-smoothing", "--seeds", "0")
    assert compare.main([*command]) == 0
    assert {config.label_smoothing for config in fakes.configs.values()} == {0.1}
    assert "error of the best test epoch, %" in (pathlib.Path("grid") / "table.md").read_text()
    capsys.readouterr()
    # The same value for all rows as most of them have, but given: the row with its own would have another.
    assert compare.main([*command, "--train.label-smoothing", "0"]) == 2
    assert "whose rows have other options than those of --table cutmix" in capsys.readouterr().err


def test_the_listing_has_every_option_that_is_not_its_default(capsys):
    command = ("--list", "--methods", "none", "cutmix", "--train.dtype", "bfloat16", "--train.limit-train", "500")
    assert compare.main([*command]) == 0  # of digits
    assert capsys.readouterr().out.splitlines()[:6] == [
        "resnet-8 on digits",
        "  all rows, unless given below: epochs 30; batch 128; lr 0.1; schedule cosine; warmup 0;",
        "      momentum 0.9; decay 0.0005; crop 1 mean; flip False; normalization data; loss cross_entropy;",
        "      smoothing 0; limit_train 500; dtype bfloat16",
        "  none  -",
        "  cutmix  decay 0.0001; method cutmix; p 0.5; draw batch; alpha 1; area 0 1; center uniform_center;",
    ]


def test_a_wide_table_is_printed_in_blocks_of_100_columns():
    header = ("method", "n", *(f"error under corruption {number}, %" for number in range(12)))
    rows = [
        ("none", "3", *["12.34 ± 0.56"] * 12),
        ("cutout-half+manifold-mixup-alpha-1", "3", *["1.2 ± 0.3 (n = 2)"] * 12),
    ]
    lines = report.aligned(header, rows)
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("none") for line in lines) > 1
    assert " ".join(lines).count("12.34 ± 0.56") == 12 and " ".join(lines).count("corruption") == 12


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_the_methods_and_options_of_the_papers_exist(name):
    paper = PAPER_TABLES[name]
    assert set(paper.suite.split(",")) <= SUITES.keys()
    compare.check(compare.parse(["--table", name]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", "mixup"), "there is no table 'mixup'. There are: augmix, cutmix, sage, puzzlemix"),
        (("--methods", "none", "none"), "--methods are none, none; wanted one or more, each once"),
        (("--table", "cutmix", "--methods", "label-smothing"), "Rows of the table: none, label-smoothing, cutout-half"),
        (("--train.method", "mixup"), "--train.method is set by the comparison"),
        (("--suite", "fog"), "there is no 'fog'"),
        (("--methods", "none", "cutmax", *QUICK), "Did you mean 'cutmix'"),
        (("--train.epochs", "0"), "--epochs is 0"),
        (("--methods", "none", "--test.seed", "-1"), "--seed is -1; wanted 0 or more"),
        (("--seeds", "-1"), "--seed is -1; wanted 0 or more"),
        (("--seeds", "0", str(2**32)), "--seed is 4294967296; wanted 4294967295 or less"),
        (("--train.dataset", "cifar10", "--train.data-dir", "nowhere"), "No cifar10 under --data-dir"),
    ],
)
def test_a_mistake_is_one_message(arguments, message, capsys):
    assert compare.main(["--out", "grid", *arguments]) == 2
    assert message in capsys.readouterr().err and not pathlib.Path("grid").exists()


def test_a_run_that_fails_does_not_stop_the_others(place, fakes, capsys):
    command = ("--out", "grid", "--methods", "mixup", "none", "--seeds", "0", "--train.epochs", "1")
    assert compare.main([*command]) == 1
    assert "error: mixup, seed 0: no luck" in capsys.readouterr().err
    assert "| none | 1 |" in (place / "grid" / "table.md").read_text()


def test_another_training_needs_another_folder():
    options = compare.Comparison(pathlib.Path("grid"), train=cifar.Config(epochs=1))
    options.out.mkdir()
    compare.open_folder(options, {})
    compare.open_folder(options, {})
    saved = run_dir.read_json(options.out / "train.json", dict)
    older = {name: value for name, value in saved.items() if name not in configuration.ADDED}
    run_dir.write_json(options.out / "train.json", older)
    compare.open_folder(options, {})  # from before these options
    with pytest.raises(ValueError, match=r"holds a comparison of runs with --train.epochs 1"):
        compare.open_folder(dataclasses.replace(options, train=cifar.Config(epochs=2)), {})
