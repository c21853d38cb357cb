"""The folder of a run: metrics, versions, configuration, checkpoints."""

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import re
import resource
import shutil
import time
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import tiny
from tensorboardX.proto.event_pb2 import Event

import best
import checkpoints as checkpoints_module
import configuration
import loop
import run_dir
import training
from checkpoints import Checkpoints, DamagedError
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


def row(epoch, **more):
    """A line of metrics.jsonl after an epoch of five steps."""
    return dict.fromkeys(run_dir.FIELDS, 0.5) | {"epoch": epoch, "step": 5 * epoch} | more


def write_lines(folder, *texts):
    (folder / "metrics.jsonl").write_text("".join(texts))


def text(*rows):
    return "".join(json.dumps(line) + "\n" for line in rows)


def test_lines_after_the_checkpoint_and_cut_short_are_dropped(tmp_path, capsys):
    write_lines(tmp_path, text(row(1), row(2), row(3)), '{"step": 8, "ep')
    metrics = run_dir.Metrics(tmp_path, step=10, tensorboard=False)
    metrics.write(row(3, again=True))
    assert lines(tmp_path) == [row(1), row(2), row(3, again=True)]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"] and not capsys.readouterr().err


@pytest.mark.parametrize("broken", ['{"step": 10, "ep\n', '{"step": 10}\n', "[]\n", '{"step": 1\x00}\n', "\n"])
def test_a_line_that_cannot_be_read_costs_no_other_and_its_file_is_kept(tmp_path, capsys, broken):
    for copy in (1, 2):
        write_lines(tmp_path, text(row(1)), broken, text(row(3)))
        before = (tmp_path / "metrics.jsonl").read_bytes()
        assert run_dir.read_lines(tmp_path / "metrics.jsonl") == [row(1), row(3)]
        assert run_dir.Metrics(tmp_path, step=15, tensorboard=False).lines == [row(1), row(3)] == lines(tmp_path)
        assert (tmp_path / f"metrics.jsonl.damaged-{copy}").read_bytes() == before
        assert (
            f"metrics.jsonl is damaged in line 2; it is kept as metrics.jsonl.damaged-{copy}" in capsys.readouterr().err
        )


def test_an_end_that_is_no_line_is_damage_as_well(tmp_path, capsys):
    write_lines(tmp_path, text(row(1)), "\x00\x00")
    assert run_dir.Metrics(tmp_path, step=15, tensorboard=False).lines == [row(1)]
    assert "is damaged in line 2" in capsys.readouterr().err and (tmp_path / "metrics.jsonl.damaged-1").exists()


def test_a_line_of_an_earlier_step_is_put_in_its_place(tmp_path):
    metrics = run_dir.Metrics(tmp_path, step=15, tensorboard=False)
    for epoch in (1, 3, 2):
        metrics.write(row(epoch))
    assert metrics.lines == lines(tmp_path) == [row(1), row(2), row(3)]


def test_what_is_written_is_on_disk_before_a_checkpoint_follows(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append(os.path.realpath(f"/proc/self/fd/{descriptor}") if os.path.exists("/proc/self/fd") else "")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    metrics = run_dir.Metrics(tmp_path, step=0, tensorboard=False)
    assert len(synced) == 2  # the file and its folder
    metrics.write(row(1))
    assert len(synced) == 3
    assert not synced[2] or synced[2] == str(tmp_path / "metrics.jsonl")


def test_tensorboard_has_the_values_and_where_a_resumed_run_begins(tmp_path):
    for step, line in ((0, row(1, seconds=2.0)), (5, row(2, images_per_second=None))):
        metrics = run_dir.Metrics(tmp_path, step=step, tensorboard=True)
        metrics.write(line)
        metrics.close()
    first, second = (read_events(path) for path in sorted(tmp_path.glob("events.out.*")))
    assert [event.step for event in first if event.HasField("session_log")] == [1]
    assert [event.step for event in second if event.HasField("session_log")] == [6]
    values = {value.tag: (event.step, value.simple_value) for event in first for value in event.summary.value}
    assert values.keys() == {*run_dir.FIELDS} - {"step"} and values["seconds"] == (5, 2.0)
    assert "images_per_second" not in {value.tag for event in second for value in event.summary.value}


def read_events(path):
    """The records of a file: 8 bytes of length, 4 of its checksum, the event, 4 of its checksum."""
    content, events = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return events


@pytest.mark.parametrize("broken", ["_flush", "Events"])
def test_metrics_that_cannot_be_written_name_their_file(tmp_path, monkeypatch, broken):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    metrics = run_dir.Metrics(tmp_path, step=0, tensorboard=True)
    with monkeypatch.context() as patch:
        patch.setattr(*((run_dir, "_flush") if broken == "_flush" else (metrics._events, "write")), full)
        patch.setattr(metrics._events, "close", full)
        with pytest.raises(OSError, match=re.escape(f"No space left on device: '{tmp_path / 'metrics.jsonl'}'")):
            metrics.write(row(1))
        metrics.close()
    metrics.close()


def test_a_folder_has_its_name_only_with_its_first_files(tmp_path):
    def killed(folder):
        (folder / "config.json").write_text("{}")
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_dir.create(tmp_path, "digits", write=killed)
    assert not list(tmp_path.iterdir())

    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")  # as Pillow raises it, without a path

    with pytest.raises(OSError, match="No space left on device") as caught:
        run_dir.create(tmp_path, "digits", write=full)
    assert pathlib.Path(caught.value.filename).parent == tmp_path and not list(tmp_path.iterdir())
    folder = run_dir.create(tmp_path, "digits", write=lambda folder: (folder / "config.json").write_text("{}"))
    assert list(tmp_path.iterdir()) == [folder] and [path.name for path in folder.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON .*: it is damaged"),
        (b'{"name": "\xff"}', "is not JSON .*: it is damaged"),
        (b"[" * 100_000, "is not JSON .*: it is damaged"),
        (b"[]", "holds a list; wanted a dict"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{tmp_path}/dataset\.json {message}"):
        run_dir.check_fingerprint(tmp_path, {}, tmp_path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def closed(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "read_text", closed)
    with pytest.raises(ValueError, match=r"config\.json can't be read: Permission denied\. Change its permissions"):
        run_dir.read_json(tmp_path / "config.json")


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
    with pytest.raises(ValueError, match=r"config\.json holds a list; wanted a dict"):
        configuration.decode(tmp_path, "cifar", Config)
    run_dir.write_json(path, configuration.encode("imagenet", SAVED))
    with pytest.raises(ValueError, match=r"is of train/imagenet\.py, not of train/cifar\.py"):
        configuration.decode(tmp_path, "cifar", Config)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", "six", "epochs is 'six'; wanted int | None"),
        ("seed", True, "seed is True; wanted int"),
        ("data_dir", 3, "data_dir is 3; wanted Path"),
        ("milestones", [1, "2"], r"milestones is [1, '2']; wanted tuple[int, ...] | None"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_with_its_file(tmp_path, name, value, message):
    path = tmp_path / "config.json"
    run_dir.write_json(path, configuration.encode("cifar", SAVED) | {name: value})
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
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
    noise = np.random.default_rng(step).integers(0, 2**32, 256, np.uint32)
    return State(jax.numpy.int32(step), {"kernel": jax.numpy.full(3, float(step)), "noise": jax.numpy.asarray(noise)})


def saved(folder, *steps):
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, state(step))
    checkpoints.close()


def test_the_newest_checkpoint_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is None
    for step in (1, 2, 2):
        checkpoints.save(step, state(step))
    np.testing.assert_array_equal(checkpoints.restore(state(0)).params["kernel"], 2.0)
    np.testing.assert_array_equal(checkpoints.restore(state(0), 1).params["kernel"], 1.0)
    assert checkpoints.arrays().keys() == {"step", "params.kernel", "params.noise"}
    checkpoints.close()


def data_files(step):
    return sorted(path for path in step.rglob("*") if path.is_file() and path.parent.name == "d")


def flip(path):
    """Change four bytes in the middle."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 4):
        content[place] ^= 0xFF
    path.write_bytes(content)


def flip_values(step):
    """Change four bytes of an array that is no smaller compressed: TensorStore restores them as they are."""
    noise, changed = state(int(step.name)).params["noise"].tobytes(), 0
    for path in data_files(step):
        content = path.read_bytes()
        place = content.find(noise)
        if place >= 0:
            path.write_bytes(content[:place] + b"\x01\x02\x03\x04" + content[place + 4 :])
            changed += 1
    assert changed


def flip_the_data(step):
    for path in data_files(step):
        flip(path)


def truncate(step):
    for path in step.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])


def empty(step):
    shutil.rmtree(step)
    step.mkdir()


def of_another_step(step):
    shutil.rmtree(step)
    shutil.copytree(step.with_name("1"), step)


DAMAGES = {
    "values": flip_values,
    "data": flip_the_data,
    "truncated": truncate,
    "empty": empty,
    "another step": of_another_step,
    "no data": lambda step: [path.unlink() for path in data_files(step)],
    "_METADATA": lambda step: flip(step / "state" / "_METADATA"),
    "checksums": lambda step: flip(step / "checksums" / "metadata"),
    "no checksums": lambda step: shutil.rmtree(step / "checksums"),
    "manifest": lambda step: flip(step / "state" / "manifest.ocdbt"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_moved_and_the_one_before_it_is_used(tmp_path, capsys, damage):
    saved(tmp_path, 1, 2)
    newest = tmp_path / "checkpoints" / "2"
    DAMAGES[damage](newest)
    reader = Checkpoints(tmp_path, create=False)
    with pytest.raises(DamagedError, match=f"^the checkpoint {newest} is damaged") as caught:
        reader.restore(state(0))
    assert "elete" not in str(caught.value) and newest.exists()
    reader.close()
    checkpoints = Checkpoints(tmp_path)
    assert int(checkpoints.recover(state(0)).step) == 1 == checkpoints.latest()
    warning = f"warning: the checkpoint {newest} is damaged"
    error = capsys.readouterr().err
    assert error.startswith(warning) and len(error.splitlines()) == 1
    assert f"it is moved to {tmp_path / 'damaged' / '2'}. Going on from the one before it, of step 1." in error
    assert damage != "values" or "1 of 3 arrays have changed on disk, the first of them params.noise" in error
    checkpoints.save(2, state(2))
    assert int(checkpoints.recover(state(0)).step) == 2
    checkpoints.close()


def test_where_no_checkpoint_is_left_nothing_is_moved(tmp_path):
    saved(tmp_path, 1, 2)
    for step in (1, 2):
        truncate(tmp_path / "checkpoints" / str(step))
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(
        ValueError, match=r"no checkpoint in .* can be used: .*/2 is damaged .*/1 is damaged .* move that"
    ):
        checkpoints.recover(state(0))
    assert checkpoints.steps() == [1, 2] and not (tmp_path / "damaged").exists()
    checkpoints.close()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"kernel": np.zeros(4, np.float32)}, "params.kernel is .*3.*float32.* there and .*4.*float32.* here"),
        ({"kernel": np.zeros(3, np.int32)}, "params.kernel is .*float32.* there and .*int32.* here"),
        ({"bias": np.zeros(3)}, "params.bias is {} there"),
    ],
)
def test_a_checkpoint_of_another_model_is_not_damaged(tmp_path, changed, difference):
    saved(tmp_path, 1)
    checkpoints = Checkpoints(tmp_path)
    for restore in (checkpoints.restore, checkpoints.recover):
        with pytest.raises(ValueError, match=f"is of another model: {difference}") as caught:
            restore(state(0)._replace(params=state(0).params | changed))
        assert not isinstance(caught.value, DamagedError) and "Nothing is damaged" in str(caught.value)
    assert checkpoints.steps() == [1]
    checkpoints.close()


def test_a_checkpoint_of_an_earlier_version_is_not_damaged(tmp_path):
    saved(tmp_path, 1)
    shutil.rmtree(tmp_path / "checkpoints" / "1" / "checksums")
    (tmp_path / "checkpoints" / "1" / "state").rename(tmp_path / "checkpoints" / "1" / "default")
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(
        ValueError, match=r"1 is of an earlier version, without checksums\. Go on with the version"
    ) as caught:
        checkpoints.recover(state(0))
    assert not isinstance(caught.value, DamagedError)
    checkpoints.close()


def test_a_checkpoint_that_may_not_be_read_is_not_damaged(tmp_path, monkeypatch):
    saved(tmp_path, 1)
    path = tmp_path / "checkpoints" / "1" / "state" / "_METADATA"
    reader = Checkpoints(tmp_path, create=False)

    def closed(*arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(reader._manager, "restore", closed)
    monkeypatch.setattr(checkpoints_module, "unreadable", lambda folder: closed_error(path))
    with pytest.raises(
        ValueError, match=f"1 can't be read: {path}: Permission denied: change its permissions"
    ) as caught:
        reader.recover(state(0))
    assert not isinstance(caught.value, DamagedError)
    reader.close()


def closed_error(path):
    return PermissionError(errno.EACCES, "Permission denied", str(path))


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path, monkeypatch, capfd):
    saved(tmp_path, 1)
    checkpoints = Checkpoints(tmp_path)
    half_written = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"

    def full(*arguments, **keywords):
        half_written.mkdir()
        raise ValueError("RESOURCE_EXHAUSTED: Error writing ...: No space left on device")

    monkeypatch.setattr(checkpoints._manager, "save", full)
    with pytest.raises(
        OSError,
        match=r"checkpoints/2 can't be written: No space left on device; it needs about 0\.0 MB, "
        r"[\d.,]+ MB are free$",
    ):
        checkpoints.save(2, state(2))
    assert not half_written.exists() and int(checkpoints.restore(state(0)).step) == 1
    checkpoints.close()
    assert capfd.readouterr() == ("", "")


def test_one_process_at_a_time_trains_a_run_and_any_may_read_it(tmp_path):
    first = Checkpoints(tmp_path)
    first.save(1, state(1))
    first.wait()
    with pytest.raises(ValueError, match=rf"^{tmp_path} is in use by process {os.getpid()} on .*\. Wait for its end"):
        Checkpoints(tmp_path)
    reader = Checkpoints(tmp_path, create=False)
    assert reader.latest() == 1
    reader.close()
    first.close()
    Checkpoints(tmp_path).close()


def test_a_file_in_place_of_the_folder_is_found_before_the_training(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(FileExistsError, match=str(tmp_path / "checkpoints")):
        Checkpoints(tmp_path)
    (tmp_path / "checkpoints").unlink()
    Checkpoints(tmp_path).close()  # the lock was released


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    saved(tmp_path, 1)
    left = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp" / "state"
    left.mkdir(parents=True)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() == 1 and not left.parent.exists()
    checkpoints.close()


@dataclasses.dataclass(frozen=True)
class TinyConfig(Config):
    dataset: str = "tiny"
    model: str = "tiny"
    method: str = "none"


def test_only_a_finished_run_is_extended(tmp_path):
    def extend(*epochs):
        training.extend(tmp_path, dataclasses.replace(SAVED, extend=epochs), 5)
        return configuration.decode(tmp_path, "cifar", Config).extend

    run_dir.write_json(tmp_path / "config.json", configuration.encode("cifar", SAVED))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(14, state(14))
    checkpoints.wait()
    assert extend() == ()
    with pytest.raises(ValueError, match=r"--extend is for a finished run, and .* has 2 of its 3 epochs"):
        extend(2)
    checkpoints.save(15, state(15))
    checkpoints.wait()
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
    made, config = tiny.training(), TinyConfig(runs_dir=tmp_path)
    folder = training.begin(made, "tiny", config)
    assert folder.name.endswith("-tiny-tiny-none-s0")
    plan = loop.Plan(epochs=1, steps_per_epoch=2, batch_size=16, steps_per_call=1, checkpoint_every=1)
    assert training.describe(made, plan, "none").startswith("tiny: 3 classes, 32 training images, 8 test images; none")
    made.source.absent = ("class0", "class2")
    described = training.describe(made, plan, "none").splitlines()
    assert described[1:] == ["2 of the classes have no training images: class0, class2"]
    assert {path.name for path in folder.iterdir()} == {"config.json", "dataset.json"}
    with pytest.raises(ValueError, match="has no checkpoint: its training ended before the first one"):
        training.newest_state(made, folder, tmp_path)
    with pytest.raises(ValueError, match="has no best epoch: it was trained without --val-share"):
        training.newest_state(made, folder, tmp_path, best=True)
    checkpoints, _, begun = training.resume(made, folder, config)
    checkpoints.close()
    first = run_dir.versions()
    monkeypatch.setattr(run_dir, "versions", lambda: first | {"jax": "0.0"})
    checkpoints, _, state = training.resume(made, folder, config)  # killed before its first checkpoint
    assert f"warning: jax not as in the first entry of {folder / 'versions.json'}" in capsys.readouterr().err
    jax.tree.map(np.testing.assert_array_equal, state, begun)
    checkpoints.save(2, begun._replace(step=begun.step + 2))
    checkpoints.save(4, begun._replace(step=begun.step + 4))
    checkpoints.close()
    checkpoints, _, state = training.resume(made, folder, config)
    checkpoints.close()
    assert int(state.step) == int(training.newest_state(made, folder, tmp_path).step) == 4
    assert [call["step"] for call in json.loads((folder / "versions.json").read_text())] == [0, 0, 4]
    # An evaluation of the state before would be of another epoch than the metrics.
    truncate(folder / "checkpoints" / "4")
    with pytest.raises(
        DamagedError, match=r"4 is damaged .*\. Resume the run, which goes on from the checkpoint before"
    ):
        training.newest_state(made, folder, tmp_path)
    checkpoints, _, state = training.resume(made, folder, config)
    checkpoints.close()
    assert int(state.step) == 2


def test_a_state_is_written_while_the_training_goes_on_and_counts_once_it_is_whole(tmp_path):
    overwrite = jax.jit(lambda state: {"kernel": 7 - state["kernel"]}, donate_argnums=0)
    first = {"kernel": jax.numpy.arange(2**21, dtype=np.float32)}
    expected = np.arange(2**21, dtype=np.float32)
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(1, first)
        assert checkpoints.latest() is None  # not before it is whole
        overwrite(first)
        checkpoints.check()
        checkpoints.wait()
        assert checkpoints.latest() == 1
        like = {"kernel": jax.numpy.zeros(2**21)}
        np.testing.assert_array_equal(checkpoints.restore(like)["kernel"], expected)


def save_and_go_on(checkpoints, large, found_by):
    """Begin a checkpoint, and do what a training does next, until that raises its error."""
    checkpoints.save(2, large)
    if found_by == "save":
        checkpoints.save(3, large)
    deadline = time.monotonic() + 60
    while found_by == "check" and time.monotonic() < deadline:
        checkpoints.check()
    checkpoints.wait()


@pytest.mark.parametrize("found_by", ["check", "wait", "save"])
def test_a_state_that_cannot_be_written_in_the_background_is_one_line_later(tmp_path, monkeypatch, capfd, found_by):
    saved(tmp_path, 1)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints = Checkpoints(tmp_path)
    large = state(2)._replace(params={"kernel": jax.numpy.arange(2**16, dtype=np.float32)})
    message = r"checkpoints/2 can't be written: File too large; it needs about 0\.3 MB, [\d.,]+ MB are free$"
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        with pytest.raises(OSError, match=message):
            save_and_go_on(checkpoints, large, found_by)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert checkpoints.latest() == 1
    checkpoints.save(3, state(3))
    checkpoints.wait()
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"1", "3"}
    assert int(checkpoints.restore(state(0)).step) == 3
    checkpoints.close()
    assert capfd.readouterr() == ("", "")
