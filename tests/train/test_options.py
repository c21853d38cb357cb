"""The options of the trainer from end to end, with a tiny network on a data set of its own."""

import os
import pathlib
import signal
import types
from typing import NamedTuple

import jax
import numpy as np
import pytest
import tiny
from test_cifar import assert_same_bits, final_state, lines

import cifar
import devices
import loop
import models
import preview
from checkpoints import Checkpoints
from eval import load_run

ALL = (
    *("--dataset", "npz", "--data-dir", "tiny.npz", "--batch-size", "8", "--epochs", "3", "--method", "mixup"),
    *("--val-share", ".2", "--balanced", "--accumulate", "3", "--ema", ".8", "--clip-norm", "1", "--mix-until", "2"),
    *("--mix-share", ".7"),
    *("--optimizer", "adamw", "--lr", ".01"),
)


class Counter(NamedTuple):
    step: int
    totals: tuple = (1.0, 0.5)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in, with a data set; every model is tiny."""
    data = tiny.dataset(train=70, test=12)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setattr(preview, "plot", lambda *_: None)  # its program is of no concern here
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    monkeypatch.setattr(models, "create", lambda model, classes, channels, rngs, dtype: tiny.Tiny(channels, rngs))
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    np.savez("tiny.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    return tmp_path


def interrupt_after(monkeypatch, step):
    """Send SIGINT once `step` steps are done."""
    advance = loop.Functions.advance

    def interrupted(functions):
        def stopping(state, epoch, count):
            result = advance.__get__(functions)(state, epoch, count)
            if int(result[0].step) == step:
                signal.raise_signal(signal.SIGINT)
            return result

        return stopping

    monkeypatch.setattr(loop.Functions, "advance", property(interrupted))


def run_of(root):
    (folder,) = pathlib.Path(root).iterdir()
    return folder


def best_step(folder):
    checkpoints = Checkpoints(folder / "best", create=False)
    found = checkpoints.latest()
    checkpoints.close()
    return found


def assert_same_run(one, other):
    assert_same_bits(final_state(one), final_state(other))
    assert_same_bits(final_state(one / "best"), final_state(other / "best"))
    timeless = [
        [{name: value for name, value in line.items() if "second" not in name} for line in lines(folder)]
        for folder in (one, other)
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.slow
@pytest.mark.unoptimized
def test_a_run_with_every_option_ends_with_the_same_bits_once_interrupted_and_resumed(place, capsys, monkeypatch):
    with jax.numpy_dtype_promotion("standard"):  # as for users: optax raises a float to its count of updates
        assert cifar.main([*ALL, "--runs-dir", "whole"]) == 0
        out = capsys.readouterr().out
        with monkeypatch.context() as patch:
            interrupt_after(patch, 8)  # the second of three steps to an update
            assert cifar.main([*ALL, "--runs-dir", "cut"]) == 130
        assert cifar.main(["--resume", str(run_of("cut"))]) == 0
    whole, found = run_of("whole"), lines(run_of("whole"))
    assert [line["step"] for line in found] == [6, 12, 18]  # of 7 steps of 8 images, one is left out
    assert (found[0]["val_images"], found[0]["test_images"]) == (14, 12)
    best = max(found, key=lambda line: (line["val_accuracy"], -line["step"]))
    assert f"best validation      epoch {best['epoch']}, {100 * best['val_accuracy']:.2f} % of 14 images" in out
    assert f"test accuracy there  {100 * best['test_accuracy']:.2f} %" in out and "best epoch" not in out
    assert best_step(whole) == best["step"]
    assert_same_run(whole, run_of("cut"))
    trained = load_run.load(whole, checkpoint="best", batch_size=12)
    assert trained.step == best["step"]
    saved = final_state(whole / "best")
    (average,) = [name for name in saved if name.startswith("average") and "classifier.linear.kernel" in name]
    np.testing.assert_array_equal(trained.kernel, saved[average])
    tested = load_run.error(trained.logits(trained.images), trained.labels)
    assert tested == pytest.approx(1 - best["test_accuracy"])


@pytest.mark.parametrize("losses", [(1.0, 2.0, 3.0), (1.0, float("nan"))])
def test_the_best_epoch_is_offered_and_a_validation_loss_that_is_not_finite_ends_the_training(losses, place):
    """With a step that only counts."""
    validated = iter(losses)
    offered, kept = [], types.SimpleNamespace(lines=[], folder=place, steps=[], close=lambda: None)
    kept.save, kept.write = (lambda step, state: kept.steps.append(step)), kept.lines.append
    kept.latest, kept.check, kept.wait = lambda: (kept.steps or [None])[-1], lambda: None, lambda: None
    best = types.SimpleNamespace(
        offer=lambda step, state, lines: offered.append((step, lines[-1]["val_accuracy"], list(kept.steps))),
        settle=lambda written: offered.append("settled"),
        close=lambda: offered.append("closed"),
    )
    functions = loop.Functions(
        lambda state, epoch, count: (Counter(state.step + count), np.full((count, 2), 0.5)),
        lambda state: loop.Evaluation(1.0, 0.5, 12),
        lambda state: True,
        lambda step: 0.1,
        lambda state: loop.Evaluation(next(validated), 0.25, 14),
        best,
    )
    plan = loop.Plan(epochs=3, steps_per_epoch=2, batch_size=8, steps_per_call=2, checkpoint_every=2)
    code = loop.train(Counter(0), functions, plan, place, kept, kept)[1]
    assert offered.pop() == "closed"
    # Offered before the checkpoint of its step is written, settled after one is.
    expected = [(2, 0.25, []), (4, 0.25, []), "settled", (6, 0.25, [4]), "settled"]
    assert (code, offered) == ((0, expected) if np.isfinite(losses).all() else (1, expected[:1]))


@pytest.mark.slow
@pytest.mark.unoptimized
def test_an_extended_run_ends_with_the_same_bits_once_interrupted_and_resumed(place, capsys, monkeypatch):
    with jax.numpy_dtype_promotion("standard"):
        for name in ("whole", "cut"):
            assert cifar.main([*ALL, "--runs-dir", name]) == 0
        extended = ["--resume", str(run_of("cut")), "--extend", "2"]
        with monkeypatch.context() as patch:
            interrupt_after(patch, 22)
            assert cifar.main(extended) == 130
        assert cifar.main(extended) == 0  # the same command goes on
        assert cifar.main(["--resume", str(run_of("whole")), "--extend", "2"]) == 0
        capsys.readouterr()
        assert cifar.main(extended) == 0  # and then has nothing to do
        assert "epoch 5/5" not in capsys.readouterr().out
    assert_same_run(run_of("whole"), run_of("cut"))
    found = lines(run_of("cut"))
    assert [line["epoch"] for line in found] == [1, 2, 3, 4, 5]
    assert cifar.read(run_of("cut")).extend == (2,)
    # The rate of the last update of the first of two epochs, of two updates each: a quarter of half a cosine.
    assert found[3]["learning_rate"] == pytest.approx(1e-3 * (1 + np.cos(np.pi / 4)) / 2)
