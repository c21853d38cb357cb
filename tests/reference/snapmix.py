"""SnapMix of one picture, from boxes (top, bottom, left, right) that are given."""

import math

import numpy as np


def stretch(own, partner, target, source):
    """The partner's box `source`, resized to the box `target` and pasted there: first and last pixels coincide."""
    out = np.array(own, np.float64)
    tall, wide = target[1] - target[0], target[3] - target[2]
    source_tall, source_wide = source[1] - source[0], source[3] - source[2]
    if 0 in (tall, wide, source_tall, source_wide):
        return out
    for i in range(tall):
        for j in range(wide):
            y = source[0] + i * (source_tall - 1) / max(tall - 1, 1)
            x = source[2] + j * (source_wide - 1) / max(wide - 1, 1)
            total = 0.0
            for row in (math.floor(y), math.ceil(y)) if y % 1 else (int(y),):
                for column in (math.floor(x), math.ceil(x)) if x % 1 else (int(x),):
                    total = total + (1 - abs(y - row)) * (1 - abs(x - column)) * partner[row, column]
            out[target[0] + i, target[2] + j] = total
    return out


def weights(own, partner, target, source):
    """What the percentage map `own` keeps outside `target`, and what `partner` has inside `source`."""
    if not _area(target) or not _area(source):
        return 1.0, 0.0
    return 1 - _sum(own, target) / (own.sum() + 1e-8), _sum(partner, source) / (partner.sum() + 1e-8)


def _area(box):
    return (box[1] - box[0]) * (box[3] - box[2])


def _sum(image, box):
    return sum(float(image[y, x]) for y in range(box[0], box[1]) for x in range(box[2], box[3]))
