"""Synthetic pictures of no class, to be told from those of a test set by `detection`.

`uniform` and `gaussian` are pixels in 0..1, normalized like the test set before the network sees them. The others are
from outlier exposure, whose authors give them to the network as they are, from -1 to 1, in the place of normalized
pictures: a fifth as many as there are test pictures. Each takes a key and a shape [b h w c] and gives float32.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix import arguments


def uniform(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Every channel of every pixel uniform in 0..1.

    Args:
        key: PRNG key.
        shape: [b h w c], static.

    Raises:
        ValueError: a shape that isn't four whole numbers of 1 or more.

    Reference: Liang, Li, Srikant. Enhancing the Reliability of Out-of-Distribution Image Detection in Neural Networks.
    ICLR 2018.

    >>> uniform(jax.random.key(0), (2, 8, 8, 3)).shape
    (2, 8, 8, 3)
    """
    return jax.random.uniform(key, _shape(shape), jnp.float32)


def gaussian(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """Every channel of every pixel `clip(z, 0, 1)`, z normal with mean 0.5 and standard deviation 1.

    Args, Raises, Reference: as `uniform`.

    >>> gaussian(jax.random.key(0), (2, 8, 8, 3)).shape
    (2, 8, 8, 3)
    """
    return jnp.clip(0.5 + jax.random.normal(key, _shape(shape), jnp.float32), 0, 1)


def normalized_gaussian(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """In the place of normalized pictures: `clip(z / 2, -1, 1)`, z standard normal.

    Args, Raises: as `uniform`.

    Reference: Hendrycks, Mazeika, Dietterich. Deep Anomaly Detection with Outlier Exposure. ICLR 2019 (source code).

    >>> bool((jnp.abs(normalized_gaussian(jax.random.key(0), (2, 8, 8, 3))) <= 1).all())
    True
    """
    return jnp.clip(jax.random.normal(key, _shape(shape), jnp.float32) / 2, -1, 1)


def rademacher(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """In the place of normalized pictures: -1 or 1, by the toss of a coin.

    Args, Raises, Reference: as `normalized_gaussian`.

    >>> bool((jnp.abs(rademacher(jax.random.key(0), (2, 8, 8, 3))) == 1).all())
    True
    """
    return jax.random.rademacher(key, _shape(shape), jnp.float32)


def blobs(key: Array, shape: Sequence[int]) -> Float[Array, "b h w c"]:
    """In the place of normalized pictures: smooth blobs on -1, from `tosses` of 0 and 1 by `blurred`.

    Args, Raises, Reference: as `normalized_gaussian`.

    >>> bool((blobs(jax.random.key(0), (2, 8, 8, 3)) == -1).any())
    True
    """
    return 2 * blurred(jax.random.bernoulli(key, 0.7, _shape(shape)).astype(jnp.float32)) - 1


def blurred(tosses: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Gaussian blur of 1.5 pixels over rows, columns and channels alike, then 0 where it is below 0.75.

    The kernel is cut at 6 pixels, and the edges are repeated: scikit-image's, as the authors call it.
    """
    for axis in (1, 2, 3):
        # A product with a matrix, so that no kernel is wider than a short axis.
        tosses = jnp.moveaxis(jnp.tensordot(_blur(tosses.shape[axis]), tosses, (1, axis), precision="highest"), 0, axis)
    return jnp.where(tosses < 0.75, 0.0, tosses)


def _blur(side: int, sigma: float = 1.5) -> np.ndarray:
    reach = int(4 * sigma + 0.5)
    offset = np.arange(-reach, reach + 1)
    weight = np.exp(-((offset / sigma) ** 2) / 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        np.add.at(matrix[row], np.clip(row + offset, 0, side - 1), weight / weight.sum())
    return matrix.astype(np.float32)


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or len(shape) != 4:
        raise ValueError(f"shape is {shape!r}; wanted four whole numbers, [b h w c]")
    return tuple(arguments.count(f"shape[{i}]", side) for i, side in enumerate(shape))
