"""Registry: for each corruption its constants, static or traced, the samples it takes, and the function of both."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxmix import dtypes
from jaxmix.numerics import materialize
from jaxmix.pixels import separable_blur
from jaxmix.robustness.corruptions import (
    blurs,
    color_adjustments,
    elastic,
    filters,
    frost,
    glass_blur,
    jpeg,
    motion_blur,
    noise,
    pixelate,
    spatter,
    threefry,
    weather,
)
from jaxmix.robustness.corruptions.severities import CONSTANTS

__all__ = ["CORRUPTIONS", "Case", "Corruption", "Split"]


class Case(NamedTuple):
    """One batch to corrupt: its key, the images as given, photographs of frost, and the constants."""

    key: Array
    images: Array
    photographs: tuple[Array, Array] | None
    traced: Any
    static: Any

    @property
    def x(self) -> Float[Array, "b h w 3"]:
        """The images in 0..1, also where a traced value isn't."""
        return jnp.clip(dtypes.to_unit(self.images), 0, 1)

    @property
    def levels(self) -> UInt8[Array, "b h w 3"]:
        """The images in 8-bit levels."""
        return dtypes.to_uint8(self.images)

    def normal(self, *shape: int) -> Array:
        """Standard normals for every image."""
        return threefry.normal(self.key, self.images.shape[0], *shape)


class Split(NamedTuple):
    """The constants of one severity: what of them may be traced, so that severities share a program, and the rest."""

    traced: Any = ()
    static: Hashable = ()


class Corruption(NamedTuple):
    """A function of a `Case`, and how the authors' constants are split; that may depend on side and images."""

    function: Callable[[Case], Array]
    split: Callable[[Any, int, Array], Split]


def _scalars(values: Any, side: int, images: Array) -> Split:
    return Split(tuple(np.float32(value) for value in np.atleast_1d(values)))


def _shot_constants(photons: float, side: int, images: Array) -> Split:
    alike = next(table["shot_noise"] for table in CONSTANTS.values() if photons in table["shot_noise"])
    table = noise.alias_table(float(photons), noise.columns_of(max(alike)))
    return Split(table, 0 if images.dtype == jnp.uint8 else noise.terms_of(photons))


def _shot(case: Case) -> Array:
    return noise.shot(noise.poisson(case.key, case.x, case.traced, case.static), case.traced.photons)


def _impulse(case: Case) -> Array:
    return noise.impulse(case.x, *noise.flips(threefry.bits(case.key, *case.images.shape), *case.traced))


def _defocus_constants(values: Any, side: int, images: Array) -> Split:
    weights, *structure = filters.grouped(blurs.disk(*values))
    return Split(weights, tuple(structure))


def _defocus(case: Case) -> Array:
    places, shape = case.static
    return filters.kernel_sum(case.x, case.traced, places, shape, "reflect")


def _taps(sigma: float) -> np.ndarray:
    return separable_blur.gaussian(sigma).astype(np.float32)


def _glass_constants(values: Any, side: int, images: Array) -> Split:
    sigma, *static = values
    return Split(_taps(sigma), tuple(static))


def _glass(case: Case) -> Array:
    reach, rounds = case.static
    dx, dy = glass_blur.offsets(case.key, case.images.shape, reach, rounds)
    return glass_blur.glass(case.x, dx, dy, case.traced, reach)


def _motion(case: Case) -> Array:
    angle = motion_blur.angle(threefry.uniform(case.key, case.images.shape[0]), -45, 45)
    return motion_blur.motion(case.levels, angle, case.traced)


def _snow_constants(values: Any, side: int, images: Array) -> Split:
    mean, deviation, zoom, threshold, radius, sigma, share = values
    flakes = weather.Snow(*map(np.float32, (mean, deviation, threshold, share)))
    return Split((flakes, motion_blur.weights(radius, sigma)), zoom)


def _snow(case: Case) -> Array:
    flake_key, angle_key = jax.random.split(case.key)
    size, *sides, _ = case.images.shape
    # Only the middle of the field is read, magnified: only that is sampled.
    inner = [blurs.middle(side, case.static) for side in sides]
    around = [(start, side - start - kept) for side, (start, kept) in zip(sides, inner, strict=True)]
    normals = jnp.pad(materialize(threefry.normal(flake_key, size, *[kept for _, kept in inner])), ((0, 0), *around))
    angle = motion_blur.angle(threefry.uniform(angle_key, size), -135, -45)
    flakes, kernel = case.traced
    return weather.snow(case.x, normals, angle, flakes, kernel, case.static)


def _frost_constants(values: Any, side: int, images: Array | None) -> Split:
    return Split(tuple(np.float32(round(100 * weight)) for weight in values))


def _frost(case: Case) -> Array:
    assert case.photographs is not None
    photos, sizes = case.photographs
    size, height, width, _ = case.images.shape
    layer = frost.crops(photos, frost.places(case.key, size, sizes, height, width), height, width)
    return frost.frost(case.x, layer, *case.traced)


def _fog_constants(values: Any, side: int, images: Array) -> Split:
    strength, decay = values
    return Split((np.float32(strength), weather.amplitudes(weather.cloud_side(*images.shape[1:3]), decay)))


def _fog(case: Case) -> Array:
    strength, amplitudes = case.traced
    size, height, width, _ = case.images.shape
    side = weather.cloud_side(height, width)
    uniform = 2 * threefry.uniform(case.key, size, side * side - 1) - 1
    return weather.fog(case.x, weather.plasma(uniform, side, amplitudes)[:, :height, :width], strength)


def _elastic_constants(values: Any, side: int, images: Array) -> Split:
    amplitude, sigma, jitter = (side * value for value in values)
    blur = elastic.weights(sigma, *images.shape[1:3]) if amplitude else None
    return Split((np.float32(amplitude), blur, np.float32(jitter)))


def _elastic(case: Case) -> Array:
    amplitude, blur, jitter = case.traced
    corner_key, field_key = jax.random.split(case.key)
    size, height, width, _ = case.images.shape
    corners = jitter * (2 * threefry.uniform(corner_key, size, 3, 2) - 1)
    fields = 2 * threefry.uniform(field_key, size, height, width, 2) - 1
    return elastic.elastic(case.x, corners, fields, amplitude, blur)


def _spatter_constants(values: Any, side: int, images: Array) -> Split:
    mean, deviation, sigma, threshold, strength, is_mud = values
    liquid = spatter.Liquid(np.float32(mean), np.float32(deviation), _taps(sigma), np.float32(threshold))
    return Split((liquid, _taps(strength) if is_mud else np.float32(strength)), is_mud)


def _spatter(case: Case) -> Array:
    cover = spatter.mud if case.static else spatter.water_like
    return cover(case.x, case.normal(*case.images.shape[1:3]), *case.traced)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(
        lambda case: noise.gaussian(case.x, case.normal(*case.images.shape[1:]), *case.traced), _scalars
    ),
    "shot_noise": Corruption(_shot, _shot_constants),
    "impulse_noise": Corruption(_impulse, _scalars),
    "defocus_blur": Corruption(_defocus, _defocus_constants),
    "glass_blur": Corruption(_glass, _glass_constants),
    "motion_blur": Corruption(_motion, lambda values, side, images: Split(motion_blur.weights(*values))),
    "zoom_blur": Corruption(
        lambda case: blurs.zoom(case.x, *case.static), lambda values, side, images: Split(static=values)
    ),
    "snow": Corruption(_snow, _snow_constants),
    "frost": Corruption(_frost, _frost_constants),
    "fog": Corruption(_fog, _fog_constants),
    "brightness": Corruption(lambda case: color_adjustments.brightness(case.x, *case.traced), _scalars),
    "contrast": Corruption(lambda case: color_adjustments.contrast(case.x, *case.traced), _scalars),
    "elastic_transform": Corruption(_elastic, _elastic_constants),
    "pixelate": Corruption(
        lambda case: pixelate.pixelate(case.levels, case.static), lambda values, side, images: Split(static=values)
    ),
    "jpeg_compression": Corruption(
        lambda case: jpeg.compressed(case.levels, case.traced), lambda values, side, images: Split(np.int32(values))
    ),
    "speckle_noise": Corruption(
        lambda case: noise.speckle(case.x, case.normal(*case.images.shape[1:]), *case.traced), _scalars
    ),
    "gaussian_blur": Corruption(
        lambda case: separable_blur.blur(case.x, (case.traced, case.traced), (1, 2)),
        lambda values, side, images: Split(_taps(values)),
    ),
    "spatter": Corruption(_spatter, _spatter_constants),
    "saturate": Corruption(lambda case: color_adjustments.saturate(case.x, *case.traced), _scalars),
    "frost_like": Corruption(
        lambda case: frost.frost(case.x, frost.synthetic(case.key, *case.images.shape[:3]), *case.traced),
        _frost_constants,
    ),
    "spatter_like": Corruption(_spatter, _spatter_constants),
}
