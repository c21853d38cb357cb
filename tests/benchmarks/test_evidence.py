"""The grid of evidence is filled in order and in time, and its tables hold what the files of the cells hold."""

import json
import os
import pathlib
import re
import signal
import sys
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cifar
import compare
import evaluate
import evidence
import evidence_cells
import evidence_claims
import evidence_classes
import evidence_devices
import evidence_figures
import evidence_grid
import evidence_pages
import evidence_run
import evidence_tables
import exits
import inputs
import loop
import run_dir
from eval.results import Results
from eval.suites import SUITES
from evidence_cells import Cell
from locks import InUseError

SIZES = {"train": [4, 8, 8, 3], "test": [6, 8, 8, 3]}
DATA = {"name": "Tiny (made up)", "sizes": SIZES, "crc32": {"train": 1, "test": 2}}
VERSIONS = {"jax": "0.0", "flax": "0.0", "devices": {"platform": "cpu"}, "git": {"commit": "c", "dirty": False}}
SECONDS = {"train": 50.0, "train cpu": 80.0, "evaluate": 10.0, "evaluate cpu": 15.0}


def cell(method="none", seed=0, setting="small", **changes):
    """A cell whose clean error is 40, 44, 48 by its seed."""
    train = evidence_grid.SETTINGS[setting].train
    suites = dict(evidence_grid.SETTINGS[setting].suites)
    made = Cell(
        setting=setting,
        method=method,
        seed=seed,
        failed="",
        data=DATA,
        training={**train, "dtype": train.get("dtype", "float32"), "seed": seed},
        images=suites,
        summary={"clean error, %": 40.0 + 4 * seed, "training accuracy, %": 98.0},
        measurements={"clean": {"error": 0.4}},
        seconds=SECONDS,
        device="a device",
        versions=VERSIONS,
        date="2026-01-31",
    )
    return made._replace(**changes)


class Time:
    """A clock that trainings move on: minutes by method, one by default. made: what was trained."""

    def __init__(self, **minutes):
        self.now, self.minutes, self.made = 0.0, minutes, []

    def __call__(self):
        return self.now

    def train(self, wanted):
        self.made.append((wanted.method, wanted.seed))
        seconds = 60 * self.minutes.get(wanted.method, 1.0)
        self.now += seconds
        return cell(wanted.method, wanted.seed, seconds={"train": seconds, "evaluate": 0.0}, device="here")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(evidence_run.measure, "where", lambda: "here")


def options(folder, **changes):
    return evidence.Evidence(results=folder / "cells", runs_dir=folder / "runs", data_name=DATA["name"], **changes)


def files(folder):
    return sorted(str(path.relative_to(folder / "cells")) for path in folder.glob("cells/**/*") if path.is_file())


# ---- the grid


def test_the_most_wanted_cells_come_first_and_every_one_once():
    order = list(evidence_grid.wanted("small"))
    assert order[:5] == [(method, 0) for method in ("none", "mixup", "cutmix", "smoothmix_c", "augmix")]
    assert len(order) == len(set(order)) == 3 * len(evidence_grid.SETTINGS["small"].names)
    # All seeds of the 15 main methods, and then those of the variants.
    for part, methods in ((order[:45], evidence_grid.MAIN), (order[45:], evidence_grid.VARIANTS)):
        assert [seed for _, seed in part] == sorted(seed for _, seed in part)
        assert {method for method, _ in part} == set(methods)


@pytest.mark.parametrize("setting", evidence_grid.SETTINGS)
def test_the_trainings_and_tests_of_the_grid_exist(setting):
    made = evidence_grid.SETTINGS[setting]
    wanted = evidence_run.Wanted(setting, "none", 0, DATA, pathlib.Path("data"), pathlib.Path("runs"), ())
    comparison = evidence_run._comparison(wanted)
    methods = tuple(evidence_grid.training(setting, name)[0] for name in made.names)
    compare.check(types.SimpleNamespace(**vars(comparison) | {"methods": tuple(dict.fromkeys(methods))}))
    assert made.suites.keys() <= SUITES.keys()
    paths = {option: pathlib.Path(place) for option, place in made.files.items()}
    assert evaluate.suite_names(evaluate.Evaluation(runs=(pathlib.Path("run"),), **made.test, **paths))
    assert set(made.tables) <= evidence_grid.TABLES.keys() and set(evidence_grid.BASELINES) <= set(made.names)
    assert "test" not in made.train and "seed" not in made.train


# ---- filling it


def test_cells_are_made_in_order_until_the_minutes_are_over(tmp_path, capsys):
    time = Time()
    assert evidence.fill(options(tmp_path, minutes=3.5), DATA, time.train, time) == 0
    assert time.made == [("none", 0), ("mixup", 0), ("cutmix", 0)]
    assert files(tmp_path) == [f"small/tiny-made-up/{name}-s0.json" for name in ("cutmix", "mixup", "none")]
    assert "left for another time: smoothmix_c, seed 0 (1.0 minutes); augmix, seed 0 (3.2 m" in capsys.readouterr().out
    # The same command goes on.
    assert evidence.fill(options(tmp_path, minutes=1, seeds=(0,)), DATA, time.train, time) == 0
    assert time.made[3:] == [("smoothmix_c", 0)]


def test_what_cannot_end_is_left_and_a_shorter_one_is_made(tmp_path):
    time = Time()
    for method in ("none", "mixup", "cutmix", "smoothmix_c"):
        evidence_cells.write(tmp_path / "cells", time.train(types.SimpleNamespace(method=method, seed=0)))
    time.made.clear()
    # AugMix costs 3.2 times the others.
    assert evidence.fill(options(tmp_path, minutes=2), DATA, time.train, time) == 0
    assert time.made == [("cutout", 0), ("smoothmix_s", 0)]


def test_a_cell_from_before_an_option_goes_with_one_that_has_its_default(tmp_path):
    evidence_cells.write(tmp_path, cell(seed=0))
    for value in (None, False, True):
        made = cell(seed=1)
        known = {} if value is None else {"mix_per_device": value}
        evidence_cells.write(tmp_path, made._replace(training=made.training | known))
        if value:
            with pytest.raises(ValueError, match="differ in mix_per_device"):
                evidence_cells.read_all(tmp_path)
        else:
            assert len(evidence_cells.read_all(tmp_path)) == 2


def test_seconds_are_expected_from_cells_of_the_same_setting_and_device():
    known = [cell(), cell("augmix", seconds={"train": 200.0, "evaluate": 10.0}), cell(seed=1, device="other")]
    known.append(cell("mixup", seconds={"train": 9.0, "evaluate": None}))
    assert evidence_cells.expected_seconds(known, "small", "none", "a device") == 60
    assert evidence_cells.expected_seconds(known, "small", "augmix", "a device") == 210
    assert evidence_cells.expected_seconds(known[:1], "small", "augmix", "a device") == pytest.approx(50 * 3.2 + 10)
    assert evidence_cells.expected_seconds(known, "small", "fmix", "a device", trained=True) == 10
    assert evidence_cells.expected_seconds(known, "full", "none", "a device") is None
    assert evidence_cells.expected_seconds(known, "small", "none", "elsewhere") is None


def test_seconds_are_expected_of_cells_at_the_same_time_from_such_cells():
    beside = {"train": None, "evaluate": None, "train, 20 at once": 30.0, "evaluate, 20 at once": 90.0}
    cells = [cell("none", seconds=beside, device="GPU, 20 trainings at once")]
    assert evidence_cells.expected_seconds(cells, "small", "sage", "GPU, 20 trainings at once") == 2 * 30.0 + 90.0
    assert evidence_cells.expected_seconds(cells, "small", "sage", "GPU") is None


def test_a_training_that_has_begun_counts_with_what_is_left(tmp_path):
    time, begun = Time(), []
    evidence_cells.write(tmp_path / "cells", time.train(types.SimpleNamespace(method="none", seed=0)))
    run = tmp_path / "runs" / "small" / "tiny-made-up" / "runs" / "mixup-s0" / "run"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    (run / "metrics.jsonl").write_text(json.dumps(dict.fromkeys(run_dir.FIELDS, 45)) + "\n")
    evidence.fill(options(tmp_path, minutes=0.5), DATA, lambda wanted: begun.append(wanted) or time.train(wanted), time)
    assert [wanted.method for wanted in begun] == ["mixup"]


def test_the_same_command_beside_itself_makes_other_cells(tmp_path, capsys):
    """What a process works on is passed over by another, and what one has finished is not made again."""
    one, other = Time(), Time()
    both = options(tmp_path, minutes=60, methods=("none", "mixup"), seeds=(0, 1), at_once=2)

    def train(wanted):
        assert wanted.at_once == 2
        if len(one.made) == 1:  # while the second cell of the one is in work
            evidence_cells.path_of(both.results, "small", DATA["name"], "none", 0).unlink()  # its lock is free again
            assert evidence.fill(both, DATA, other.train, other) == 0
        return one.train(wanted)

    assert evidence.fill(both, DATA, train, one) == 0
    assert one.made == [("none", 0), ("mixup", 0)] and other.made == [("none", 0), ("none", 1), ("mixup", 1)]
    assert "in other processes: mixup, seed 0\n" in capsys.readouterr().out and len(files(tmp_path)) == 4


def test_a_cell_that_another_process_has_made_meanwhile_is_not_made_again(tmp_path, monkeypatch):
    time, missing = Time(), evidence.missing

    def missing_once(*place):
        wanted = missing(*place)
        if wanted is not None:
            evidence_cells.write(tmp_path / "cells", cell(wanted.method, wanted.seed))
        return wanted

    monkeypatch.setattr(evidence, "missing", missing_once)
    assert evidence.fill(options(tmp_path, minutes=60, seeds=(0,)), DATA, time.train, time) == 0 and not time.made


def test_no_more_commands_work_at_the_same_time_than_they_say(tmp_path):
    two = options(tmp_path, at_once=2)
    with evidence.place_of(two), evidence.place_of(two):
        with pytest.raises(
            ValueError, match=r"runs is in use by 2 other such commands\. Wait for an end, or tell each"
        ):
            evidence.place_of(two).__enter__()
        with pytest.raises(ValueError, match="in use by 1 other such command. Wait"):
            evidence.place_of(options(tmp_path)).__enter__()
    with evidence.place_of(options(tmp_path)):
        pass


def test_a_folder_of_runs_that_another_program_holds_is_in_another_process(tmp_path, capsys):
    def held(wanted):
        raise InUseError("held")

    assert evidence.fill(options(tmp_path, methods=("none",), seeds=(2,)), DATA, held, Time()) == 0
    assert "in other processes: none, seed 2\n" in capsys.readouterr().out


@pytest.mark.parametrize("late", [True, False])
def test_an_interrupted_cell_leaves_no_file(tmp_path, capsys, late):
    time = Time()

    def interrupted(wanted):
        time.now += 60 * late
        raise exits.Stopped(signal.SIGTERM)

    # At the end of the minutes that is how the program ends; otherwise it is the user's.
    if late:
        assert evidence.fill(options(tmp_path, minutes=1), DATA, interrupted, time) == 0
        assert "none, seed 0: out of time; the same command goes on from here" in capsys.readouterr().out
    else:
        with pytest.raises(exits.Stopped):
            evidence.fill(options(tmp_path, minutes=1), DATA, interrupted, time)
    assert not files(tmp_path)


def test_a_training_is_stopped_by_the_signal_that_ends_programs_at_the_end_of_the_minutes():
    before = signal.getsignal(signal.SIGALRM)
    with exits.Interrupt() as interrupt, evidence.Alarm(1e-3):
        while not interrupt.number:
            pass
        assert interrupt.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = evidence_cells.write(tmp_path, cell())
    whole = path.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        evidence_cells.write(tmp_path, cell(summary={}))
    assert path.read_text() == whole and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_a_cell_that_fails_is_said_and_the_next_ones_are_made(tmp_path, capsys, kind):
    time = Time()

    def train(wanted):
        if wanted.method == "none":
            raise kind("no luck")
        return time.train(wanted)

    assert evidence.fill(options(tmp_path, minutes=1, methods=("none", "mixup")), DATA, train, time) == 1
    assert "error: none, seed 0: no luck" in capsys.readouterr().err and len(files(tmp_path)) == 1


def test_a_cell_without_a_suite_of_the_grid_is_wanted_but_not_one_that_ended_early(tmp_path, capsys):
    time = Time()
    evidence_cells.write(tmp_path / "cells", cell("none", images={"clean": None}))
    evidence_cells.write(tmp_path / "cells", cell("mixup", images={}, summary={}, failed="not finite"))
    chosen = {"minutes": 5, "methods": ("none", "mixup"), "seeds": (0,)}
    # Its training is not at hand: it isn't trained again unless that is requested, and named.
    assert evidence.fill(options(tmp_path, **chosen), DATA, time.train, time) == 0 and not time.made
    assert "runs/small: none, seed 0. --again trains them again, with all suites" in capsys.readouterr().out
    assert "in part" in evidence_pages.listing(evidence_cells.read_all(tmp_path / "cells"))
    evidence.fill(options(tmp_path, **chosen, again=True), DATA, time.train, time)
    assert time.made == [("none", 0)]


def test_a_cell_in_part_is_completed_from_its_run(tmp_path):
    evidence_cells.write(tmp_path / "cells", cell("none", images={"clean": None}))
    run = tmp_path / "runs" / "small" / "tiny-made-up" / "runs" / "none-s0" / "run"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    time, wanted = Time(), []
    evidence.fill(
        options(tmp_path, minutes=5, methods=("none",), seeds=(0,)),
        DATA,
        lambda one: wanted.append(one) or time.train(one),
        time,
    )
    assert [one.known.images for one in wanted] == [{"clean": None}]


def test_chosen_suites_alone_leave_a_cell_in_part_and_are_not_measured_twice(tmp_path, capsys):
    chosen = {"methods": ("none",), "seeds": (0,), "suites": ("clean",)}
    made = []

    def train(one):
        made.append(one.suites)
        return cell("none", images={"clean": None})

    for _ in range(2):
        assert evidence.fill(options(tmp_path, minutes=5, **chosen), DATA, train, Time()) == 0
    assert made == [("clean",)] and "in part" not in capsys.readouterr().out  # it lacks nothing that was asked for
    assert not evidence_cells.is_complete(*evidence_cells.read_all(tmp_path / "cells"), evidence_grid.SETTINGS["small"])
    with pytest.raises(ValueError, match="--suites: cleaner not in the grid"):
        evidence.check(options(tmp_path, minutes=5, suites=("cleaner",)))


# ---- one cell


class Runs:
    """A training and an evaluation that take no time. code: of the training; tested: suites, first images, options."""

    def __init__(self, monkeypatch):
        self.code, self.tested, self.damaged = 0, [], False
        state = types.SimpleNamespace(step=7, tested=lambda: ())
        restored = types.SimpleNamespace(config=cifar.Config(limit_test=512), graph=None, state=state)
        monkeypatch.setattr(inputs, "describe", lambda dataset: {"crc32": {"train": 1, "test": 2}})
        monkeypatch.setattr(cifar, "load", self.load)
        monkeypatch.setattr(cifar, "restore", lambda folder, data_dir: restored)
        monkeypatch.setattr(cifar, "run", self.run)
        monkeypatch.setattr(evidence_run.nnx, "merge", lambda graph, *states: None)
        monkeypatch.setattr(evidence_run, "Trained", self.network)
        monkeypatch.setattr(evaluate, "measure", self.measure)

    def load(self, config):
        return types.SimpleNamespace(limit_test=config.limit_test, train_images=4, train_labels=np.arange(4))

    def network(self, model, dataset, *_, limit=None, **__):
        """Is right on three images of four."""
        logits = np.eye(4)[[0, 1, 2, 2]]
        return types.SimpleNamespace(dataset=dataset, limit=limit, logits=lambda images, title: logits)

    def run(self, config):
        folder = config.runs_dir / "run"
        folder.mkdir(parents=True)
        content = {name: value for name, value in vars(config).items() if not isinstance(value, pathlib.Path)}
        (folder / "config.json").write_text(json.dumps({"program": "cifar"} | content))
        line = dict.fromkeys(run_dir.FIELDS, 3.0) | {"train_accuracy": 0.98, "cpu_seconds": 4.5}
        (folder / "metrics.jsonl").write_text(2 * (json.dumps(line) + "\n"))
        return self.code

    def measure(self, folder, trained, suites, options):
        limit = trained.limit
        assert trained.dataset.limit_test is None and options.limit == limit
        self.files = options.boxes, options.held_out
        self.tested.append((suites, limit))
        results = Results(folder / "evaluation" / "report.json")
        results.content["run"] = {"tested": {"images": limit}}
        for suite in suites:
            section = results.suite(suite, {"images": limit, "attacked": options.attacked})
            section.measurements["figures"] = ["a.png"]
            section.once("error", lambda: 0.25)
            section.finish({f"{suite} error, %": 25.0, "unknown": None})
        return 0


ALL = tuple(evidence_grid.SETTINGS["small"].suites)
WANTED = evidence_run.Wanted("small", "mixup", 1, DATA, pathlib.Path("data"), pathlib.Path("runs"), ALL)


def test_a_cell_holds_its_training_and_all_tests_of_the_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch)
    made = evidence_run.train_and_evaluate(WANTED)
    assert runs.tested == [
        (["clean", "calibration"], None),
        (["corruptions", "attacks", "occlusion", "detection", "cbar", "noise"], 2000),
        (["in_between", "edges"], 1000),
        (["stability"], 500),
    ]
    assert made.images == evidence_grid.SETTINGS["small"].suites and evidence_cells.is_complete(
        made, evidence_grid.SETTINGS["small"]
    )
    assert (made.method, made.seed, made.training["seed"], made.failed) == ("mixup", 1, 1, "")
    assert not {"data_dir", "runs_dir", "method"} & made.training.keys() and made.training["weight_decay"] == 5e-4
    assert made.summary == {
        "augmented training accuracy, last epoch, %": 98.0,
        "training loss, last epoch": 3.0,
        "training accuracy, %": 75.0,
    } | {f"{suite} error, %": 25.0 for suite in made.images}
    assert made.measurements["corruptions"] == {"error": 0.25}  # without the names of its figures
    assert (made.seconds["train"], made.seconds["train cpu"]) == (6.0, 9.0)
    assert made.history["watched error, %"] == [-200.0] * 2 and made.history["cpu seconds"] == [4.5] * 2
    path = evidence_cells.write(tmp_path / "cells", made)
    assert evidence_cells.read_all(tmp_path / "cells") == [made]
    assert str(tmp_path) not in path.read_text()


def test_files_of_a_test_are_those_below_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch)
    wanted = WANTED._replace(setting="objects", suites=tuple(evidence_grid.SETTINGS["objects"].suites))
    made = evidence_run.train_and_evaluate(wanted)
    assert runs.files == (pathlib.Path("data"), pathlib.Path("data/held_out"))
    assert runs.tested == [(["clean", "calibration", "backgrounds", "fewshot"], None), (["localization"], 500)]
    assert (made.training["dataset"], made.training["side"]) == ("folder", 32)


def test_classes_are_parted_into_those_to_train_on_and_new_ones(tmp_path, capsys):
    for split in ("train", "val"):
        for number in range(12):
            (tmp_path / "all" / split / f"{number:02}").mkdir(parents=True)
            (tmp_path / "all" / split / f"{number:02}" / "a.jpg").touch()
    command = [str(tmp_path / "all"), str(tmp_path / "parted")]
    assert evidence_classes.main(command) == 2 and "no val_boxes.csv" in capsys.readouterr().err
    (tmp_path / "all" / "val_boxes.csv").write_text("file,x0,y0,x1,y1")
    assert evidence_classes.main(command) == 0 and "3 classes to train on, 9 in held_out" in capsys.readouterr().out
    found = {str(path.relative_to(tmp_path / "parted")) for path in (tmp_path / "parted").rglob("*.*")}
    held_out = {f"held_out/val/{number:02}/a.jpg" for number in range(12) if number % 5}
    trained = {f"{split}/{name}/a.jpg" for split in ("train", "val") for name in ("00", "05", "10")}
    assert found == {"val_boxes.csv"} | held_out | trained
    assert evidence_classes.main(command) == 2 and "exists; wanted a new folder" in capsys.readouterr().err
    few = [str(tmp_path / "parted"), str(tmp_path / "few")]
    assert evidence_classes.main(few) == 2 and "has 3 classes; wanted 10 or more" in capsys.readouterr().err


def test_a_cell_in_part_keeps_its_suites_beside_those_that_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Runs(monkeypatch)
    first = evidence_run.train_and_evaluate(WANTED._replace(suites=("clean",)))
    assert first.images == {"clean": None}
    (folder,) = pathlib.Path("runs").rglob("run")
    monkeypatch.setattr(evidence_run, "_trained", lambda *_: (0, folder))  # it has been
    added = evidence_run.train_and_evaluate(WANTED._replace(suites=("attacks",), known=first))
    assert added.images == {"clean": None, "attacks": 2000}
    assert [later["suites"] for later in added.later] == [["attacks"]]


def test_a_training_whose_loss_is_not_finite_is_a_cell_that_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch)
    runs.code = 1
    made = evidence_run.train_and_evaluate(WANTED)
    assert made.failed == "the loss or the state of the network was not finite, in epoch 3" and not runs.tested
    assert "mixup, seed 1: the loss or the state" in "\n".join(evidence_tables.notes([cell(), made]))


def test_a_suite_that_is_added_later_leaves_the_training_and_the_others_as_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch)
    before = {"clean": None, "corruptions": 2000}
    setting = evidence_grid.SETTINGS["small"]
    monkeypatch.setitem(evidence_grid.SETTINGS, "small", setting._replace(suites=before))
    first = evidence_run.train_and_evaluate(WANTED)
    # The training accuracy is evaluated each time, and another device may round it otherwise.
    first.summary["training accuracy, %"] = 74.9
    first = first._replace(date="2026-01-31", device="another", seconds=first.seconds | {"evaluate": 100.0})
    evidence_cells.write(tmp_path / "cells", first)
    monkeypatch.setitem(evidence_grid.SETTINGS, "small", setting._replace(suites=before | {"in_between": 1000}))
    monkeypatch.setattr(cifar, "run", lambda config: pytest.fail("it is trained again"))
    monkeypatch.setattr(evidence_run, "_trained", lambda options, wanted: (0, evidence_run._folder(wanted)))
    runs.tested.clear()
    made = evidence_run.train_and_evaluate(WANTED._replace(known=first))
    assert runs.tested == [(["clean"], None), (["corruptions"], 2000), (["in_between"], 1000)]
    assert (made.date, made.device, made.seconds["train"]) == ("2026-01-31", "another", 6.0)
    assert made.seconds["evaluate"] >= 100 and made.summary == first.summary | {"in_between error, %": 25.0}
    assert [(one["suites"], one["device"]) for one in made.later] == [(["in_between"], "here")]
    evidence_cells.write(tmp_path / "cells", made)
    assert evidence_cells.read_all(tmp_path / "cells") == [made]
    notes = " ".join("\n".join(evidence_tables.notes([made])).split())
    assert "but later, on here, jax" in notes and "in_between (of 1)." in notes
    # Measurements of another training are not mixed with those of this one.
    other = first._replace(measurements={"clean": {"error": 0.5}})
    whole = evidence_run.train_and_evaluate(WANTED._replace(known=other))
    assert (whole.device, whole.later) == ("here", []) and whole.date != "2026-01-31"


def test_trainings_beside_each_other_say_so_and_keep_no_seconds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch)
    monkeypatch.setattr(cifar, "run", lambda config: 143)
    with pytest.raises(exits.Stopped):
        evidence_run.train_and_evaluate(WANTED._replace(at_once=20))
    monkeypatch.setattr(cifar, "run", runs.run)
    place = pathlib.Path("runs/small/tiny-made-up/runs/mixup-s1")
    assert json.loads((place / "at_once.json").read_text()) == {"most": 20}
    alone = evidence_run.train_and_evaluate(WANTED)  # nothing of the other was left
    assert alone.device == "here" and alone.seconds["train"] == 6.0

    monkeypatch.setattr(compare, "train", lambda *_, **__: (0, compare.run_folder(place)))
    went_on = evidence_run.train_and_evaluate(WANTED)
    assert went_on.device == "here, 20 trainings at once" and went_on.seconds["train"] is None
    assert went_on.seconds["train, 20 at once"] == 6.0 and went_on.seconds["train cpu"] == 9.0
    assert went_on.history["seconds"] == [None, None]
    known = went_on._replace(images={"clean": None}, measurements={}, seconds=SECONDS | {"evaluate, 3 at once": 1.0})
    monkeypatch.setattr(evidence_run.Timed, "__exit__", lambda timed, *_: vars(timed).update(wall=1.0, cpu=2.0))
    more = evidence_run.train_and_evaluate(WANTED._replace(known=known)).seconds
    assert more["evaluate"] is None and more["evaluate cpu"] == 17.0 and "evaluate, 3 at once" not in more

    monkeypatch.setattr(compare, "train", lambda *_, **__: (2, compare.run_folder(place)))
    failed = evidence_run.train_and_evaluate(WANTED._replace(at_once=30))
    assert failed.failed and failed.device == "here, 30 trainings at once" and failed.seconds["train"] is None


def test_a_name_with_options_of_its_own_trains_with_them_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Runs(monkeypatch)
    made = evidence_run.train_and_evaluate(WANTED._replace(method="augmix-no-jsd"))
    assert (made.method, made.training["jsd"]) == ("augmix-no-jsd", "off")
    assert evidence_run.train_and_evaluate(WANTED._replace(method="augmix")).training["jsd"] == "on"
    evidence_cells.write(tmp_path / "cells", made)
    spoilt = made._replace(training=made.training | {"jsd": "on"})
    evidence_cells.write(tmp_path / "cells", spoilt)
    with pytest.raises(ValueError, match="jsd differ from the setting small"):
        evidence_cells.read_all(tmp_path / "cells")


def test_an_interrupt_of_the_training_makes_no_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Runs(monkeypatch).code = 143
    monkeypatch.setattr(cifar, "run", lambda config: 143)
    with pytest.raises(exits.Stopped):
        evidence_run.train_and_evaluate(WANTED)


@pytest.mark.slow
@pytest.mark.unoptimized
def test_a_cell_of_digits_is_trained_tested_on_all_images_and_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = {"dataset": "digits", "model": "resnet-8", "limit_train": 128, "limit_test": 16, "batch_size": 32}
    suites = {"clean": None, "calibration": None, "attacks": 200}
    setting = evidence_grid.SETTINGS["small"]._replace(
        title="digits", train=train | {"epochs": 2}, suites=suites, test={"attacked": 200, "pgd": False}
    )
    monkeypatch.setitem(evidence_grid.SETTINGS, "small", setting)
    whole = evidence.describe(evidence.Evidence(data_name="digits"))
    wanted = WANTED._replace(data=whole)
    advance, calls = loop.train, []

    def interrupted(state, functions, plan, *rest):
        calls.append(plan.epochs)
        short = plan._replace(epochs=1)
        state, code = advance(state, functions, short if len(calls) == 1 else plan, *rest)
        return state, 143 if len(calls) == 1 else code

    monkeypatch.setattr(loop, "train", interrupted)
    with pytest.raises(exits.Stopped):
        evidence_run.train_and_evaluate(wanted)
    assert evidence_run.seconds_done(wanted) > 0
    made = evidence_run.train_and_evaluate(wanted)
    assert calls == [2, 2] and made.images == suites and made.seconds["train cpu"] > 0
    assert made.seconds["train"] > 0 and made.seconds["evaluate cpu"] > 0
    assert made.measurements["clean"]["clean"]["images"] == whole["sizes"]["test"][0] > 16
    assert made.measurements["attacks"]["images"] == 200 and "FGSM 8/255, error, %" in made.summary
    path = evidence_cells.write(tmp_path / "cells", made)
    assert evidence_cells.read(tmp_path / "cells", path) == made
    assert "| mixup | 1 |" in "\n".join(evidence_tables.tables([made]))
    assert len(made.history["epoch"]) == 2 and all(0 <= error <= 100 for error in made.history["watched error, %"])


# ---- files


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[:-9], "is not JSON"),
        (lambda text: "[]", "holds a list; wanted a dict"),
        (lambda text: text.replace('"summary"', '"results"'), "summary, results missing, unknown or of another type"),
        (lambda text: text.replace('"seed": 0,\n  "failed"', '"seed": true,\n  "failed"'), "seed missing"),
        (lambda text: text.replace('"method": "none"', '"method": "mixup"'), "mixup, seed 0, which belongs elsewhere"),
        (lambda text: text.replace('"epochs": ', '"epochs": 1'), "epochs differ from the setting small"),
        (lambda text: text.replace('"occlusion": 2000', '"occlusion": 200'), "occlusion differ from the setting small"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, spoil, message, capsys):
    path = evidence_cells.write(tmp_path / "cells", cell())
    assert evidence_cells.read_all(tmp_path / "cells") == [cell()]
    spoilt = spoil(path.read_text())
    assert spoilt != path.read_text()
    path.write_text(spoilt)
    assert evidence.main(["--table", "--results", str(tmp_path / "cells"), "--docs", str(tmp_path / "docs")]) == 2
    error = capsys.readouterr().err
    assert str(path) in error and message in error and not (tmp_path / "docs").exists()


def test_cells_of_one_name_but_other_data_or_options_are_found(tmp_path):
    evidence_cells.write(tmp_path, cell())
    evidence_cells.write(tmp_path, cell("mixup", training=cell().training | {"warmup_epochs": 5}))
    assert len(evidence_cells.read_all(tmp_path)) == 2  # of another method
    evidence_cells.write(tmp_path, cell(seed=1, training=cell().training | {"warmup_epochs": 5}))
    with pytest.raises(ValueError, match=r"none-s1.json and .*none-s0.json differ in warmup_epochs"):
        evidence_cells.read_all(tmp_path)
    evidence_cells.write(tmp_path, cell(seed=1, data=DATA | {"crc32": {"train": 9, "test": 2}}))
    with pytest.raises(ValueError, match=r"differ in crc32"):
        evidence_cells.read_all(tmp_path)


def test_cells_of_a_cpu_and_of_an_accelerator_stand_in_one_table(tmp_path):
    evidence_cells.write(tmp_path, cell(training=cell().training | {"steps_per_call": 1}))
    evidence_cells.write(tmp_path, cell(seed=1, training=cell().training | {"steps_per_call": 32}))
    assert len(evidence_cells.read_all(tmp_path)) == 2


# ---- tables


def test_a_table_has_mean_deviation_and_n_of_each_method():
    cells = [cell("mixup", summary={"clean error, %": 41.5}), *(cell(seed=seed) for seed in (0, 1, 2))]
    cells[1] = cells[1]._replace(summary=cells[1].summary | {"RMS calibration error, %": 7.0})
    cells.append(cell("fmix", failed="not finite"))
    text = "\n".join([*evidence_tables.tables(cells), *evidence_tables.notes(cells)])
    _, _, head, _, none, mixup, *_ = text.splitlines()
    assert head == "| method | n | training accuracy, % | clean error, % | RMS calibration error, % |"
    assert none == "| none | 3 | 98.00 ± 0.00 | 44.00 ± 4.00 | 7.000 (n = 1) |"
    assert mixup == "| mixup | 1 |  | 41.50 |  |"
    assert "Not measured yet: clean loss; corruption error, %;" in text
    assert "fmix, seed 0: not finite" in text and "| fmix" not in text
    assert "Tiny (made up), CRC-32 of test 00000002, train 00000001" in text
    assert "Trained on a device, jax 0.0, flax 0.0." in text
    missing = " ".join(text.partition("Not trained yet, by seed: ")[2].split())
    assert missing.startswith("mixup 1, 2; cutmix 0, 1, 2;") and "none" not in missing and "fmix 1, 2;" in missing


def test_the_same_trainings_on_two_devices_are_compared_by_seed():
    gpu = VERSIONS | {"devices": {"platform": "gpu"}}
    here = [cell("none", seed, "severities", device="a CPU") for seed in (0, 1, 2)]
    there = [
        one._replace(setting="small", device="a GPU", versions=gpu, summary={"clean error, %": error})
        for one, error in zip(here, (41.0, 44.0, 50.0), strict=True)  # here 40, 44, 48
    ]
    assert evidence_devices.compared(there, here[:0]) == evidence_devices.compared(here, here) == []
    # One that ended early, or that several devices had a part in, is not compared; nor is other data.
    for changes in ({"failed": "early"}, {"device": "a GPU (epochs 1 to 3) and a CPU"}, {"data": DATA | {"crc32": {}}}):
        spoilt = [one._replace(**changes) for one in there]
        assert evidence_devices.compared(spoilt, here) == evidence_devices.compared(here, spoilt) == []
    assert evidence_devices.compared([one._replace(device="a CPU, 3 trainings at once") for one in here], here) == []
    text = " ".join(evidence_devices.compared(there, here))
    assert "| none | a GPU | a CPU | 3 | +1.00 ± 2.48 n.s. |  |  |" in text
    assert "pairs of an accelerator" not in text
    # The roots of (1 + 0 + 4) / 3 and of 2 x 16.
    assert "of the 3 single differences is 1.29 points" in text
    assert "two seeds of a method in `severities` it is 5.66 (2 degrees of freedom)." in text
    more = [[one._replace(method="augmix") for one in own[:2]] for own in (there, here)]
    text = " ".join(evidence_devices.compared(there + more[0], here + more[1]))
    # The roots of (1 + 0 + 4 + 1 + 0) / 5 and of 2 x (2 x 16 + 8) / 3.
    assert "of the 5 single differences is 1.10 points" in text and "it is 5.16 (3 degrees of freedom)." in text
    assert "The 5 pairs of an accelerator and a CPU, of any method: +0.80 ± 1.04 n.s. (clean error)." in text


@pytest.mark.parametrize("name", [name for name, setting in evidence_grid.SETTINGS.items() if setting.like])
def test_a_setting_that_is_like_another_trains_and_tests_as_that(name):
    setting = evidence_grid.SETTINGS[name]
    other = evidence_grid.SETTINGS[setting.like]
    assert setting.train == other.train and setting.suites.items() <= other.suites.items()
    assert set(setting.names) <= set(other.names)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"setting": "full"}, "several settings: full, small"),
        ({"data": DATA | {"name": "Other"}}, "several copies of the data: Other, Tiny"),
        ({"data": DATA | {"crc32": {}}}, "several data"),
        ({"training": {"dtype": "bfloat16"}}, "several dtypes: bfloat16, float32"),
    ],
)
def test_a_table_never_mixes_settings_data_or_dtypes(other, message):
    with pytest.raises(ValueError, match=message):
        evidence_tables.check([cell(), cell(seed=1, **other)])


def test_the_page_has_a_table_for_each_setting_and_copy(tmp_path, capsys):
    for made in (cell(), cell("mixup", data=DATA | {"name": "Other copy"}), cell("cutmix", 2, setting="full")):
        evidence_cells.write(tmp_path / "cells", made)
    pilot = {"question": "the least that overfits.", "runs": [{"network": "wrn-10-2", "training accuracy, %": 98.5}]}
    (tmp_path / "cells" / "small-pilot.json").write_text(json.dumps(pilot))
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    command = ["--results", str(tmp_path / "cells"), "--docs", str(tmp_path / "docs"), "--readme", str(readme)]
    assert evidence.main([*command, "--table"]) == 0
    shown = readme.read_text()
    assert shown.startswith("before\n<!-- results -->\nOne training each") and "old" not in shown
    assert "| mixup | 1 | 40.00 |" in shown and shown.endswith("<!-- /results -->\nafter\n")
    text = (tmp_path / "docs" / "results.md").read_text()
    assert (tmp_path / "docs" / "claims.md").read_text().startswith("# Claims")
    # Of what figures show these cells have the cost alone.
    assert sorted(path.name for path in (tmp_path / "docs" / "results").iterdir()) == [
        *("full-tiny-made-up-cost.svg", "small-other-copy-cost.svg", "small-tiny-made-up-cost.svg")
    ]
    head, *parts = re.split(r"\n###? ", text)
    titles = [part.splitlines()[0] for part in parts]
    assert [title.partition(":")[0] for title in titles] == [
        *("What the values are", "Setting `small`", "Other copy", "Tiny (made up)", "Setting `full`", "Tiny (made up)"),
        *("Setting `severities`", "Setting `objects`", "Setting `flowers`"),
    ]
    # The table of values, and those of the cost in epochs and in seconds.
    assert [part.count("| none |") for part in parts] == [0, 0, 0, 3, 0, 0, 0, 0, 0]
    assert [part.count("| mixup |") for part in parts] == [0, 0, 3, 0, 0, 0, 0, 0, 0]
    assert [part.count("| cutmix |") for part in parts] == [0, 0, 0, 0, 0, 3, 0, 0, 0]
    assert "| wrn-10-2 | 98.5 |" in parts[1] and "\n\n\n" not in text and "With n = 1 there is no" in head
    capsys.readouterr()
    assert evidence.main([*command, "--list"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(f"1 of {3 * len(evidence_grid.SETTINGS['small'].names)} cells") == 3
    assert "  none                    done      -         -         1.0" in shown


def test_the_pages_in_the_documentation_are_those_of_the_cells():
    cells = evidence_cells.read_all(evidence.RESULTS)
    page = evidence_pages.page(cells, evidence.pilots(evidence.RESULTS))
    assert (evidence.DOCS / "results.md").read_text() == page
    assert (evidence.DOCS / "claims.md").read_text() == evidence_claims.page(cells)
    readme = evidence.README.read_text()
    assert readme == evidence_pages.filled(readme, evidence_pages.snippet(cells))
    files = {}
    for setting, copy, own in evidence_pages.places(cells):
        for name, plotted in evidence_figures.data(own).items():
            files[evidence_figures.name_of(name, setting, copy)] = plotted
    assert {path.name for path in (evidence.DOCS / "results").iterdir()} == files.keys()
    assert re.findall(r"\]\(results/(.*)\)", page) == list(files)
    for name, plotted in files.items():
        path = evidence.DOCS / "results" / name
        assert evidence_figures.plotted(path) == json.loads(json.dumps(plotted)), name
        assert path.stat().st_size < 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--setting", "large"), "there is no setting 'large'. There are: small, full, severities, objects, flowers"),
        (("--methods", "cutmax"), "--methods: cutmax not in the grid. There are: none, mixup"),
        (("--seeds", "3"), "--seeds: 3 not in the grid"),
        (("--minutes", "0"), "--minutes is 0.0; wanted more than 0"),
        (("--at-once", "0"), "--at-once is 0; wanted 1 or more"),
        ((), "--data-name is missing"),
        (("--data-name", "..."), "--data-name is missing"),
        (("--data-name", "CIFAR-10", "--data-dir", "nowhere"), "No cifar10 under --data-dir"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, monkeypatch, arguments, message, capsys):
    monkeypatch.chdir(tmp_path)
    assert evidence.main(["--results", "cells", *arguments]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
