"""Synthetic out-of-distribution images, to be distinguished from those of a test set.

`uniform` and `gaussian` are pixels in 0..1, normalized like the test set before they reach the network. The others are
from outlier exposure, whose authors pass them to the network as they are, from -1 to 1, in place of normalized images:
one for every five test images. Each takes a key and a shape [b h w c] and returns float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.pixels import separable_blur

__all__ = ["blobs", "blurred", "gaussian", "normalized_gaussian", "rademacher", "uniform"]


def uniform(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Sample every channel of every pixel uniformly from 0..1.

    Args:
        key: PRNG key.
        shape: [b h w c], static.

    Raises:
        ValueError: a shape that isn't four integers of 1 or more.

    Reference: Liang, Li, Srikant. Enhancing the Reliability of Out-of-Distribution Image Detection in Neural Networks.
    ICLR 2018.

    >>> uniform(jax.random.key(0), (2, 8, 8, 3)).shape
    (2, 8, 8, 3)
    """
    return jax.random.uniform(key, _shape(shape), jnp.float32)


def gaussian(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Sample every channel of every pixel as `clip(z, 0, 1)`, z normal with mean 0.5 and standard deviation 1.

    Args, Raises, Reference: as `uniform`.

    >>> gaussian(jax.random.key(0), (2, 8, 8, 3)).shape
    (2, 8, 8, 3)
    """
    return jnp.clip(0.5 + jax.random.normal(key, _shape(shape), jnp.float32), 0, 1)


def normalized_gaussian(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Sample in place of normalized images: `clip(z / 2, -1, 1)`, z standard normal.

    Args, Raises: as `uniform`.

    Reference: Hendrycks, Mazeika, Dietterich. Deep Anomaly Detection with Outlier Exposure. ICLR 2019 (source code).

    >>> bool((jnp.abs(normalized_gaussian(jax.random.key(0), (2, 8, 8, 3))) <= 1).all())
    True
    """
    return jnp.clip(jax.random.normal(key, _shape(shape), jnp.float32) / 2, -1, 1)


def rademacher(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Sample in place of normalized images: -1 or 1 with equal probability.

    Args, Raises, Reference: as `normalized_gaussian`.

    >>> bool((jnp.abs(rademacher(jax.random.key(0), (2, 8, 8, 3))) == 1).all())
    True
    """
    return jax.random.rademacher(key, _shape(shape), jnp.float32)


def blobs(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Sample in place of normalized images: smooth blobs on -1, `blurred` coins of 0 and 1.

    Args, Raises, Reference: as `normalized_gaussian`.

    >>> bool((blobs(jax.random.key(0), (2, 8, 8, 3)) == -1).any())
    True
    """
    return 2 * blurred(jax.random.bernoulli(key, 0.7, _shape(shape)).astype(jnp.float32)) - 1


@jax.jit
def blurred(coins: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Gaussian blur of 1.5 pixels over rows, columns and channels, then 0 where it is below 0.75.

    The kernel is cut at 6 pixels, and the edges are repeated: scikit-image's, with the authors' arguments.
    """
    taps, axes = separable_blur.gaussian(1.5), (1, 2, 3)
    # Products with matrices: the kernel is wider than a short axis.
    smooth = separable_blur.blur(coins, [separable_blur.matrix(taps, coins.shape[axis], "edge") for axis in axes], axes)
    return jnp.where(smooth < 0.75, 0.0, smooth)


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or len(shape) != 4:
        raise ValueError(f"shape is {shape!r}; wanted four integers, [b h w c]")
    return tuple(arguments.count(f"shape[{i}]", side) for i, side in enumerate(shape))
