"""SAGE, one pair, one shift and one pixel after the other, in float64."""

import numpy as np

from reference import saliency


def moved(picture, shift):
    """T(z, (dy, dx))[i, j] = z[i - dy, j - dx], 0 where there is none."""
    out = np.zeros(np.shape(picture))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            row, column = i - shift[0], j - shift[1]
            if 0 <= row < out.shape[0] and 0 <= column < out.shape[1]:
                out[i, j] = picture[row, column]
    return out


def mask(own, other):
    """M = v1 / max(v1 + b, 1e-16): the own picture's share of each pixel."""
    out = np.zeros(own.shape)
    for i in range(own.shape[0]):
        for j in range(own.shape[1]):
            out[i, j] = own[i, j] / max(float(own[i, j]) + float(other[i, j]), 1e-16)
    return out


def score(own, other, shift):
    """v = sum of v1 M + b (1 - M)."""
    left = moved(other, shift)
    share = mask(own, left)
    return float(np.sum(np.float64(own) * share + left * (1 - share)))


def all_shifts(height, width):
    """Row by row."""
    return [(dy, dx) for dy in range(1 - height, height) for dx in range(1 - width, width)]


def search(own, other, candidates=None):
    """The first candidate of highest score, its score, and the scores of all."""
    candidates = all_shifts(*own.shape) if candidates is None else [tuple(map(int, c)) for c in candidates]
    scores = [score(own, other, shift) for shift in candidates]
    first = int(np.argmax(scores))
    return candidates[first], scores[first], np.array(scores)


def interpolated(a, b, nodes):
    """a b / (a + b) interpolated in a: sum over k of L_k(a) * s_k b / (s_k + b), in float64."""
    total = np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b)))
    for k, node in enumerate(nodes):
        polynomial = 2 * a / (a + node)
        for m, other in enumerate(nodes):
            if m != k:
                polynomial = polynomial * (a - other) / (a + other) * (node + other) / (node - other)
        total += polynomial * node * b / (node + b)
    return total


def parts(own_saliency, other_saliency, share):
    """Both maps smoothed, normalized and scaled by their shares of the whole."""
    own, other = (saliency.normalize(saliency.smooth(s)) for s in (own_saliency, other_saliency))
    return max(share, 1e-12) * own, max(1 - share, 1e-12) * other


def sage(own_picture, other_picture, own_saliency, other_saliency, share):
    """The mixed picture, the mask of the own one, its label weight, the shift, and the scores of all shifts."""
    own, other = parts(own_saliency, other_saliency, share)
    shift, _, scores = search(own, other)
    m = mask(own, moved(other, shift))
    picture = m[..., None] * own_picture + (1 - m[..., None]) * moved(other_picture, shift)
    return picture, m, float(m.mean()), shift, scores
