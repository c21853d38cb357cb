"""The training loop: epochs, interrupts, the guard against non-finite values, metrics and checkpoints.

It knows no network and no data set: it calls functions of a state.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array
from tqdm import tqdm

import processes
from agreements import Agreement, together
from best import Best
from checkpoints import Checkpoints, DamagedError
from exits import Interrupt, StorageError, describe
from inputs.source import Advance
from plans import NotFiniteError, Plan, in_words, kept, newest, not_finite
from run_dir import Metrics

__all__ = ["Evaluation", "Functions", "Plan", "evaluate", "train"]


class Evaluation(NamedTuple):
    """Means over the test images, and their number; `others` are of the measures besides the accuracy, by name."""

    loss: float
    accuracy: float
    images: int
    others: Mapping[str, float] = {}


class Functions(NamedTuple):
    """What the loop calls.

    advance: (state, epoch, count) -> (state, loss and accuracy of each step [count 2]); consumes the state
    evaluate: on the test images
    finite: whether every value of a state is finite
    learning_rate: of a step
    validate: on the validation images, None where there are none
    best: is offered the state of every epoch that is validated, and closed at the end
    """

    advance: Advance
    evaluate: Callable[[Any], Evaluation]
    finite: Callable[[Any], bool]
    learning_rate: Callable[[int], Any]
    validate: Callable[[Any], Evaluation] | None = None
    best: Best | None = None


def train(
    state: Any, functions: Functions, plan: Plan, folder: Path, checkpoints: Checkpoints, metrics: Metrics
) -> tuple[Any, int]:
    """Train and test from a state to the last epoch; closes the checkpoints and the metrics.

    Returns the last state and the exit code: 0, 1 for a non-finite value, 128 and the number of the signal on an
    interrupt. Raises StorageError where a file can't be written.
    """
    best = functions.best
    last = contextlib.nullcontext() if best is None else contextlib.closing(best)
    with contextlib.closing(metrics), contextlib.closing(checkpoints), last, Interrupt() as interrupt:
        try:
            _measure_missing(state, functions, plan, checkpoints, metrics)
            return _epochs(state, functions, plan, checkpoints, metrics, interrupt)
        except NotFiniteError as error:  # in all processes alike
            if processes.first():
                print(not_finite(error.step, plan, folder, checkpoints), file=sys.stderr)
            return state, 1
        except KeyboardInterrupt as stop:
            stop.add_note(f"stopped at once; {newest(checkpoints)}; {plan.resume}")
            raise
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(f"{describe(error, folder)}; {kept(checkpoints)}; {plan.resume}") from error
        except jax.errors.JaxRuntimeError as error:
            if not processes.several():
                raise
            raise StorageError(f"{processes.lost(error)}; {kept(checkpoints)}; {plan.resume}") from error


def _epochs(
    state: Any, functions: Functions, plan: Plan, checkpoints: Checkpoints, metrics: Metrics, interrupt: Interrupt
) -> tuple[Any, int]:
    """Train to the last epoch or an interrupt. Returns the last state and the exit code."""
    step, agreement = int(state.step), Agreement()
    while step < plan.steps:
        epoch, first, begun, cpu = step // plan.steps_per_epoch, step, time.perf_counter(), time.process_time()
        title = f"epoch {epoch + 1}/{plan.epochs}"
        state, step = _epoch(state, step, functions, plan, lambda step: agreement.after(step, interrupt.number))
        if step < (epoch + 1) * plan.steps_per_epoch:
            _check_finite(state, step, functions)
            checkpoints.save(step, state)
            checkpoints.wait()
            print(f"\ninterrupted after step {step} (in {title}); all of it is saved; {plan.resume}")
            return state, 128 + agreement.number
        seconds = time.perf_counter() - begun
        line = _results(state, step, functions, plan)
        line["images_per_second"] = (step - first) * plan.batch_size / seconds
        line["seconds"], line["cpu_seconds"] = time.perf_counter() - begun, time.process_time() - cpu
        # On disk before the checkpoint is: a run that ends here trains this epoch again, and no line is ever missing.
        with together():
            metrics.write(line)
        print(f"{title}  {in_words(line)}", flush=True)
        checkpoints.check()
        if functions.best is not None:
            functions.best.offer(step, state, metrics.lines)
        stop = agreement.ask(step, interrupt.number)
        if (epoch + 1) % plan.checkpoint_every == 0 or step == plan.steps or stop:
            _save(step, state, checkpoints, functions.best, wait=bool(step == plan.steps or stop))
        if stop and step < plan.steps:
            print(f"\ninterrupted after {title}; all of it is saved; {plan.resume}")
            return state, 128 + stop
    return state, 0


def _save(step: int, state: Any, checkpoints: Checkpoints, best: Best | None, *, wait: bool) -> None:
    """Begin to write a checkpoint, or, to `wait`, write it; and drop what was best before those that are written."""
    checkpoints.save(step, state)
    if wait:
        checkpoints.wait()
    latest = checkpoints.latest()
    if best is not None and latest is not None:
        best.settle(latest)


def _measure_missing(state: Any, functions: Functions, plan: Plan, checkpoints: Checkpoints, metrics: Metrics) -> None:
    """Test again where the metrics lack a line, as after a damage of their file, and a checkpoint has its state."""
    known, step = {line["step"] for line in metrics.lines}, int(state.step)
    ends = range(plan.steps_per_epoch, step + 1, plan.steps_per_epoch)
    lost = []
    for end in (end for end in ends if end not in known):
        begun = time.perf_counter()
        try:
            there = end in checkpoints.steps()
            found = state if end == step else checkpoints.restore(state, end) if there else None
        except DamagedError:
            found = None
        if found is None:
            lost.append(end // plan.steps_per_epoch)
            continue
        line = _results(found, end, functions, plan) | {"images_per_second": None, "cpu_seconds": None}
        with together():
            metrics.write(line | {"seconds": time.perf_counter() - begun})
        print(f"epoch {line['epoch']}/{plan.epochs} was missing in the metrics, and is tested again", flush=True)
    if lost and processes.first():
        print(
            f"warning: the metrics of epoch {', '.join(map(str, lost))} are lost, and no checkpoint can restore them; "
            "the training itself is whole.",
            file=sys.stderr,
        )


def evaluate(
    measure: Callable[..., Array], batches: Iterable[tuple[Any, Array]], zeros: Array, names: tuple[str, ...] = ()
) -> Evaluation:
    """The means over batches of `measure(batch, weight, sums) -> sums` of loss, accuracy, weight and what is named."""
    sums = zeros
    for batch, weight in batches:
        sums = measure(batch, weight, sums)
    loss, correct, counted, *others = np.asarray(sums, np.float64)
    means = {name: float(value / counted) for name, value in zip(names, others, strict=True)}
    return Evaluation(float(loss / counted), float(correct / counted), int(counted), means)


def _epoch(
    state: Any, step: int, functions: Functions, plan: Plan, stop_before: Callable[[int], int]
) -> tuple[Any, int]:
    """Steps to the end of the epoch or an interrupt. Returns the state and the number of steps done."""
    epoch, position = divmod(step, plan.steps_per_epoch)
    with tqdm(
        total=plan.steps_per_epoch * plan.batch_size,
        initial=position * plan.batch_size,
        desc=f"epoch {epoch + 1}/{plan.epochs}",
        unit=" images",
        unit_scale=True,
        leave=False,
        dynamic_ncols=True,
        disable=None if processes.first() else True,
    ) as bar:
        # The host reads the metrics of one call while the device is at the next.
        waiting: jax.Array | None = None
        while position < plan.steps_per_epoch and not stop_before(step):
            # Where a call starts and ends depends on the step alone, so a resumed run makes the same calls.
            count = min(plan.steps_per_call - position % plan.steps_per_call, plan.steps_per_epoch - position)
            with jax.transfer_guard("disallow"):  # a step waits for nothing that lies elsewhere
                state, metrics = functions.advance(state, epoch, count)
            if waiting is not None:
                _read(waiting, step, bar)
            waiting, step, position = metrics, step + count, position + count
            bar.update(count * plan.batch_size)
        if waiting is not None:
            _read(waiting, step, bar)
    return state, step


def _read(metrics: Array, end: int, bar: Any) -> None:
    """Show the last metrics of the call that ended before step `end`. Raises NotFiniteError for a loss of the call."""
    rows = jax.device_get(metrics)
    loss, correct = rows[-1]
    bar.set_postfix_str(f"loss {loss:.3f} accuracy {correct:.3f}", refresh=False)
    failed = np.flatnonzero(~np.isfinite(rows[:, 0]))
    if failed.size:
        raise NotFiniteError(end - len(rows) + int(failed[0]))


def _check_finite(state: Any, step: int, functions: Functions) -> None:
    if not functions.finite(state):
        raise NotFiniteError(step - 1)


def _results(state: Any, step: int, functions: Functions, plan: Plan) -> dict[str, Any]:
    """The metrics of an epoch that has ended. Raises NotFiniteError for the test loss or the state."""
    loss, correct = (float(total) / plan.steps_per_epoch for total in np.asarray(state.totals))
    test = functions.evaluate(state)
    if not np.isfinite(test.loss):
        raise NotFiniteError(step - 1)
    validated = {}
    if functions.validate is not None:
        found = functions.validate(state)
        if not np.isfinite(found.loss):
            raise NotFiniteError(step - 1)
        validated = {"val_loss": found.loss, "val_accuracy": found.accuracy, "val_images": found.images}
    _check_finite(state, step, functions)
    return {
        "epoch": step // plan.steps_per_epoch,
        "step": step,
        "train_loss": loss,
        "train_accuracy": correct,
        "test_loss": test.loss,
        "test_accuracy": test.accuracy,
        "test_images": test.images,
        **{f"test_{name}": value for name, value in test.others.items()},
        "learning_rate": float(functions.learning_rate(step - 1)),
    } | validated
