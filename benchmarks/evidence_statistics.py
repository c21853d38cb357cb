"""Differences of methods, paired by seed, with their intervals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy.special import stdtrit

__all__ = ["LEVEL", "Difference", "paired", "quantile", "tally", "text"]

LEVEL = 0.95


class Difference(NamedTuple):
    """The mean of differences that are paired by seed.

    half: half the width of its interval; None for fewer than two pairs
    n: the number of pairs
    """

    mean: float
    half: float | None
    n: int

    @property
    def sign(self) -> int:
        """-1 or 1 where the interval lies below or above 0; 0 where it contains 0, there is none, or it has no width: a
        few rounded differences that are the same by chance don't make it exact.
        """
        if self.half is None or self.half < 1e-9 or abs(self.mean) <= self.half:
            return 0
        return 1 if self.mean > 0 else -1


def quantile(pairs: int, level: float = LEVEL) -> float:
    """Of Student's t with `pairs` - 1 degrees of freedom: the interval of a mean is this many standard errors wide on
    either side.
    """
    return float(stdtrit(pairs - 1, (1 + level) / 2))


def paired(terms: Sequence[tuple[float, Mapping[int, float]]], level: float = LEVEL) -> Difference | None:
    """The mean, over the seeds that all terms have, of the sum of factor times value; None without such a seed.

    The interval is Student's: it takes the sums to be normally distributed.

    Args:
        terms: a factor and the values by seed of each, such as (1, those of a method) and (-1, those of another).
        level: of the interval.
    """
    seeds = sorted(set.intersection(*(set(values) for _, values in terms)))
    sums = [math.fsum(factor * values[seed] for factor, values in terms) for seed in seeds]
    if not sums:
        return None
    if len(sums) == 1:
        return Difference(sums[0], None, 1)
    half = quantile(len(sums), level) * statistics.stdev(sums) / math.sqrt(len(sums))
    return Difference(statistics.mean(sums), half, len(sums))


def text(difference: Difference | None, most: int) -> str:
    """A difference as a table has it; n is named where it isn't the `most` of the table."""
    if difference is None:
        return ""
    mean, half, n = difference
    fewer = f" (n = {n})" if n != most else ""
    if half is None:
        return f"{mean:+.2f}{fewer}"
    found = f"{mean:+.2f} ± {half:.2f}"
    return (f"**{found}**" if difference.sign else f"{found} n.s.") + fewer


def tally(differences: Sequence[Difference | None]) -> str:
    """Sentences on how many intervals there are and how many would exclude 0 by chance alone."""
    tested = [one for one in differences if one is not None and one.half is not None]
    if not tested:
        return (
            "No method has two seeds in common with the one that it is compared with, so there is no interval: the "
            "values are differences of single trainings."
        )
    found = sum(one.sign != 0 for one in tested)
    chance = (1 - LEVEL) * len(tested)
    return (
        f"These are {len(tested)} intervals, of which {found} exclude 0. If no method differed from another, about "
        f"{chance:.1f} of them would do so by chance: single ones in a large table are weak evidence, above all those "
        "that barely exclude it."
    )
