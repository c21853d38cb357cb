"""The trainer: it learns, it counts, it stops well, and a run that was cut short ends as if it had not been."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cifar
import devices
import inputs
import models
import run_dir
import steps
from checkpoints import Checkpoints
from inputs import preprocess

SCRIPT = pathlib.Path(cifar.__file__)
# 160 digits, 5 steps an epoch: about a second once compiled.
QUICK = ("--limit-train", "160", "--limit-test", "50", "--batch-size", "32", "--epochs", "3")


def one_device():
    return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))


@pytest.fixture
def single(monkeypatch):
    """One device, because compiling for eight takes three times as long."""
    monkeypatch.setattr(cifar, "local_mesh", one_device)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in; environment variables that a run sets are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    return tmp_path


def trainer(mesh=None, **changes):
    options = {"limit_train": 160, "limit_test": 50, "batch_size": 32, "epochs": 3} | changes
    config = cifar.Config(**options)
    dataset = cifar.limited(inputs.load(config.dataset, config.data_dir), config)
    return cifar.build(cifar.resolved(config, dataset), dataset, one_device() if mesh is None else mesh)


def run_folder():
    (folder,) = pathlib.Path("runs").iterdir()
    return folder


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


def test_the_loss_falls_on_digits_and_everything_is_left_in_the_run_folder(capsys):
    assert cifar.main([*QUICK, "--epochs", "6", "--tensorboard"]) == 0
    folder = run_folder()
    metrics = lines(folder)
    assert [line["step"] for line in metrics] == [5, 10, 15, 20, 25, 30]
    assert metrics[-1]["train_loss"] < 0.7 * metrics[0]["train_loss"]
    assert metrics[-1]["test_pictures"] == 50
    found = {path.name.split(".")[0] for path in folder.iterdir()}
    assert found == {"config", "versions", "dataset", "metrics", "mixed", "checkpoints", "events"}
    (call,) = json.loads((folder / "versions.json").read_text())
    assert call["devices"]["count"] == jax.local_device_count()
    assert call["step"] == 0
    assert json.loads((folder / "config.json").read_text())["epochs"] == 6
    out = capsys.readouterr().out
    assert f"test accuracy  {100 * metrics[-1]['test_accuracy']:.2f} %" in out
    assert str(folder / "mixed.png") in out


def test_evaluation_counts_every_test_picture_once_whatever_the_batch_size():
    learners = [trainer(batch_size=batch_size) for batch_size in (16, 50, 160)]
    state, dataset = learners[0].fresh(), learners[0].dataset
    model = models.create("resnet-8", 10, 1, nnx.Rngs(0))
    nnx.update(model, state.params, state.statistics)
    images = preprocess.normalize(jnp.asarray(dataset.test_images), dataset.mean, dataset.std)
    logits = jax.jit(lambda images: model(images, train=False))(images)
    own = np.asarray(jax.nn.log_softmax(logits))[np.arange(50), dataset.test_labels]
    for learner in learners:
        found = learner.evaluate(state)
        assert found.pictures == 50
        assert found.accuracy == pytest.approx((np.argmax(logits, 1) == dataset.test_labels).mean())
        assert found.loss == pytest.approx(-own.mean(), rel=1e-5)


@pytest.mark.parametrize("method", ["cutmix", "manifold-mixup"])
def test_one_device_and_eight_learn_the_same(method):
    results = []
    for mesh in (one_device(), devices.local_mesh()):
        learner = trainer(mesh, method=method)
        state, order = learner.fresh(), learner.order(0)
        losses = []
        for _ in range(4):
            state, result = learner.advance(state, order, 1)
            losses.append(np.asarray(result)[0])
        results.append((np.asarray(losses), jax.device_get(state.params)))
    assert len(jax.tree.leaves(results[1][1])[0].shape) > 0
    # Sums are taken in another order, and four steps at a learning rate of 0.1 make the difference grow.
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-3)
    for one, eight in zip(*(jax.tree.leaves(params) for _, params in results), strict=True):
        np.testing.assert_allclose(one, eight, atol=2e-3)


def test_several_steps_in_one_dispatch_are_the_same_steps():
    learner = trainer()
    order = learner.order(0)
    one, many = learner.fresh(), learner.fresh()
    single = []
    for _ in range(3):
        one, result = learner.advance(one, order, 1)
        single.append(np.asarray(result)[0])
    many, together = learner.advance(many, order, 3)
    # Another program: XLA fuses and adds in another order.
    np.testing.assert_allclose(np.stack(single), together, rtol=1e-3)
    assert int(many.step) == int(one.step) == 3


def test_nothing_is_traced_twice_and_every_epoch_sees_every_picture_in_another_order():
    learner = trainer()
    state = learner.fresh()
    for epoch in range(2):
        order = learner.order(epoch)
        assert sorted(np.asarray(order)) == list(range(160))
        for _ in range(learner.steps_per_epoch):
            state, _ = learner.advance(state, order, 1)
        learner.evaluate(state)
    assert (np.asarray(learner.order(0)) != np.asarray(learner.order(1))).any()
    assert learner._advance._cache_size() == learner._test._cache_size() == learner._permute._cache_size() == 1


@pytest.mark.parametrize(
    ("backend", "steps_per_epoch", "expected"), [("cpu", 390, 1), ("gpu", 390, 30), ("tpu", 389, 32), ("gpu", 5, 5)]
)
def test_steps_per_call_suit_the_device_and_divide_the_epoch_where_they_can(
    backend, steps_per_epoch, expected, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert devices.steps_per_call(0, steps_per_epoch) == expected
    assert devices.steps_per_call(7, 390) == 7


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_the_learning_rate_warms_up_and_falls(schedule):
    config = cifar.Config(schedule=schedule, epochs=10, milestones=(5, 8), warmup_epochs=2, lr=1.0)
    rate = cifar.learning_rate(config, 10)
    assert float(rate(0)) == 0
    assert float(rate(10)) == pytest.approx(0.5)
    assert float(rate(20)) == pytest.approx(1.0)
    if schedule == "cosine":
        assert float(rate(60)) == pytest.approx(0.5)
        assert float(rate(100)) == pytest.approx(0, abs=1e-6)
    else:
        assert [float(rate(step)) for step in (49, 51, 79, 81)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_the_rate_drops_twice_where_two_milestones_are_one_and_never_in_a_single_epoch():
    dataset = inputs.load("digits", pathlib.Path())
    config = cifar.resolved(cifar.Config(schedule="step", epochs=2, lr=1.0), dataset)
    assert config.milestones == (1, 1)
    assert [float(cifar.learning_rate(config, 10)(step)) for step in (9, 11)] == pytest.approx([1, 0.01])
    config = cifar.resolved(cifar.Config(schedule="step", epochs=1, lr=1.0), dataset)
    assert config.milestones == ()
    assert float(cifar.learning_rate(config, 10)(9)) == 1


@pytest.mark.parametrize("milestones", [(0, 5), (3, 5), (5, 2)])
def test_a_milestone_in_the_warm_up_is_refused(milestones):
    config = cifar.Config(schedule="step", epochs=9, milestones=milestones, warmup_epochs=3)
    dataset = inputs.load("digits", pathlib.Path())
    with pytest.raises(ValueError, match=r"the warm-up ends after epoch 3; wanted 4 or more"):
        cifar.resolved(config, dataset)
    cifar.resolved(dataclasses.replace(config, schedule="cosine"), dataset)


def test_weight_decay_is_the_recipes_unless_given():
    dataset = inputs.load("digits", pathlib.Path())
    for method, weight_decay, expected in (("mixup", None, 1e-4), ("fmix", None, 5e-4), ("fmix", 0.0, 0.0)):
        found = cifar.resolved(cifar.Config(method=method, weight_decay=weight_decay), dataset)
        assert found.weight_decay == expected


ONE_STEP = ("--limit-train", "32", "--limit-test", "32", "--batch-size", "32", "--method", "none")


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("interrupted", [False, True])
def test_what_the_last_update_blew_up_is_not_saved(interrupted, capsys, monkeypatch):
    closed = []
    monkeypatch.setattr(run_dir.Metrics, "close", lambda self: closed.append(True))
    if interrupted:  # after the first of two steps
        advance = steps.Trainer.advance

        def stopping(self, state, order, count):
            os.kill(os.getpid(), signal.SIGINT)
            return advance(self, state, order, count)

        monkeypatch.setattr(steps.Trainer, "advance", stopping)
    size = ("--limit-train", "64") if interrupted else ()
    huge = ("--lr", "1e30", "--weight-decay", "1e30", "--schedule", "step")  # their product is no float32
    assert cifar.main([*ONE_STEP, *size, "--epochs", "1", *huge]) == 1
    error = capsys.readouterr().err
    assert "step 0 or what was learnt from it is not finite (epoch 1)" in error
    assert "there is no checkpoint yet" in error
    assert lines(run_folder()) == []
    assert not list(run_folder().glob("checkpoints/[0-9]*"))
    assert closed


@pytest.mark.usefixtures("single")
def test_pictures_that_cannot_be_drawn_are_learnt_from_all_the_same(place, capsys):
    images, labels = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 2), np.uint8), np.arange(32) % 2
    np.savez("own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    arguments = ["--dataset", "npz", "--data-dir", "own.npz", "--batch-size", "32", "--epochs", "1"]
    assert cifar.main(arguments) == 0
    assert "no mixed.png: pictures of 2 channels can't be drawn" in capsys.readouterr().out


def test_a_preview_without_a_mixed_batch_says_so(place, capsys, monkeypatch):
    monkeypatch.setattr(steps.Trainer, "preview", lambda self, state: None)
    learner = trainer()
    cifar.draw_mixed(cifar.Config(), learner, learner.fresh(), place / "mixed.png")
    assert "no mixed.png: no mixed batch found in the first 32 steps" in capsys.readouterr().out


@pytest.mark.usefixtures("single")
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(capsys):
    assert cifar.main([*QUICK, "--lr", "1e30"]) == 1
    error = capsys.readouterr().err
    assert "the loss of step" in error
    assert "is not finite (epoch 1)" in error
    step = int(error.split("the loss of step ")[1].split()[0])
    assert 1 <= step < 5


@pytest.mark.usefixtures("single")
def test_an_interrupt_saves_says_how_to_go_on_and_the_end_is_the_same_to_the_bit(capsys, monkeypatch):
    assert cifar.main([*QUICK]) == 0
    whole = run_folder()
    whole = whole.rename(whole.parent.parent / "whole")
    advance = steps.Trainer.advance

    def interrupted(self, state, order, count):
        result = advance(self, state, order, count)
        if int(result[0].step) == 8:  # in the middle of the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(steps.Trainer, "advance", interrupted)
    capsys.readouterr()
    assert cifar.main([*QUICK]) == 130
    folder = run_folder()
    out = capsys.readouterr().out
    assert "interrupted after step 8" in out
    resume = f"--resume {folder}"
    assert f"go on with the same command and only {resume}, e.g. python train/cifar.py {resume}" in out
    monkeypatch.setattr(steps.Trainer, "advance", advance)
    # A line of a step after the checkpoint, as a kill between the two leaves it, and one cut short.
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(lines(folder)[-1] | {"step": 10, "epoch": 2}) + "\n" + '{"step": 15, "ep')
    assert cifar.main(["--resume", str(folder)]) == 0
    assert [line["step"] for line in lines(folder)] == [5, 10, 15]
    assert_same_bits(final_state(whole), final_state(folder))
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert [line[name] for line in lines(whole)] == [line[name] for line in lines(folder)]
    calls = json.loads((folder / "versions.json").read_text())
    assert [call["step"] for call in calls] == [0, 8]
    assert "not as in the first entry" not in capsys.readouterr().err


def start(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
def test_a_run_that_was_killed_in_an_epoch_and_resumed_ends_with_the_same_bits(place):
    whole = start(*QUICK, "--epochs", "12", "--runs-dir", "whole")
    process = start(*QUICK, "--epochs", "12", "--runs-dir", "killed")
    deadline = time.monotonic() + 300
    while not list(place.glob("killed/*/checkpoints/[0-9]*/_CHECKPOINT_METADATA")):
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (folder,) = place.glob("killed/*")
    assert not list(folder.glob("checkpoints/60"))
    resumed = start("--resume", str(folder))
    assert resumed.wait() == 0, resumed.stdout.read().decode()
    assert whole.wait() == 0, whole.stdout.read().decode()
    (uninterrupted,) = place.glob("whole/*")
    assert_same_bits(final_state(uninterrupted), final_state(folder))
    assert [line["step"] for line in lines(folder)] == list(range(5, 65, 5))
    for finished in (whole, process, resumed):
        finished.stdout.close()


@pytest.mark.usefixtures("single")
def test_a_resumed_run_keeps_its_configuration(capsys):
    config = cifar.Config(epochs=3, milestones=(1, 2), steps_per_call=1, data_dir=pathlib.Path("there"))
    folder = pathlib.Path("runs/one")
    folder.mkdir(parents=True)
    run_dir.write_json(folder / "config.json", cifar.encoded(config))
    found = cifar.resumed(folder, ["--resume", str(folder), "--checkpoint-every", "7"])
    assert found == dataclasses.replace(config, resume=folder, checkpoint_every=7)
    automatic = ["--loss", "auto", "--steps-per-call", "0", "--epochs", "None", "--milestones", "None"]
    assert cifar.resumed(folder, ["--resume", str(folder), *automatic]) == dataclasses.replace(config, resume=folder)
    assert cifar.main(["--resume", str(folder), "--epochs", "4"]) == 2
    assert "--epochs is 3 in runs/one/config.json, but 4 on the command line" in capsys.readouterr().err
    assert cifar.main(["--resume", "runs/nothing"]) == 2
    assert "there is no runs/nothing/config.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet"], "There is no model 'resnet'. There are"),
        (["--method", "cutmixx"], "Did you mean 'cutmix'?"),
        (["--dataset", "cifar10", "--data-dir", "nowhere"], "tar -xzf cifar-10-python.tar.gz -C nowhere"),
        (["--batch-size", "60"], "wanted a multiple of the 8 devices"),
        (["--batch-size", "0"], "--batch-size is 0; wanted 2 or more"),
        (["--batch-size", "4096"], "the number of training pictures"),
        (["--epochs", "0"], "--epochs is 0; wanted 1 or more"),
        (["--lr", "-1"], "--lr is -1.0; wanted 0 or more"),
        (["--lr", "nan"], "--lr is nan; wanted 0 or more"),
        (["--momentum", "nan"], "--momentum is nan; wanted 0 or more"),
        (["--weight-decay", "nan"], "--weight-decay is nan; wanted 0 or more"),
        (["--label-smoothing", "nan"], "--label-smoothing is nan; wanted 0 or more"),
        (["--schedule", "step", "--epochs", "4", "--warmup-epochs", "2"], "--milestones has 2"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_run_folder(arguments, message, capsys):
    assert cifar.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not pathlib.Path("runs").exists()


def test_help_tells_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        cifar.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for field in dataclasses.fields(cifar.Config):
        assert f"--{field.name.replace('_', '-')}" in out


@pytest.mark.parametrize("method", ["none", "dropblock"])
def test_methods_that_mix_no_pictures_have_no_preview(method):
    learner = trainer(method=method)
    assert learner.preview(learner.fresh()) is None


def test_the_preview_is_of_the_batch_that_training_mixes():
    learner = trainer(method="mixup")
    images, mixed, mix, labels, maps = learner.preview(learner.fresh())
    assert maps is None
    assert images.dtype == mixed.dtype == np.uint8
    rows = np.asarray(learner.order(0))[:32]
    np.testing.assert_array_equal(labels, learner.dataset.train_labels[rows])
    share = mix.weight[:, 1, None, None, None]
    # Two roundings to whole levels, of the picture and of the mix.
    np.testing.assert_allclose(mixed, (1 - share) * images + share * images[mix.source[:, 1]], atol=1.01)


def test_lines_after_the_checkpoint_are_dropped(place):
    (place / "metrics.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in (5, 10, 15)))
    metrics = run_dir.Metrics(place, step=10, tensorboard=False)
    metrics.write({"step": 15, "again": True})
    assert [line["step"] for line in lines(place)] == [5, 10, 15]
    assert lines(place)[-1]["again"]


def test_two_runs_of_one_second_have_two_folders(place, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "20260131-120000")
    assert run_dir.create(place, "digits").name == "20260131-120000-digits"
    assert run_dir.create(place, "digits").name == "20260131-120000-digits-2"


@pytest.mark.usefixtures("single")
def test_a_run_is_not_resumed_on_other_pictures(capsys):
    assert cifar.main([*QUICK, "--epochs", "1", "--method", "none"]) == 0
    folder = run_folder()
    before = json.loads((folder / "dataset.json").read_text())
    run_dir.write_json(folder / "dataset.json", before | {"crc32": before["crc32"] | {"train": 1}})
    assert cifar.main(["--resume", str(folder)]) == 2
    assert "holds other pictures than" in capsys.readouterr().err
    (folder / "dataset.json").unlink()
    assert cifar.main(["--resume", str(folder)]) == 2
    assert "is " + str(folder) + " the folder of a run?" in capsys.readouterr().err


def test_a_configuration_of_another_version_is_refused_with_the_fields_that_differ():
    folder = pathlib.Path("runs/one")
    folder.mkdir(parents=True)
    content = cifar.encoded(cifar.Config(milestones=()))
    del content["flip"]
    run_dir.write_json(folder / "config.json", content | {"colour": 1})
    with pytest.raises(ValueError, match=r"config\.json is of another version.*unknown: colour; missing: flip"):
        cifar.resumed(folder, ["--resume", str(folder)])
    run_dir.write_json(folder / "config.json", [])
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a run"):
        cifar.resumed(folder, ["--resume", str(folder)])


def test_every_call_is_noted_with_its_versions_and_what_differs_from_the_first(place, monkeypatch):
    assert run_dir.add_versions(place, 0) == []
    first = run_dir.versions()
    monkeypatch.setattr(runs, "versions", lambda: first | {"jax": "0.0", "devices": {"count": 3}})
    assert run_dir.add_versions(place, 7) == ["jax", "devices"]
    calls = json.loads((place / "versions.json").read_text())
    assert [(call["step"], call["jax"]) for call in calls] == [(0, first["jax"]), (7, "0.0")]
    run_dir.write_json(place / "versions.json", first)
    with pytest.raises(ValueError, match=r"versions\.json is not a list"):
        run_dir.add_versions(place, 7)


@pytest.mark.usefixtures("single")
def test_other_versions_damaged_checkpoints_and_lost_metrics_of_a_resumed_run_are_told(capsys, monkeypatch):
    assert cifar.main([*ONE_STEP, "--epochs", "2"]) == 0
    folder = run_folder()
    (folder / "metrics.jsonl").unlink()
    first = run_dir.versions()
    monkeypatch.setattr(runs, "versions", lambda: first | {"jax": "0.0"})
    capsys.readouterr()
    assert cifar.main(["--resume", str(folder)]) == 0
    captured = capsys.readouterr()
    assert f"warning: jax not as in the first entry of {folder / 'versions.json'}" in captured.err
    assert f"no results to show: {folder / 'metrics.jsonl'} has no lines" in captured.out
    for path in (folder / "checkpoints" / "2").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    assert cifar.main(["--resume", str(folder)]) == 2
    error = capsys.readouterr().err
    assert f"the checkpoint {(folder / 'checkpoints' / '2').absolute()} can't be read" in error
    assert "Delete that folder to go on from the checkpoint before it, or from the start" in error
    shutil.rmtree(folder / "checkpoints" / "2")
    assert cifar.main(["--resume", str(folder)]) == 0
    assert [call["step"] for call in json.loads((folder / "versions.json").read_text())] == [0, 2, 1]
