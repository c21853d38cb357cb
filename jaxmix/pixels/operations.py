"""The operations by name, on one image [h w c]: uint8 in 0..255 or floats in 0..1, in and out.

Levels and arithmetic are those of Pillow (8 bits a channel), where there is one of that name. Floats are rounded to the
nearest of 256 levels first. Every channel counts as color: leave out transparency. `jax.vmap` maps an operation over a
batch; `jaxmix.augmix` and the other policies sample operations for every image.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, UInt8

from jaxmix import arguments, dtypes
from jaxmix.pixels import affine, filters, lookup_tables, packing
from jaxmix.pixels.operation_chains import BILINEAR, Operation, apply_operation

__all__ = [
    "AUTOCONTRAST", "BRIGHTNESS", "COLOR", "CONTRAST", "EQUALIZE", "IDENTITY", "INVERT", "POSTERIZE", "ROTATE",
    "SHARPNESS", "SHEAR_X", "SHEAR_Y", "SHIFT_X", "SHIFT_Y", "SOLARIZE", "SOLARIZE_ADD", "TRANSLATE_X", "TRANSLATE_Y",
    "autocontrast", "brightness", "color", "contrast", "cutout", "equalize", "invert", "posterize", "rotate",
    "sharpness", "shear_x", "shear_y", "solarize", "solarize_add", "translate_x", "translate_y",
]  # fmt: skip

Levels = UInt8[Array, "h w c"]

IDENTITY = Operation()
AUTOCONTRAST, EQUALIZE = Operation(lookup_tables.autocontrast), Operation(lookup_tables.equalize)
BRIGHTNESS, CONTRAST = Operation(filter=filters.brightness), Operation(filter=filters.contrast)
INVERT, POSTERIZE = Operation(filter=filters.invert), Operation(filter=filters.posterize)
SOLARIZE, SOLARIZE_ADD = Operation(filter=filters.solarize), Operation(filter=filters.solarize_add)
COLOR, SHARPNESS = Operation(filter=filters.color), Operation(filter=filters.sharpness)
ROTATE = Operation(warp=affine.AffineWarp(affine.rotate))
SHEAR_X, SHEAR_Y = (
    Operation(warp=affine.AffineWarp(affine.shear_x, "x")),
    Operation(warp=affine.AffineWarp(affine.shear_y, "y")),
)
TRANSLATE_X = Operation(warp=affine.AffineWarp(affine.translate_x, "x"))
TRANSLATE_Y = Operation(warp=affine.AffineWarp(affine.translate_y, "y"))
# By whole pixels.
SHIFT_X = Operation(warp=affine.AffineWarp(affine.translate_x, "x", whole=True))
SHIFT_Y = Operation(warp=affine.AffineWarp(affine.translate_y, "y", whole=True))


def autocontrast(image: ArrayLike) -> Array:
    """Stretch each channel so that its lowest level becomes 0 and its highest 255 (or 254: Pillow truncates).

    >>> autocontrast(jnp.array([[[50], [100], [150]]], jnp.uint8)).ravel().tolist()
    [0, 127, 255]
    """
    return _apply(AUTOCONTRAST, image)


def equalize(image: ArrayLike) -> Array:
    """Equalize the histogram of each channel.

    >>> equalize(jnp.repeat(jnp.array([0, 9], jnp.uint8), 300).reshape(20, 30, 1))[::19, 0, 0].tolist()
    [0, 255]
    """
    return _apply(EQUALIZE, image)


def invert(image: ArrayLike) -> Array:
    """Replace each level by 255 less the level.

    >>> invert(jnp.array([[[0, 100, 255]]], jnp.uint8)).ravel().tolist()
    [255, 155, 0]
    """
    return _apply(INVERT, image)


def posterize(image: ArrayLike, bits: ArrayLike) -> Array:
    """Keep the highest `bits` bits of each level, 0 to 8; the others become 0.

    >>> posterize(jnp.array([[[15, 100, 255]]], jnp.uint8), 4).ravel().tolist()
    [0, 96, 240]
    """
    return _apply(POSTERIZE, image, arguments.number("bits", bits, high=8.0))


def solarize(image: ArrayLike, threshold: ArrayLike) -> Array:
    """Invert the levels from the threshold on, 0 to 256.

    >>> solarize(jnp.array([[[0, 100, 255]]], jnp.uint8), 100).ravel().tolist()
    [0, 155, 0]
    """
    return _apply(SOLARIZE, image, arguments.number("threshold", threshold, high=256.0))


def solarize_add(image: ArrayLike, addition: ArrayLike) -> Array:
    """Add a value from 0 to 255 to levels below 128, up to 255.

    >>> solarize_add(jnp.array([[[0, 100, 255]]], jnp.uint8), 110).ravel().tolist()
    [110, 210, 255]
    """
    return _apply(SOLARIZE_ADD, image, arguments.number("addition", addition, high=255.0))


def color(image: ArrayLike, factor: ArrayLike) -> Array:
    """Adjust saturation: grey at factor 0, the image itself at 1, more saturated above.

    >>> color(jnp.array([[[255, 0, 0]]], jnp.uint8), 0.5).ravel().tolist()
    [165, 38, 38]
    """
    return _apply(COLOR, image, arguments.number("factor", factor))


def contrast(image: ArrayLike, factor: ArrayLike) -> Array:
    """Adjust contrast: the mean grey level at factor 0, the image itself at 1, more contrast above.

    >>> contrast(jnp.array([[[50], [150]]], jnp.uint8), 0.5).ravel().tolist()
    [75, 125]
    """
    return _apply(CONTRAST, image, arguments.number("factor", factor))


def brightness(image: ArrayLike, factor: ArrayLike) -> Array:
    """Adjust brightness: black at factor 0, the image itself at 1, brighter above.

    >>> brightness(jnp.array([[[50, 150, 200]]], jnp.uint8), 1.5).ravel().tolist()
    [75, 225, 255]
    """
    return _apply(BRIGHTNESS, image, arguments.number("factor", factor))


def sharpness(image: ArrayLike, factor: ArrayLike) -> Array:
    """Adjust sharpness: smoothed at factor 0, the image itself at 1, sharpened above; the outermost pixels stay.

    >>> sharpness(jnp.zeros((3, 3, 1), jnp.uint8).at[1, 1].set(130), 0.0)[1, 1].item()
    50
    """
    return _apply(SHARPNESS, image, arguments.number("factor", factor))


def rotate(image: ArrayLike, degrees: ArrayLike) -> Array:
    """Rotate counter-clockwise about the center, bilinear, black outside.

    >>> rotate(jnp.array([[[1], [2]], [[3], [4]]], jnp.uint8), 90)[..., 0].tolist()
    [[2, 4], [1, 3]]
    """
    return _apply(ROTATE, image, _signed_scalar("degrees", degrees))


def shear_x(image: ArrayLike, slope: ArrayLike) -> Array:
    """Move row y, counted from 0, left by slope (y + 1/2) pixels, bilinear, black outside.

    >>> shear_x(jnp.full((2, 2, 1), 9, jnp.uint8), 1.0)[..., 0].tolist()
    [[9, 0], [0, 0]]
    """
    return _apply(SHEAR_X, image, _signed_scalar("slope", slope))


def shear_y(image: ArrayLike, slope: ArrayLike) -> Array:
    """Move column x, counted from 0, up by slope (x + 1/2) pixels, bilinear, black outside.

    >>> shear_y(jnp.full((2, 2, 1), 9, jnp.uint8), 1.0)[..., 0].tolist()
    [[9, 0], [0, 0]]
    """
    return _apply(SHEAR_Y, image, _signed_scalar("slope", slope))


def translate_x(image: ArrayLike, pixels: ArrayLike) -> Array:
    """Move left by a number of pixels, bilinear, black outside.

    >>> translate_x(jnp.array([[[1], [2], [3]]], jnp.uint8), 1).ravel().tolist()
    [2, 3, 0]
    """
    return _apply(TRANSLATE_X, image, _signed_scalar("pixels", pixels))


def translate_y(image: ArrayLike, pixels: ArrayLike) -> Array:
    """Move up by a number of pixels, bilinear, black outside.

    >>> translate_y(jnp.array([[[1]], [[2]], [[3]]], jnp.uint8), -1).ravel().tolist()
    [0, 1, 2]
    """
    return _apply(TRANSLATE_Y, image, _signed_scalar("pixels", pixels))


def cutout(image: ArrayLike, side: ArrayLike, row: ArrayLike, column: ArrayLike, fill: int = 128) -> Array:
    """Set a square around the pixel at (row, column) to one level, as far as it lies in the image.

    >>> cutout(jnp.zeros((3, 3, 1), jnp.uint8), 2, 0, 1, fill=7)[..., 0].tolist()
    [[7, 7, 0], [0, 0, 0], [0, 0, 0]]
    """
    x = _single_image(image)
    levels = dtypes.to_uint8(packing.packable(x, "image"))
    half = arguments.number("side", side).astype(jnp.int32) // 2
    inside = []
    for axis, (name, center) in enumerate((("row", row), ("column", column))):
        middle = _signed_scalar(name, center).astype(jnp.int32)
        place = jnp.arange(x.shape[axis], dtype=jnp.int32)
        inside.append((place >= middle - half) & (place < middle + half))
    hole = inside[0][:, None, None] & inside[1][None, :, None]
    value = jnp.uint8(arguments.count("fill", fill, low=0, high=255))
    return arguments.nan_outside(x, dtypes.from_uint8(jnp.where(hole, value, levels), x.dtype))


def _apply(operation: Operation, image: ArrayLike, amount: ArrayLike = 0.0) -> Array:
    x = _single_image(image)
    levels = _apply_to_levels(
        operation, dtypes.to_uint8(packing.packable(x, "image")), jnp.asarray(amount, jnp.float32)
    )
    return arguments.nan_outside(x, dtypes.from_uint8(levels, x.dtype))


# Jitted, so that a call outside of jit compiles one program.
@functools.partial(jax.jit, static_argnums=0)
def _apply_to_levels(operation: Operation, levels: Levels, amount: Float[Array, ""]) -> Levels:
    channels = levels.shape[-1]
    return packing.unpack(apply_operation(operation, BILINEAR, channels, packing.pack(levels), amount), channels)


def _single_image(image: ArrayLike) -> Array:
    if not isinstance(image, jax.Array | np.ndarray) or image.ndim != 3 or 0 in image.shape:
        shape = np.shape(image) if hasattr(image, "shape") else type(image).__name__
        raise ValueError(f"image is {shape}; wanted one image [h w c]: map an operation over a batch with jax.vmap")
    return jnp.asarray(image)


def _signed_scalar(name: str, value: ArrayLike) -> Float[Array, ""]:
    return arguments.number(name, value, low=-1e6, high=1e6)
