"""GuidedMixup's pairing by slow loops."""

import numpy as np


def cover(distance):
    """The partner of each sample: one cycle, each step to the farthest sample that isn't in it yet."""
    size = len(distance)
    best = max((distance[r][c], -r, -c) for r in range(size) for c in range(size) if r != c)
    first, here = -best[1], -best[2]
    partner, left = np.zeros(size, int), set(range(size)) - {first, here}
    partner[first] = here
    while left:
        there = max(left, key=lambda c: (distance[here][c], -c))
        partner[here], here = there, there
        left.remove(there)
    partner[here] = first
    return partner
