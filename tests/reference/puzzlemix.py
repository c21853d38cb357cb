"""PuzzleMix, one pair and one block after the other, in float64."""

import itertools
import math

import numpy as np


def pool(saliency, rows, columns):
    """The sum over each block, a pixel that lies in several being shared out by area; then shares of the total."""
    height, width = saliency.shape
    out = np.zeros((rows, columns))
    for i, j, y, x in itertools.product(range(rows), range(columns), range(height), range(width)):
        inside = [
            max(0, min((block + 1) / blocks, (pixel + 1) / pixels) - max(block / blocks, pixel / pixels)) * pixels
            for block, blocks, pixel, pixels in ((i, rows, y, height), (j, columns, x, width))
        ]
        out[i, j] += saliency[y, x] * inside[0] * inside[1]
    return out / out.sum()


def prior(own_share, levels, weight):
    last = levels - 1
    return [
        -weight * math.log(math.comb(last, k) * own_share**k * (1 - own_share) ** (last - k) + 1e-8)
        for k in range(levels)
    ]


def cell_side(length, neighbors):
    """The cells that colors are averaged over: as long as wanted, or the next shorter length that divides a block."""
    side = min(length, neighbors)
    while length % side:
        side -= 1
    return side


def borders(own, other, n, m, neighbors):
    """For each two neighbouring blocks, ((i, j), (k, l)): D[a][b], where the first shows picture a and the second b.

    D is the mean, over the cells along the border and the channels, of how much the mean colors differ; at most 1.
    """
    height, width = own.shape[0] // n, own.shape[1] // m
    down, across = cell_side(height, neighbors), cell_side(width, neighbors)

    def cell(picture, y, x):
        return picture[y : y + down, x : x + across].mean((0, 1))

    def difference(first, second, places):
        steps = [np.abs(cell(first, *a) - cell(second, *b)).mean() for a, b in places]
        return min(1.0, sum(steps) / len(steps))

    found = {}
    for i, j in itertools.product(range(n), range(m)):
        top, left = i * height, j * width
        if i + 1 < n:
            bottom = top + height
            places = [((bottom - down, left + x), (bottom, left + x)) for x in range(0, width, across)]
            found[(i, j), (i + 1, j)] = [[difference(a, b, places) for b in (other, own)] for a in (other, own)]
        if j + 1 < m:
            right = left + width
            places = [((top + y, right - across), (top + y, right)) for y in range(0, height, down)]
            found[(i, j), (i, j + 1)] = [[difference(a, b, places) for b in (other, own)] for a in (other, own)]
    return found


def hard_energy(z, saliency, differences, prior, smoothness, data_weight):
    """The energy of labels of 0 and 1 as the paper states it, every border counted as it is."""
    own, other = saliency
    energy = 0.0
    for i, j in np.ndindex(z.shape):
        label = int(z[i, j])
        energy += (other[i, j] + prior[-1]) if label else (own[i, j] + prior[0])
    for (first, second), unlike in differences.items():
        a, b = int(z[first]), int(z[second])
        energy += smoothness * (a != b) + smoothness * data_weight * unlike[a][b]
    return energy


def energy(z, own, other, prior, vertical, horizontal):
    """The energy in the form that is minimized."""
    total = 0.0
    for i, j in np.ndindex(z.shape):
        total += z[i, j] * own[i, j] + (1 - z[i, j]) * other[i, j] + prior[round(z[i, j] * (len(prior) - 1))]
        if i + 1 < z.shape[0]:
            total += vertical[i, j] * (z[i, j] - z[i + 1, j]) ** 2
        if j + 1 < z.shape[1]:
            total += horizontal[i, j] * (z[i, j] - z[i, j + 1]) ** 2
    return total


def transport(saliency, visible, distance_weight):
    """The source block at each place, [n * m]; -1 where nobody came or nothing can be seen."""
    n, m = saliency.shape
    blocks, longest = n * m, max(n, m)
    cost = np.zeros((blocks, blocks))
    for i, j in itertools.product(range(blocks), repeat=2):
        squares = (i // m - j // m) ** 2 + (i % m - j % m) ** 2
        cost[i, j] = distance_weight * squares / max(longest - 1, 1) ** 2 - saliency.flat[i] * visible.flat[j]
    for _ in range(longest):
        asked = [int(np.argmin(cost[i])) for i in range(blocks)]
        kept = {}
        for i, j in enumerate(asked):
            if j not in kept or cost[i, j] < cost[kept[j], j]:
                kept[j] = i
        for i, j in enumerate(asked):
            if kept[j] != i:
                cost[i, j] += 1
    return np.array([kept.get(j, -1) if visible.flat[j] else -1 for j in range(blocks)])


def moved(picture, source, rows, columns):
    """The picture's blocks laid out anew."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    out = np.zeros_like(picture)
    for place, block in enumerate(source):
        if block >= 0:
            to, at = divmod(place, columns), divmod(int(block), columns)
            out[to[0] * height : (to[0] + 1) * height, to[1] * width : (to[1] + 1) * width] = picture[
                at[0] * height : (at[0] + 1) * height, at[1] * width : (at[1] + 1) * width
            ]
    return out


def blend(own, other, z, saliency, grid, distance_weight):
    """The mixed picture: both moved on a grid that is as fine as that of z or finer, then shared out by z."""
    rows, columns = grid
    fine = np.kron(z, np.ones((rows // z.shape[0], columns // z.shape[1])))
    parts = []
    for picture, map_, visible in ((own, saliency[0], fine > 0), (other, saliency[1], fine < 1)):
        parts.append(moved(picture, transport(pool(map_, rows, columns), visible, distance_weight), rows, columns))
    share = np.kron(z, np.ones((own.shape[0] // z.shape[0], own.shape[1] // z.shape[1])))[..., None]
    return share * parts[0] + (1 - share) * parts[1]
