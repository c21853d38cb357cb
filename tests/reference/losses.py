"""Losses of one batch against dense targets [b k], one number per sample."""

import math

import numpy as np


def softmax(logits):
    """Probabilities of one sample."""
    largest = max(logits)
    exponentials = [math.exp(z - largest) for z in logits]
    return [e / sum(exponentials) for e in exponentials]


def cross_entropy(logits, targets):
    """- sum of t log q."""
    out = []
    for row, target in zip(np.asarray(logits, float).tolist(), np.asarray(targets, float).tolist(), strict=True):
        total = max(row) + math.log(sum(math.exp(z - max(row)) for z in row))
        out.append(-sum(t * (z - total) for t, z in zip(target, row, strict=True)))
    return np.array(out)


def softmax_bce(logits, targets):
    """- mean over classes of t log q + (1 - t) log(1 - q), both logarithms at least -100."""
    out = []
    for row, target in zip(np.asarray(logits, float).tolist(), np.asarray(targets, float).tolist(), strict=True):
        probabilities = softmax(row)
        loss = 0.0
        for k, t in enumerate(target):
            yes, no = probabilities[k], sum(q for other, q in enumerate(probabilities) if other != k)
            logs = [max(math.log(q), -100.0) if q > 0 else -100.0 for q in (yes, no)]
            loss -= t * logs[0] + (1 - t) * logs[1]
        out.append(loss / len(row))
    return np.array(out)


def jsd(logits):
    """Mean over views of KL(p || M), M the mean of the views' probabilities, at least 1e-7."""
    views, size, classes = np.shape(logits)
    out = []
    for b in range(size):
        p = [softmax(np.asarray(logits, float)[v, b].tolist()) for v in range(views)]
        mixture = [max(sum(q[k] for q in p) / views, 1e-7) for k in range(classes)]
        divergences = [sum(q * math.log(q / m) for q, m in zip(row, mixture, strict=True) if q > 0) for row in p]
        out.append(sum(divergences) / views)
    return np.array(out)
