"""Boxes (top, bottom, left, right), half-open, and what is done with them."""

import math

import numpy as np


def even_box(share, center, height, width):
    """The CutMix authors' box: whole-number sides, half of each (floored) to either side of a pixel, cut at borders."""
    edges = []
    for middle, side in zip(center, (height, width), strict=True):
        cut = int(side * math.sqrt(share))
        for edge in (int(middle) - cut // 2, int(middle) + cut // 2):
            edges.append(min(max(edge, 0), side))
    return tuple(edges)


def real_box(share, center, height, width, edge=math.floor):
    """The PuzzleMix authors' box: everything real-valued until the edges, which are cut at the border and rounded."""
    edges = []
    for middle, side in zip(center, (height, width), strict=True):
        cut = side * math.sqrt(share)
        for place in (float(middle) - cut / 2, float(middle) + cut / 2):
            edges.append(int(edge(min(max(place, 0.0), float(side)))))
    return tuple(edges)


def undecided(share, side):
    """Whether float32 can't tell the whole-number part of side * sqrt(share)."""
    cut = side * math.sqrt(share)
    return abs(cut - round(cut)) < 1e-5


def shifted_box(sides, center, height, width):
    """The ResizeMix box: of the given sides, moved inside the picture instead of being cut."""
    edges = []
    for length, middle, side in zip(sides, center, (height, width), strict=True):
        start = min(max(int(middle) - length // 2, 0), side)
        end = min(max(start + length, 0), side)
        edges += [end - length, end]
    return tuple(edges)


def fill(box, height, width):
    """1 inside the box, 0 outside."""
    top, bottom, left, right = box
    mask = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            if top <= y < bottom and left <= x < right:
                mask[y, x] = 1.0
    return mask


def cutout(size, centers, height, width):
    """Share of each pixel that is kept: squares of half side size // 2 around the centers are 0."""
    kept = np.ones((height, width))
    for middle_y, middle_x in centers:
        half = size // 2
        for y in range(max(middle_y - half, 0), min(middle_y + half, height)):
            for x in range(max(middle_x - half, 0), min(middle_x + half, width)):
                kept[y, x] = 0.0
    return kept
