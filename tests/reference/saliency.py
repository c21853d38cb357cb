"""Saliency maps, pixel by pixel."""

import math

import numpy as np


def mirror(i, side):
    """The pixel that a place outside [0, side) shows: mirrored about the outermost pixels as often as it takes."""
    if side == 1:
        return 0
    i = abs(i) % (2 * (side - 1))
    return min(i, 2 * (side - 1) - i)


def smooth(image, sigma=1.0, size=5):
    """A Gaussian of `size` taps of sum 1, along both axes."""
    reach = size // 2
    taps = [math.exp(-(t**2) / (2 * sigma**2)) for t in range(-reach, reach + 1)]
    height, width = image.shape
    out = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            for t in range(-reach, reach + 1):
                for u in range(-reach, reach + 1):
                    weight = taps[t + reach] * taps[u + reach] / sum(taps) ** 2
                    out[y, x] += weight * image[mirror(y + t, height), mirror(x + u, width)]
    return out


def normalize(image):
    """The positive part over its sum; uniform if there is none or a number isn't finite."""
    positive = np.where(image > 0, image, 0.0).astype(np.float64)
    if not np.isfinite(image).all() or positive.sum() == 0:
        return np.full(image.shape, 1 / image.size)
    return positive / positive.sum()


def resize(image, height, width):
    """Bilinear, pixel centers at (i + 1/2) of each picture's own pixels, the border continued."""
    out = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * image.shape[0] / height - 0.5, 0), image.shape[0] - 1)
            x = min(max((j + 0.5) * image.shape[1] / width - 0.5, 0), image.shape[1] - 1)
            for row in range(image.shape[0]):
                for column in range(image.shape[1]):
                    out[i, j] += max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column)) * image[row, column]
    return out


def percentage(cam, height, width):
    """SnapMix's semantic percentage map: resized, without its minimum, over its sum."""
    resized = resize(cam, height, width)
    return normalize(resized - resized.min())


def cam(features, kernel, label, bias):
    """sum over d of features[i, j, d] kernel[d, label] + bias[label]."""
    out = np.full(features.shape[:2], float(bias[label]))
    for i in range(features.shape[0]):
        for j in range(features.shape[1]):
            for d in range(features.shape[2]):
                out[i, j] += float(features[i, j, d]) * float(kernel[d, label])
    return out


def peak(image):
    """Row and column of the first largest number, row by row."""
    best = (0, 0)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if image[y, x] > image[best]:
                best = (y, x)
    return best


def fine_grained(image):
    """OpenCV's fine-grained saliency of a picture [h w 3] of 8 bits, in the whole numbers of its recipe."""
    height, width = image.shape[:2]
    c = image.astype(int)
    grey = (3735 * c[..., 0] + 19235 * c[..., 1] + 9798 * c[..., 2] + 16384) >> 15
    for _ in range(2):
        blurred = np.zeros_like(grey)
        for y in range(height):
            for x in range(width):
                total = sum(
                    (2 - abs(t)) * (2 - abs(u)) * grey[mirror(y + t, height), mirror(x + u, width)]
                    for t in (-1, 0, 1)
                    for u in (-1, 0, 1)
                )
                blurred[y, x] = (total + 8) >> 4
        grey = blurred
    on, off = np.zeros(grey.shape, int), np.zeros(grey.shape, int)
    for n in (12, 24, 48, 28, 56, 112):
        for y in range(height):
            for x in range(width):
                window = grey[max(y - n + 1, 0) : y + n + 1, max(x - n + 1, 0) : x + n + 1]
                if window.size == 1:
                    continue
                mean = np.float32(window.sum() - grey[y, x]) / np.float32(window.size - 1)
                on[y, x] += int(max(np.float32(grey[y, x]) - mean, 0))
                off[y, x] += int(max(mean - np.float32(grey[y, x]), 0))
    on, off = (255 * v // v.max() if v.max() else v for v in (on, off))
    most = max(on.max(), off.max())
    return ((255 * (on + off) // most if most else on) % 256).astype(np.uint8)
