"""Strong edges: a window pasted into each image, and the class activation map's share of it (Lee et al., 2020)."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, dtypes
from jaxmix.numerics import barrier
from jaxmix.saliency import normalize
from jaxmix.sharding import sharded_like

__all__ = ["KINDS", "Kind", "cam_share", "paste", "strong_edges"]

Kind = Literal["frame", "translucent", "grey", "noise", "image", "soft"]
KINDS: tuple[Kind, ...] = ("frame", "translucent", "grey", "noise", "image", "soft")


def strong_edges(
    key: jax.Array, images: arguments.Batch, kind: Kind, size: ArrayLike, *, partner: ArrayLike | None = None
) -> tuple[jax.Array, Float[Array, "b h w"]]:
    """Paste a square window with strong edges into every image, at a uniformly sampled place inside it.

        out = (1 - m) x + m fill,   m the mask of the window, of the given kind

    frame: m is 1 on the border of the window, 0.04 of the image's side thick but at least a pixel, 0 inside; fill 0.5
    translucent: m is 0.5 in the window; fill 0.5
    grey: m is 1 in the window; fill 0.5
    noise: m is 1 in the window; fill U(0, 1), for every channel of every pixel
    image: m is 1 in the window; fill the partner at the same place
    soft: m is a ramp across each edge, an eighth of the image's side to either side: no strong edge; fill 0.5

    With the same key, windows of all kinds are at the same places.

    Args:
        key: PRNG key.
        images: [b h w c], uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized.
        kind: what is pasted, static.
        size: side of the window in pixels, from 1 to the shorter side, rounded; may be traced.
        partner: index of the image that kind "image" pastes from, Int[b]; by default the next one.

    Returns:
        Images of the same shape and dtype, and the windows [b h w], 1 inside and 0 outside (of "soft" too).

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; an unknown kind;
            a size out of range; with "image" a batch of one without a partner, or a wrong partner.

    Differs from the paper: it shows 8 images with a frame or a translucent window; sizes, places and the other kinds
    are this library's.

    Reference: Jin-Ha Lee, Muhammad Zaigham Zaheer, Marcella Astrid, Seung-Ik Lee. SmoothMix: a Simple Yet Effective
    Data Augmentation to Train Robust Classifiers. CVPR Workshops 2020, figure 2.

    >>> pasted, window = strong_edges(jax.random.key(0), jnp.ones((2, 32, 32, 3)), "grey", 8)
    >>> window.sum((1, 2)).tolist(), float(pasted[0].sum()) == 3 * (32 * 32 - 64 / 2)
    ([64.0, 64.0], True)
    """
    arguments.key(key, "strong_edges", images)
    x = arguments.images(images)
    _known(kind)
    count, height, width = x.shape[:3]
    side = jnp.round(arguments.number("size", size, low=1.0, high=float(min(height, width)))).astype(jnp.int32)
    place_key, noise_key = jax.random.split(key)
    uniform = jax.random.uniform(place_key, (2, count), jnp.float32)
    top, left = (_place(row, length - side) for row, length in zip(uniform, (height, width), strict=True))
    if kind == "noise":
        fill = jax.random.uniform(noise_key, x.shape, jnp.float32)
    else:
        fill = _fill(x, arguments.partners(partner, count)) if kind == "image" else jnp.float32(0.5)
    return paste(x, kind, top, left, jnp.broadcast_to(side, (count,)), fill)


def paste(
    images: arguments.Batch,
    kind: Kind,
    top: Int[Array, "b"],
    left: Int[Array, "b"],
    side: Int[Array, "b"],
    fill: ArrayLike = 0.5,
) -> tuple[jax.Array, Float[Array, "b h w"]]:
    """The deterministic part of `strong_edges`: windows at given places.

    Args:
        images: as in `strong_edges`.
        kind: as in `strong_edges`, static.
        top: first row of each window.
        left: first column of each window.
        side: of each window, in pixels.
        fill: 0.5, or of kinds "noise" and "image" what is pasted, [b h w c] in 0..1.

    >>> images = jnp.ones((1, 4, 4, 1))
    >>> paste(images, "frame", *jnp.array([[0], [1], [3]]))[0][0, :, :, 0].tolist()[1]
    [1.0, 0.5, 1.0, 0.5]
    """
    x = arguments.images(images)
    _known(kind)
    return _paste(x, kind, top, left, side, fill)


@sharded_like("x")
def _paste(
    x: Array, kind: Kind, top: Array, left: Array, side: Array, fill: ArrayLike
) -> tuple[Array, Float[Array, "b h w"]]:
    shape, shorter = (x.shape[1], x.shape[2]), min(x.shape[1:3])
    window = _inside(top, left, side, shape)
    mask = window
    if kind == "frame":
        line = max(1, round(0.04 * shorter))
        mask = window - _inside(top + line, left + line, side - 2 * line, shape)
    elif kind == "translucent":
        mask = window / 2
    elif kind == "soft":
        mask = _soft(top, left, side, shape, shorter / 8)
    share = mask[..., None]
    out = (1 - share) * dtypes.to_unit(arguments.unit(x)) + share * fill
    return arguments.nan_outside(x, dtypes.from_unit(out, x.dtype)), window


@arguments.annotated
def cam_share(cam: Float[Array, "b n m"], window: Float[Array, "b h w"]) -> Float[Array, "b"]:
    """Compute the share of each class activation map that lies in a window.

        share = sum over cells of r w / sum of r,   r = max(cam, 0),   w = the part of each cell that the window covers

    Args:
        cam: class activation maps, of any resolution and sign, see `jaxmix.saliency.cam`.
        window: 1 inside, 0 outside, of the images' size.

    Returns:
        Shares in 0..1, float32; for a map without a positive value, or with one that isn't finite, the share of the
        area.

    Raises:
        ValueError: maps that aren't [b n m], windows that aren't [b h w] of the same batch.

    Reference: Lee et al., SmoothMix, CVPR Workshops 2020, figure 2, where it is a statement about 8 images.

    >>> cam_share(jnp.array([[[3.0, 1.0]]]), jnp.array([[[0.0, 1.0, 1.0, 1.0]]])).tolist()
    [0.625]
    """
    shares = normalize(cam)
    rows, columns = (_coverage(*sides) for sides in zip(shares.shape[1:], window.shape[1:], strict=True))
    covered = jnp.einsum("nh,bhw,mw->bnm", rows, window.astype(jnp.float32), columns, precision="highest")
    return (shares * covered).sum((1, 2))


def _known(kind: str) -> None:
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; wanted one of {', '.join(KINDS)}")


def _place(uniform: Float[Array, "b"], free: Int[Array, ""]) -> Int[Array, "b"]:
    """Uniform in 0 .. free."""
    scaled = barrier(uniform * (free + 1).astype(jnp.float32))
    return jnp.minimum(jnp.floor(scaled).astype(jnp.int32), free)


@sharded_like("x")
def _fill(x: Array, partner: Int[Array, "b"]) -> Float[Array, "b h w c"]:
    return dtypes.to_unit(arguments.unit(x))[partner]


def _inside(top: Array, left: Array, side: Array, shape: tuple[int, int]) -> Float[Array, "b h w"]:
    rows, columns = (
        (pixel >= start[:, None]) & (pixel < (start + side)[:, None]) for start, pixel in _pixels(top, left, shape)
    )
    return (rows[:, :, None] & columns[:, None, :]).astype(jnp.float32)


def _soft(top: Array, left: Array, side: Array, shape: tuple[int, int], half: float) -> Float[Array, "b h w"]:
    """Products of two ramps, 1/2 at the edges of the window, whose half width is `half` pixels."""
    middle = side.astype(jnp.float32)[:, None] / 2
    rows, columns = (
        jnp.clip(
            0.5 + (middle - jnp.abs((pixel - start[:, None]).astype(jnp.float32) + 0.5 - middle)) / (2 * half), 0, 1
        )
        for start, pixel in _pixels(top, left, shape)
    )
    return rows[:, :, None] * columns[:, None, :]


def _pixels(top: Array, left: Array, shape: tuple[int, int]) -> list[tuple[Array, Array]]:
    """The first row of each window with all rows, and the same of the columns."""
    return [
        (start, jnp.arange(length, dtype=jnp.int32)[None]) for start, length in zip((top, left), shape, strict=True)
    ]


def _coverage(cells: int, pixels: int) -> Float[np.ndarray, "n h"]:
    """The part of each cell that each pixel of a side covers; rows sum to 1."""
    edges, pixel = np.arange(cells + 1) * pixels / cells, np.arange(pixels)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * cells / pixels).astype(np.float32)
