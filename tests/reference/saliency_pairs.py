"""Pairs of saliency maps for searches: blobs, noise and mixtures of both."""

import numpy as np


def blobs(generator, height, width):
    y, x = np.mgrid[:height, :width]
    out = np.full((height, width), generator.choice([0, 0.01, 0.1]))
    for _ in range(generator.integers(1, 5)):
        middle, spread = generator.uniform(0, (height, width)), generator.uniform(0.04, 0.3) * max(height, width)
        squares = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
        out += generator.uniform(0.2, 1) * np.exp(-squares / (2 * spread**2))
    return out


def noise(generator, height, width):
    return np.abs(generator.standard_normal((height, width))) ** generator.choice([1, 2, 3])


def mixture(generator, height, width):
    one, other = blobs(generator, height, width), noise(generator, height, width)
    share = generator.random()
    return share * one / one.sum() + (1 - share) * other / other.sum()


def pairs(seed, number, height, width, kinds=(blobs, noise, mixture)):
    """Pairs of maps, scaled by shares that add up to 1."""
    generator = np.random.default_rng(seed)
    own, other = (
        np.stack([kinds[generator.integers(len(kinds))](generator, height, width) for _ in range(number)])
        for _ in range(2)
    )
    share = generator.uniform(0.02, 0.98, (number, 1, 1))
    own, other = (maps / maps.sum((1, 2), keepdims=True) for maps in (own, other))
    return np.float32(share * own), np.float32((1 - share) * other)
