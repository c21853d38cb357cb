"""The loop, with a step that only counts: calls, metrics, checkpoints, interrupts, values that are not finite."""

import os
import signal
from typing import NamedTuple

import numpy as np
import pytest

import loop


class Counter(NamedTuple):
    step: int
    totals: tuple = (0.0, 0.0)


class Saved:
    """Stands in for checkpoints and metrics."""

    def __init__(self, folder):
        self.folder, self.steps, self.lines, self.closed = folder, [], [], 0

    def save(self, step, state):
        assert step == state.step
        self.steps.append(step)

    def latest(self):
        return self.steps[-1] if self.steps else None

    def write(self, line):
        self.lines.append(line)

    def close(self):
        self.closed += 1


def train(folder, *, start=0, at=None, losses=(), test_loss=1.0, finite=lambda state: True, **plan):
    """Three epochs of five steps, in calls of two; `at(step)` is called after each. Returns all there is to check."""
    calls, saved = [], Saved(folder)

    def advance(state, epoch, count):
        calls.append((epoch, state.step, count))
        steps = range(state.step, state.step + count)
        if at is not None:
            at(state.step + count)
        metrics = np.array([[losses[i] if i < len(losses) else 0.5, 0.25] for i in steps])
        return Counter(state.step + count, (2.5, 1.25)), metrics

    options = {"epochs": 3, "steps_per_epoch": 5, "batch_size": 8, "steps_per_call": 2, "checkpoint_every": 1}
    plan = loop.Plan(**options | plan, advice="Try less.", resume="go on with --resume")
    functions = loop.Functions(
        advance, lambda state: loop.Evaluation(test_loss, 0.5, 40), finite, lambda step: step / 10
    )
    state, code = loop.train(Counter(start), functions, plan, folder, saved, saved)
    assert saved.closed == 2  # checkpoints and metrics
    return code, state, calls, saved


def interrupt(when):
    return lambda step: os.kill(os.getpid(), signal.SIGINT) if step == when else None


def test_every_epoch_is_trained_tested_written_and_saved(tmp_path, capsys):
    code, state, calls, saved = train(tmp_path)
    assert (code, state.step) == (0, 15)
    assert calls[:4] == [(0, 0, 2), (0, 2, 2), (0, 4, 1), (1, 5, 2)]
    assert [line["step"] for line in saved.lines] == saved.steps == [5, 10, 15]
    line = saved.lines[1]
    assert (line["epoch"], line["train_loss"], line["train_accuracy"]) == (2, 0.5, 0.25)
    assert (line["test_loss"], line["test_accuracy"], line["test_images"]) == (1.0, 0.5, 40)
    assert line["learning_rate"] == 0.9 and line["seconds"] >= 0 and line["images_per_second"] > 0
    assert "epoch 2/3  train loss 0.5000 accuracy 0.2500   test loss 1.0000 accuracy 0.5000" in capsys.readouterr().out


@pytest.mark.parametrize(("every", "steps"), [(2, [10, 15]), (5, [15])])
def test_checkpoints_come_every_n_epochs_and_at_the_end(tmp_path, every, steps):
    assert train(tmp_path, checkpoint_every=every)[3].steps == steps


def test_calls_depend_on_the_step_alone_so_a_resumed_run_makes_the_same(tmp_path):
    whole = train(tmp_path)[2]
    assert train(tmp_path, start=6)[2] == [(1, 6, 1), *whole[4:]]


def test_a_finished_run_is_not_trained_on(tmp_path):
    code, _, calls, saved = train(tmp_path, start=15)
    assert (code, calls, saved.lines) == (0, [], [])


def test_an_interrupt_in_an_epoch_saves_and_says_how_to_go_on(tmp_path, capsys):
    code, state, calls, saved = train(tmp_path, at=interrupt(7))
    assert (code, state.step, saved.steps, len(saved.lines)) == (130, 7, [5, 7], 1)
    assert "interrupted after step 7 (in epoch 2/3); all of it is saved; go on with --resume" in capsys.readouterr().out


def test_an_interrupt_in_the_last_step_of_an_epoch_ends_the_epoch_first(tmp_path, capsys):
    code, _, _, saved = train(tmp_path, at=interrupt(10), checkpoint_every=9)
    assert (code, saved.steps, len(saved.lines)) == (130, [10], 2)
    assert "interrupted after epoch 2/3; all of it is saved" in capsys.readouterr().out
    assert train(tmp_path, at=interrupt(15))[0] == 0  # there is nothing to go on with


def test_the_handlers_of_signals_are_put_back_and_a_second_interrupt_stops_at_once(tmp_path):
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def twice(step):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)  # to this thread: two that are sent to the process may become one

    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, at=twice)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    finally:
        signal.signal(signal.SIGINT, inherited)


@pytest.mark.parametrize("step", [6, 7, 9])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, capsys, step):
    code, _, _, saved = train(tmp_path, losses=[0.5] * step + [np.nan])
    assert (code, saved.steps) == (1, [5])
    error = capsys.readouterr().err
    assert f"the loss of step {step}, or the state after its update, is not finite (epoch 2)" in error
    assert f"the last checkpoint is {tmp_path / '5'}" in error
    assert f"Try less. The run is in {tmp_path}." in error


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"finite": lambda state: False}, 4),
        ({"finite": lambda state: False, "at": interrupt(2)}, 1),
        ({"test_loss": np.inf}, 4),
    ],
)
def test_a_state_that_is_not_finite_is_neither_saved_nor_written(tmp_path, capsys, options, step):
    code, _, _, saved = train(tmp_path, **options)
    assert (code, saved.steps, saved.lines) == (1, [], [])
    error = capsys.readouterr().err
    assert f"the loss of step {step}, or the state after its update, is not finite (epoch 1)" in error
    assert "there is no checkpoint yet" in error


def test_evaluation_is_the_weighted_mean_over_batches():
    batches = [(np.array([1.0, 3.0]), np.array([1.0, 1.0])), (np.array([8.0, 99.0]), np.array([1.0, 0.0]))]

    def measure(batch, weight, sums):
        return sums + np.array([(batch * weight).sum(), ((batch > 2) * weight).sum(), weight.sum()])

    assert loop.evaluate(measure, batches, np.zeros(3)) == loop.Evaluation(4.0, pytest.approx(2 / 3), 3)
