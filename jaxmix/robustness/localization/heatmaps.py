"""Score maps: coarse maps of a network resized to the images and scaled to 0..1, or to 8-bit levels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, UInt8

from jaxmix import arguments
from jaxmix.saliency import flat_unless_finite

__all__ = ["score_maps", "to_levels", "validated_maps"]

# The parameter a of cubic convolution; -0.5 is the other common choice, that of jax.image.resize.
_SHARPNESS = -0.75


def score_maps(maps: ArrayLike, height: int, width: int) -> Float[Array, "n h w"]:
    """Resize maps to the size of the images and scale each to 0..1.

        out = (r - min r) / (max r - min r),   r = maps resized to height x width by cubic convolution (a = -0.75)

    Pixels are centers of squares, the border is repeated, and a map that is reduced isn't smoothed. All of it runs on
    the device.

    Args:
        maps: [n a b], of any size, sign and floating dtype, such as those of `jaxmix.saliency.cam`.
        height: of the images, in pixels, static.
        width: of the images, in pixels, static.

    Returns:
        Maps [n height width], float32, without a gradient. A constant map, or one with a value that isn't finite,
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
    maps = validated_maps(maps)
    if maps.dtype == jnp.uint8:
        raise ValueError("maps have dtype uint8; wanted floating ones: levels 0..255 are made after the resizing")
    sides = arguments.count("height", height), arguments.count("width", width)
    return _resized(maps, *(_cubic(old, new) for old, new in zip(maps.shape[1:], sides, strict=True)))


def to_levels(maps: ArrayLike) -> UInt8[Array, "n h w"]:
    """Convert maps to the 256 levels in which regions are found: `out = floor(255 (m - min m) / (max m - min m))`.

    Args:
        maps: [n h w], floating; or uint8, levels already, unchanged.

    Returns:
        uint8 [n h w]. A constant map, or one with a value that isn't finite, becomes 0.

    Raises:
        ValueError: maps that aren't floating or uint8 [n h w].

    >>> to_levels(jnp.array([[[-1.0, 0.0, 1.0]], [[3.0, 3.0, 3.0]]])).tolist()
    [[[0, 127, 255]], [[0, 0, 0]]]
    """
    maps = validated_maps(maps)
    if maps.dtype == jnp.uint8:
        return maps
    return _levels(maps)


def validated_maps(maps: ArrayLike) -> jax.Array:
    """Validate maps [n h w], floating or uint8."""
    array = arguments.numeric("maps", maps)
    shape, dtype = array.shape, array.dtype
    if len(shape) != 3 or 0 in shape:
        squeeze = ": drop the last axis with maps[..., 0]" if len(shape) == 4 and shape[3] == 1 else ""
        raise ValueError(f"maps have shape {shape}; wanted one map for each image, [n h w], none of them 0{squeeze}")
    if not jnp.issubdtype(dtype, jnp.floating) and dtype != jnp.uint8:
        raise ValueError(f"maps have dtype {dtype}; wanted a floating dtype, or uint8 for levels 0..255")
    return jax.lax.stop_gradient(jnp.asarray(array))


@jax.jit
def _resized(
    maps: Float[Array, "n a b"], rows: Float[Array, "h a"], columns: Float[Array, "w b"]
) -> Float[Array, "n h w"]:
    maps = flat_unless_finite(maps.astype(jnp.float32))
    # The minimum is subtracted first, so that a constant map is exactly 0 whatever the rounding of the resizing.
    maps = maps - maps.min((1, 2), keepdims=True)
    return _scaled(jnp.einsum("ya,nab,xb->nyx", rows, maps, columns, precision="highest"))


@jax.jit
def _levels(maps: Float[Array, "n h w"]) -> UInt8[Array, "n h w"]:
    return (255 * _scaled(maps.astype(jnp.float32))).astype(jnp.uint8)


def _scaled(maps: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    raised = maps - maps.min((1, 2), keepdims=True)
    most = raised.max((1, 2), keepdims=True)
    # Not finite, or a range beyond float32: such a map is uniform, like a constant one.
    useful = (most > 0) & jnp.isfinite(most) & jnp.isfinite(maps).all((1, 2), keepdims=True)
    return jnp.where(useful, raised / jnp.where(useful, most, 1), 0)


def _cubic(old: int, new: int) -> np.ndarray:
    """Weight of each old value along a side in each new one, [new old]."""
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
