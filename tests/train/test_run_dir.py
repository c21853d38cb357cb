"""The folder of a run: metrics, versions, configuration, checkpoints."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import time
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import tiny

import best
import configuration
import run_dir
import training
from checkpoints import Checkpoints
from configuration import RunOptions


@dataclasses.dataclass(frozen=True)
class Config(RunOptions):
    data_dir: pathlib.Path = pathlib.Path("data")
    epochs: int | None = None
    loss: str = "auto"
    milestones: tuple[int, ...] | None = None


SAVED = Config(epochs=3, loss="softmax_bce", milestones=(1, 2), steps_per_call=1, data_dir=pathlib.Path("there"))
AUTOMATIC = ("epochs", "loss", "milestones", "steps_per_call")


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_after_the_checkpoint_and_cut_short_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in (5, 10, 15)) + '{"step": 8, "ep')
    metrics = run_dir.Metrics(tmp_path, step=10, tensorboard=False)
    metrics.write({"step": 15, "again": True})
    assert lines(tmp_path) == [{"step": 5}, {"step": 10}, {"step": 15, "again": True}]


def test_two_runs_of_one_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "20260131-120000")
    assert run_dir.create(tmp_path, "digits").name == "20260131-120000-digits"
    assert run_dir.create(tmp_path, "digits").name == "20260131-120000-digits-2"


def test_every_call_is_noted_with_its_versions_and_what_differs_from_the_first(tmp_path, monkeypatch):
    assert run_dir.add_versions(tmp_path, 0) == []
    first = run_dir.versions()
    monkeypatch.setattr(run_dir, "versions", lambda: first | {"jax": "0.0", "devices": {"count": 3}})
    assert run_dir.add_versions(tmp_path, 7) == ["jax", "devices"]
    calls = json.loads((tmp_path / "versions.json").read_text())
    assert [(call["step"], call["jax"]) for call in calls] == [(0, first["jax"]), (7, "0.0")]
    run_dir.write_json(tmp_path / "versions.json", first)
    with pytest.raises(ValueError, match=r"versions\.json is not a list"):
        run_dir.add_versions(tmp_path, 7)


def test_a_run_is_not_resumed_on_other_images(tmp_path):
    fingerprint = {"name": "digits", "crc32": {"train": 1, "test": 2}}
    run_dir.begin(tmp_path, {}, fingerprint)
    run_dir.check_fingerprint(tmp_path, fingerprint, pathlib.Path("data"))
    with pytest.raises(ValueError, match=r"data holds other images than .* began with: crc32 differ"):
        run_dir.check_fingerprint(tmp_path, fingerprint | {"crc32": {"train": 3, "test": 2}}, pathlib.Path("data"))
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(ValueError, match=f"is {tmp_path} the folder of a run\\?"):
        run_dir.check_fingerprint(tmp_path, fingerprint, pathlib.Path("data"))


def test_a_run_without_lines_has_no_results_to_show(tmp_path):
    assert f"no results to show: {tmp_path / 'metrics.jsonl'} has no lines" in run_dir.summary(SAVED, [], tmp_path, 1.0)


def test_a_configuration_is_read_as_it_was_written(tmp_path):
    run_dir.write_json(tmp_path / "config.json", configuration.encode("cifar", SAVED))
    assert configuration.program(tmp_path) == "cifar"
    assert configuration.decode(tmp_path, "cifar", Config) == SAVED


@pytest.mark.parametrize("removed", ["epochs", "program"])
def test_a_configuration_of_another_version_is_refused_with_the_fields_that_differ(tmp_path, removed):
    path, content = tmp_path / "config.json", configuration.encode("cifar", SAVED)
    del content[removed]
    run_dir.write_json(path, content | {"colour": 1})
    message = rf"config\.json is of another version of this program \(unknown: colour; missing: {removed}\)\. Go on"
    with pytest.raises(ValueError, match=message):
        configuration.decode(tmp_path, "cifar", Config)
    if removed == "program":
        with pytest.raises(ValueError, match=r"another version of this program \(missing: program\)"):
            configuration.program(tmp_path)
    run_dir.write_json(path, [])
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a run"):
        configuration.decode(tmp_path, "cifar", Config)
    run_dir.write_json(path, configuration.encode("imagenet", SAVED))
    with pytest.raises(ValueError, match=r"is of train/imagenet\.py, not of train/cifar\.py"):
        configuration.decode(tmp_path, "cifar", Config)


def test_a_folder_that_is_no_run_is_named_with_its_option(tmp_path):
    with pytest.raises(ValueError, match=rf"--resume {tmp_path}: there is no {tmp_path}/config\.json"):
        configuration.decode(tmp_path, "cifar", Config, option="--resume ")


def test_a_resumed_run_keeps_its_configuration():
    def resume(**requested):
        requested = dataclasses.replace(SAVED, **requested)
        return configuration.resume(SAVED, requested, Config(), AUTOMATIC, pathlib.Path("run"))

    kept = dataclasses.replace(SAVED, resume=pathlib.Path("run"))
    assert resume(checkpoint_every=7) == dataclasses.replace(kept, checkpoint_every=7)
    assert resume(epochs=None, loss="auto", milestones=None, steps_per_call=0) == kept
    with pytest.raises(ValueError, match=r"--epochs is 3 in run/config\.json, but 4 on the command line"):
        resume(epochs=4)


def test_a_run_names_all_its_extensions_and_begins_without_one():
    def resume(before, now):
        saved, requested = (dataclasses.replace(SAVED, extend=epochs) for epochs in (before, now))
        return configuration.resume(saved, requested, Config(), AUTOMATIC, pathlib.Path("run")).extend

    assert resume((), (4,)) == resume((4,), (4,)) == (4,)
    assert resume((4,), (4, 2)) == (4, 2)
    for now in ((2,), ()):
        with pytest.raises(ValueError, match=r"--extend is 4 in run/config\.json, but (2|empty) on the command line"):
            resume((4,), now)
    with pytest.raises(ValueError, match=r"--extend is for a finished run; wanted --resume RUN with it"):
        configuration.check(dataclasses.replace(SAVED, extend=(4,)))


class State(NamedTuple):
    step: Any
    params: Any


def state(step):
    return State(jax.numpy.int32(step), {"kernel": jax.numpy.full(3, float(step))})


def test_the_newest_checkpoint_is_read_and_a_damaged_one_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is None
    for step in (1, 2, 2):
        checkpoints.save(step, state(step))
    np.testing.assert_array_equal(checkpoints.restore(state(0)).params["kernel"], 2.0)
    assert checkpoints.arrays().keys() == {"step", "params.kernel"}
    checkpoints.close()
    newest = tmp_path / "checkpoints" / "2"
    for path in newest.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    damaged = Checkpoints(tmp_path)
    with pytest.raises(
        ValueError, match=f"the checkpoint {newest} can't be read.*Delete that folder to go on from"
    ) as caught:
        damaged.restore(state(0))
    assert "from the checkpoint before it, or from the start" in str(caught.value)
    damaged.close()
    shutil.rmtree(newest)
    again = Checkpoints(tmp_path)
    assert int(again.restore(state(0)).step) == 1
    again.close()


def test_only_a_finished_run_is_extended(tmp_path):
    def extend(*epochs):
        training.extend(tmp_path, dataclasses.replace(SAVED, extend=epochs), 5)
        return configuration.decode(tmp_path, "cifar", Config).extend

    run_dir.write_json(tmp_path / "config.json", configuration.encode("cifar", SAVED))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(14, state(14))
    assert extend() == ()
    with pytest.raises(ValueError, match=r"--extend is for a finished run, and .* has 2 of its 3 epochs"):
        extend(2)
    checkpoints.save(15, state(15))
    assert extend(2) == extend(2) == (2,)
    with pytest.raises(ValueError, match="has 3 of its 5 epochs"):
        extend(2, 4)
    checkpoints.close()


def test_the_best_state_is_kept_and_one_that_a_cut_run_left_is_dropped(tmp_path):
    def scored(step, accuracy):
        return {"step": step, "val_accuracy": accuracy}

    def kept():
        with contextlib.closing(Checkpoints(tmp_path / "best", create=False)) as found:
            return found.latest()

    metrics = [scored(5, 0.5), scored(10, 0.7)]
    with contextlib.closing(best.Best(tmp_path, 0)) as first:
        for step in (5, 10):
            first.offer(step, state(step), metrics[: step // 5])
        first.settle()
        for step, accuracy in ((15, 0.7), (20, 0.6), (25, 0.9)):  # of equals the first stays
            metrics.append(scored(step, accuracy))
            first.offer(step, state(step), metrics)
    assert kept() == 25
    again = best.Best(tmp_path, 20)  # the checkpoint of step 25 was never written
    again.settle()
    again.close()
    assert kept() == 10
    assert run_dir.best_line([{"step": 5, "test_accuracy": 0.5}]) is None


def test_a_run_goes_on_from_its_newest_state_and_warns_of_other_versions(tmp_path, capsys, monkeypatch):
    made = tiny.training()
    checkpoints, begun = training.begin(made, tmp_path, {"program": "tiny"}, "none")
    with pytest.raises(ValueError, match="has no checkpoint: its training ended before the first one"):
        training.newest_state(made, tmp_path, tmp_path)
    with pytest.raises(ValueError, match="has no best epoch: it was trained without --val-share"):
        training.newest_state(made, tmp_path, tmp_path, best=True)
    first = run_dir.versions()
    monkeypatch.setattr(run_dir, "versions", lambda: first | {"jax": "0.0"})
    again, state = training.resume(made, tmp_path, tmp_path)  # killed before its first checkpoint
    again.close()
    assert f"warning: jax not as in the first entry of {tmp_path / 'versions.json'}" in capsys.readouterr().err
    jax.tree.map(np.testing.assert_array_equal, state, begun)
    checkpoints.save(4, begun._replace(step=begun.step + 4))
    checkpoints.close()
    again, state = training.resume(made, tmp_path, tmp_path)
    again.close()
    assert int(state.step) == int(training.newest_state(made, tmp_path, tmp_path).step) == 4
    assert [call["step"] for call in json.loads((tmp_path / "versions.json").read_text())] == [0, 0, 4]
