"""The score of a shift, and the best of given shifts or of a random sample of them.

What computes is jitted, so that a call outside of jit compiles one program.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments

__all__ = ["best", "own_share", "sampled", "score", "top_scored", "validated_pair"]

Maps = Float[Array, "b h w"]

# Guards divisions: far below any share that matters.
_TINY = 1e-16


@arguments.annotated
def own_share(own: Maps, moved: Maps) -> Maps:
    """SAGE's mask M: `own / (own + moved)`, 0 where neither is salient.

    >>> own_share(jnp.array([[[0.3, 0.0, 0.0]]]), jnp.array([[[0.1, 0.1, 0.0]]])).tolist()
    [[[0.75, 0.0, 0.0]]]
    """
    return own / jnp.maximum(own + moved, _TINY)


@arguments.annotated
def score(own: ArrayLike, other: ArrayLike, shift: ArrayLike) -> Float[Array, "b"]:
    """Visible saliency of both images after a shift, SAGE's v.

        v = sum over pixels of  M own + (1 - M) moved,   M = own / (own + moved)

    Args:
        own: saliency shares of the own images, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        shift: (dy, dx) of each pair, Int[b 2], from (1 - h, 1 - w) to (h - 1, w - 1).

    Returns:
        [b], at most the sum of own and of the part of other that stays in the frame, and at least half of that.

    Raises:
        ValueError: maps that aren't [b h w] or differ in shape, shifts that aren't [b 2].

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> [round(float(score(own, other, jnp.array([[d, d]]))[0]), 4) for d in (-1, 0, 1)]
    [0.4167, 0.6667, 0.75]
    """
    own, other = validated_pair(own, other)
    shift = _integers("shift", shift)
    size = own.shape[0]
    if shift.shape != (size, 2):
        raise ValueError(f"shift has shape {shift.shape}; wanted one (dy, dx) for each of {size} pairs, [{size} 2]")
    return _score(own, other, shift)


def _integers(name: str, shifts: ArrayLike) -> Int[Array, "..."]:
    array = arguments.numeric(name, shifts)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; wanted whole pixels, integers")
    return arguments.to_int32(array)


@jax.jit
def _score(own: Maps, other: Maps, shift: Int[Array, "b 2"]) -> Float[Array, "b"]:
    return own.sum((1, 2)) + _gain(own, _tiled(other), shift)


def _tiled(other: Maps) -> Float[Array, "b _ _"]:
    """Two by two copies, so that any shift that rolls the content is a slice."""
    return jnp.tile(other, (1, 2, 2))


def _gain(own: Maps, tiled: Float[Array, "b y x"], shift: Int[Array, "b 2"]) -> Float[Array, "b"]:
    """The score less the sum of own: the sum of `M own + (1 - M) moved - own`, with one division."""
    sides = np.array(own.shape[1:], np.int32)[None]
    corner = sides - shift % sides
    moved = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, (at[0], at[1]), own.shape[1:]))(tiled, corner)
    gain = moved * ((moved - own) / jnp.maximum(moved + own, _TINY))
    # The part that was rolled is not in the frame. Sums are products, since a sum along the last axis is not vectorized
    # on CPU.
    row, column = (_in_frame(side, by).astype(jnp.float32) for side, by in zip(own.shape[1:], shift.T, strict=True))
    return jnp.einsum("bh,bhw,bw->b", row, gain, column, precision="highest")


def _in_frame(side: int, shift: Int[Array, "b"]) -> Bool[Array, "b _"]:
    """The places of each image that are filled after a shift."""
    source = jnp.arange(side, dtype=jnp.int32)[None] - shift[:, None]
    return (source >= 0) & (source < side)


@arguments.annotated
def best(own: ArrayLike, other: ArrayLike, shifts: ArrayLike) -> Int[Array, "b 2"]:
    """The shift of highest score among those given for each pair, Int[b n 2]; the first of equals.

    >>> own, other = jnp.array([[[0.5, 0.0], [0.0, 0.0]]]), jnp.array([[[0.25, 0.0], [0.0, 0.25]]])
    >>> best(own, other, jnp.array([[[0, 0], [0, 1], [1, 1]]])).tolist()
    [[0, 1]]
    """
    own, other = validated_pair(own, other)
    shifts = _integers("shifts", shifts)
    size = own.shape[0]
    if shifts.ndim != 3 or shifts.shape[::2] != (size, 2) or shifts.shape[1] == 0:
        raise ValueError(f"shifts have shape {shifts.shape}; wanted some (dy, dx) for each pair, [{size} n 2]")
    return top_scored(own, other, shifts, 1)[:, 0]


@functools.partial(jax.jit, static_argnums=3)
def top_scored(own: Maps, other: Maps, shifts: Int[Array, "b n 2"], number: int) -> Int[Array, "b k 2"]:
    """The given number of shifts of highest score, the best first, and the first of equals."""
    tiled = _tiled(other)
    gains = jax.lax.map(lambda shift: _gain(own, tiled, shift), jnp.moveaxis(shifts, 1, 0))
    at = jax.lax.top_k(gains.T, min(number, shifts.shape[1]))[1]
    return jnp.take_along_axis(shifts, at[..., None], 1)


@arguments.annotated
def sampled(key: Array, own: ArrayLike, other: ArrayLike, *, share: float = 0.01) -> Int[Array, "b 2"]:
    """Find the best of a random sample of all (2h - 1)(2w - 1) shifts, without repetition, the same for all pairs.

    Args:
        key: PRNG key.
        own: saliency shares of the own images, [b h w], 0 or more, already scaled by the weight a.
        other: those of the partners, [b h w], already scaled by 1 - a.
        share: of all shifts, above 0, at most 1; static. The authors' 1 % is 39 shifts at 32 x 32 pixels. At least one
            is scored.

    Returns:
        (dy, dx) of each pair; of equal scores the shift sampled first.

    Raises:
        ValueError: maps that aren't [b h w] or differ in shape, share traced, not above 0 or above 1.

    Reference: Ma et al., SAGE: Saliency-Guided Mixup with Optimal Rearrangements, BMVC 2022.

    >>> maps = jnp.full((1, 4, 4), 1 / 32)
    >>> sampled(jax.random.key(0), maps, maps, share=0.5).shape
    (1, 2)
    """
    own, other = validated_pair(own, other)
    known = arguments.concrete(share)
    if known is None or known.shape != () or not 0 < known <= 1:
        what = "is traced" if known is None else f"is {share!r}"
        raise ValueError(f"share {what}; wanted a static number above 0, at most 1: it sets the number of shifts")
    size, height, width = own.shape
    number = (2 * height - 1) * (2 * width - 1)
    place = jax.random.permutation(key, jnp.arange(number, dtype=jnp.int32))[: max(1, int(number * float(known)))]
    shifts = jnp.stack([place // (2 * width - 1) - (height - 1), place % (2 * width - 1) - (width - 1)], 1)
    return best(own, other, jnp.broadcast_to(shifts, (size, *shifts.shape)))


def validated_pair(own: ArrayLike, other: ArrayLike) -> tuple[Maps, Maps]:
    """Validate the two maps of each pair and convert them to float32."""
    own, other = arguments.numeric("own", own), arguments.numeric("other", other)
    if np.ndim(own) != 3 or np.shape(own) != np.shape(other) or 0 in np.shape(own):
        raise ValueError(
            f"own has shape {np.shape(own)} and other {np.shape(other)}; wanted two maps for each pair, [b h w] both"
        )
    return jnp.asarray(own, jnp.float32), jnp.asarray(other, jnp.float32)
