"""Only-BG-B and Only-BG-T of Noise or Signal: images without the content of a box."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, UInt8

from jaxmix import arguments, warps

__all__ = ["only_background_black", "only_background_tiled"]


def only_background_black(images: arguments.Batch, boxes: Int[Array, "b 4"] | np.ndarray) -> Array:
    """Only-BG-B: set the box around the foreground to 0, black.

    Args:
        images: [b h w c], uint8 in 0..255 or floats in 0..1; not normalized, or 0 wouldn't be black.
        boxes: integers [b 4], (x0, y0, x1, y1): the first column and row, and those one beyond the last. In
            `jaxmix.robustness.localization` boxes end with their last pixel.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; boxes that
            aren't integers [b 4] or, where they are known, that lie outside the image or have their corners in
            the wrong order (traced ones are cut to it).

    Reference: Kai Xiao, Logan Engstrom, Andrew Ilyas, Aleksander Madry. Noise or Signal: The Role of Image Backgrounds
    in Object Recognition. ICLR 2021.

    >>> only_background_black(jnp.ones((1, 1, 4, 1)), jnp.array([[1, 0, 3, 1]])).ravel().tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    x = arguments.images(images)
    inside = _inside(_corners(boxes, x), x)
    return arguments.nan_outside(x, jnp.where(inside, jnp.zeros((), x.dtype), arguments.unit(x)))


def only_background_tiled(images: arguments.Batch, boxes: Int[Array, "b 4"] | np.ndarray) -> Array:
    """Only-BG-T: fill the box around the foreground with tiles of the largest strip of background beside it.

        out[y, x] = image[y0 + (y - y0) mod h, x0 + (x - x0) mod w]   in the box, (y0, x0, h, w) the strip

    The strips are the rows above and below the box and the columns left and right of it, each over the whole image;
    of equally large ones the first, in that order. A box that leaves no strip becomes black.

    Args:
        images: as in `only_background_black`.
        boxes: as in `only_background_black`.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: as `only_background_black`.

    Differs from the authors' code: it was not released. Origin of the tiles and choice among equal strips are ours.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> only_background_tiled(jnp.arange(6.0).reshape(1, 1, 6, 1) / 8, jnp.array([[2, 0, 5, 1]]))[0, 0, :, 0] * 8
    Array([0., 1., 0., 1., 0., 5.], dtype=float32)
    """
    x = arguments.images(images)
    return arguments.nan_outside(x, _tiled(arguments.unit(x), _corners(boxes, x)))


@jax.jit
def _tiled(x: Float[Array, "b h w c"] | UInt8[Array, "b h w c"], corners: Int[Array, "b 4"]) -> Array:
    height, width = x.shape[1:3]
    left, top, right, bottom = corners.T
    none = jnp.zeros_like(top)
    # First row and column, number of rows and columns of each strip, [4 b].
    rows = jnp.stack([none, bottom, none, none]), jnp.stack([top, height - bottom, none + height, none + height])
    columns = jnp.stack([none, none, none, right]), jnp.stack([none + width, none + width, left, width - right])
    area = rows[1] * columns[1]
    side = area.argmax(0)[None]

    def source(strips: tuple[Array, Array], length: int) -> Array:
        first, extent = (jnp.take_along_axis(of_all, side, 0)[0][:, None] for of_all in strips)
        return first + (jnp.arange(length, dtype=jnp.int32)[None] - first) % jnp.maximum(extent, 1)

    tiles = warps.Resample(source(rows, height), source(columns, width))(x)
    tiles = jnp.where((area.max(0) > 0)[:, None, None, None], tiles, jnp.zeros((), x.dtype))
    return jnp.where(_inside(corners, x), tiles, x)


def _corners(boxes: ArrayLike, x: Array) -> Int[Array, "b 4"]:
    """Boxes, validated and clipped to the images."""
    boxes = arguments.numeric("boxes", boxes)
    shape, dtype = boxes.shape, boxes.dtype
    size, height, width = x.shape[:3]
    if shape != (size, 4) or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(
            f"boxes have shape {shape} and dtype {dtype}; wanted integers (x0, y0, x1, y1), one box "
            f"for each image, [{size} 4]"
        )
    sides = np.array([width, height, width, height], np.int32)
    known = arguments.concrete(boxes)
    if known is not None:
        wrong = ((known < 0) | (known > sides)).any(1) | (known[:, :2] > known[:, 2:]).any(1)
        if wrong.any():
            raise ValueError(
                f"boxes hold {known[wrong][0].tolist()}; wanted 0 <= x0 <= x1 <= {width} and 0 <= y0 <= y1 <= {height}"
            )
    corners = jnp.clip(jnp.asarray(boxes).astype(jnp.int32), 0, sides[None])
    return jnp.concatenate([corners[:, :2], jnp.maximum(corners[:, :2], corners[:, 2:])], 1)


def _inside(corners: Int[Array, "b 4"], x: Array) -> Bool[Array, "b h w 1"]:
    """Mask of the boxes."""
    left, top, right, bottom = corners.T[:, :, None]
    rows, columns = (jnp.arange(side, dtype=jnp.int32)[None] for side in x.shape[1:3])
    tall, wide = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return (tall[:, :, None] & wide[:, None, :])[..., None]
