"""What a shift is worth, and the best of given shifts or of a sample of them.

What loops is jitted, so that also a call that isn't under the caller's own jit compiles it once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments

# No share that matters is smaller: it guards divisions.
_NOTHING = 1e-16


def own_share(own: Float[Array, "b h w"], moved: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """SAGE's mask M: `own / (own + moved)`, 0 where neither is salient.

    >>> own_share(jnp.array([[[0.3, 0.0, 0.0]]]), jnp.array([[[0.1, 0.1, 0.0]]])).tolist()
    [[[0.75, 0.0, 0.0]]]
    """
    return own / jnp.maximum(own + moved, _NOTHING)


def score(own: ArrayLike, other: ArrayLike, shift: ArrayLike) -> Float[Array, "b"]:
    """How much of what is salient in both pictures can be seen after a shift, SAGE's v.

        v = sum over pixels of  M own + (1 - M) moved,   M = own / (own + moved)

    Args:
        own: shares of the own pictures' pixels, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        shift: (dy, dx) of each pair, Int[b 2], from (1 - h, 1 - w) to (h - 1, w - 1).

    Returns:
        [b], at most the sum of own and of what is left of other in the frame, and at least half of that.

    Raises:
        ValueError: maps that aren't [b h w] and alike, shifts that aren't [b 2].

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> [round(float(score(own, other, jnp.array([[d, d]]))[0]), 4) for d in (-1, 0, 1)]
    [0.4167, 0.6667, 0.75]
    """
    own, other = two(own, other)
    shift = jnp.asarray(shift, jnp.int32)
    size = own.shape[0]
    if shift.shape != (size, 2):
        raise ValueError(f"shift has shape {shift.shape}; wanted one (dy, dx) for each of {size} pairs, [{size} 2]")
    return own.sum((1, 2)) + _gain(own, _twice(other), shift)


def _twice(other):
    """With itself below and to the right, so that any shift that rolls the content around is a slice."""
    return jnp.tile(other, (1, 2, 2))


def _gain(own, twice, shift):
    """By how much a score exceeds the sum of own: the sum of `M own + (1 - M) moved - own`, with one division."""
    sides = np.array(own.shape[1:], np.int32)[None]
    corner = sides - shift % sides
    moved = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, (at[0], at[1]), own.shape[1:]))(twice, corner)
    gain = moved * ((moved - own) / jnp.maximum(moved + own, _NOTHING))
    # What was rolled around is not in the frame. Sums are products, since a sum along the last axis is not vectorized
    # on CPU.
    row, column = (_in_frame(side, by).astype(jnp.float32) for side, by in zip(own.shape[1:], shift.T, strict=True))
    return jnp.einsum("bh,bhw,bw->b", row, gain, column, precision="highest")


def _in_frame(side, shift):
    """Which places of each picture are filled after a shift."""
    source = jnp.arange(side, dtype=jnp.int32)[None] - shift[:, None]
    return (source >= 0) & (source < side)


def best(own: ArrayLike, other: ArrayLike, shifts: ArrayLike) -> Int[Array, "b 2"]:
    """The shift of highest score among those given for each pair, Int[b n 2]; the first of equals.

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> best(own, other, jnp.array([[[0, 0], [0, 1], [1, 1]]])).tolist()
    [[0, 1]]
    """
    own, other = two(own, other)
    shifts = jnp.asarray(shifts, jnp.int32)
    size = own.shape[0]
    if shifts.ndim != 3 or shifts.shape[::2] != (size, 2) or shifts.shape[1] == 0:
        raise ValueError(f"shifts have shape {shifts.shape}; wanted some (dy, dx) for each pair, [{size} n 2]")
    return ranked(own, other, shifts, 1)[:, 0]


@functools.partial(jax.jit, static_argnums=3)
def ranked(
    own: Float[Array, "b h w"], other: Float[Array, "b h w"], shifts: Int[Array, "b n 2"], number: int
) -> Int[Array, "b k 2"]:
    """The given number of shifts of highest score, the best first, and the first of equals."""
    twice = _twice(other)
    gains = jax.lax.map(lambda shift: _gain(own, twice, shift), jnp.moveaxis(shifts, 1, 0))
    at = jax.lax.top_k(gains.T, min(number, shifts.shape[1]))[1]
    return jnp.take_along_axis(shifts, at[..., None], 1)


def sampled(key: Array, own: ArrayLike, other: ArrayLike, *, share: float = 0.01) -> Int[Array, "b 2"]:
    """The best of some shifts, drawn uniformly from all (2h - 1)(2w - 1) without repetition, the same for all pairs.

    Args:
        key: PRNG key.
        own: shares of the own pictures' pixels, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        share: of all shifts, above 0, at most 1; static. The authors' 1 % is 39 shifts at 32 x 32 pixels. At least one
            is tried.

    Returns:
        (dy, dx) of each pair; of equal scores the shift drawn first.

    Raises:
        ValueError: maps that aren't [b h w] and alike, share traced, not above 0 or above 1.

    Reference: Ma et al., SAGE: Saliency-Guided Mixup with Optimal Rearrangements, BMVC 2022.

    >>> maps = jnp.full((1, 4, 4), 1 / 32)
    >>> sampled(jax.random.key(0), maps, maps, share=0.5).shape
    (1, 2)
    """
    own, other = two(own, other)
    known = arguments.concrete(share)
    if known is None or known.shape != () or not 0 < known <= 1:
        what = "is traced" if known is None else f"is {share!r}"
        raise ValueError(f"share {what}; wanted a static number above 0, at most 1: it says how many shifts are tried")
    size, height, width = own.shape
    number = (2 * height - 1) * (2 * width - 1)
    place = jax.random.permutation(key, jnp.arange(number, dtype=jnp.int32))[: max(1, int(number * float(known)))]
    shifts = jnp.stack([place // (2 * width - 1) - (height - 1), place % (2 * width - 1) - (width - 1)], 1)
    return best(own, other, jnp.broadcast_to(shifts, (size, *shifts.shape)))


def two(own: ArrayLike, other: ArrayLike) -> tuple[Float[Array, "b h w"], Float[Array, "b h w"]]:
    """The two maps of each pair as float32."""
    if np.ndim(own) != 3 or np.shape(own) != np.shape(other) or 0 in np.shape(own):
        raise ValueError(
            f"own has shape {np.shape(own)} and other {np.shape(other)}; wanted two maps for each pair, [b h w] both"
        )
    return jnp.asarray(own, jnp.float32), jnp.asarray(other, jnp.float32)
