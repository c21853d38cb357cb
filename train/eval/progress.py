"""The progress of an evaluation on stderr: bars on a terminal, and elsewhere a line for each part that is done."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from tqdm import tqdm

__all__ = ["bar", "line"]

T = TypeVar("T")


def bar(items: Sequence[T], title: str, unit: str = "it") -> Iterable[T]:
    """The items, with a bar on a terminal; none without a title."""
    return tqdm(items, desc=title, unit=unit, leave=False, disable=None if title else True)


def line(text: str) -> None:
    """Write a line unless stderr is a terminal, which has bars."""
    if not sys.stderr.isatty():
        print(f"    {text}", file=sys.stderr, flush=True)
