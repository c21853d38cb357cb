"""ResizeMix of one picture."""

import math

import numpy as np

from reference.boxes import shifted_box


def paste(own, partner, ratio, center):
    """The whole partner, shrunk by nearest neighbour with source index floor(i / ratio), in a box around the center.

    Returns the picture, the box (top, bottom, left, right) and the own picture's share of the pixels.
    """
    height, width = own.shape[:2]
    sides = math.floor(ratio * height), math.floor(ratio * width)
    top, bottom, left, right = shifted_box(sides, center, height, width)
    out = np.array(own)
    for i in range(sides[0]):
        for j in range(sides[1]):
            out[top + i, left + j] = partner[math.floor(i / ratio), math.floor(j / ratio)]
    return out, (top, bottom, left, right), 1 - sides[0] * sides[1] / (height * width)


def undecided(ratio, side):
    """Whether float32 can't tell the whole-number part of some i / ratio or of ratio * side."""
    exact = [ratio * side, *(i / ratio for i in range(math.floor(ratio * side)))]
    return any(0 < abs(number - round(number)) < 1e-5 for number in exact)
