"""The corruptions of C-bar for one image [h w c] in 0..255, float64, from their equations; not yet clipped.

Centers are (row, column). Samples are given, as to the functions of jaxmix.
"""

import numpy as np
from scipy import ndimage


def places(image):
    height, width = image.shape[:2]
    return np.mgrid[:height, :width].astype(float)


def bilinear(image, rows, columns):
    height, width = image.shape[:2]
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    out = np.zeros(image.shape)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = (1 - abs(rows - row)) * (1 - abs(columns - column)) * inside
            out += weight[..., None] * image[row.clip(0, height - 1), column.clip(0, width - 1)]
    return out


def field(phases, power):
    side = len(phases)
    distance = np.hypot(*(np.mgrid[:side, :side] - side // 2))
    full = np.concatenate([phases, np.rot90(phases, 2)], 1)
    made = np.fft.ifft2(np.roll(power(distance) * np.exp(1j * full), (side // 2, side // 2), (0, 1))).real
    return made / made.std()


def blue_noise_sample(image, phases, threshold):
    height, width = image.shape[:2]
    return np.where(field(phases, lambda d: d)[:height, :width, None] > threshold, image, 0)


def brownish_noise(image, phases, amplitude):
    height, width = image.shape[:2]
    fields = [field(of_channel, lambda d: 1 / (d**2 + 1))[:height, :width] for of_channel in phases]
    return image + 255 * amplitude * np.stack(fields, -1)


def checkerboard_cutout(image, angle, cell, samples, share):
    y, x = places(image)
    number = int(4 * min(image.shape[:2]) / cell)
    across, along = (np.cos(angle) * y + np.sin(angle) * x) / cell, (np.cos(angle) * x - np.sin(angle) * y) / cell
    same = np.trunc(across % 2) == np.trunc(along % 2)
    chosen = samples[np.trunc(across).astype(int) % number, np.trunc(along).astype(int) % number] < share
    return np.where((same & chosen)[..., None], 128, image)


def light(image, center, lengths, rays, exponent):
    y, x = places(image)
    dy, dx = y - center[0], x - center[1]
    turn = (np.arctan2(dx, dy) + np.pi) / (2 * np.pi) * rays
    ray = turn.astype(int)
    fraction = turn - ray
    long = (1 - fraction) * lengths[ray % rays] + fraction * lengths[(ray + 1) % rays]
    return ((1 - (fraction - 0.5) ** 2) * (long**2 / (dx**2 + dy**2 + 1e-4)) ** exponent).clip(0, 1)[..., None]


def sparkles(image, centers, rays, normals, radius):
    for center, number, z in zip(centers, rays, normals, strict=True):
        image = image + light(image, center, np.maximum(radius + 0.25 * radius * z, 1), number, 1) * (255 - image)
    return image


def inverse_sparkles(image, center, rays, normals, exponent):
    radius = min(image.shape[:2]) / 4
    return 255 + light(image, center, radius + 0.25 * radius * normals, rays, exponent) * (image - 255)


def pinch_and_twirl(image, angles, amount, cell):
    radius = cell / 2
    for column in range(angles.shape[0]):
        for row in range(angles.shape[1]):
            y, x = places(image)
            y0, x0 = row * cell + radius, column * cell + radius
            distance = np.hypot(y - y0, x - x0)
            inside = (distance > 0) & (distance <= radius)
            share = np.where(inside, distance / radius, 1)
            factor, angle = np.sin(np.pi / 2 * share) ** -amount, -angles[column, row] * (1 - share) ** 2
            dy, dx = factor * (y - y0), factor * (x - x0)
            rows, columns = y0 + np.sin(angle) * dx + np.cos(angle) * dy, x0 + np.cos(angle) * dx - np.sin(angle) * dy
            image = np.where(inside[..., None], bilinear(image, rows, columns), image)
    return image


def ripple(image, lengths, phases, amplitude):
    moved = [
        place + amplitude * np.sin(2 * np.pi * place / length + phase)
        for place, length, phase in zip(places(image), lengths, phases, strict=True)
    ]
    return bilinear(image, *moved)


def circular_motion_blur(image, degrees):
    steps = np.linspace(-1, 1, 21)
    weights = np.exp(-2 * steps**2)
    turned = [ndimage.rotate(image, degrees * step, reshape=False, order=3, mode="constant") for step in steps]
    return np.tensordot(weights / weights.sum(), turned, 1)


def transverse_chromatic_abberation(image, scales):
    made = []
    for channel, scale in enumerate(scales):
        plane = image[..., channel]
        sides = [round(side * scale) for side in plane.shape]
        zoomed = ndimage.zoom(plane, [n / side for n, side in zip(sides, plane.shape, strict=True)], prefilter=False)
        start = [(n - side) // 2 for n, side in zip(sides, plane.shape, strict=True)]
        made.append(zoomed[start[0] : start[0] + plane.shape[0], start[1] : start[1] + plane.shape[1]])
    return np.round(np.stack(made, -1))


def lines(image, points, angles):
    reach = min(image.shape[:2])
    y, x = places(image)
    for point, angle in zip(points, angles, strict=True):
        step = reach * np.array([np.cos(angle), np.sin(angle)])
        start, end = np.trunc(point - step), np.trunc(point + step)
        length = np.hypot(*(end - start))
        u, v = (end - start) / length
        inside = abs((y - start[0]) * u + (x - start[1]) * v - length / 2) < length / 2 + 0.5
        share = (1 - abs((y - start[0]) * v - (x - start[1]) * u)).clip(0, 1) * inside
        image = image + share[..., None] * (128 - image)
    return image


def single_frequency_greyscale(image, frequency, phase, amplitude):
    y, x = places(image)
    return image + 255 * amplitude * np.sin(x * frequency[0] + y * frequency[1] + phase)[..., None]


def cocentric_sine_waves(image, center, frequency, wave, ring, amplitude):
    y, x = places(image)
    dx, dy = x - center[0], y - center[1]
    turns = (np.hypot(dx, dy) + wave * np.sin(frequency * np.arctan2(dx, dy))) / ring
    return image + 255 * amplitude * (turns % 1 - 0.5)[..., None]


def plasma_noise(image, time, iterations, sharpness, scale, share):
    y, x = (place / scale for place in places(image))
    frequency, slowing, damping = 1.0, 1.0, 1.0
    for _ in range(iterations):
        right = np.cos(y * frequency + time / slowing) / damping
        down = np.sin(x * frequency + time / slowing) / damping
        x, y = x + right - 0.3 * down, y + down + 0.3 * right
        frequency, slowing, damping = frequency * 1.93, slowing * 1.15, damping * (2.25 - sharpness)
    noise = np.stack([np.sin(x - time), np.sin((x + y + np.sin(time)) / 2), np.sin(y + time)], -1)
    return (1 - share) * image + 255 * share * noise


def perlin_noise(image, permutation, gradients, share):
    y, x = (place / (32 * min(image.shape[:2]) / 224) for place in places(image))

    def noise(u, v):
        (i, r), (j, q) = ((np.floor(place).astype(int), place % 1) for place in (u, v))
        found = {}
        for k in (0, 1):
            for m in (0, 1):
                place = permutation[(permutation[(i + k) % 256] + j + m) % 256]
                found[k, m] = ((r - k) * gradients[place][..., 0]) + (q - m) * gradients[place][..., 1]
        s, t = r * r * (3 - 2 * r), q * q * (3 - 2 * q)
        rows = [found[k, 0] + t * (found[k, 1] - found[k, 0]) for k in (0, 1)]
        return 1.5 * (rows[0] + s * (rows[1] - rows[0]))

    turbulence = sum(abs(noise(f * y, f * x)) / f for f in (1, 2, 4, 8, 16))
    return (1 - share) * image + 255 * share * (0.5 * turbulence + 0.5).clip(0, 1)[..., None]


def caustic_refraction(image, time, scale, lens, brightness):
    start = [(place / scale) % 1 * 6.28318530718 - 250 for place in places(image)]
    angle, total = list(start), np.ones(image.shape[:2])
    for n in range(5):
        now = time * (1 - 3.5 / (n + 1))
        waves = (np.cos(now - angle[0]) + np.sin(now + angle[1]), np.sin(now - angle[1]) + np.cos(now + angle[0]))
        angle = [start[0] + waves[0], start[1] + waves[1]]
        parts = start[0] / np.sin(angle[0] + now), start[1] / np.cos(angle[1] + now)
        total += 1 / np.hypot(0.005 * parts[0], 0.005 * parts[1])
    net = ndimage.gaussian_filter((abs(1.17 - (total / 5) ** 1.4) ** 8).clip(0, 1), 1)
    wide = np.pad(net, 1)
    down, right = wide[2:, 1:-1] - wide[:-2, 1:-1], wide[1:-1, 2:] - wide[1:-1, :-2]
    normal = np.stack([down, right, np.ones_like(down)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    flat = normal[..., 2] >= 0.999
    out = np.arcsin(np.sin(np.arccos(normal[..., 2].clip(-1, 1))) / 4)
    across = np.cross([0.0, 0.0, 1.0], normal)
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    across /= np.where(length > 0, length, 1)
    vector = np.cos(out)[..., None] * normal + np.sin(out)[..., None] * np.cross(normal, across)
    moves = np.where(flat[..., None], 0, np.round(lens * vector[..., :2], 3))
    y, x = places(image)
    return bilinear(image, y + moves[..., 0], x + moves[..., 1]) + 255 * brightness * (down - right)[..., None]
