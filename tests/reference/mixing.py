"""The two equations of a mix, entry by entry."""

import numpy as np


def apply(mix, x):
    """out[b, i, j, c] = sum over slots of mask * x[source] after its warp."""
    x = np.asarray(x, np.float64)
    source, mask = np.asarray(mix.source), np.asarray(mix.mask, np.float64)
    size, slots, rows, columns = mask.shape
    out = np.zeros(x.shape)
    for b in range(size):
        for s in range(slots):
            moved = warped(mix.warps[s], b, x[source[b, s]])
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    share = mask[b, s, i * rows // x.shape[1], j * columns // x.shape[2]]
                    for c in range(x.shape[3]):
                        out[b, i, j, c] += share * moved[i, j, c]
    return out


def warped(warp, b, picture):
    """One picture [h w c], moved: pixel (i, j) copies the pixel (rows[i], columns[j]), or is 0 where there is none.

    Between whole rows and columns the four pixels around share it; blocks are copied pixel by pixel.
    """
    if warp is None:
        return picture
    if hasattr(warp, "parts"):
        for part in warp.parts:
            picture = warped(part, b, picture)
        return picture
    if hasattr(warp, "source"):
        return _blocks(np.asarray(warp.source)[b], picture)
    rows, columns = np.asarray(warp.rows)[b], np.asarray(warp.columns)[b]
    if rows.dtype.kind == "f":
        return _between(rows, columns, picture)
    out = np.zeros_like(picture)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]:
                out[i, j] = picture[row, column]
    return out


def _blocks(source, picture):
    rows, columns = source.shape
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    out = np.zeros_like(picture)
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            block = source[i // height, j // width]
            if block >= 0:
                out[i, j] = picture[block // columns * height + i % height, block % columns * width + j % width]
    return out


def _between(rows, columns, picture):
    height, width = picture.shape[:2]
    out = np.zeros(picture.shape)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            for row in range(height):
                for column in range(width):
                    share = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
                    out[i, j] += share * picture[row, column]
    return out


def targets(mix, labels):
    """out[b, k] = sum over slots of weight * label[source]; labels are dense [b k]."""
    labels = np.asarray(labels, np.float64)
    source, weight = np.asarray(mix.source), np.asarray(mix.weight, np.float64)
    out = np.zeros(labels.shape)
    for b in range(source.shape[0]):
        for s in range(source.shape[1]):
            for k in range(labels.shape[1]):
                out[b, k] += weight[b, s] * labels[source[b, s], k]
    return out
