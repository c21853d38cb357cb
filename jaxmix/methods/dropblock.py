"""DropBlock (Ghiasi, Lin and Le, 2018): squares of features are set to zero."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxmix import arguments

__all__ = ["dropblock"]


@arguments.method
def dropblock(key: jax.Array, features: jax.Array, *, keep: ArrayLike = 0.9, block: int = 7) -> jax.Array:
    """Set random squares of every channel to zero, and rescale the rest to keep the mean.

        seeds ~ Bernoulli(gamma) where a block fits
        gamma = (1 - keep) / block^2 * h w / ((h - block + 1)(w - block + 1))
        out = features * kept / mean(kept)

    Use it in training only. The authors let `keep` fall linearly from 1 to its target over the training, and place it
    after every convolution of the last two stages and on their skip connections.

    Args:
        key: PRNG key.
        features: [b h w c], floating.
        keep: share of the features to keep, in [0, 1]; may be traced.
        block: side of the squares, at most that of the features (a larger one is cut to it). CIFAR: 4.

    Returns:
        Features of the same shape and dtype.

    Raises:
        ValueError: features that aren't floating [b h w c], keep outside [0, 1], block below 1.

    Reference: Golnaz Ghiasi, Tsung-Yi Lin, Quoc V. Le. DropBlock: A Regularization Method for Convolutional Networks.
    NeurIPS 2018.

    >>> jax.jit(dropblock)(jax.random.key(0), jnp.ones((1, 8, 8, 1)), keep=1.0).mean().item()
    1.0
    """
    x = arguments.images(features)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"features have dtype {x.dtype}; wanted a floating dtype")
    block = arguments.count("block", block)
    height, width = x.shape[1:3]
    sides = min(block, height), min(block, width)
    rate = gamma(arguments.number("keep", keep, low=0.0, high=1.0), sides, height, width)
    seeds = (jax.random.uniform(key, x.shape, jnp.float32) < rate) & fits(sides, height, width)[None, :, :, None]
    return rescale(x, ~spread(seeds, sides))


def rescale(features: Float[Array, "b h w c"], kept: Bool[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Divide the kept features by the share kept in the whole batch; all 0 where none is kept."""
    kept = kept.astype(jnp.float32)
    share = kept.mean()
    scale = jnp.where(share > 0, 1 / jnp.where(share > 0, share, 1.0), 0.0)
    return (features.astype(jnp.float32) * kept * scale).astype(features.dtype)


def gamma(keep: ArrayLike, sides: tuple[int, int], height: int, width: int) -> Array:
    """Compute the probability of a seed for which a share of about `keep` of the features is left."""
    places = (height - sides[0] + 1) * (width - sides[1] + 1)
    return (1 - jnp.asarray(keep, jnp.float32)) / (sides[0] * sides[1]) * (height * width / places)


def fits(sides: tuple[int, int], height: int, width: int) -> Bool[Array, "h w"]:
    """Mark the places at which a block around a seed lies inside the features."""

    def inside(block: int, side: int) -> Bool[Array, "side"]:
        place = jnp.arange(side)
        return (place >= block // 2) & (place < side - (block - 1) // 2)

    return inside(sides[0], height)[:, None] & inside(sides[1], width)[None, :]


def spread(seeds: Bool[Array, "b h w c"], sides: tuple[int, int]) -> Bool[Array, "b h w c"]:
    """Mark the blocks around the seeds: from `block // 2` before a seed to `(block - 1) // 2` after it."""
    padding = ((0, 0), *(((block - 1) // 2, block // 2) for block in sides), (0, 0))
    return jax.lax.reduce_window(seeds, False, jax.lax.bitwise_or, (1, *sides, 1), (1, 1, 1, 1), padding)
