"""PuzzleMix's label energy of one picture, and its minimum by trying everything."""

import itertools

import numpy as np


def energy(z, own, other, prior, vertical, horizontal):
    rows, columns = z.shape
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            total += z[i, j] * own[i, j] + (1 - z[i, j]) * other[i, j] + prior[round(z[i, j] * (len(prior) - 1))]
            if i + 1 < rows:
                total += vertical[i, j] * (z[i, j] - z[i + 1, j]) ** 2
            if j + 1 < columns:
                total += horizontal[i, j] * (z[i, j] - z[i, j + 1]) ** 2
    return total


def least_of_all(*problem):
    """The least energy of all labellings: for very few blocks."""
    own, _, prior, *_ = problem
    values = np.arange(len(prior)) / (len(prior) - 1)
    every = itertools.product(values, repeat=own.size)
    return min(energy(np.reshape(z, own.shape), *problem) for z in every)


def least(own, other, prior, vertical, horizontal):
    """The least energy, block by block: what the blocks so far cost, for all labels of the last block of each column.

    Exact for any costs; it needs l^m numbers.
    """
    rows, columns = own.shape
    labels = len(prior)
    values = np.arange(labels) / (labels - 1)
    jumps = np.square(values[:, None] - values)  # [label above or to the left, label]
    best = np.zeros((labels,) * columns)
    for i in range(rows):
        for j in range(columns):
            best = np.moveaxis(best, j, 0)
            if i > 0:
                below = vertical[i - 1, j] * jumps.reshape(labels, labels, *[1] * (columns - 1))
                best = (best[:, None] + below).min(0)
            else:
                best = np.broadcast_to(best.min(0), best.shape)
            unary = values * own[i, j] + (1 - values) * other[i, j] + prior
            best = np.moveaxis(best + unary.reshape(labels, *[1] * (columns - 1)), 0, j)
            if j > 0:
                shape = [labels if axis in (j - 1, j) else 1 for axis in range(columns)]
                best = best + horizontal[i, j - 1] * jumps.reshape(shape)
    return best.min()
