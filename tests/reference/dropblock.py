"""DropBlock of one channel."""

import numpy as np


def gamma(keep, block, height, width):
    """Probability of a seed."""
    tall, wide = min(block, height), min(block, width)
    return (1 - keep) / (tall * wide) * (height * width) / ((height - tall + 1) * (width - wide + 1))


def valid(block, height, width):
    """Where a block fits around a seed."""
    tall, wide = min(block, height), min(block, width)
    out = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            out[y, x] = tall // 2 <= y < height - (tall - 1) // 2 and wide // 2 <= x < width - (wide - 1) // 2
    return out


def kept(seeds, block):
    """What no block covers; a seed at c clears c - b // 2 to c + (b - 1) // 2."""
    height, width = seeds.shape
    tall, wide = min(block, height), min(block, width)
    out = np.ones((height, width), bool)
    for y in range(height):
        for x in range(width):
            if seeds[y, x]:
                for i in range(max(y - tall // 2, 0), min(y + (tall - 1) // 2 + 1, height)):
                    for j in range(max(x - wide // 2, 0), min(x + (wide - 1) // 2 + 1, width)):
                        out[i, j] = False
    return out


def covered(dropped, block):
    """The union of the whole blocks, inside the channel, of which everything is dropped."""
    height, width = dropped.shape
    tall, wide = min(block, height), min(block, width)
    out = np.zeros((height, width), bool)
    for y in range(height - tall + 1):
        for x in range(width - wide + 1):
            if dropped[y : y + tall, x : x + wide].all():
                out[y : y + tall, x : x + wide] = True
    return out
