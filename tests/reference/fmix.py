"""FMix: a low-frequency picture from given noise, and the mask cut from it."""

import math

import numpy as np


def amplitude(row, column, height, width, decay):
    """1 / max(f, 1 / longest side)^decay at one entry of the half spectrum."""
    down = row / height if row <= (height - 1) // 2 else (row - height) / height
    across = column / width if column <= width // 2 else (column - width) / width
    frequency = math.hypot(down, across)
    return 1 / max(frequency, 1 / max(height, width)) ** decay


def isotropic(noise, height, width, decay):
    """Noise [h, w // 2 + 1, 2] as the half spectrum of a real picture, scaled to [0, 1]."""
    spectrum = np.zeros((height, width // 2 + 1), complex)
    for row in range(height):
        for column in range(width // 2 + 1):
            scale = amplitude(row, column, height, width, decay)
            spectrum[row, column] = scale * complex(noise[row, column, 0], noise[row, column, 1])
    return scaled(inverse(spectrum, height, width))


def authors_anisotropic(noise, height, width, decay):
    """The real part is row 0 and the imaginary part row 1 of the scaled noise, its last axis the frequency along the
    width (0 and 1) and its columns the frequency along the height, cut or zero padded to the picture.
    """
    spectrum = np.zeros((height, width // 2 + 1), complex)
    for row in range(min(height, noise.shape[1])):
        for column in range(2):
            real = amplitude(0, row, height, width, decay) * noise[0, row, column]
            imaginary = amplitude(1, row, height, width, decay) * noise[1, row, column]
            spectrum[row, column] = complex(real, imaginary)
    return scaled(inverse(spectrum, height, width))


def inverse(spectrum, height, width):
    """Real picture of a half spectrum, wave by wave; the first column and (of an even width) the last count once."""
    y, x = np.mgrid[:height, :width]
    picture = np.zeros((height, width))
    for row in range(height):
        for column in range(width // 2 + 1):
            twice = 1 if column == 0 or 2 * column == width else 2
            angle = 2 * np.pi * (row * y / height + column * x / width)
            value = spectrum[row, column]
            picture += twice * (value.real * np.cos(angle) - value.imag * np.sin(angle))
    return picture


def scaled(picture):
    """Moved and stretched to [0, 1]."""
    return (picture - picture.min()) / (picture.max() - picture.min())


def binarise(picture, count, soft=0):
    """1 at the `count` brightest pixels; a ramp from 1 to 0 over the 2 * soft pixels around that rank."""
    height, width = picture.shape
    places = sorted(((y, x) for y in range(height) for x in range(width)), key=lambda place: -picture[place])
    mask = np.zeros((height, width))
    for rank, place in enumerate(places):
        if rank < count - soft:
            mask[place] = 1.0
        elif rank < count + soft:
            mask[place] = 1 - (rank - (count - soft)) / (2 * soft - 1)
    return mask
