"""A comparison trains and evaluates what is missing, and its table is the mean and deviation of the runs."""

import dataclasses
import json
import os
import pathlib
import statistics

import jax
import pytest

import cifar
import compare

QUICK = (
    *("--train.limit-train", "160", "--train.limit-test", "50", "--train.batch-size", "32", "--train.epochs", "1"),
    *("--test.batch-size", "50"),
)


@pytest.fixture(autouse=True)
def single(tmp_path, monkeypatch):
    def one_device():
        return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setattr("eval.load_run.local_mesh", one_device)
    monkeypatch.setattr(cifar, "local_mesh", one_device)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # the programs of these runs are the same
    return tmp_path


def test_only_what_is_new_is_trained_and_the_table_is_of_all(single, monkeypatch, capsys):
    trained, run = [], cifar.run
    monkeypatch.setattr(cifar, "run", lambda config: trained.append((config.method, config.seed)) or run(config))
    asked = ("--out", "grid", "--methods", "none", *QUICK)
    assert compare.main([*asked, "--seeds", "0"]) == 0
    assert compare.main([*asked, "--seeds", "0", "1"]) == 0
    assert trained == [("none", 0), ("none", 1)]
    assert "trained before" in capsys.readouterr().out
    found = json.loads((single / "grid" / "table.json").read_text())["runs"]["none"]
    errors = [found[seed]["clean error, %"] for seed in ("0", "1")]
    expected = f"{statistics.mean(errors):.2f} ± {statistics.stdev(errors):.2f}"
    table = (single / "grid" / "table.md").read_text()
    assert "| none | 2 |" in table and f"| {expected} |" in table
    lines = (single / "grid" / "runs").glob("none-s1/*/metrics.jsonl")
    (last,) = [json.loads(line.read_text().splitlines()[-1]) for line in lines]
    assert 100 * (1 - last["test_accuracy"]) == pytest.approx(errors[1], abs=1e-4)


def test_a_run_that_was_cut_short_is_gone_on_with(single, monkeypatch):
    asked = ("--out", "grid", "--methods", "none", "--seeds", "0", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(cifar, "train", lambda config, trainer, folder, checkpoints, state: checkpoints.close() or 130)
        assert compare.main([*asked]) == 130
    before = list((single / "grid" / "runs" / "none-s0").iterdir())
    assert compare.main([*asked]) == 0
    assert list((single / "grid" / "runs" / "none-s0").iterdir()) == before and len(before) == 1


def test_a_table_of_a_paper_fills_in_what_is_not_given(monkeypatch):
    asked = []
    monkeypatch.setattr(compare, "compare", lambda found, wanted: asked.append(found) or 0)
    assert compare.main(["--out", "one", "--table", "augmix", "--train.epochs", "1"]) == 0
    own = ("--methods", "none", "mixup", "--suite", "clean", "--train.dataset", "digits", "--train.batch-size", "128")
    assert compare.main(["--out", "other", "--table", "cutmix", *own]) == 0
    filled, changed = asked
    assert filled.methods[-1] == "augmix" and filled.suite == "clean,corruptions,calibration"
    assert filled.train.model == "wrn-40-2" and filled.train.epochs == 1 and filled.train.weight_decay == 5e-4
    assert changed.methods == ("none", "mixup") and changed.suite == "clean" and changed.train.milestones == (150, 225)
    assert changed.train.dataset == "digits" and changed.train.batch_size == 128


@pytest.mark.parametrize("name", compare.TABLES)
def test_the_methods_and_settings_of_the_tables_exist(name):
    import recipes
    from eval.suites import SUITES

    table = compare.TABLES[name]
    for method in table.methods:
        recipes.cifar.create(method, table.train["dataset"], 32, table.train["model"])
    assert set(table.suite.split(",")) <= SUITES.keys()
    cifar.checked(cifar.Config(**table.train))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", "mixup"), "there is no table 'mixup'. There are: augmix, cutmix, sage, puzzlemix"),
        (("--methods", "none", "none"), "--methods are none, none; wanted one or more, each once"),
        (("--train.method", "mixup"), "--train.method is set by the comparison"),
        (("--suite", "fog"), "there is no 'fog'"),
        (("--methods", "none", "cutmax", *QUICK), "Did you mean 'cutmix'"),
        (("--train.epochs", "0"), "--epochs is 0"),
    ],
)
def test_a_mistake_is_one_message(arguments, message, capsys):
    assert compare.main(["--out", "grid", *arguments]) == 2
    assert message in capsys.readouterr().err and not pathlib.Path("grid").exists()


def test_a_run_that_fails_does_not_stop_the_others(single, monkeypatch, capsys):
    train = compare.trained

    def trained(asked, method, seed):
        if method == "mixup":
            raise ValueError("no luck")
        return train(asked, method, seed)

    monkeypatch.setattr(compare, "trained", trained)
    assert compare.main(["--out", "grid", "--methods", "mixup", "none", "--seeds", "0", *QUICK]) == 1
    assert "error: mixup, seed 0: no luck" in capsys.readouterr().err
    assert "| none | 1 |" in (single / "grid" / "table.md").read_text()


def test_another_training_needs_another_folder(capsys):
    asked = compare.Comparison(pathlib.Path("grid"), train=cifar.Config(epochs=1))
    compare.opened(asked)
    compare.opened(asked)
    with pytest.raises(ValueError, match=r"holds a comparison of runs with --train.epochs 1"):
        compare.opened(dataclasses.replace(asked, train=cifar.Config(epochs=2)))
