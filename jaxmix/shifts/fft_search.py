"""All shifts at once by way of spectra, then exact scores of the few that look best."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.shifts import pyramid
from jaxmix.shifts.cross_correlation import correlate
from jaxmix.shifts.scores import best, ranked, two
from jaxmix.shifts.separable_approximation import nodes as nodes_of

# Up to this many pixels a side nothing is gained by a search at half the size. Above, the part of the scores that can't
# be seen there has to be so small that it doesn't matter. Of the shifts found there some are kept, for a neighbour of
# the second may be better than those of the first.
_SMALL, _UNIMPORTANT, _KEPT = 128, 1e-5, 2


def fourier(
    key: Array | None, own: ArrayLike, other: ArrayLike, *, nodes: int = 5, rescore: int = 8
) -> Int[Array, "b 2"]:
    """The best of all (2h - 1)(2w - 1) shifts, found by Fourier transforms.

        v = sum of own + sum of moved - 2 sum of own moved / (own + moved)

    Interpolation (`jaxmix.shifts.separable_approximation`) makes a sum of products of the last term, so that a few
    cross-correlations give v of every shift, good to about 1e-3. The shifts that look best are scored exactly.

    Maps with even sides of more than 128 pixels are searched at half their size, which takes less than half the time:
    what looks best there is scored exactly, and so are the neighbours of the two best. But if any pair of the batch has
    so much detail in single pixels that a score might change by 1e-5, all are searched as they are. Maps smoothed as
    SAGE's have less, unless few pixels outshine the others. (Of an odd side the last row would be half empty, a detail
    of its own. Under `jax.vmap` both searches run.)

    Args:
        key: not used.
        own: shares of the own pictures' pixels, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        nodes: of the interpolation, the number of products, 1 to 64; static.
        rescore: number of shifts that are scored exactly; static.

    Returns:
        (dy, dx) of each pair: what `rolled` finds, or now and then a shift whose score is as good to 1e-5. Only where
        maps are single bright pixels on a flat background may the score be 1e-2 below the best: 8 nodes help there; and
        by 1e-4 for large smooth maps with a faint regular pattern of a few pixels.

    Raises:
        ValueError: maps that aren't [b h w] and alike, nodes or rescore not a whole number in its range.

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> fourier(None, own, other).tolist()
    [[-1, 0]]
    """
    del key
    return _fourier(*two(own, other), arguments.count("nodes", nodes, high=64), arguments.count("rescore", rescore))


@functools.partial(jax.jit, static_argnums=(2, 3))
def _fourier(own, other, nodes, rescore):
    def at_once(own, other):
        return best(own, other, top(approximate(own, other, nodes), rescore))

    def from_half(own, other):
        coarse = top(approximate(pyramid.halved(own), pyramid.halved(other), nodes), rescore)
        return best(own, other, pyramid.around(ranked(own, other, 2 * coarse, _KEPT)))

    height, width = own.shape[1:]
    if min(height, width) <= _SMALL or height % 2 or width % 2:
        return at_once(own, other)
    smooth = (pyramid.unseen(own, other) < _UNIMPORTANT).all()
    return jax.lax.cond(smooth, from_half, at_once, own, other)


def approximate(own: Float[Array, "b h w"], other: Float[Array, "b h w"], nodes: int) -> Float[Array, "y b x"]:
    """Scores of all shifts, less the sum of the own map, which is the same for all."""
    return in_frame(other) - 2 * correlate(own, other, nodes_of(own, other, nodes))


def in_frame(other: Float[Array, "b h w"]) -> Float[Array, "y b x"]:
    """The sum of what each shift leaves of the map in the frame: all but its first rows, or last; and columns alike."""
    height, width = other.shape[1:]
    first = jnp.einsum("yi,bij->ybj", np.tri(height, dtype=np.float32)[::-1], other, precision="highest")
    rows = jnp.concatenate([first[:1] - first[1:], first])
    first = jnp.einsum("ybj,xj->ybx", rows, np.tri(width, dtype=np.float32)[::-1], precision="highest")
    return jnp.concatenate([first[..., :1] - first[..., 1:], first], 2)


def top(scores: Float[Array, "y b x"], number: int) -> Int[Array, "b n 2"]:
    """The shifts of highest scores, in the order of the shifts."""
    height, size, width = scores.shape
    # They lie in as many rows at most, those with the highest maxima. To sort these is cheaper than to sort all.
    row = jnp.sort(jax.lax.top_k(scores.max(2).T, min(number, height))[1], 1)
    within = jax.vmap(lambda score, at: score[at], (1, 0))(scores, row).reshape(size, -1)
    place = jnp.sort(jax.lax.top_k(within, min(number, within.shape[1]))[1], 1)
    y = jnp.take_along_axis(row, place // width, 1)
    return jnp.stack([y - height // 2, place % width - width // 2], 2)
