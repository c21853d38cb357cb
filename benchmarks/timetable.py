"""Which item is next, and whether there is time for it."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable

from items import Item

__all__ = ["Timetable", "in_order"]

# Of the items measured so far, how many correct the guess of the next.
LAST = 5


class Timetable:
    """The time of a run, and what items have taken in it next to their guesses."""

    def __init__(self, seconds: float, started: float) -> None:
        """`started` is `time.monotonic()` at the start of the program."""
        self.deadline = started + seconds
        self._factors: dict[str, list[float]] = defaultdict(list)

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def took(self, item: Item, seconds: float) -> None:
        self._factors[item.phase].append(seconds / item.guess)

    def expected(self, item: Item) -> float:
        """Seconds an item will take: its guess, corrected by the slowest of the last ones of its phase, or where it is
        the first by the median of all, if that is slower than guessed.
        """
        own = self._factors[item.phase][-LAST:]
        if own:
            return item.guess * max(own)
        others = [factor for factors in self._factors.values() for factor in factors]
        return item.guess * max(1.0, statistics.median(others)) if others else item.guess

    def fits(self, item: Item) -> bool:
        return self.expected(item) < self.left


def in_order(items: Iterable[Item], tried: Iterable[bool]) -> list[Item]:
    """By rank; what was tried in vain before comes last."""
    pairs = sorted(zip(items, tried, strict=True), key=lambda pair: (pair[1], pair[0].rank))
    return [item for item, _ in pairs]
