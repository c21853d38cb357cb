"""Changes of color and random erasing of one image after another, in float64, from their papers."""

import math

import numpy as np


def jittered(image, factors, order):
    """Brightness, contrast and saturation of an image [h w 3] in an order: 0, 1 and 2."""
    image = np.array(image, np.float64)
    for change in order:
        factor, changed = factors[change], np.empty_like(image)
        luma = np.array([[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in image])
        for y, x in np.ndindex(luma.shape):
            reference = {0: 0.0, 1: sum(luma.ravel()) / luma.size, 2: luma[y, x]}[change]
            changed[y, x] = [factor * value + (1 - factor) * reference for value in image[y, x]]
        image = changed
    return image


def lit(image, shares):
    """Each pixel plus [p1 p2 p3] (a1 l1, a2 l2, a3 l3), Krizhevsky et al., section 4.1."""
    vectors = [(-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)]
    values = (0.2175, 0.0188, 0.0045)
    added = [
        sum(a * value * vector[channel] for a, value, vector in zip(shares, values, vectors, strict=True))
        for channel in range(3)
    ]
    return np.array(image, np.float64) + np.array(added)


def size(height, width, area, ratio):
    """Height and width of a rectangle of a share of the image, Zhong et al., algorithm 1."""
    return (
        round(math.sqrt(height * width * area * ratio)),
        round(math.sqrt(height * width * area / ratio)),
    )
