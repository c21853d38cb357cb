"""The operations by name, on one picture [h w c]: uint8 in 0..255 or floats in 0..1, in and out.

Levels and arithmetic are those of Pillow (8 bits a channel), where there is one of that name. Floats are rounded to the
nearest of 256 levels first. Every channel counts as color: leave out transparency. `jax.vmap` takes them to a batch;
`jaxmix.augmix` and its kin draw them for every picture.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments, dtypes
from jaxmix.pixels import affine, filters, lookup_tables, packing
from jaxmix.pixels.operation_chains import BLACK, Frame, Operation, single

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


def autocontrast(image: jax.Array) -> jax.Array:
    """Each channel stretched so that its lowest level becomes 0 and its highest 255 (or 254: Pillow truncates).

    >>> autocontrast(jnp.array([[[50], [100], [150]]], jnp.uint8)).ravel().tolist()
    [0, 127, 255]
    """
    return _one(AUTOCONTRAST, image)


def equalize(image: jax.Array) -> jax.Array:
    """Each channel spread such that about as many pixels fall on each level.

    >>> equalize(jnp.repeat(jnp.array([0, 9], jnp.uint8), 300).reshape(20, 30, 1))[::19, 0, 0].tolist()
    [0, 255]
    """
    return _one(EQUALIZE, image)


def invert(image: jax.Array) -> jax.Array:
    """255 less each level.

    >>> invert(jnp.array([[[0, 100, 255]]], jnp.uint8)).ravel().tolist()
    [255, 155, 0]
    """
    return _one(INVERT, image)


def posterize(image: jax.Array, bits: ArrayLike) -> jax.Array:
    """The highest `bits` bits of each level, 0 to 8; the others become 0.

    >>> posterize(jnp.array([[[15, 100, 255]]], jnp.uint8), 4).ravel().tolist()
    [0, 96, 240]
    """
    return _one(POSTERIZE, image, arguments.number("bits", bits, high=8.0))


def solarize(image: jax.Array, threshold: ArrayLike) -> jax.Array:
    """Levels from the threshold on, 0 to 256, inverted.

    >>> solarize(jnp.array([[[0, 100, 255]]], jnp.uint8), 100).ravel().tolist()
    [0, 155, 0]
    """
    return _one(SOLARIZE, image, arguments.number("threshold", threshold, high=256.0))


def solarize_add(image: jax.Array, addition: ArrayLike) -> jax.Array:
    """The addition, 0 to 255, added to levels below 128, up to 255.

    >>> solarize_add(jnp.array([[[0, 100, 255]]], jnp.uint8), 110).ravel().tolist()
    [110, 210, 255]
    """
    return _one(SOLARIZE_ADD, image, arguments.number("addition", addition, high=255.0))


def color(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Grey at factor 0, the picture itself at 1, more saturated above.

    >>> color(jnp.array([[[255, 0, 0]]], jnp.uint8), 0.5).ravel().tolist()
    [165, 38, 38]
    """
    return _one(COLOR, image, arguments.number("factor", factor))


def contrast(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """The mean grey level at factor 0, the picture itself at 1, more contrast above.

    >>> contrast(jnp.array([[[50], [150]]], jnp.uint8), 0.5).ravel().tolist()
    [75, 125]
    """
    return _one(CONTRAST, image, arguments.number("factor", factor))


def brightness(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Black at factor 0, the picture itself at 1, brighter above.

    >>> brightness(jnp.array([[[50, 150, 200]]], jnp.uint8), 1.5).ravel().tolist()
    [75, 225, 255]
    """
    return _one(BRIGHTNESS, image, arguments.number("factor", factor))


def sharpness(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Smoothed at factor 0, the picture itself at 1, sharpened above; the outermost pixels stay.

    >>> sharpness(jnp.zeros((3, 3, 1), jnp.uint8).at[1, 1].set(130), 0.0)[1, 1].item()
    50
    """
    return _one(SHARPNESS, image, arguments.number("factor", factor))


def rotate(image: jax.Array, degrees: ArrayLike) -> jax.Array:
    """Turned counter-clockwise about its center, bilinear, black outside.

    >>> rotate(jnp.array([[[1], [2]], [[3], [4]]], jnp.uint8), 90)[..., 0].tolist()
    [[2, 4], [1, 3]]
    """
    return _one(ROTATE, image, _signed("degrees", degrees))


def shear_x(image: jax.Array, slope: ArrayLike) -> jax.Array:
    """Row y, counted from 0, moved left by slope (y + 1/2) pixels, bilinear, black outside.

    >>> shear_x(jnp.full((2, 2, 1), 9, jnp.uint8), 1.0)[..., 0].tolist()
    [[9, 0], [0, 0]]
    """
    return _one(SHEAR_X, image, _signed("slope", slope))


def shear_y(image: jax.Array, slope: ArrayLike) -> jax.Array:
    """Column x, counted from 0, moved up by slope (x + 1/2) pixels, bilinear, black outside.

    >>> shear_y(jnp.full((2, 2, 1), 9, jnp.uint8), 1.0)[..., 0].tolist()
    [[9, 0], [0, 0]]
    """
    return _one(SHEAR_Y, image, _signed("slope", slope))


def translate_x(image: jax.Array, pixels: ArrayLike) -> jax.Array:
    """Moved left by so many pixels, bilinear, black outside.

    >>> translate_x(jnp.array([[[1], [2], [3]]], jnp.uint8), 1).ravel().tolist()
    [2, 3, 0]
    """
    return _one(TRANSLATE_X, image, _signed("pixels", pixels))


def translate_y(image: jax.Array, pixels: ArrayLike) -> jax.Array:
    """Moved up by so many pixels, bilinear, black outside.

    >>> translate_y(jnp.array([[[1]], [[2]], [[3]]], jnp.uint8), -1).ravel().tolist()
    [0, 1, 2]
    """
    return _one(TRANSLATE_Y, image, _signed("pixels", pixels))


def cutout(image: jax.Array, side: ArrayLike, row: ArrayLike, column: ArrayLike, fill: int = 128) -> jax.Array:
    """A square of that side around the pixel at (row, column) set to one level, as far as it lies in the picture.

    >>> cutout(jnp.zeros((3, 3, 1), jnp.uint8), 2, 0, 1, fill=7)[..., 0].tolist()
    [[7, 7, 0], [0, 0, 0], [0, 0, 0]]
    """
    image = packing.packable(_picture(image), "image")
    levels = dtypes.to_uint8(image)
    half = arguments.number("side", side).astype(jnp.int32) // 2
    inside = []
    for axis, (name, center) in enumerate((("row", row), ("column", column))):
        middle = _signed(name, center).astype(jnp.int32)
        place = jnp.arange(image.shape[axis], dtype=jnp.int32)
        inside.append((place >= middle - half) & (place < middle + half))
    hole = inside[0][:, None, None] & inside[1][None, :, None]
    value = jnp.uint8(arguments.count("fill", fill, low=0, high=255))
    return dtypes.from_uint8(jnp.where(hole, value, levels), image.dtype)


def _one(operation: Operation, image: jax.Array, amount: ArrayLike = 0.0) -> jax.Array:
    image = packing.packable(_picture(image), "image")
    levels = dtypes.to_uint8(image)
    channels = levels.shape[-1]
    changed = single(operation, Frame(fill=BLACK), channels, packing.pack(levels), jnp.asarray(amount, jnp.float32))
    return dtypes.from_uint8(packing.unpack(changed, channels), image.dtype)


def _picture(image: jax.Array) -> jax.Array:
    if not isinstance(image, jax.Array | np.ndarray) or image.ndim != 3 or 0 in image.shape:
        shape = np.shape(image) if hasattr(image, "shape") else type(image).__name__
        raise ValueError(f"image is {shape}; wanted one picture [h w c]: jax.vmap takes an operation to a batch")
    return jnp.asarray(image)


def _signed(name: str, value: ArrayLike) -> jax.Array:
    return arguments.number(name, value, low=-1e6, high=1e6)
