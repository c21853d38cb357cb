"""FFT search: approximate scores of all shifts at once by cross-correlation, then exact scores of the best few."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.shifts import pyramid
from jaxmix.shifts.cross_correlation import correlate
from jaxmix.shifts.scores import best, top_scored, validated_pair
from jaxmix.shifts.separable_approximation import nodes as nodes_of

__all__ = ["approximate", "fourier", "sum_in_frame", "top"]

Maps = Float[Array, "b h w"]
Shifts = Int[Array, "b 2"]

# Up to this many pixels a side a search at half the size saves no time. Above, the effect on the scores of the detail
# that is lost there has to be negligible. Of the shifts found there some are kept, for a neighbor of the second may be
# better than those of the first.
_SMALL, _NEGLIGIBLE, _KEPT = 128, 1e-5, 2


def fourier(
    key: Array | None, own: ArrayLike, other: ArrayLike, *, nodes: int = 5, rescore: int = 8
) -> Int[Array, "b 2"]:
    """Find the best of all (2h - 1)(2w - 1) shifts by Fourier transforms.

        v = sum of own + sum of moved - 2 sum of own moved / (own + moved)

    Interpolation (`jaxmix.shifts.separable_approximation`) turns the last term into a sum of products, so that a few
    cross-correlations give v of every shift, accurate to about 1e-3. The shifts of highest v are scored exactly.

    Maps with even sides of more than 128 pixels are searched at half their size, which takes less than half the time:
    the best shifts there are scored exactly, and so are the neighbors of the two best. But if any pair of the batch has
    so much detail in single pixels that a score might change by 1e-5, all are searched at full size. Maps smoothed as
    SAGE's have less, unless few pixels are far brighter than the others. (Of an odd side the last row would be half
    empty, a detail of its own. Under `jax.vmap` both searches run.)

    Args:
        key: not used.
        own: saliency shares of the own images, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        nodes: number of nodes of the interpolation, and so of products, 1 to 64; static.
        rescore: number of shifts that are scored exactly; static.

    Returns:
        (dy, dx) of each pair: what `rolled` finds, or now and then a shift whose score is as good to 1e-5. Only where
        maps are single bright pixels on a flat background may the score be 1e-2 below the best: 8 nodes help there; and
        by 1e-4 for large smooth maps with a faint regular pattern of a few pixels.

    Raises:
        ValueError: maps that aren't [b h w] or differ in shape, nodes or rescore not an integer in its range.

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> fourier(None, own, other).tolist()
    [[-1, 0]]
    """
    del key
    counts = arguments.count("nodes", nodes, high=64), arguments.count("rescore", rescore)
    return _fourier(*validated_pair(own, other), *counts)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _fourier(own: Maps, other: Maps, nodes: int, rescore: int) -> Shifts:
    def full_size(own: Maps, other: Maps) -> Shifts:
        return best(own, other, top(approximate(own, other, nodes), rescore))

    def half_size(own: Maps, other: Maps) -> Shifts:
        coarse = top(approximate(pyramid.downsample(own), pyramid.downsample(other), nodes), rescore)
        return best(own, other, pyramid.neighborhoods(top_scored(own, other, 2 * coarse, _KEPT)))

    height, width = own.shape[1:]
    if min(height, width) <= _SMALL or height % 2 or width % 2:
        return full_size(own, other)
    smooth = (pyramid.lost_detail(own, other) < _NEGLIGIBLE).all()
    return jax.lax.cond(smooth, half_size, full_size, own, other)


def approximate(own: Maps, other: Maps, nodes: int) -> Float[Array, "y b x"]:
    """Approximate scores of all shifts, less the sum of the own map, which is the same for all."""
    return sum_in_frame(other) - 2 * correlate(own, other, nodes_of(own, other, nodes))


def sum_in_frame(other: Maps) -> Float[Array, "y b x"]:
    """The sum of what each shift leaves of the map in the frame: all but its first or last rows and columns."""
    height, width = other.shape[1:]
    first = jnp.einsum("yi,bij->ybj", np.tri(height, dtype=np.float32)[::-1], other, precision="highest")
    rows = jnp.concatenate([first[:1] - first[1:], first])
    first = jnp.einsum("ybj,xj->ybx", rows, np.tri(width, dtype=np.float32)[::-1], precision="highest")
    return jnp.concatenate([first[..., :1] - first[..., 1:], first], 2)


def top(scores: Float[Array, "y b x"], number: int) -> Int[Array, "b n 2"]:
    """The shifts of highest scores, in the order of the shifts."""
    height, size, width = scores.shape
    # They lie in at most `number` rows, those with the highest maxima. To sort these is cheaper than to sort all.
    row = jnp.sort(jax.lax.top_k(scores.max(2).T, min(number, height))[1], 1)
    within = jax.vmap(lambda score, at: score[at], (1, 0))(scores, row).reshape(size, -1)
    place = jnp.sort(jax.lax.top_k(within, min(number, within.shape[1]))[1], 1)
    y = jnp.take_along_axis(row, place // width, 1)
    return jnp.stack([y - height // 2, place % width - width // 2], 2)
