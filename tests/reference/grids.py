"""Grids: lattices of holes, and cells taken from one picture or the other."""

import math

import numpy as np


def gridmixup(share, number, height, width):
    """The partner's share of each pixel: square holes at every origin of a lattice with `number` columns."""
    period = math.ceil(width / number)
    side = min(max(int(period * math.sqrt(share)), 1), period - 1)
    mask = np.zeros((height, width))
    for top in range(0, height, period):
        for left in range(0, width, period):
            for y in range(top, min(top + side, height)):
                for x in range(left, min(left + side, width)):
                    mask[y, x] = 1.0
    return mask


def cells(chosen, height, width):
    """Each pixel takes the value of the cell in which it starts: cell r has the pixels with r <= y * rows / height."""
    rows, columns = chosen.shape
    mask = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            row = max(r for r in range(rows) if r * height <= y * rows)
            column = max(c for c in range(columns) if c * width <= x * columns)
            mask[y, x] = chosen[row, column]
    return mask
