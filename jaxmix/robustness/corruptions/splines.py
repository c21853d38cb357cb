"""Cubic splines: blur along circles about the middle, and channels zoomed by different factors.

Reference: Michael Unser, Akram Aldroubi, Murray Eden. B-Spline Signal Processing, parts 1 and 2. 1993.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["chromatic_aberration", "circular_blur", "circular_weights", "rotations", "zoom_weights"]

Images = Float[Array, "b h w c"]

# Turns of the blur from -1 to 1, and up to which number of pixels it is one product with a matrix.
_TURNS, _MOST_PIXELS = 21, 2304


def _taps(share: Any) -> list[Any]:
    """Weights of the pixels at -1, 0, 1 and 2, for a place in 0..1."""
    rest = 1 - share
    inner = [(4 - 6 * t * t + 3 * t * t * t) / 6 for t in (share, rest)]
    return [rest**3 / 6, *inner, share**3 / 6]


def _mirrored(place: Any, side: int) -> Any:
    """Mirrored about the outermost pixel."""
    last = side - 1
    return last - abs(abs(place) % max(2 * last, 1) - last)


def _spline(places: np.ndarray, side: int) -> np.ndarray:
    """The matrix that evaluates a cubic B-spline with `side` coefficients at places of an axis."""
    weights, first = np.zeros((len(places), side)), np.floor(places).astype(int)
    for k, tap in enumerate(_taps(places - first)):
        np.add.at(weights, (np.arange(len(places)), _mirrored(first + k - 1, side)), tap)
    return weights


@functools.cache
def zoom_weights(side: int, scale: float) -> np.ndarray:
    """The matrix of an axis that zooms its middle, of round(side scale) pixels made from `side`.

    The spline's coefficients are the pixels themselves, so that it is blurred by (1, 4, 1) / 6 too.
    """
    made = max(round(side * scale), side)
    places = (np.arange(side) + (made - side) // 2) * ((side - 1) / max(made - 1, 1))
    return _spline(places, side).astype(np.float32)


def chromatic_aberration(
    x: Images, order: Int[Array, "b 3"], weights: Sequence[tuple[Float[Array, "h h"], Float[Array, "w w"]]]
) -> Images:
    """Zoom each channel with the weights of rows and columns that `order` names for it; rounded to 8-bit levels."""
    zoomed = []
    for k, (rows, columns) in enumerate(weights):
        # The one channel of each image that this zoom is for.
        plane = (x * (order == k).astype(jnp.float32)[:, None, None]).sum(-1)
        high = jnp.einsum("ij,bjw->biw", jnp.asarray(rows), plane, precision="highest")
        zoomed.append(jnp.einsum("bhw,vw->bhv", high, jnp.asarray(columns), precision="highest"))
    out = jnp.zeros((), jnp.float32)
    for k, plane in enumerate(zoomed):
        out = out + plane[..., None] * (order == k).astype(jnp.float32)[:, None, None]
    return jnp.round(255 * out) / 255


@functools.lru_cache(8)
def circular_weights(degrees: float, height: int, width: int) -> np.ndarray | None:
    """The blur by up to `degrees` to both sides as a matrix of all pixels; None for images that are too large."""
    if height * width > _MOST_PIXELS:
        return None
    turned = np.zeros((height * width, height, width))
    rows, columns = np.divmod(np.arange(height * width), width)
    middle = (height - 1) / 2, (width - 1) / 2
    for sine, cosine, weight in rotations(degrees):
        down = cosine * (rows - middle[0]) + sine * (columns - middle[1]) + middle[0]
        right = cosine * (columns - middle[1]) - sine * (rows - middle[0]) + middle[1]
        inside = (down >= 0) & (down <= height - 1) & (right >= 0) & (right <= width - 1)
        of_rows, of_columns = _spline(down, height), _spline(right, width)
        turned += weight * np.where(inside, 1, 0)[:, None, None] * of_rows[:, :, None] * of_columns[:, None]
    for axis, side in ((1, height), (2, width)):
        turned = np.moveaxis(np.tensordot(turned, _coefficients(side), (axis, 0)), -1, axis)
    return turned.reshape(height * width, -1).astype(np.float32)


def rotations(degrees: float) -> np.ndarray:
    """Sine, cosine and weight ~ e^(-2 t^2) of each turn, by t degrees, t = -1, ..., 1."""
    steps = np.linspace(-1, 1, _TURNS)
    weights, angles = np.exp(-2 * steps**2), np.deg2rad(degrees * steps)
    return np.stack([np.sin(angles), np.cos(angles), weights / weights.sum()], -1)


def _coefficients(side: int) -> np.ndarray:
    """The matrix from pixels to the coefficients of the cubic spline through them."""
    return np.linalg.inv(_spline(np.arange(side, dtype=np.float64), side))


def circular_blur(
    x: Images, turns: Float[Array, "t 3"] | np.ndarray, weights: Float[Array, "p p"] | np.ndarray | None
) -> Images:
    """The mean of the image turned about its middle by t degrees, t = -1, ..., 1, weighted with e^(-2 t^2).

    Turned images are interpolated by cubic splines; what lies outside is 0.

    Args:
        x: [b h w c].
        turns: `rotations`.
        weights: `circular_weights` of the same turns, by which they are one product; None computes each by itself.
    """
    size, height, width, channels = x.shape
    if weights is not None:
        flat = x.reshape(size, height * width, channels)
        return jnp.einsum("pq,bqc->bpc", jnp.asarray(weights), flat, precision="highest").reshape(x.shape)
    for axis, side in ((1, height), (2, width)):
        matrix = _coefficients(side).astype(np.float32)
        x = jnp.moveaxis(jnp.tensordot(matrix, x, (1, axis), precision="highest"), 0, axis)
    flat, middle = x.reshape(size, height * width, channels), ((height - 1) / 2, (width - 1) / 2)
    rows, columns = (
        np.arange(side, dtype=np.float32) - half for side, half in zip((height, width), middle, strict=True)
    )

    def one(total: Array, turn: Float[Array, "3"]) -> tuple[Array, None]:
        sine, cosine, weight = turn
        down = (cosine * rows[:, None] + sine * columns[None]).reshape(-1) + middle[0]
        right = (cosine * columns[None] - sine * rows[:, None]).reshape(-1) + middle[1]
        inside = (down >= 0) & (down <= height - 1) & (right >= 0) & (right <= width - 1)
        first, weight = [jnp.floor(place) for place in (down, right)], jnp.where(inside, weight, 0)
        taps = [_taps(place - low) for place, low in zip((down, right), first, strict=True)]
        for k in range(4):
            row = _mirrored(first[0].astype(jnp.int32) + k - 1, height) * width
            for m in range(4):
                place = row + _mirrored(first[1].astype(jnp.int32) + m - 1, width)
                read = flat.at[:, place].get(mode="promise_in_bounds")
                total = total + (weight * taps[0][k] * taps[1][m])[None, :, None] * read
        return total, None

    return jax.lax.scan(one, jnp.zeros_like(flat), jnp.asarray(turns, jnp.float32))[0].reshape(x.shape)
