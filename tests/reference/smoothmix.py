"""Profiles of SmoothMix along one axis; middle, sigma and k are fractions of the side."""

import math

import numpy as np


def trapezoid(middle, sigma, side, k):
    """Square with soft edges: one half at middle +- sigma / 2, ramps 2 k wide."""
    profile = []
    for i in range(side):
        u = (i + 0.5) / side
        profile.append(min(max(0.5 + (sigma / 2 - abs(u - middle)) / (2 * k), 0.0), 1.0))
    return np.array(profile)


def relative_trapezoid(middle, sigma, side, k):
    """The same with ramps 2 k sigma wide."""
    return trapezoid(middle, sigma, side, k * sigma)


def gaussian(middle, sigma, side):
    """Bump of standard deviation sigma."""
    profile = []
    for i in range(side):
        u = (i + 0.5) / side
        profile.append(math.exp(-((u - middle) ** 2) / (2 * sigma**2)))
    return np.array(profile)


def mask(rows, columns):
    """Outer product of two profiles."""
    out = np.zeros((len(rows), len(columns)))
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            out[y, x] = row * column
    return out
