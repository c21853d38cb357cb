"""Snow and fog, of pictures in 0..1 and given random fields; not yet clipped."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.numerics import barrier, materialize
from jaxmix.robustness.corruptions import blurs, motion_blur, quantize

Pictures = Float[Array, "b h w 3"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def snow(x: Pictures, normals: Float[Array, "b h w"], degrees: Float[Array, "b"], constants: tuple) -> Pictures:
    """Flakes and their reflection over a brightened picture.

        out = s x + (1 - s) max(x, 1.5 grey + 0.5) + flakes + flakes turned by 180 degrees

    flakes: mean + deviation z, zoomed, 0 below the threshold, in 8-bit levels, and blurred along a line.

    Args:
        x: [b h w 3].
        normals: z.
        degrees: the line's angle for each picture; the authors draw it from U(-135, -45).
        constants: mean, deviation, zoom, threshold, radius and sigma of the blur, share s.
    """
    mean, deviation, factor, threshold, radius, sigma, share = constants
    field = blurs.zoomed((np.float32(mean) + np.float32(deviation) * normals)[..., None], factor)
    layer = quantize.truncated(jnp.where(field < np.float32(threshold), 0, field))
    flakes = motion_blur.motion(layer, degrees, radius, sigma).astype(jnp.float32) / 255
    # One number a pixel, made once and not for every channel again.
    grey = materialize(sum((_GREY[k] * x[..., k : k + 1] for k in (1, 2)), start=_GREY[0] * x[..., :1]))
    veil = materialize(flakes + flakes[:, ::-1, ::-1])
    return np.float32(share) * x + np.float32(1 - share) * jnp.maximum(x, grey * 1.5 + 0.5) + veil


def fog(x: Pictures, clouds: Float[Array, "b h w"], strength: float) -> Pictures:
    """`(x + strength clouds) m / (m + strength)`, m the largest number of the picture."""
    most = x.max((1, 2, 3), keepdims=True)
    return (x + np.float32(strength) * clouds[..., None]) * (most / (most + np.float32(strength)))


def plasma(uniform: Float[Array, "b n"], side: int, decay: float) -> Float[Array, "b s s"]:
    """Diamond-square clouds on a torus, in 0..1.

    From one number on, each level puts a number into the middle of every four and then between every two, and adds
    w^2 u to each, u ~ U(-1, 1); w is 100 at first and 1 / decay of it at every further level.

    Args:
        uniform: u, in -1..1: for each level of n x n numbers first n x n for the squares, then as many for the points
            between numbers beside each other, and between numbers above each other; side^2 - 1 in all.
        side: of the map, a power of two.
        decay: of the additions.
    """
    size = uniform.shape[0]
    grid, wide, start = jnp.zeros((size, 1, 1), jnp.float32), 100.0, 0
    while grid.shape[1] < side:
        n = grid.shape[1]
        parts = uniform[:, start : start + 3 * n * n].reshape(size, 3, n, n) * np.float32(wide**2)
        below, right = jnp.roll(grid, -1, 1), jnp.roll(grid, -1, 2)
        middle = (grid + below + right + jnp.roll(below, -1, 2)) / 4 + parts[:, 0]
        beside = (grid + right + middle + jnp.roll(middle, 1, 1)) / 4 + parts[:, 1]
        above = (grid + below + middle + jnp.roll(middle, 1, 2)) / 4 + parts[:, 2]
        rows = jnp.stack([jnp.stack([grid, beside], -1), jnp.stack([above, middle], -1)], 2)
        grid = barrier(rows.reshape(size, 2 * n, 2 * n))
        start, wide = start + 3 * n * n, wide / decay
    least, most = grid.min((1, 2), keepdims=True), grid.max((1, 2), keepdims=True)
    return (grid - least) / jnp.where(most > least, most - least, 1)


def cloud_side(height: int, width: int) -> int:
    """The least power of two that is at least as long as both sides."""
    return 1 << (max(height, width) - 1).bit_length()
