"""Frames of moved images: translated, turned, scaled, sheared and tilted, for given constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from jaxmix.pixels import affine, packing
from jaxmix.robustness.corruptions import distortions

__all__ = ["Change", "affine_frame", "homographies", "matrices", "tilted", "translated"]


Change = Literal["degrees", "scale", "shear"]


def matrices(
    values: Sequence[float], change: Change, sides: tuple[int, int], offset: float
) -> Float[np.ndarray, "n 6"]:
    """For each value the matrix of `jaxmix.pixels.affine` that turns, scales or shears about a center.

    With the angle a and the shear s the rows are (cos(a + s), sin(a + s)) and (-sin a, cos a), over scale cos s.

    Args:
        values: degrees of turns and shears, and factors of scales.
        change: which of them.
        sides: height and width of the images.
        offset: of the center from (w / 2, h / 2) in pixels, to the right and down.
    """
    given, zero = np.asarray(values, float), np.zeros(len(values))
    turn = np.deg2rad(given) if change == "degrees" else zero
    slant = np.deg2rad(given) if change == "shear" else zero
    over = (given if change == "scale" else zero + 1) * np.cos(slant)
    a, b = np.cos(turn + slant) / over, np.sin(turn + slant) / over
    d, e = -np.sin(turn) / over, np.cos(turn) / over
    y, x = (side / 2 + offset for side in sides)
    return np.stack([a, b, x - a * x - b * y, d, e, y - d * x - e * y], -1).astype(np.float32)


def affine_frame(levels: UInt8[Array, "b h w 3"], matrix: Float[Array, "6"]) -> UInt8[Array, "b h w 3"]:
    """Warp all images by one matrix, bilinear and truncated as in Pillow; outside is black."""
    packed = packing.pack(levels)
    warped = jax.lax.map(lambda image: affine.bilinear(image, 3, matrix, 0), packed)
    return packing.unpack(warped, 3)


def translated(levels: UInt8[Array, "b h w c"], shift: Int[Array, ""], most: int) -> UInt8[Array, "b h w c"]:
    """Move by `shift` pixels to the right, at most `most` to either side; what comes in is black."""
    wide = jnp.pad(levels, ((0, 0), (0, 0), (most, most), (0, 0)))
    return jax.lax.dynamic_slice_in_dim(wide, most - shift, levels.shape[2], 2)


def homographies(degrees: Sequence[float], sides: tuple[int, int]) -> Float[np.ndarray, "n 3 3"]:
    """For each frame the matrix from a place (x, y, 1) of the tilted image to that of the image.

    The image lies at the distance f = sqrt(w^2 + h^2) of a camera, and is turned about both its axes.
    """
    height, width = sides
    far = float(np.hypot(width, height))
    lifted = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
    projected = np.array([[far, 0, width / 2, 0], [0, far, height / 2, 0], [0, 0, 1, 0]])
    away = np.eye(4)
    away[2, 3] = far
    found = []
    for angle in np.deg2rad(np.asarray(degrees, float)):
        cosine, sine = np.cos(angle), np.sin(angle)
        about_x, about_y = np.eye(4), np.eye(4)
        about_x[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
        about_y[:3:2, :3:2] = [[cosine, -sine], [sine, cosine]]
        inverse = np.linalg.inv(projected @ away @ about_x @ about_y @ lifted)
        found.append(inverse / inverse[2, 2])
    return np.stack(found).astype(np.float32)


def tilted(x: Float[Array, "b h w c"], matrix: Float[Array, "3 3"]) -> Float[Array, "b h w c"]:
    """Read all images through one homography, bilinear between pixels, rounded to 8-bit levels; outside is black."""
    size, height, width, _ = x.shape
    across = jnp.arange(width, dtype=jnp.float32)[None]
    down = jnp.arange(height, dtype=jnp.float32)[:, None]
    right, below, depth = (matrix[k, 0] * across + matrix[k, 1] * down + matrix[k, 2] for k in range(3))
    places = [jnp.broadcast_to((place / depth)[None], (size, height, width)) for place in (below, right)]
    return jnp.floor(255 * distortions.bilinear(x, *places) + 0.5) / 255
