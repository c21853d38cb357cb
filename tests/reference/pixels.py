"""Pillow's operations in whole numbers and float64, and AugMix made of them, from section A of the specification."""

import math

import numpy as np


def _curves(picture, curve):
    """Each channel through the curve of 256 levels found for it."""
    return np.stack([np.uint8(curve(channel))[channel] for channel in np.moveaxis(picture, 2, 0)], 2)


def autocontrast(picture):
    def curve(channel):
        low, high = int(channel.min()), int(channel.max())
        if high <= low:
            return range(256)
        scale = 255.0 / (high - low)
        offset = -low * scale
        return [min(max(int(level * scale + offset), 0), 255) for level in range(256)]

    return _curves(picture, curve)


def equalize(picture):
    def curve(channel):
        counts = [int(count) for count in np.bincount(channel.ravel(), minlength=256)]
        occupied = [count for count in counts if count]
        step = (sum(occupied) - occupied[-1]) // 255
        if len(occupied) <= 1 or step == 0:
            return range(256)
        return [min(255, (step // 2 + sum(counts[:level])) // step) for level in range(256)]

    return _curves(picture, curve)


def invert(picture):
    return _curves(picture, lambda channel: [255 - level for level in range(256)])


def posterize(picture, bits):
    mask = ~(2 ** (8 - int(bits)) - 1)
    return _curves(picture, lambda channel: [level & mask for level in range(256)])


def solarize(picture, threshold):
    return _curves(picture, lambda channel: [level if level < threshold else 255 - level for level in range(256)])


def solarize_add(picture, addition):
    bright = int(addition)
    return _curves(picture, lambda channel: [min(255, v + bright) if v < 128 else v for v in range(256)])


def _grey(picture):
    if picture.shape[2] < 3:
        return picture[..., 0].astype(int)
    red, green, blue = np.moveaxis(picture[..., :3].astype(int), 2, 0)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _blend(start, picture, factor):
    start, end = np.float32(start), np.float32(picture)
    product = np.float32(factor) * (end - start)
    return np.trunc(np.clip(start + product, 0, 255)).astype(np.uint8)


def brightness(picture, factor):
    return _blend(np.zeros(picture.shape), picture, factor)


def contrast(picture, factor):
    mean = math.trunc(_grey(picture).sum() / _grey(picture).size + 0.5)
    return _blend(np.full(picture.shape, mean), picture, factor)


def color(picture, factor):
    return _blend(np.repeat(_grey(picture)[..., None], picture.shape[2], 2), picture, factor)


def sharpness(picture, factor):
    height, width, _ = picture.shape
    smooth = picture.astype(int)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            around = picture[y - 1 : y + 2, x - 1 : x + 2].astype(int).sum((0, 1)) + 4 * picture[y, x].astype(int)
            smooth[y, x] = np.floor(around / 13 + 0.5)
    return _blend(smooth, picture, factor)


def places(matrix, height, width):
    """Where in the picture each pixel comes from, x then y, in float64."""
    a, b, c, d, e, f = matrix
    y, x = np.mgrid[:height, :width] + 0.5
    return a * x + b * y + c, d * x + e * y + f


def bilinear(picture, matrix, fill=0):
    height, width, _ = picture.shape
    x, y = places(matrix, height, width)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    right_share, low_share = (x - 0.5 - left)[..., None], (y - 0.5 - top)[..., None]

    def at(row, column):
        return picture[np.clip(row, 0, height - 1).astype(int), np.clip(column, 0, width - 1).astype(int)].astype(float)

    above = at(top, left) + (at(top, left + 1) - at(top, left)) * right_share
    below = at(top + 1, left) + (at(top + 1, left + 1) - at(top + 1, left)) * right_share
    return np.where(inside[..., None], np.trunc(above + (below - above) * low_share), fill).astype(np.uint8)


def nearest(picture, matrix, fill=0):
    """In whole numbers of 1/65536 pixel."""
    height, width, _ = picture.shape
    out = np.full_like(picture, fill)

    def fixed(number):
        return math.floor(65536 * number + 0.5)

    a, b, c, d, e, f = matrix
    for y in range(height):
        for x in range(width):
            column = (fixed(c + 0.5 * a + 0.5 * b) + x * fixed(a) + y * fixed(b)) >> 16
            row = (fixed(f + 0.5 * d + 0.5 * e) + x * fixed(d) + y * fixed(e)) >> 16
            if 0 <= column < width and 0 <= row < height:
                out[y, x] = picture[row, column]
    return out


def matrix_of(name, amount, height, width):
    amount = float(amount)
    if name == "rotate":
        angle = -math.radians(amount % 360)
        cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
        c = width / 2 - cosine * width / 2 - sine * height / 2
        return cosine, sine, c, -sine, cosine, height / 2 + sine * width / 2 - cosine * height / 2
    return {
        "shear_x": (1, amount, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, amount, 1, 0),
        "translate_x": (1, 0, amount, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, amount),
    }[name]


WARPS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
ENHANCE = ("color", "contrast", "brightness", "sharpness")


def operation(name, picture, amount=None, warp=bilinear, fill=0):
    """The operation of that name; the amount of those that have none is ignored."""
    if name in WARPS:
        return warp(picture, matrix_of(name, amount, *picture.shape[:2]), fill)
    if name in ("autocontrast", "equalize", "invert"):
        return globals()[name](picture)
    return globals()[name](picture, amount)


def amount_of(name, level, negative, side):
    """What AugMix makes of a level, with Python's truncation."""
    part = {"posterize": 4, "rotate": 30, "solarize": 256, "translate_x": side / 3, "translate_y": side / 3}
    whole = int(level * part.get(name, 0) / 10)
    sign = -1 if negative else 1
    if name in ("posterize", "solarize"):
        return part[name] - whole
    if name in ("shear_x", "shear_y"):
        return sign * level * 0.3 / 10
    if name in ENHANCE:
        return level * 1.8 / 10 + 0.1
    return sign * whole


def chain(picture, names, levels, negative):
    """One AugMix chain; every result in between is uint8."""
    for name, level, turned in zip(names, levels, negative, strict=True):
        side = picture.shape[0 if name == "translate_y" else 1]
        picture = operation(name, picture, amount_of(name, level, turned, side))
    return picture


def mix(picture, chains, weight, share):
    """(1 - m) x + m sum w_i chain_i, in 0..1."""
    total = sum(float(w) * one / 255 for w, one in zip(weight, chains, strict=True))
    return (1 - float(share)) * (picture / 255) + float(share) * total
