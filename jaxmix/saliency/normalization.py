"""Normalization of saliency maps to shares, and their peaks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix import arguments

__all__ = ["flat_unless_finite", "normalize", "peak", "percentage"]


def normalize(maps: Array) -> Float[Array, "b h w"]:
    """Normalize maps [b h w] to shares of sum 1, in float32.

        out = max(maps, 0) / sum of max(maps, 0)

    A map without a positive value (of at least 1.2e-38), or with one that isn't finite in float32, becomes uniform. The
    sum of very large or small values neither overflows nor underflows.

    >>> normalize(jnp.array([[[1.0, 3.0]], [[0.0, 0.0]], [[jnp.nan, 1.0]]])).tolist()
    [[[0.25, 0.75]], [[0.5, 0.5]], [[0.5, 0.5]]]
    """
    positive = jnp.maximum(flat_unless_finite(arguments.ranked("maps", maps, 3).astype(jnp.float32)), 0)
    most = positive.max((1, 2), keepdims=True)
    # Scaled to the middle of the range of float32 by a power of two, exactly: neither the sum nor its inverse is lost.
    scale = jnp.where(most > 1, 2.0**-64, 2.0**64).astype(jnp.float32)
    scaled = jnp.where(most >= jnp.finfo(jnp.float32).tiny, positive * scale, 1)
    return scaled / scaled.sum((1, 2), keepdims=True)


def percentage(cam: Float[Array, "b n m"], height: int, width: int) -> Float[Array, "b h w"]:
    """Compute SnapMix's semantic percentage maps: each pixel's share of the evidence for the label.

        out = (r - min r) / sum of (r - min r),   r = cam resized to height x width, bilinear

    Args:
        cam: class activation maps [b n m], of any size and sign.
        height: of the images.
        width: of the images.

    Returns:
        Maps [b h w], float32, non-negative, of sum 1; uniform where cam is constant or holds a value that isn't finite.

    Raises:
        ValueError: maps that aren't [b n m], sides below 1.

    >>> percentage(jnp.array([[[1.0, 2.0], [3.0, 6.0]]]), 2, 2).tolist()
    [[[0.0, 0.125], [0.25, 0.625]]]
    """
    cam = arguments.ranked("cam", cam, 3).astype(jnp.float32)
    height, width = arguments.count("height", height), arguments.count("width", width)
    # The minimum is subtracted first, so that a constant map is exactly 0 whatever the rounding of the resizing.
    cam = cam - cam.min((1, 2), keepdims=True)
    shape = (cam.shape[0], height, width)
    resized = jax.image.resize(cam, shape, "bilinear", antialias=False, precision=jax.lax.Precision.HIGHEST)
    return normalize(resized - resized.min((1, 2), keepdims=True))


def peak(maps: Array) -> tuple[Int[Array, "b"], Int[Array, "b"]]:
    """Find the row and column of the largest value of each map [b h w], of equals the first in row-major order.

    A map with a value that isn't finite counts as constant: its peak is the first pixel.

    >>> [place.tolist() for place in peak(jnp.array([[[0.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, jnp.inf]]]))]
    [[1, 0], [0, 0]]
    """
    maps = flat_unless_finite(arguments.ranked("maps", maps, 3).astype(jnp.float32))
    index = jnp.argmax(maps.reshape(maps.shape[0], -1), 1).astype(jnp.int32)
    return index // maps.shape[2], index % maps.shape[2]


@arguments.annotated
def flat_unless_finite(maps: Float[Array, "b n m"]) -> Float[Array, "b n m"]:
    """Set maps that hold a value that isn't finite to 0."""
    return jnp.where(jnp.isfinite(maps).all((1, 2), keepdims=True), maps, 0)
