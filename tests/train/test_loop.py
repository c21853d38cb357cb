"""The loop, with a step that only counts: calls, metrics, checkpoints, interrupts, values that are not finite."""

import signal
import types
from typing import NamedTuple

import jax
import numpy as np
import pytest

import exits
import loop
import run_dir
from checkpoints import DamagedError


class Counter(NamedTuple):
    step: int
    totals: tuple = (0.0, 0.0)


class Saved:
    """Stands in for checkpoints and metrics.

    order: of what was written
    """

    def __init__(self, folder, steps=(), lines=()):
        self.folder, self.saved, self.lines, self.closed, self.order = folder, list(steps), list(lines), 0, []

    def save(self, step, state):
        assert step == state.step
        self.saved.append(step)
        self.order.append(("checkpoint", step))

    def check(self):
        pass

    def wait(self):
        pass

    def latest(self):
        return self.saved[-1] if self.saved else None

    def steps(self):
        return self.saved

    def restore(self, like, step):
        if step == 0:
            raise DamagedError
        return Counter(step, (step / 2, step / 4))

    def write(self, line):
        self.lines.append(line)
        self.order.append(("line", line["step"]))

    def close(self):
        self.closed += 1


def train(folder, *, start=0, at=None, losses=(), test_loss=1.0, finite=lambda state: True, before=None, **plan):
    """Three epochs of five steps, in calls of two; `at(step)` is called after each. Returns all there is to check.

    `before` is what an earlier call has left; by default a line of each epoch.
    """
    earlier = [{"step": step} for step in range(5, start + 1, 5)]
    calls, saved = [], Saved(folder, lines=earlier) if before is None else before

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


def interrupt(when, number=signal.SIGINT):
    return lambda step: signal.raise_signal(number) if step == when else None


def test_a_signal_that_nohup_ignores_stays_ignored(tmp_path):
    inherited = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert train(tmp_path, at=interrupt(7, signal.SIGHUP))[0] == 0
    signal.signal(signal.SIGHUP, inherited)


def test_every_epoch_is_trained_tested_written_and_saved(tmp_path, capsys):
    code, state, calls, saved = train(tmp_path)
    assert (code, state.step) == (0, 15)
    assert calls[:4] == [(0, 0, 2), (0, 2, 2), (0, 4, 1), (1, 5, 2)]
    assert [line["step"] for line in saved.lines] == saved.saved == [5, 10, 15]
    line = saved.lines[1]
    assert (line["epoch"], line["train_loss"], line["train_accuracy"]) == (2, 0.5, 0.25)
    assert (line["test_loss"], line["test_accuracy"], line["test_images"]) == (1.0, 0.5, 40)
    assert line["learning_rate"] == 0.9 and line["seconds"] >= 0 and line["cpu_seconds"] >= 0
    assert line["images_per_second"] > 0
    assert "epoch 2/3  train loss 0.5000 accuracy 0.2500   test loss 1.0000 accuracy 0.5000" in capsys.readouterr().out


@pytest.mark.parametrize(("every", "steps"), [(2, [10, 15]), (5, [15])])
def test_checkpoints_come_every_n_epochs_and_at_the_end(tmp_path, every, steps):
    assert train(tmp_path, checkpoint_every=every)[3].saved == steps


def test_calls_depend_on_the_step_alone_so_a_resumed_run_makes_the_same(tmp_path):
    whole = train(tmp_path)[2]
    assert train(tmp_path, start=6)[2] == [(1, 6, 1), *whole[4:]]


def test_a_finished_run_is_not_trained_on(tmp_path):
    code, _, calls, saved = train(tmp_path, start=15)
    assert (code, calls, saved.order) == (0, [], [])


def test_the_line_of_an_epoch_is_written_before_its_checkpoint(tmp_path):
    order = train(tmp_path, epochs=2)[3].order
    assert order == [("line", 5), ("checkpoint", 5), ("line", 10), ("checkpoint", 10)]


def test_epochs_without_a_line_are_tested_again_where_a_checkpoint_has_their_state(tmp_path, capsys):
    before = Saved(tmp_path, steps=[10, 15], lines=[{"step": 5}])
    code, _, calls, saved = train(tmp_path, start=15, before=before)
    assert (code, calls, [line["step"] for line in saved.lines]) == (0, [], [5, 10, 15])
    line = saved.lines[1]
    assert line.keys() == {*run_dir.FIELDS, "images_per_second", "cpu_seconds"}
    assert line["images_per_second"] is None and line["cpu_seconds"] is None
    assert (line["epoch"], line["train_loss"], line["test_accuracy"], line["learning_rate"]) == (2, 1.0, 0.5, 0.9)
    out, error = capsys.readouterr()
    assert "epoch 2/3 was missing in the metrics, and is tested again" in out and "epoch 3/3 was" in out and not error
    train(tmp_path, start=15, before=Saved(tmp_path, steps=[15], lines=[{"step": 15}]))
    assert "the metrics of epoch 1, 2 are lost, and no checkpoint can restore them" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "there"), OSError("there: No space left")])
def test_a_file_that_cannot_be_written_is_one_line_that_says_how_to_go_on(tmp_path, error):
    def write(self, step, state):
        raise error

    saved = Saved(tmp_path, steps=[3])
    saved.save = types.MethodType(write, saved)
    with pytest.raises(
        exits.StorageError, match=rf"^there: No space left.*; the last checkpoint is {tmp_path}/3; go on"
    ):
        train(tmp_path, before=saved)
    assert saved.closed == 2


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "expected"), SIGNALS)
def test_an_interrupt_in_an_epoch_saves_and_says_how_to_go_on(tmp_path, capsys, number, expected):
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    code, state, calls, saved = train(tmp_path, at=interrupt(7, number))
    signal.signal(signal.SIGHUP, inherited)
    assert (code, state.step, saved.saved, len(saved.lines)) == (expected, 7, [5, 7], 1)
    assert "interrupted after step 7 (in epoch 2/3); all of it is saved; go on with --resume" in capsys.readouterr().out


def test_an_interrupt_in_the_last_step_of_an_epoch_ends_the_epoch_first(tmp_path, capsys):
    code, _, _, saved = train(tmp_path, at=interrupt(10), checkpoint_every=9)
    assert (code, saved.saved, len(saved.lines)) == (130, [10], 2)
    assert "interrupted after epoch 2/3; all of it is saved" in capsys.readouterr().out
    assert train(tmp_path, at=interrupt(15))[0] == 0  # there is nothing to go on with


def test_the_handlers_of_signals_are_put_back_and_a_second_interrupt_stops_at_once(tmp_path):
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def twice(step):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)  # to this thread: two that are sent to the process may become one

    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            train(tmp_path, at=twice)
        assert stopped.value.__notes__ == ["stopped at once; there is no checkpoint yet; go on with --resume"]
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    finally:
        signal.signal(signal.SIGINT, inherited)


@pytest.mark.parametrize("step", [6, 7, 9])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, capsys, step):
    code, _, _, saved = train(tmp_path, losses=[0.5] * step + [np.nan])
    assert (code, saved.saved) == (1, [5])
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
    assert (code, saved.saved, saved.lines) == (1, [], [])
    error = capsys.readouterr().err
    assert f"the loss of step {step}, or the state after its update, is not finite (epoch 1)" in error
    assert "there is no checkpoint yet" in error


def test_a_step_may_not_send_anything_to_the_device_or_fetch_it_unasked(tmp_path):
    def sending(step):
        jax.device_put(np.float32(step))  # by request
        if step == 7:
            jax.jit(lambda x: x + 1)(np.float32(step))

    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        train(tmp_path, at=sending)


def test_evaluation_is_the_weighted_mean_over_batches():
    batches = [(np.array([1.0, 3.0]), np.array([1.0, 1.0])), (np.array([8.0, 99.0]), np.array([1.0, 0.0]))]

    def measure(batch, weight, sums):
        return sums + np.array([(batch * weight).sum(), ((batch > 2) * weight).sum(), weight.sum()])

    assert loop.evaluate(measure, batches, np.zeros(3)) == loop.Evaluation(4.0, pytest.approx(2 / 3), 3)
