"""One corruption of a batch, by name and severity."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxmix import arguments, dtypes
from jaxmix.robustness.corruptions import cbar, frost, quantize, registry
from jaxmix.robustness.corruptions.registry import Case
from jaxmix.robustness.corruptions.severities import CBAR, CONSTANTS, EXTRA, LIKE, MAIN, SIDE, constant

__all__ = ["corrupt"]

_FUNCTIONS = registry.CORRUPTIONS | cbar.CORRUPTIONS


def corrupt(
    key: jax.Array,
    images: arguments.Batch,
    name: str,
    severity: int,
    *,
    constants: str = "cifar",
    photographs: frost.Photos | str | pathlib.Path | None = None,
) -> jax.Array:
    """Corrupt images as in CIFAR-10-C, CIFAR-100-C, ImageNet-C, CIFAR-10-C-bar or ImageNet-C-bar.

        out = clip(corruption(x, samples), 0, 1),   x in 0..1; 8-bit levels are truncated: floor(255 out)

    The constants belong to a size: CIFAR's to 32 x 32, ImageNet's to 224 x 224 pixels. Results are reported on the
    published files; the authors' samples can't be repeated, and ImageNet-C's were saved as JPEG of quality 85 on top.
    Severities share a compiled program, unless a constant sets a shape.

    Args:
        key: PRNG key. Every image has its own, so that its samples don't depend on the others.
        images: [b h w 3], RGB, uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized.
        name: one of `MAIN` (the 15 that an mCE counts), `EXTRA` (4 to validate with), `LIKE` (substitutes) or
            `CBAR[constants]` (the ten of C-bar, with its authors' spellings); static.
        severity: from 1 to 5, static.
        constants: "cifar" or "imagenet", static.
        photographs: for "frost", the folder with the authors' photographs, or the result of `photographs(folder)`.

    Returns:
        Images of the same shape and dtype. Floats aren't rounded to levels, except where the corruption
        works on levels: glass_blur, motion_blur, pixelate, jpeg_compression and transverse_chromatic_abberation.

    Raises:
        ValueError: images that aren't [b h w 3] or, where their values are known, floats outside 0..1; an unknown
            name or constants, or a name of C-bar that those constants lack; a severity that isn't 1 to 5; frost
            without photographs; "spatter" of a severity that is water, which OpenCV renders: "spatter_like" has a
            substitute, and the authors' mud at the others; pinch_and_twirl of images smaller than its cells.

    Differs from the authors' code: samples come from another generator, and arithmetic is in float32, not float64.
    Blurs, tones, zoom, pixelation, compression, mud and, for a given angle or field, motion, glass, snow, fog and the
    elastic warp are the authors' to a rounding; so are those of C-bar for given samples, but for "lines". C-bar's
    lengths are shares of the shorter side, and its even square fields are cropped to the image.

    Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations. ICLR 2019. Eric Mintun, Alexander Kirillov, Saining Xie. On Interaction Between Augmentations and
    Corruptions in Natural Corruption Robustness. NeurIPS 2021.

    >>> x = jnp.full((4, 32, 32, 3), 128, jnp.uint8)
    >>> corrupt(jax.random.key(0), x, "brightness", 2)[0, 0, 0].tolist()
    [153, 153, 153]
    """
    arguments.key(key, "corrupt", images)
    x = arguments.images(images)
    _check(x, name, severity, constants)
    arguments.unit(x)
    photos = None
    if name == "frost":
        photos = frost.stacked(photographs, x.shape[1:3], every=5 if constants == "cifar" else 1)
    elif photographs is not None:
        raise ValueError(f'photographs given with {name!r}; wanted none: only "frost" takes them')
    traced, static = _FUNCTIONS[name].split(constant(name, severity, constants), SIDE[constants], x)
    return arguments.nan_outside(x, _corrupted(key, x, photos, traced, name, static))


def _check(x: Array, name: str, severity: int, constants: str) -> None:
    if not isinstance(name, str) or name not in _FUNCTIONS:
        cbar_names = dict.fromkeys(each for names in CBAR.values() for each in names)
        raise ValueError(f"name is {name!r}; wanted one of {', '.join((*MAIN, *EXTRA, *LIKE, *cbar_names))}")
    arguments.count("severity", severity, low=1, high=5)
    if not isinstance(constants, str) or constants not in CONSTANTS:
        raise ValueError(f'constants are {constants!r}; wanted "cifar" or "imagenet"')
    if name in cbar.CORRUPTIONS and name not in CBAR[constants]:
        raise ValueError(
            f"name is {name!r}, which has no constants {constants!r}: that C-bar has {', '.join(CBAR[constants])}; "
            f"wanted one of these, or constants={'imagenet' if constants == 'cifar' else 'cifar'!r}"
        )
    if x.shape[-1] != 3:
        raise ValueError(f"images have {x.shape[-1]} channels; wanted 3, RGB: repeat grey ones, jnp.repeat(x, 3, -1)")
    if name == "spatter" and not constant(name, severity, constants)[-1]:
        raise ValueError(
            f'"spatter" of severity {severity} is water, which only OpenCV renders; wanted severity 4 or 5, or the '
            'substitute "spatter_like", which no official benchmark counts'
        )


@functools.partial(jax.jit, static_argnames=("name", "static"))
def _corrupted(
    key: Array, images: Array, photos: tuple[Array, Array] | None, traced: Any, name: str, static: Hashable
) -> Array:
    out = _FUNCTIONS[name].function(Case(key, images, photos, traced, static))
    if images.dtype == jnp.uint8:
        return out if out.dtype == jnp.uint8 else quantize.truncated(out)
    if out.dtype == jnp.uint8:
        out = dtypes.from_uint8(out, images.dtype)
    return jnp.clip(out, 0, 1).astype(images.dtype)
