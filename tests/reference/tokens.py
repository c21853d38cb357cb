"""TokenMix's masks by slow loops."""

import math

import numpy as np


def needed(share, tokens, least):
    return min(tokens, int(share * tokens) + least)


def blocks(attempts, count, rows, columns):
    """The mask of attempts (area, logarithm of the ratio, top, left), until it has `count` tokens."""
    mask, failed = np.zeros((rows, columns), int), 0
    for area, ratio, top, left in attempts:
        if mask.sum() == count or failed == 10:
            break
        height = int(np.round(math.sqrt(area * math.exp(ratio))))
        width = int(np.round(math.sqrt(area * math.exp(-ratio))))
        merged = mask.copy()
        for y in range(int(top), min(int(top) + height, rows)):
            for x in range(int(left), min(int(left) + width, columns)):
                merged[y, x] = 1
        added = merged.sum() - mask.sum()
        if height < rows and width < columns and 0 < added <= count - mask.sum():
            mask, failed = merged, 0
        else:
            failed += 1
    return mask
