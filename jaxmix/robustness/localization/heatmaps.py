"""From the coarse maps of a network to maps of the picture's size whose levels say how much each pixel counts."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, UInt8

from jaxmix import arguments
from jaxmix.saliency import flat_unless_finite

# The free number of cubic convolution; -0.5 is the other common choice, that of jax.image.resize.
_SHARPNESS = -0.75


def score_maps(maps: ArrayLike, height: int, width: int) -> Float[Array, "n h w"]:
    """Maps of the size of the pictures, stretched so that each goes from 0 to 1.

        out = (r - min r) / (max r - min r),   r = maps resized to height x width by cubic convolution (a = -0.75)

    Pixels are centers of squares, and beyond the border the border's number is taken; where a map is shrunk it isn't
    smoothed. All of it runs on the device.

    Args:
        maps: [n a b], of any size, sign and floating dtype, such as those of `jaxmix.saliency.cam`.
        height: of the pictures, in pixels, static.
        width: of the pictures, in pixels, static.

    Returns:
        Maps [n height width], float32, without a gradient. A constant map, or one with a number that isn't finite,
        becomes 0.

    Raises:
        ValueError: maps that aren't floating [n a b], sides below 1.

    Reference: Junsuk Choe, Seong Joon Oh, Seungho Lee, Sanghyuk Chun, Zeynep Akata, Hyunjung Shim. Evaluating
    Weakly-Supervised Object Localization Methods Right. CVPR 2020. The resizing is R. G. Keys, Cubic Convolution
    Interpolation for Digital Image Processing, 1981.

    >>> score_maps(jnp.array([[[2.0, 4.0, 3.0]]]), 1, 3).tolist()
    [[[0.0, 1.0, 0.5]]]
    >>> score_maps(jnp.ones((2, 7, 7)), 224, 224).shape
    (2, 224, 224)
    """
    maps = scores(maps)
    if maps.dtype == jnp.uint8:
        raise ValueError("maps have dtype uint8; wanted floating ones: levels 0..255 are made after the resizing")
    sides = arguments.count("height", height), arguments.count("width", width)
    maps = flat_unless_finite(maps.astype(jnp.float32))
    # The least number goes first, so that a constant map is exactly 0 whatever the rounding of the resizing.
    maps = maps - maps.min((1, 2), keepdims=True)
    rows, columns = (jnp.asarray(_cubic(old, new)) for old, new in zip(maps.shape[1:], sides, strict=True))
    return _stretched(jnp.einsum("ya,nab,xb->nyx", rows, maps, columns, precision="highest"))


def levels(maps: ArrayLike) -> UInt8[Array, "n h w"]:
    """Maps as 256 levels, the form in which regions are looked for: `out = floor(255 (m - min m) / (max m - min m))`.

    Args:
        maps: [n h w], floating; or uint8, which are levels already and stay as they are.

    Returns:
        uint8 [n h w]. A constant map, or one with a number that isn't finite, becomes 0.

    Raises:
        ValueError: maps that aren't floating or uint8 [n h w].

    >>> levels(jnp.array([[[-1.0, 0.0, 1.0]], [[3.0, 3.0, 3.0]]])).tolist()
    [[[0, 127, 255]], [[0, 0, 0]]]
    """
    maps = scores(maps)
    if maps.dtype == jnp.uint8:
        return maps
    return (255 * _stretched(maps.astype(jnp.float32))).astype(jnp.uint8)


def scores(maps: ArrayLike) -> jax.Array:
    """The maps if they are [n h w], floating or uint8."""
    shape, dtype = np.shape(maps), getattr(maps, "dtype", jnp.result_type(maps))
    if len(shape) != 3 or 0 in shape:
        squeeze = ": drop the last axis with maps[..., 0]" if len(shape) == 4 and shape[3] == 1 else ""
        raise ValueError(f"maps have shape {shape}; wanted one map for each picture, [n h w], none of them 0{squeeze}")
    if not jnp.issubdtype(dtype, jnp.floating) and dtype != jnp.uint8:
        raise ValueError(f"maps have dtype {dtype}; wanted a floating dtype, or uint8 for levels 0..255")
    return jax.lax.stop_gradient(jnp.asarray(maps))


def _stretched(maps: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    raised = maps - maps.min((1, 2), keepdims=True)
    most = raised.max((1, 2), keepdims=True)
    # Not finite, or a range that isn't a float32 number: such a map says nothing, as a constant one.
    useful = (most > 0) & jnp.isfinite(most) & jnp.isfinite(maps).all((1, 2), keepdims=True)
    return jnp.where(useful, raised / jnp.where(useful, most, 1), 0)


def _cubic(old: int, new: int) -> np.ndarray:
    """What each of the old numbers along a side adds to each of the new ones, [new old]."""
    place = (np.arange(new) + 0.5) * old / new - 0.5
    below = np.floor(place)
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        far = np.abs(place - below - tap)
        near = ((_SHARPNESS + 2) * far - (_SHARPNESS + 3)) * far**2 + 1
        beyond = _SHARPNESS * (((far - 5) * far + 8) * far - 4)
        index = np.clip(below + tap, 0, old - 1).astype(int)
        np.add.at(weights, (np.arange(new), index), np.where(far <= 1, near, beyond))
    return weights.astype(np.float32)
