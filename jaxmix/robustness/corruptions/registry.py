"""What each corruption draws, and the function that gets it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import dtypes
from jaxmix.numerics import materialize
from jaxmix.pixels import packing
from jaxmix.robustness.corruptions import (
    blurs,
    color_adjustments,
    elastic,
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


class Case(NamedTuple):
    """One batch to corrupt: pictures as they came, the authors' constants, and the side that some are shares of."""

    key: Array
    images: Array
    values: Any
    side: int
    photographs: tuple[Array, Array] | None

    @property
    def x(self) -> Float[Array, "b h w 3"]:
        """The pictures in 0..1, also where a traced number isn't."""
        return jnp.clip(dtypes.to_unit(self.images), 0, 1)

    @property
    def whole(self) -> Array:
        """The pictures in 8-bit levels."""
        return dtypes.to_uint8(packing.packable(self.images))

    def normal(self, *shape: int) -> Array:
        """Standard normals for every picture."""
        return threefry.normal(self.key, self.images.shape[0], *shape)


def _shot(case: Case) -> Array:
    counts = noise.poisson(case.key, case.x, case.values, whole=case.images.dtype == jnp.uint8)
    return noise.shot(counts, case.values)


def _impulse(case: Case) -> Array:
    return noise.impulse(case.x, *noise.flips(threefry.bits(case.key, *case.images.shape), case.values))


def _glass(case: Case) -> Array:
    sigma, reach, rounds = case.values
    dx, dy = glass_blur.offsets(case.key, case.images.shape, reach, rounds)
    return glass_blur.glass(case.x, dx, dy, sigma, reach)


def _motion(case: Case) -> Array:
    angle = motion_blur.angle(threefry.uniform(case.key, case.images.shape[0]), -45, 45)
    return motion_blur.motion(case.whole, angle, *case.values)


def _snow(case: Case) -> Array:
    flakes, angle = jax.random.split(case.key)
    size, *sides, _ = case.images.shape
    # Only the middle of the field is read, magnified: only that is drawn.
    inner = [blurs.middle(side, case.values[2]) for side in sides]
    around = [(start, side - start - kept) for side, (start, kept) in zip(sides, inner, strict=True)]
    normals = jnp.pad(materialize(threefry.normal(flakes, size, *[kept for _, kept in inner])), ((0, 0), *around))
    return weather.snow(case.x, normals, motion_blur.angle(threefry.uniform(angle, size), -135, -45), case.values)


def _frost(case: Case) -> Array:
    assert case.photographs is not None
    photos, sizes = case.photographs
    size, height, width, _ = case.images.shape
    layer = frost.parts(photos, frost.places(case.key, size, sizes, height, width), height, width)
    return frost.frost(case.x, layer, *case.values)


def _fog(case: Case) -> Array:
    strength, decay = case.values
    size, height, width, _ = case.images.shape
    side = weather.cloud_side(height, width)
    uniform = 2 * threefry.uniform(case.key, size, side * side - 1) - 1
    return weather.fog(case.x, weather.plasma(uniform, side, decay)[:, :height, :width], strength)


def _elastic(case: Case) -> Array:
    amplitude, sigma, jitter = (case.side * value for value in case.values)
    corner_key, field_key = jax.random.split(case.key)
    size, height, width, _ = case.images.shape
    corners = jitter * (2 * threefry.uniform(corner_key, size, 3, 2) - 1)
    fields = 2 * threefry.uniform(field_key, size, height, width, 2) - 1
    return elastic.elastic(case.x, corners, fields, amplitude=amplitude, sigma=sigma)


def _spatter(case: Case) -> Array:
    drawn = spatter.mud if case.values[-1] else spatter.water_like
    return drawn(case.x, case.normal(*case.images.shape[1:3]), case.values)


CORRUPTIONS: dict[str, Callable[[Case], Array]] = {
    "gaussian_noise": lambda case: noise.gaussian(case.x, case.normal(*case.images.shape[1:]), case.values),
    "shot_noise": _shot,
    "impulse_noise": _impulse,
    "defocus_blur": lambda case: blurs.defocus(case.x, *case.values),
    "glass_blur": _glass,
    "motion_blur": _motion,
    "zoom_blur": lambda case: blurs.zoom(case.x, *case.values),
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": lambda case: color_adjustments.brightness(case.x, case.values),
    "contrast": lambda case: color_adjustments.contrast(case.x, case.values),
    "elastic_transform": _elastic,
    "pixelate": lambda case: pixelate.pixelate(case.whole, case.values),
    "jpeg_compression": lambda case: jpeg.compressed(case.whole, case.values),
    "speckle_noise": lambda case: noise.speckle(case.x, case.normal(*case.images.shape[1:]), case.values),
    "gaussian_blur": lambda case: blurs.gaussian(case.x, case.values),
    "spatter": _spatter,
    "saturate": lambda case: color_adjustments.saturate(case.x, *case.values),
    "frost_like": lambda case: frost.frost(case.x, frost.made_up(case.key, *case.images.shape[:3]), *case.values),
    "spatter_like": _spatter,
}
