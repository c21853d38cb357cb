"""Co-Mixup, one output and one block after the other, in float64, every output solved exactly."""

import itertools
import math

import numpy as np


def costs(saliency, wanted, prior_weight, blocks):
    """[n g g]: minus every block's part of the saliency, and the prior."""
    inputs, height, width = saliency.shape
    out = np.zeros((inputs, blocks, blocks))
    for k, i, j in itertools.product(range(inputs), range(blocks), range(blocks)):
        tall, wide = height // blocks, width // blocks
        part = saliency[k, i * tall : (i + 1) * tall, j * wide : (j + 1) * wide].sum() / saliency[k].sum()
        out[k, i, j] = -part - prior_weight / blocks**2 * math.log(wanted[k] + 1e-8)
    return out


def peak(saliency):
    """Where the window of most saliency begins, row by row the first of equals; a quarter of each side long."""
    tall, wide = (max(1, side // 4) for side in saliency.shape)
    best, place = -math.inf, None
    for i in range(saliency.shape[0] - tall + 1):
        for j in range(saliency.shape[1] - wide + 1):
            total = saliency[i : i + tall, j : j + wide].sum()
            if total > best:
                best, place = total, (i, j)
    return place


def compatible(peaks, omega):
    """A = (1 - omega) I + omega D n / sum(D)."""
    distance = np.array([[abs(a - c) + abs(b - d) for c, d in peaks] for a, b in peaks], float)
    scale = len(peaks) / distance.sum() if distance.sum() else 0
    return (1 - omega) * np.eye(len(peaks)) + omega * scale * distance


def crowded(compatibility, mass, limit, k):
    """What the crowd of input k counts for: the formula."""
    crowd = sum(compatibility[k, j] * mass[j] for j in range(len(mass)))
    return crowd if crowd > limit else 0.0


def labels_of(unary, mass, halves):
    """Costs, parents of every label, and what any two labels cost side by side.

    unary [g g n], mass of every input in this output; with halves, also blocks of two of the three largest inputs.
    """
    inputs = unary.shape[2]
    parents = [(k, k) for k in range(inputs)]
    cost = [unary[..., k] for k in range(inputs)]
    used = [k for k in sorted(range(inputs), key=lambda k: -mass[k]) if mass[k] > 0][:3]  # sorting is stable
    if halves:
        for one, other in itertools.combinations(used, 2):
            parents.append((one, other))
            cost.append((unary[..., one] + unary[..., other]) / 2 - 5e-4)
    beside = np.ones((len(parents), len(parents)))
    for a, b in itertools.product(range(len(parents)), repeat=2):
        if a == b:
            beside[a, b] = 0
        elif len({*parents[a]}) != len({*parents[b]}) and {*parents[a]} & {*parents[b]}:
            beside[a, b] = 0.25
    return np.stack(cost, -1), parents, beside


def energy(unary, beside, labels):
    """Sum of unary over blocks and of beside over neighbours."""
    rows, columns = labels.shape
    total = 0.0
    for i, j in itertools.product(range(rows), range(columns)):
        total += unary[i, j, labels[i, j]]
        if i + 1 < rows:
            total += beside[labels[i, j], labels[i + 1, j]]
        if j + 1 < columns:
            total += beside[labels[i, j], labels[i, j + 1]]
    return total


def solve(unary, beside):
    """The labels of least energy and their energy, exactly.

    Block by block, row by row: of all labellings that agree in the last m blocks, the cheapest is kept.
    """
    rows, columns, labels = unary.shape
    table = np.zeros((labels,) * columns)  # the last m blocks, oldest first; before the first block all are free
    choices = []
    for i, j in itertools.product(range(rows), range(columns)):
        step = np.broadcast_to(table[..., None], (labels,) * (columns + 1))  # the new block is the last axis
        if i > 0:
            step = step + beside.reshape(labels, *[1] * (columns - 1), labels)
        if j > 0:
            step = step + beside
        choices.append(step.argmin(0))
        table = step.min(0) + unary[i, j]
    state = list(np.unravel_index(table.argmin(), table.shape))
    best, found = table.min(), []
    for choice in reversed(choices):
        found.append(state[-1])
        state = [int(choice[tuple(state)]), *state[:-1]]
    return np.array(found[::-1]).reshape(rows, columns), best


def mass_of(parents, inputs):
    """How many blocks of an output [g g 2] every input fills."""
    return np.array([(parents == k).sum() / 2 for k in range(inputs)])


def apart(masses):
    """For every output what it pays, as 0 or 1, for every input."""
    extra = np.zeros_like(masses)
    used = [tuple(np.flatnonzero(mass)) for mass in masses]
    for one, other in itertools.combinations(range(len(masses)), 2):
        if used[one] == used[other] and len(used[one]) > 1:
            extra[one, used[one][0]] = 1
            extra[other, used[one][1]] = 1
    return extra


def share(cost, compatibility, start, *, smoothness, diversity, threshold, iterations):
    """Parents [n g g 2] of every block of every output, after all sweeps. cost [n g g], start [n g g]."""
    inputs, blocks = cost.shape[0], cost.shape[1] ** 2
    parents = np.stack([start, start], -1)
    for sweep in range(iterations):
        masses = np.array([mass_of(one, inputs) for one in parents])
        extra = apart(masses) if 0 < sweep == iterations - 1 else np.zeros_like(masses)
        for o in range(len(parents)):
            masses = np.array([mass_of(one, inputs) for one in parents])
            others = masses.sum(0) - masses[o]
            unary = np.moveaxis(cost, 0, 2).copy()
            for k in range(inputs):
                crowd = crowded(compatibility, others, threshold * blocks, k)
                unary[..., k] += diversity / blocks * (2 * crowd + extra[o, k])
            unary, table, beside = labels_of(unary, masses[o], sweep > 0)
            labels, _ = solve(unary, smoothness / blocks * beside)
            parents[o] = np.array(table)[labels]
    return parents


def objective(z, cost, *, smoothness, diversity, threshold=None):
    """What labels z [o g g n] cost in all; with a threshold only inputs that others use more than that crowd."""
    z, blocks = np.asarray(z, float), z.shape[1] * z.shape[2]
    mass = z.sum((1, 2))
    others = mass.sum(0) - mass
    if threshold is not None:
        others = np.where(others > threshold * blocks, others, 0)
    rough = (np.diff(z, axis=1) ** 2).sum() + (np.diff(z, axis=2) ** 2).sum()
    total = (z * np.moveaxis(np.asarray(cost, float), 0, 2)).sum()
    return total + (smoothness / 2 * rough + diversity * (mass * others).sum()) / blocks
