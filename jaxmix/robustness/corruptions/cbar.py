"""Registry of C-bar: for each corruption its constants, static or traced, the samples it takes, and the function.

P(v) is v at the strongest constant, 10. Lengths are shares of the shorter side.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.robustness.corruptions import (
    caustics,
    distortions,
    overlays,
    phase_noise,
    sparkles,
    splines,
    threefry,
    turbulence,
    waves,
)
from jaxmix.robustness.corruptions.registry import Case, Corruption, Split
from jaxmix.robustness.corruptions.severities import CBAR_CONSTANTS

__all__ = ["CORRUPTIONS"]

_TURN = np.float32(2 * np.pi)
# A place in pixels through which no line of an image goes.
_FAR = np.float32(1e6)


def _shorter(images: Array) -> int:
    return min(images.shape[1:3])


def _share(of: float) -> Any:
    """Split a constant into P(of), traced."""
    return lambda value, side, images: Split(np.float32(of * value / 10))


def _length(of: float) -> Any:
    """Split a constant into P(of) times the shorter side, traced."""
    return lambda value, side, images: Split(np.float32(of * value / 10 * _shorter(images)))


def _points(samples: Float[Array, "... 2"], images: Array) -> Float[Array, "... 2"]:
    """Points (row, column) of the image for uniform samples."""
    return samples * np.array(images.shape[1:3], np.float32).reshape(*[1] * (samples.ndim - 1), 2)


def _range(samples: Array, low: float, high: float) -> Array:
    return np.float32(low) + np.float32(high - low) * samples


def _blue_constants(value: float, side: int, images: Array) -> Split:
    return Split(np.float32(0.3 * value - 2.5))


def _blue(case: Case) -> Array:
    size, height, width, _ = case.images.shape
    side = phase_noise.field_side(height, width)
    phases = _TURN * threefry.uniform(case.key, size, side, side // 2)
    field = phase_noise.field(phases, phase_noise.blue_power(side))[:, :height, :width]
    return phase_noise.blue_noise(case.x, field > case.traced)


def _brownish(case: Case) -> Array:
    size, height, width, channels = case.images.shape
    side = phase_noise.field_side(height, width)
    phases = _TURN * threefry.uniform(case.key, size, channels, side, side // 2)
    fields = phase_noise.field(phases, phase_noise.brownish_power(side))[..., :height, :width]
    return phase_noise.brownish_noise(case.x, jnp.moveaxis(fields, 1, -1), case.traced)


def _checkerboard(case: Case) -> Array:
    cell_key, grid_key = jax.random.split(case.key)
    size, most = case.images.shape[0], overlays.MOST_CELLS
    shape, grid = threefry.uniform(cell_key, size, 2), threefry.uniform(grid_key, size, most, most)
    cell = jnp.maximum(_range(shape[:, 1], 0.1, 0.25) * _shorter(case.images), 1)
    return overlays.checkerboard(case.x, _TURN * shape[:, 0], cell, grid, case.traced)


def _sparkles(case: Case) -> Array:
    place_key, ray_key = jax.random.split(case.key)
    size, number = case.images.shape[0], 5
    uniform = threefry.uniform(place_key, size, number, 3)
    rays = jnp.floor(_range(uniform[..., 2], 50, sparkles.MOST_RAYS + 1)).astype(jnp.int32)
    normals = threefry.normal(ray_key, size, number, sparkles.MOST_RAYS)
    lengths = sparkles.ray_lengths(normals, case.traced, 1.0)
    return sparkles.sparkles(case.x, _points(uniform[..., :2], case.images), rays, lengths)


def _inverse_sparkles(case: Case) -> Array:
    place_key, ray_key = jax.random.split(case.key)
    size = case.images.shape[0]
    uniform = threefry.uniform(place_key, size, 3)
    rays = jnp.floor(_range(uniform[:, 2], 50, sparkles.MOST_RAYS + 1)).astype(jnp.int32)
    normals = threefry.normal(ray_key, size, sparkles.MOST_RAYS)
    lengths = sparkles.ray_lengths(normals, _shorter(case.images) / 4, -np.inf)
    center = _points(_range(uniform[:, :2], 0.25, 0.75), case.images)
    return sparkles.inverse_sparkles(case.x, center, rays, lengths, case.traced)


def _pinch_constants(value: float, side: int, images: Array) -> Split:
    shorter = _shorter(images)
    number = 5 if shorter >= 224 else 3
    if shorter < number:
        raise ValueError(
            f"images are {images.shape[1]} x {images.shape[2]}; wanted {number} or more pixels on each side: "
            f'"pinch_and_twirl" has {number} cells along the shorter one'
        )
    counts = tuple(number * length // shorter for length in images.shape[2:0:-1])
    return Split((np.float32(np.pi / 2 * value / 10), np.float32(0.4 * value / 10 + 0.1)), (counts, shorter // number))


def _pinch(case: Case) -> Array:
    (angle, amount), (counts, cell) = case.traced, case.static
    positive = threefry.uniform(case.key, case.images.shape[0], *counts) < 0.5
    return distortions.pinch_and_twirl(case.x, jnp.where(positive, angle, -angle), amount, cell)


def _ripple(case: Case) -> Array:
    uniform = threefry.uniform(case.key, case.images.shape[0], 4)
    lengths = _range(uniform[:, :2], 0.1, 0.3) * _shorter(case.images)
    return distortions.ripple(case.x, lengths, _TURN * uniform[:, 2:], case.traced)


def _circular_constants(value: float, side: int, images: Array) -> Split:
    degrees = 15 * value / 10
    return Split((splines.rotations(degrees).astype(np.float32), splines.circular_weights(degrees, *images.shape[1:3])))


def _lines_constants(value: float, side: int, images: Array) -> Split:
    most = max(CBAR_CONSTANTS["cifar"]["lines"])
    # Severities share a program, of the number of lines of the strongest.
    return Split(np.int32(value / 10 * _shorter(images)), int(most / 10 * _shorter(images)))


def _lines(case: Case) -> Array:
    line_key, angle_key = jax.random.split(case.key)
    size, most = case.images.shape[0], case.static
    if most == 0:
        return case.x
    uniform, angle = threefry.uniform(line_key, size, most, 3), threefry.uniform(angle_key, size, 2)
    spread = _range(angle[:, 1:], 0.1, 1)
    angles = _TURN * angle[:, :1] + _TURN * spread * (uniform[..., 2] - 0.5)
    counted = np.arange(most, dtype=np.int32).reshape(1, most, 1) < case.traced
    points = jnp.where(counted, _points(uniform[..., :2], case.images), _FAR)
    return overlays.lines(case.x, points, angles)


def _aberration_constants(value: float, side: int, images: Array) -> Split:
    scales = (1.0, 1 + 0.5 * value / 20, 1 + 0.5 * value / 10)
    return Split(tuple(tuple(splines.zoom_weights(length, s) for length in images.shape[1:3]) for s in scales))


def _aberration(case: Case) -> Array:
    order = jnp.argsort(threefry.bits(case.key, case.images.shape[0], 3), -1).astype(jnp.int32)
    return splines.chromatic_aberration(case.x, order, case.traced)


def _caustic_constants(value: float, side: int, images: Array) -> Split:
    return Split((np.float32(0.5 * value / 10 * _shorter(images)), np.float32(2 * value / 10)))


def _caustic(case: Case) -> Array:
    uniform = threefry.uniform(case.key, case.images.shape[0], 2)
    scale = _range(uniform[:, 1], 0.75, 1.25) * _shorter(case.images)
    field = caustics.light(_range(uniform[:, 0], 0.5, 2), scale, *case.images.shape[1:3])
    return caustics.caustic_refraction(case.x, field, *case.traced)


def _cocentric(case: Case) -> Array:
    uniform = threefry.uniform(case.key, case.images.shape[0], 5)
    wave, ring = (uniform[:, k] * np.float32(_shorter(case.images) / 10) for k in (3, 4))
    center = _points(uniform[:, :2], case.images)[:, ::-1]
    return waves.cocentric_sine_waves(case.x, center, 10 * uniform[:, 2], wave, ring, case.traced)


def _single(case: Case) -> Array:
    uniform = threefry.uniform(case.key, case.images.shape[0], 4)
    first = _range(uniform[:, 0], -np.pi, np.pi)
    second = jnp.abs(first) * _range(uniform[:, 1], -1, 1)
    is_first = uniform[:, 2:3] < 0.5
    both, turned = jnp.stack([first, second], -1), jnp.stack([second, first], -1)
    return waves.single_frequency(case.x, jnp.where(is_first, both, turned), _TURN * uniform[:, 3], case.traced)


def _perlin(case: Case) -> Array:
    order_key, vector_key = jax.random.split(case.key)
    size, height, width, _ = case.images.shape
    permutation = jnp.argsort(threefry.bits(order_key, size, turbulence.PERIOD), -1).astype(jnp.int32)
    vectors = 2 * threefry.uniform(vector_key, size, turbulence.PERIOD, 2) - 1
    length = jnp.sqrt(jnp.square(vectors).sum(-1, keepdims=True))
    lattice = turbulence.Lattice(permutation, vectors / jnp.maximum(length, 1e-6))
    noise = turbulence.perlin(lattice, height, width, 32 * _shorter(case.images) / 224)
    return turbulence.perlin_noise(case.x, noise, case.traced)


def _plasma(case: Case) -> Array:
    size, height, width, _ = case.images.shape
    uniform = threefry.uniform(case.key, size, 4)
    samples = turbulence.Plasma(
        np.float32(6 * np.pi) * uniform[:, 0],
        jnp.floor(_range(uniform[:, 1], 4, 7)).astype(jnp.int32),
        _range(uniform[:, 2], 0.5, 1),
        _range(uniform[:, 3], 0.075, 0.2) * _shorter(case.images),
    )
    return turbulence.plasma_noise(case.x, turbulence.plasma(samples, height, width), case.traced)


CORRUPTIONS: dict[str, Corruption] = {
    "blue_noise_sample": Corruption(_blue, _blue_constants),
    "brownish_noise": Corruption(_brownish, _share(64 / 255)),
    "caustic_refraction": Corruption(_caustic, _caustic_constants),
    "checkerboard_cutout": Corruption(_checkerboard, _share(1)),
    "circular_motion_blur": Corruption(lambda case: splines.circular_blur(case.x, *case.traced), _circular_constants),
    "cocentric_sine_waves": Corruption(_cocentric, _share(128 / 255)),
    "inverse_sparkles": Corruption(_inverse_sparkles, _share(65 / 50)),
    "lines": Corruption(_lines, _lines_constants),
    "perlin_noise": Corruption(_perlin, _share(0.5)),
    "pinch_and_twirl": Corruption(_pinch, _pinch_constants),
    "plasma_noise": Corruption(_plasma, _share(64 / 255)),
    "ripple": Corruption(_ripple, _length(0.025)),
    "single_frequency_greyscale": Corruption(_single, _share(196 / 255)),
    "sparkles": Corruption(_sparkles, _length(0.1)),
    "transverse_chromatic_abberation": Corruption(_aberration, _aberration_constants),
}
