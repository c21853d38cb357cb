"""train/cifar.py: its options, and real runs from end to end."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import types

import jax
import numpy as np
import pytest
import tiny
from xla_flags import xla_flags

import cifar
import configuration
import devices
import inputs
import loop
import run_dir
import training
from checkpoints import Checkpoints
from recipes import cifar as recipes

SCRIPT = pathlib.Path(cifar.__file__)
# 160 digits, 5 steps an epoch: about a second once compiled.
QUICK = ("--limit-train", "160", "--limit-test", "50", "--batch-size", "32", "--epochs", "3")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in; environment variables that a run sets are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    return tmp_path


def final_state(folder):
    checkpoints = Checkpoints(folder)
    arrays = checkpoints.arrays()
    checkpoints.close()
    return arrays


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


@pytest.fixture
def compiled(monkeypatch):
    """The number of programs that have been compiled by the end of each epoch."""
    programs, counts = [], []
    write = run_dir.Metrics.write

    def listen(event, seconds, **kinds):
        if event.endswith("backend_compile_duration"):
            programs.append(event)

    def noting(metrics, line):
        counts.append(len(programs))
        write(metrics, line)

    monkeypatch.setattr(run_dir.Metrics, "write", noting)
    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counts
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.unoptimized
def test_a_run_trains_leaves_its_folder_and_once_interrupted_and_resumed_ends_with_the_same_bits(
    place, capsys, monkeypatch, compiled
):
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    run = [*QUICK, "--epochs", "6"]
    assert cifar.main([*run, "--tensorboard", "--runs-dir", "whole"]) == 0
    assert len(compiled) == 6 and compiled[0] > 0 and set(compiled) == {compiled[0]}  # nothing twice
    (whole,) = pathlib.Path("whole").iterdir()
    metrics, out = lines(whole), capsys.readouterr().out
    assert [line["step"] for line in metrics] == [5, 10, 15, 20, 25, 30]
    assert metrics[-1]["train_loss"] < 0.7 * metrics[0]["train_loss"]
    assert metrics[-1]["test_images"] == 50
    found = {path.name.split(".")[0] for path in whole.iterdir()}
    assert found == {"config", "versions", "dataset", "metrics", "mixed", "checkpoints", "events", "lock"}
    config = json.loads((whole / "config.json").read_text())
    assert (config["program"], config["epochs"], config["loss"]) == ("cifar", 6, "cross_entropy")
    assert f"test accuracy  {100 * metrics[-1]['test_accuracy']:.2f} %" in out and str(whole / "mixed.png") in out

    advance = loop.Functions.advance

    def interrupted(functions):
        def stopping(state, epoch, count):
            result = advance.__get__(functions)(state, epoch, count)
            if int(result[0].step) == 8:  # in the middle of the second epoch
                signal.raise_signal(signal.SIGINT)
            return result

        return stopping

    with monkeypatch.context() as patch:
        patch.setattr(loop.Functions, "advance", property(interrupted))
        assert cifar.main([*run, "--runs-dir", "cut"]) == 130
    (folder,) = pathlib.Path("cut").iterdir()
    resume = f"--resume {folder}"
    out = capsys.readouterr().out
    assert "interrupted after step 8" in out
    assert f"go on with the same command and only {resume}, e.g. python train/cifar.py {resume}" in out
    assert cifar.main(["--resume", str(folder), "--epochs", "7"]) == 2
    assert f"--epochs is 6 in {folder}/config.json, but 7 on the command line" in capsys.readouterr().err
    # A line of a step after the checkpoint, as a kill between the two leaves it, and one cut short.
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(lines(folder)[-1] | {"step": 10, "epoch": 2}) + "\n" + '{"step": 15, "ep')
    assert cifar.main(["--resume", str(folder)]) == 0
    # The last line is lost, and one before it damaged, of which the checkpoint is still there.
    written = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join([*written[:4], written[4][:-9], ""]))
    capsys.readouterr()
    assert cifar.main(["--resume", str(folder)]) == 0
    out, error = capsys.readouterr()
    assert f"test accuracy  {100 * metrics[-1]['test_accuracy']:.2f} %" in out
    assert "epoch 5/6 was missing in the metrics, and is tested again" in out and "epoch 6/6 was missing" in out
    assert "metrics.jsonl is damaged in line 5" in error
    assert_same_bits(final_state(whole), final_state(folder))
    for name in ("step", "train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert [line[name] for line in lines(whole)] == [line[name] for line in lines(folder)]
    assert [call["step"] for call in json.loads((folder / "versions.json").read_text())] == [0, 8, 30]
    assert "not as in the first entry" not in error

    finished = cifar.restore(folder)
    assert (finished.config.method, int(finished.state.step), finished.dataset.name) == ("cutmix", 30, "digits")
    kernel = jax.tree.leaves(finished.state.params["stem"])[0]
    assert np.asarray(kernel).tobytes() in {array.tobytes() for array in final_state(folder).values()}


# One run from end to end, beside it one that is killed after its first checkpoint and then resumed. The program is
# imported once, and a process forked for each, before a device is used.
KILLED = """
import os, pathlib, signal, sys, time
import cifar
from survivor import ended, forked

def program(*arguments):
    return forked(lambda: cifar.main(list(arguments)), "/dev/stdout")

whole, killed = (program(*sys.argv[1:], "--runs-dir", name) for name in ("whole", "killed"))
while not list(pathlib.Path().glob("killed/*/checkpoints/[0-9]*/_CHECKPOINT_METADATA")):
    assert os.waitpid(killed, os.WNOHANG) == (0, 0)
    time.sleep(0.05)
os.kill(killed, signal.SIGKILL)
assert ended(killed) == -signal.SIGKILL
(folder,) = pathlib.Path("killed").iterdir()
assert not (folder / "checkpoints" / "40").exists()
assert ended(program("--resume", str(folder))) == ended(whole) == 0
"""


@pytest.mark.slow
def test_a_run_that_was_killed_in_an_epoch_and_resumed_ends_with_the_same_bits(place):
    environment = os.environ | {
        "XLA_FLAGS": xla_flags(),
        "PYTHONPATH": os.pathsep.join(map(str, (SCRIPT.parents[1], SCRIPT.parent, pathlib.Path(__file__).parent))),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    run = (*QUICK, "--limit-train", "80", "--batch-size", "16", "--epochs", "8")  # 5 steps an epoch too
    command = [sys.executable, "-c", KILLED, *run]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout.decode()
    (folder,), (uninterrupted,) = place.glob("killed/*"), place.glob("whole/*")
    assert_same_bits(final_state(uninterrupted), final_state(folder))
    assert [line["step"] for line in lines(folder)] == list(range(5, 45, 5))


def test_a_run_is_not_resumed_on_other_images_and_not_where_there_is_none(place, capsys):
    config = cifar.resolve(cifar.Config(limit_train=64, batch_size=32), inputs.load("digits", place).limited(64, None))
    run_dir.begin(place, configuration.encode("cifar", config), {"name": "digits"})
    assert cifar.read(place) == config
    assert cifar.read(place, pathlib.Path("moved")).data_dir == pathlib.Path("moved")
    assert cifar.main(["--resume", str(place)]) == 2
    assert "holds other images than" in capsys.readouterr().err
    assert cifar.main(["--resume", "runs/nothing"]) == 2
    assert "--resume runs/nothing: there is no runs/nothing/config.json" in capsys.readouterr().err


def test_a_run_that_moves_to_another_device_takes_the_steps_per_call_that_suit_it(place, monkeypatch):
    config = cifar.resolve(cifar.Config(), inputs.load("digits", place))
    made = types.SimpleNamespace(source=types.SimpleNamespace(steps_per_epoch=64))
    for backend, expected in (("gpu", 32), ("cpu", 1)):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert training.plan(made, "cifar", config, place).steps_per_call == expected
    given = dataclasses.replace(config, steps_per_call=4)
    assert training.plan(made, "cifar", given, place).steps_per_call == 4


def test_defaults_are_those_of_the_recipe_and_the_data_set_unless_given(place):
    digits = inputs.load("digits", place)
    for method, weight_decay, expected in (("mixup", None, 1e-4), ("fmix", None, 5e-4), ("fmix", 0.0, 0.0)):
        assert cifar.resolve(cifar.Config(method=method, weight_decay=weight_decay), digits).weight_decay == expected
    found = cifar.resolve(cifar.Config(), digits)
    assert (found.epochs, found.milestones, found.crop_padding, found.flip) == (30, (15, 22), 1, False)
    assert found.loss == "cross_entropy"
    assert cifar.resolve(found, digits) == found
    for method, epochs, padding in (("cutmix", 200, 4), ("sage", 200, 2), ("augmix", 100, 4)):
        found = cifar.resolve(cifar.Config(dataset="cifar10", method=method, model="wrn-16-2"), digits)
        assert (found.epochs, found.crop_padding) == (epochs, padding)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet"], "There is no model 'resnet'. There are"),
        (["--method", "cutmixx"], "Did you mean 'cutmix'?"),
        (["--dataset", "cifar10", "--data-dir", "nowhere"], "tar -xzf cifar-10-python.tar.gz -C nowhere"),
        (["--batch-size", "0"], "--batch-size is 0; wanted 2 or more"),
        (["--batch-size", "4096"], "the number of training images"),
        (["--epochs", "0"], "--epochs is 0; wanted 1 or more"),
        (["--lr", "-1"], "--lr is -1.0; wanted 0 or more"),
        (["--lr", "inf"], "--lr is inf; wanted 3.4e+38 or less"),
        (["--lr", "1e39"], "--lr is 1e+39; wanted 3.4e+38 or less"),
        (["--weight-decay", "inf"], "--weight-decay is inf; wanted 3.4e+38 or less"),
        (["--epochs", "99999999999"], "--epochs is 99999999999; wanted 2147483647 or less"),
        (["--epochs", "2000000000"], "--epochs is 2000000000: 22,000,000,000 steps; wanted 2,147,483,647 or less"),
        (["--warmup-epochs", "99999999999"], "--warmup-epochs is 99999999999; wanted 2147483647 or less"),
        (["--schedule", "step", "--milestones", "300000000"], "--milestones is 300000000: 3,300,000,000 steps; wanted"),
        (["--crop-padding", "9"], "--crop-padding is 9; wanted 8 or less, the side of the images"),
        (["--seed", str(2**63)], f"--seed is {2**63}; wanted 4294967295 or less"),
        (["--seed", str(2**32)], f"--seed is {2**32}; wanted 4294967295 or less"),
        (["--runs-dir", "file"], "a file stands where a folder is wanted; move it away"),
        (["--dataset", "npz", "--data-dir", "."], "No data: . is not a file"),
        (["--lr", "nan"], "--lr is nan; wanted 0 or more"),
        (["--momentum", "nan"], "--momentum is nan; wanted 0 or more"),
        (["--weight-decay", "nan"], "--weight-decay is nan; wanted 0 or more"),
        (["--label-smoothing", "nan"], "--label-smoothing is nan; wanted 0 or more"),
        (["--warmup-epochs", "4", "--epochs", "3"], "--warmup-epochs is 4; wanted at most the 3 epochs"),
        (["--epochs", "2147483647"], "--epochs is 2147483647: 23,622,320,117 steps; wanted 2,147,483,647 or less"),
        (["--method", "dropblock", "--mix-until", "2"], "--mix-until is 2; wanted none, as dropblock mixes nothing"),
        (["--method", "augmix", "--mix-share", ".5"], "--mix-share is 0.5, but augmix mixes no batches"),
        (["--mix-share", "1.5"], "--mix-share is 1.5; wanted 1 or less."),
        (["--mix-until", "5", "--epochs", "4"], "--mix-until is 5; wanted at most the 4 epochs"),
        (["--optimizer", "lamb", "--momentum", "0.8"], "--momentum is 0.8, but --optimizer lamb has none"),
        (["--schedule", "step", "--epochs", "4", "--warmup-epochs", "2"], "--milestones has 2"),
        (
            ["--method", "augmix+sage"],
            "There is no method 'augmix+sage'; wanted augmix+METHOD or pixmix+METHOD with METHOD one of mixup",
        ),
        (["--method", "augmix+manifold-mixup"], "which mix the images and need no maps"),
        (["--method", "augmix+cutmixx"], "Did you mean 'augmix+cutmix'?"),
        (["--method", "augmax"], "Did you mean 'augmix'?"),
        (["--method", "augmix", "--model", "allconv"], "--model allconv needs 24 pixels a side; digits has 8."),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_run_folder(arguments, message, capsys):
    pathlib.Path("file").touch()
    assert cifar.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert not pathlib.Path("runs").exists()


def test_help_tells_every_option_and_method_and_the_trainers_own_first(capsys):
    with pytest.raises(SystemExit) as stopped:
        cifar.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for field in dataclasses.fields(cifar.Config):
        assert f"--{field.name.replace('_', '-')}" in out
    for method in recipes.table(recipes.Setting("digits", 8, "resnet", (1.0,), True)):
        assert re.search(rf"\b{method}\b", out)
    assert out.index("--dataset") < out.index("--lr") < out.index("--runs-dir")
