"""TransMix (Chen et al., 2022): the labels of a mix are weighted by a transformer's attention to the pixels."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.mix import Mix, require_mix
from jaxmix.sharding import sharded_like

__all__ = ["Resize", "attend", "average", "nearest"]

# `(masks [b s h w], n, m) -> [b s n m]`
Resize = Callable[[Array, int, int], Array]


def average(mask: Float[Array, "b s h w"], n: int, m: int) -> Float[Array, "b s n m"]:
    """Resize masks to n x m tokens by the mean over the area of each; a coarser mask is repeated.

    >>> average(jnp.array([[[[1.0, 1.0, 0.0, 0.0]]]]), 1, 2).tolist()
    [[[[1.0, 0.0]]]]
    """
    rows, columns = (_overlap(side, tokens) for side, tokens in zip(mask.shape[2:], (n, m), strict=True))
    return jnp.einsum("bshw,nh,mw->bsnm", mask, rows, columns, precision="highest")


def nearest(mask: Float[Array, "b s h w"], n: int, m: int) -> Float[Array, "b s n m"]:
    """Resize masks to n x m tokens by the pixel at the top left corner of each, as the authors' code does.

    A box that is smaller than a token may vanish.

    >>> nearest(jnp.array([[[[1.0, 0.0, 0.0, 1.0]]]]), 1, 2).tolist()
    [[[[1.0, 0.0]]]]
    """
    rows, columns = (np.arange(t) * side // t for side, t in zip(mask.shape[2:], (n, m), strict=True))
    return mask[:, :, rows][:, :, :, columns]


def _overlap(side: int, tokens: int) -> np.ndarray:
    """The share of each token that each pixel covers, along one axis, [tokens side]."""
    token, pixel = np.arange(tokens)[:, None] * side, np.arange(side)[None] * tokens
    shared = np.minimum(token + side, pixel + tokens) - np.maximum(token, pixel)  # in parts of 1 / (side * tokens)
    return (np.maximum(shared, 0) / side).astype(np.float32)


def attend(mix: Mix, attention: ArrayLike, *, share: ArrayLike = 0.5, resize: Resize = average) -> Mix:
    """Weight the labels of a mix by the attention to each slot's pixels, averaged with the weights it has.

        w'[s] = (1 - share) w[s] + share W a[s],   a[s] = (sum over t of A[t] m[s, t]) / (the same, summed over slots),
        W = sum over s of w[s]

    m is the slot's mask on the grid of tokens. The mix may be of any method and any number of slots; where masks have
    one value each, as mixup's, the weights stay, and so does their sum for every method. Warps don't matter: attention
    is that to the mixed image. In a training step it comes from the same forward pass as the logits: mix, forward,
    attend, loss.

    Args:
        mix: from any method.
        attention: to the patches of each mixed image, 0 or more, [b n m], or [b t] on a square grid, of any sum: in
            the paper that of the class token in the last block, after the softmax and averaged over heads. A row of
            zeros, or with a value that isn't finite, leaves the weights as they are. No gradient flows into it.
        share: of the attention in the weights, in [0, 1]; may be traced. 1 is the attention alone, 0 changes nothing.
        resize: from masks [b s h w] to [b s n m]: `average`, which equals `jaxmix.methods.transmix.nearest`, the
            authors' choice, where the edges of the masks are edges of tokens.

    Returns:
        The mix with other weights. The images are those of the mix as before.

    Raises:
        ValueError: what isn't a mix, attention that isn't [b n m] or [b t] with t a square number, share out of [0, 1].

    Differs from the authors' code: with `resize=nearest` there a box smaller than a token may vanish from the tokens,
    which halves its label. Their code always averages with the area, as the default does here.

    Reference: Jie-Neng Chen, Shuyang Sun, Ju He, Philip Torr, Alan Yuille, Song Bai. TransMix: Attend to Mix for Vision
    Transformers. CVPR 2022.

    >>> from jaxmix import pair
    >>> mix = pair(jnp.array([1, 0]), jnp.array([[[1.0, 0.0], [0.0, 0.0]]]))
    >>> attended = attend(mix, jnp.array([[6.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    >>> [round(float(partner), 3) for partner in attended.weight[:, 1]]
    [0.425, 0.25]
    """
    require_mix(mix)
    maps = _grid(attention, len(mix.source))
    rate = arguments.number("share", share, high=1.0)
    if not callable(resize):
        raise ValueError(f"resize came as {type(resize).__name__}; wanted a function, such as average or nearest")
    if arguments.concrete(share) == 0:
        return mix
    return mix._replace(weight=_attended(mix.weight, mix.mask, maps, rate, resize))


def _grid(attention: ArrayLike, size: int) -> Float[Array, "b n m"]:
    """Validate attention, and put it on its grid."""
    given = arguments.numeric("attention", attention)
    side = round(given.shape[1] ** 0.5) if given.ndim == 2 else 0
    square = given.ndim == 2 and side * side == given.shape[1]
    if not (square or given.ndim == 3) or 0 in given.shape or given.shape[0] != size:
        raise ValueError(
            f"attention has shape {given.shape}, and the mix is of {size} samples; wanted [{size} n m], or [{size} t] "
            "with t a square number: one value for each patch, without the class token's own"
        )
    if not jnp.issubdtype(given.dtype, jnp.floating):
        raise ValueError(f"attention has dtype {given.dtype}; wanted a floating dtype")
    maps = jax.lax.stop_gradient(jnp.asarray(given).astype(jnp.float32))
    return maps.reshape(size, side, side) if square else maps


@sharded_like("weight")
def _attended(
    weight: Float[Array, "b s"],
    mask: Float[Array, "b s h w"],
    maps: Float[Array, "b n m"],
    share: Float[Array, ""],
    resize: Resize,
) -> Float[Array, "b s"]:
    finite = jnp.isfinite(maps).all((1, 2), keepdims=True)
    positive = jnp.where(finite, jnp.maximum(maps, 0), 0)
    tokens = resize(mask, *maps.shape[1:])
    seen = jnp.einsum("bsnm,bnm->bs", tokens, positive, precision="highest")
    total = seen.sum(1, keepdims=True)
    some = total >= jnp.finfo(jnp.float32).tiny
    by_attention = weight.sum(1, keepdims=True) * seen / jnp.where(some, total, 1)
    return jnp.where(some, (1 - share) * weight + share * by_attention, weight)
