"""A sequence of perturbed images for each image of a batch, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix import arguments, dtypes
from jaxmix.pixels import separable_blur
from jaxmix.robustness.corruptions import color_adjustments, motion_blur, noise, quantize, threefry, weather
from jaxmix.robustness.sequences import geometry
from jaxmix.robustness.sequences.constants import CONSTANTS, names

__all__ = ["perturb"]

_NOISY_FRAMES = 30
# What changes from frame to frame of a warp.
_CHANGED: dict[str, geometry.Change] = {
    "rotate": "degrees", "scale": "scale", "shear": "shear", "zoom_blur": "scale",
}  # fmt: skip


def perturb(
    key: jax.Array,
    images: arguments.Batch,
    name: str,
    *,
    difficulty: int = 1,
    constants: str = "cifar",
    center_offset: float = 0.5,
) -> Array:
    """Make the sequences of CIFAR-10-P or ImageNet-P: n frames of each image, perturbed little by little.

    Noise has the clean image and 30 frames with noise of their own, which have no order; zoom_blur the clean image and
    30 frames; translate 16 frames (ImageNet-P: 41), CIFAR-10-P's motion_blur 21, all others 31. Pass the predictions to
    `jaxmix.robustness.stability`.

    Args:
        key: PRNG key; read by noise and snow.
        images: [b h w 3], RGB, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized.
        name: one of `MAIN` (the ten of the paper) or `EXTRA`; static.
        difficulty: 1 to 3, the strength of noise; static. The frames of all others stay: pass it to `stability` too.
        constants: "cifar" for 32 x 32, "imagenet" for 224 x 224 pixels; static. ImageNet-P's moves, blurs and tilts
            were of images that hadn't been cropped: pass those, and crop the frames.
        center_offset: in pixels to the right and down, from the middle of the image to the center about which rotate,
            scale, shear and zoom_blur move; static. 0.5 stands for the library of 2018 that made CIFAR-10-P, which
            isn't verified; 0 is the middle, as in torchvision today.

    Returns:
        Frames [b n h w 3] of the images' dtype. Truncated to 8-bit levels where the images are uint8, and also for
        floats where the perturbation works on levels: translate, rotate, scale, shear, tilt, zoom_blur, motion_blur.

    Raises:
        ValueError: images that aren't [b h w 3] or, where their values are known, floats outside 0..1; an unknown
            name or constants, or a name that has no such constants; a difficulty that isn't 1 to 3.

    Differs from the authors' code: samples come from another generator and arithmetic is in float32; tilt interpolates
    exactly (OpenCV 3, which made the data, to 1/32 pixel); ImageNet-P was stored as compressed video. Spatter is
    missing, whose edges come from OpenCV, and so are snow and shear of ImageNet-P.

    Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations. ICLR 2019.

    >>> perturb(jax.random.key(0), jnp.zeros((2, 32, 32, 3), jnp.uint8), "translate").shape
    (2, 16, 32, 32, 3)
    """
    arguments.key(key, "perturb", images)
    x = arguments.images(images)
    _check(x, name, difficulty, constants)
    longer = max(x.shape[1:3])
    if type(center_offset) not in (int, float) or not abs(center_offset) <= longer:
        raise ValueError(f"center_offset is {center_offset!r}; wanted a Python number of pixels, at most {longer}")
    arguments.unit(x)
    traced, static = _split(name, CONSTANTS[constants][name], difficulty, x, float(center_offset))
    return jnp.moveaxis(arguments.nan_outside(x, _sequences(key, x, traced, name, static)), 0, 1)


def _check(x: Array, name: str, difficulty: int, constants: str) -> None:
    known = names(constants)
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"name is {name!r}; with constants {constants!r} wanted one of {', '.join(known)}")
    arguments.count("difficulty", difficulty, low=1, high=3)
    if x.shape[-1] != 3:
        raise ValueError(f"images have {x.shape[-1]} channels; wanted 3, RGB: repeat grey ones, jnp.repeat(x, 3, -1)")


class _Images(NamedTuple):
    """One batch: its key, the images as given, and the constants."""

    key: Array
    images: Array
    traced: Any
    static: Any

    @property
    def x(self) -> Float[Array, "b h w 3"]:
        return jnp.clip(dtypes.to_unit(self.images), 0, 1)

    @property
    def levels(self) -> Array:
        return dtypes.to_uint8(self.images)

    def finished(self, frame: Array) -> Array:
        """A frame in the dtype of the images."""
        if self.images.dtype == jnp.uint8:
            return frame if frame.dtype == jnp.uint8 else quantize.truncated(frame)
        return jnp.clip(dtypes.to_unit(frame), 0, 1).astype(self.images.dtype)

    def each(self, function: Callable[[Any], Array], items: Any) -> Array:
        """Frames [n b h w 3], one after the other."""
        return jax.lax.map(lambda item: self.finished(function(item)), items)


@functools.partial(jax.jit, static_argnames=("name", "static"))
def _sequences(key: Array, images: Array, traced: Any, name: str, static: Hashable) -> Array:
    """Frames [n b h w 3]."""
    return _PERTURBATIONS[name](_Images(key, images, traced, static))


def _split(name: str, values: Any, difficulty: int, x: Array, offset: float) -> tuple[Any, Hashable]:
    """The constants, traced and static."""
    height, width = x.shape[1:3]
    if name in ("gaussian_noise", "speckle_noise"):
        return np.float32(values[difficulty - 1]), None
    if name == "shot_noise":
        photons = values[difficulty - 1]
        table = noise.alias_table(float(photons), noise.columns_of(max(values)))
        return table, 0 if x.dtype == jnp.uint8 else noise.terms_of(photons)
    if name in _CHANGED:
        return geometry.matrices(values, _CHANGED[name], (height, width), offset), None
    if name == "translate":
        return np.array(values, np.int32), max(map(abs, values))
    if name == "tilt":
        return geometry.homographies(values, (height, width)), None
    if name == "gaussian_blur":
        taps = [separable_blur.gaussian(sigma, values[1]) for sigma in values[0]]
        most = max(map(len, taps))
        return np.stack([np.pad(of, (most - len(of)) // 2) for of in taps]).astype(np.float32), None
    if name == "motion_blur":
        radius, sigma, degrees = values
        return (motion_blur.weights(radius, sigma), np.array(degrees, np.float32)), None
    if name == "snow":
        mean, deviation, zoom, threshold, radius, sigma, share, degrees = values
        flakes = weather.Snow(*map(np.float32, (mean, deviation, threshold, share)))
        return (flakes, motion_blur.weights(radius, sigma), np.array(degrees, np.float32)), zoom
    return np.array(values, np.float32), None


def _noisy(make: Callable[[Array, _Images], Array]) -> Callable[[_Images], Array]:
    """The clean image, then frames of samples of their own."""

    def frames(case: _Images) -> Array:
        made = case.each(lambda key: make(key, case), jax.random.split(case.key, _NOISY_FRAMES))
        return jnp.concatenate([case.finished(case.images)[None], made])

    return frames


def _shot(key: Array, case: _Images) -> Array:
    return noise.shot(noise.poisson(key, case.x, case.traced, case.static), case.traced.photons)


def _zoom_blur(case: _Images) -> Array:
    """The clean image, then means of it and all zooms so far, each in 8-bit levels."""

    def step(carry: tuple[Array, Array], matrix: Array) -> tuple[tuple[Array, Array], Array]:
        total, number = carry
        total = total + geometry.affine_frame(case.levels, matrix).astype(jnp.int32)
        mean = total.astype(jnp.float32) / (255 * number)
        return (total, number + 1), case.finished(quantize.truncated(mean))

    _, frames = jax.lax.scan(step, (case.levels.astype(jnp.int32), jnp.float32(2)), case.traced)
    return jnp.concatenate([case.finished(case.levels)[None], frames])


def _motion_blur(case: _Images) -> Array:
    weights, degrees = case.traced
    size = case.images.shape[0]
    return case.each(lambda angle: motion_blur.motion(case.levels, jnp.broadcast_to(angle, (size,)), weights), degrees)


def _snow(case: _Images) -> Array:
    flakes, weights, degrees = case.traced
    size, height, width, _ = case.images.shape
    normals = threefry.normal(case.key, size, height, width)

    def fallen(angle: Array) -> Array:
        return weather.snow(case.x, normals, jnp.broadcast_to(angle, (size,)), flakes, weights, case.static)

    return case.each(fallen, degrees)


def _affine(case: _Images) -> Array:
    return case.each(lambda matrix: geometry.affine_frame(case.levels, matrix), case.traced)


_PERTURBATIONS: dict[str, Callable[[_Images], Array]] = {
    "gaussian_noise": _noisy(
        lambda key, case: noise.gaussian(case.x, threefry.normal(key, *case.images.shape), case.traced)
    ),
    "shot_noise": _noisy(_shot),
    "speckle_noise": _noisy(
        lambda key, case: noise.speckle(case.x, threefry.normal(key, *case.images.shape), case.traced)
    ),
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "brightness": lambda case: case.each(lambda value: color_adjustments.brightness(case.x, value), case.traced),
    "translate": lambda case: case.each(
        lambda shift: geometry.translated(case.levels, shift, case.static), case.traced
    ),
    "rotate": _affine,
    "scale": _affine,
    "shear": _affine,
    "tilt": lambda case: case.each(lambda matrix: geometry.tilted(case.x, matrix), case.traced),
    "gaussian_blur": lambda case: case.each(
        lambda taps: separable_blur.blur(case.x, (taps, taps), (1, 2)), case.traced
    ),
}
