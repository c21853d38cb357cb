"""What everything costs on this machine's device, most telling first, in a few minutes.

    python benchmarks/accelerator.py [--minutes 8] [--only PHASE ...] [--smoke] [--out FILE] [--data FILE]

Needs JAX for the device, numpy, scipy, jaxtyping, optax, flax and this checkout; timm and torchvision are measured
beside it where they are installed. Each result is a line of a JSON file as soon as it is there, so a run that is cut
short, even by SIGKILL, loses only what it was at. The program ends by itself within its minutes; the same command again
measures what is missing, or with --minutes 0 prints the tables of what there is. Results of another device, of other
versions or of other code in jaxmix/ and train/ stand beside each other in a file.

phases:
  sanity       every method, same key: on the device the same bits as on the CPU?
  copy         the bandwidth of a copy, the unit for the rest, and the bare blend
  mix          methods without maps: time, and bandwidth as a share of the copy's; timm and torchvision beside them
  guided       SAGE's searches, PuzzleMix's and Co-Mixup's solvers, SnapMix, SaliencyMix, their maps given
  policies     augmix, autoaugment, randaugment, trivialaugment; AugMix's chains in both forms
  corruptions  the 19 of CIFAR-C and ImageNet-C
  train        the trainer's steps: images a second, memory, the share of augmentation
  compile      seconds to trace and to compile every method
  learn        with --data FILE: trains through train/cifar.py
"""

import time

STARTED = time.monotonic()

import argparse
import hashlib
import os
import pathlib
import sys
import threading
from typing import Any

import measure

if __name__ == "__main__":
    measure.with_allocator()

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import flax
import jax
import jaxlib
import numpy as np
import optax

import goals
import jaxmix
from items import Context, Item, in_words
from journal import Journal
from phases import PHASES
from timetable import Timetable, in_order

# Seconds before the end at which what is still at work is given up.
GIVE_UP = 3.0


def main(arguments: list[str] | None = None) -> int:
    started = STARTED if arguments is None else time.monotonic()
    options = parsed(arguments)
    device = jax.devices()[0]
    context = Context(device.platform, options.smoke, options.data, options.epochs)

    # ---- what there is, and what is missing
    try:
        journal = Journal(options.out or default_path(options.smoke, device.platform), common())
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    items = [item for phase in PHASES if phase in options.only for item in PHASES[phase].items(context)]
    missing = [item for item in items if not journal.has(key(journal, item))]
    print(f"{measure.where()}, jax {jax.__version__}: {len(items)} items, {len(items) - len(missing)} of them there")
    for note in context.notes:
        print(f"left out: {note}")

    # ---- one after the other, while there is time
    timetable = Timetable(60 * options.minutes, started)
    queue = in_order(missing, [bool(journal.attempts(key(journal, item))) for item in missing])
    with Watch(journal, timetable, options.only) as watch:
        left = [item for item in queue if not measured(item, journal, timetable, watch)]

    # ---- tables
    print(report(journal, options.only))
    if left:
        print(f"\n{len(left)} items are missing, the first of them {left[0].words()}: run the same command again")
    print(f"\n{journal.path} has all results")
    return 0


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="time in all, by default 8 (with --smoke 2)")
    parser.add_argument("--only", nargs="+", metavar="PHASE", choices=PHASES, default=list(PHASES), help="phases")
    parser.add_argument(
        "--smoke", action="store_true", help="all phases, tiny, to see that they run; no figures to quote"
    )
    parser.add_argument("--out", type=pathlib.Path, help="by default benchmarks/results/accelerator-PLATFORM.jsonl")
    parser.add_argument("--data", type=pathlib.Path, help="npz file for learn: x_train, y_train, x_test, y_test")
    parser.add_argument("--epochs", type=int, default=30, help="of learn, by default 30")
    options = parser.parse_args(arguments)
    if options.minutes is None:
        options.minutes = 2.0 if options.smoke else 8.0
    if options.data is not None and not options.data.is_file():
        parser.error(f"--data is {options.data}, which is no file; wanted an npz file")
    return options


def default_path(smoke: bool, platform: str) -> pathlib.Path:
    return measure.RESULTS / f"accelerator-{'smoke-' * smoke}{platform}.jsonl"


def common() -> dict[str, Any]:
    """What is part of every key: the device, the versions, and the code that is measured."""
    versions = {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "flax": flax.__version__}
    versions |= {"optax": optax.__version__, "numpy": np.__version__, "jaxmix": jaxmix.__version__}
    return {"device": measure.where(), "platform": jax.devices()[0].platform, "versions": versions, "code": code()}


def code() -> str:
    """A checksum of the library and the trainer."""
    root, found = pathlib.Path(__file__).parents[1], hashlib.sha256()
    for tree in ("jaxmix", "train"):
        for file in sorted((root / tree).rglob("*.py")):
            found.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


def key(journal: Journal, item: Item) -> dict[str, Any]:
    return journal.key(item.phase, item.name, item.setting)


class Watch:
    """Ends the program shortly before its time is up, also in the middle of a compilation, with its tables."""

    def __init__(self, journal: Journal, timetable: Timetable, phases: list[str]) -> None:
        self.journal, self.phases = journal, phases
        self.now: tuple[Item, float] | None = None  # what is being measured, and since when
        self._timer = threading.Timer(max(timetable.left - GIVE_UP, 0.0), self._end)
        self._timer.daemon = True

    def __enter__(self) -> "Watch":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        if self.now is None:  # the program is at its own end
            return
        item, begun = self.now
        self.journal.add(key(self.journal, item), cut=time.monotonic() - begun)
        print(f"\nthe time is up in the middle of {item.words()}")
        print(report(self.journal, self.phases))
        print(f"\n{self.journal.path} has all results; the same command again goes on", flush=True)
        os._exit(0)


def measured(item: Item, journal: Journal, timetable: Timetable, watch: Watch) -> bool:
    """Measure an item and write down what came of it; False where there is no time for it."""
    attempts = journal.attempts(key(journal, item))
    cut = max((attempt.get("cut", 0.0) for attempt in attempts), default=0.0)
    if timetable.left <= GIVE_UP or max(timetable.expected(item), cut) + GIVE_UP > timetable.left:
        return False
    begun = time.monotonic()
    watch.now = item, begun
    print(f"{timetable.left:5.0f} s left  {item.words()}", end=" ", flush=True)
    outcome: dict[str, Any]
    try:
        outcome = {"result": item.measure(item.programs())}
        shown = cells(PHASES[item.phase].COLUMNS, outcome["result"])
    except Exception as error:  # such as too little memory: the others go on
        outcome = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        shown = {"failed": outcome["failed"]}
    watch.now = None
    seconds = time.monotonic() - begun
    journal.add(key(journal, item), **outcome, seconds=seconds)
    timetable.took(item, seconds)
    print(f"({seconds:.1f} s): {', '.join(f'{name} {value}' for name, value in shown.items())}", flush=True)
    return True


def cells(columns: dict[str, str], result: dict[str, Any]) -> dict[str, str]:
    """What of a result is shown, in words."""
    found = {name: form.format(result[name]) for name, form in columns.items() if result.get(name) is not None}
    return found or {name: str(value) for name, value in result.items()}


def report(journal: Journal, phases: list[str]) -> str:
    """A Markdown table for each phase, and on accelerators one of the goals."""
    parts = [f"\n{journal.common['device']}, {', '.join(f'{n} {v}' for n, v in journal.common['versions'].items())}"]
    for phase in phases:
        records = journal.found(phase)
        if records:
            parts.append(f"{phase}\n\n{table(PHASES[phase].COLUMNS, records)}")
    if journal.common["platform"] != "cpu":
        parts.append(goals.table(journal.found()))
    return "\n\n".join(parts)


def table(columns: dict[str, str], records: list[dict[str, Any]]) -> str:
    """A row for each record, with the columns that any of them has."""
    rows = [(record["key"], cells(columns, record["result"])) for record in records]
    titles = [name for name in columns if any(name in found for _, found in rows)]
    lines = [f"| | | {' | '.join(title.replace('_', ' ') for title in titles)} |", "|---" * (2 + len(titles)) + "|"]
    for found_key, found in rows:
        values = [found.get(title, "") for title in titles]
        if not any(values):  # what a peer can't do
            values = [", ".join(found.values()), *values[1:]]
        setting = in_words(found_key["setting"])
        lines.append(f"| {found_key['name']} | {setting} | {' | '.join(values)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
