"""Images whose center, or border, is hidden: the occlusion test of CutMix (Yun et al., 2019)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool

from jaxmix import arguments

__all__ = ["border", "center", "square"]


def center(images: arguments.Batch, size: ArrayLike) -> jax.Array:
    """Set a square in the center of every image to 0, black.

        out = 0 where |y - (h - 1) / 2| < size / 2 and |x - (w - 1) / 2| < size / 2,   else the image

    So the hole has equal margins: where w is even size 3 hides 2 pixels and size 4 hides 4. Normalize the images
    afterwards, so that black is black.

    Args:
        images: [b h w c], uint8 in 0..255 or floats in 0..1, or a mapping with "image".
        size: side of the square in pixels, from 0 (all visible) to the longer side (all hidden); may be traced.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; size out of
            range.

    Reference: Sangdoo Yun, Dongyoon Han, Seong Joon Oh, Sanghyuk Chun, Junsuk Choe, Youngjoon Yoo. CutMix:
    Regularization Strategy to Train Strong Classifiers with Localizable Features. ICCV 2019, section 4.4.

    >>> center(jnp.ones((1, 4, 4, 1)), 2)[0, :, :, 0].tolist()[1]
    [1.0, 0.0, 0.0, 1.0]
    """
    x, hole = _centered(images, size)
    return arguments.nan_outside(x, jnp.where(hole, jnp.zeros_like(x), arguments.unit(x)))


def border(images: arguments.Batch, size: ArrayLike) -> jax.Array:
    """Set all but a square in the center of every image to 0: the complement of `center`.

    Args:
        images: as in `center`.
        size: side of the visible square in pixels, from 0 (all hidden) to the longer side (all visible); may be
            traced.

    Returns:
        Images of the same shape and dtype; `center(images, size) + border(images, size)` are the images.

    Raises:
        ValueError: as `center`.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.4, boundary occlusion.

    >>> border(jnp.ones((1, 4, 4, 1)), 2)[0, :, :, 0].tolist()[1]
    [0.0, 1.0, 1.0, 0.0]
    """
    x, window = _centered(images, size)
    return arguments.nan_outside(x, jnp.where(window, arguments.unit(x), jnp.zeros_like(x)))


def square(sides: tuple[ArrayLike, ArrayLike], height: int, width: int) -> Bool[Array, "h w"]:
    """True at the pixels nearer to the center than half of these sides, of rows and of columns."""
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        raise ValueError(f"sides came as {type(sides).__name__}; wanted two numbers, (rows, columns)")
    lengths = arguments.count("height", height), arguments.count("width", width)
    near = [
        np.abs(np.arange(length) - (length - 1) / 2).astype(np.float32) < arguments.number("sides", side) / 2
        for side, length in zip(sides, lengths, strict=True)
    ]
    return near[0][:, None] & near[1][None, :]


def _centered(images: arguments.Batch, size: ArrayLike) -> tuple[Array, Bool[Array, "1 h w 1"]]:
    x = arguments.images(images)
    height, width = x.shape[1:3]
    side = arguments.number("size", size, high=float(max(height, width)))
    return x, square((side, side), height, width)[None, :, :, None]
