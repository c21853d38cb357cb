"""Glass blur: pixels shuffled with their neighbours between two Gaussians."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from jaxmix import dtypes
from jaxmix.pixels import packing, separable_blur
from jaxmix.pixels.separable_blur import Weights
from jaxmix.robustness.corruptions import threefry

__all__ = ["Offsets", "glass", "offsets", "shuffled"]

Offsets = Int[Array, "b r n m"]


def glass(x: Float[Array, "b h w c"], dx: Offsets, dy: Offsets, taps: Weights, reach: int) -> Float[Array, "b h w c"]:
    """`G(shuffled(truncated(G(x))))`, G a Gaussian of these taps; x in 0..1, the truncation is to 8-bit levels.

    A round goes backwards through the pixels, except for those nearer to the border than the offsets reach, and copies
    to each the pixel at its offset, as it is then: maybe a copy itself.

    Args:
        x: [b h w c].
        dx: offsets to the right of the pixels of rows reach + 1 to h - reach and columns reach + 1 to w - reach (of
            indices from 0), for each round, each from -reach to reach - 1.
        dy: offsets downwards.
        taps: of G; may be traced.
        reach: of the offsets, static.

    Differs from the authors' code: none. It means to swap two pixels, but writes one value to both.
    """
    blurred = jnp.clip(separable_blur.blur(x, (taps, taps), (1, 2)), 0, 1) * 255
    # Where all pixels are equal the authors' float64 is below an exact level as often as this is: nothing is added.
    packed = packing.pack(jnp.floor(blurred).astype(jnp.uint8))
    for turn in range(dx.shape[1]):
        packed = shuffled(packed, dx[:, turn], dy[:, turn], reach)
    return separable_blur.blur(dtypes.to_unit(packing.unpack(packed, x.shape[-1])), (taps, taps), (1, 2))


def offsets(key: Array, shape: tuple[int, ...], reach: int, rounds: int) -> tuple[Offsets, Offsets]:
    """Sample dx and dy for images of that shape: uniform, from 16 random bits each."""
    size, height, width = shape[:3]
    bits = threefry.bits(key, size, rounds, max(height - 2 * reach, 0), max(width - 2 * reach, 0))
    return (threefry.integer(bits & np.uint32(0xFFFF), 2 * reach) - reach), (
        threefry.integer(bits >> 16, 2 * reach) - reach
    )


@functools.partial(jax.jit, static_argnums=3)
def shuffled(packed: UInt32[Array, "b h w"], dx: Array, dy: Array, reach: int) -> UInt32[Array, "b h w"]:
    """One round, all pixels at once.

    A pixel's offset leads to one that is still as it was, or to one that already is a copy; then its offset is
    followed. The ends are found by doubling: after n steps each pixel has followed 2^n offsets.
    """
    size, height, width = packed.shape
    if min(height, width) <= 2 * reach:
        return packed
    here = jnp.arange(height * width, dtype=jnp.int32).reshape(1, height, width)
    inner = (slice(None), slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1))
    place = jnp.broadcast_to(here, packed.shape).at[inner].add(dy * width + dx).reshape(size, -1)
    if reach > 1:
        place = _followed(place, _inside(height, width, reach))
    return jnp.take_along_axis(packed.reshape(size, -1), place, 1, mode="promise_in_bounds").reshape(packed.shape)


def _inside(height: int, width: int, reach: int) -> np.ndarray:
    """Mask of the pixels far enough from the border to be copied to."""
    inside = np.zeros((height, width), bool)
    inside[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = True
    return inside.reshape(-1)


def _followed(place: Int[Array, "b p"], inside: np.ndarray) -> Int[Array, "b p"]:
    """Place at which each pixel's offsets end: a pixel that isn't copied to before."""
    here = jnp.arange(len(inside), dtype=jnp.int32)[None]
    copied = (place > here) & jnp.asarray(inside).at[place].get(mode="promise_in_bounds")
    link = jnp.where(copied, place, here)

    def further(link: Array) -> Array:
        return jnp.take_along_axis(link, link, 1, mode="promise_in_bounds")

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        link, _ = state
        ahead = further(link)
        return ahead, jnp.any(ahead != link)

    last, _ = jax.lax.while_loop(lambda state: state[1], step, (link, jnp.any(copied)))
    return jnp.take_along_axis(place, last, 1, mode="promise_in_bounds")
