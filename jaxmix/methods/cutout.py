"""Cutout (DeVries and Taylor, 2017): a square of the picture is set to zero."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxmix import arguments, masks
from jaxmix.mix import Mix, apply


def cutout(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    size: ArrayLike = 16,
    holes: int = 1,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Set a square of every picture to zero; the label stays.

        x' = (1 - hole) x,   hole = square of side 2 * (size // 2) around a uniform pixel, cut at the border

    Zero is the mean color where pictures are normalized first, as the authors do.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        size: side of the square in pixels, 0 or more; may be traced. CIFAR-10: 16, CIFAR-100: 8, SVHN: 20,
            ImageNet at 224 pixels: 112.
        holes: how many squares, drawn independently.
        per_batch: the same holes for the whole batch.

    Returns:
        Images of the same shape and dtype, and a `Mix` of one slot with weight 1.

    Raises:
        ValueError: images that aren't [b h w c], negative size, holes below 1.

    Reference: Terrance DeVries, Graham W. Taylor. Improved Regularization of Convolutional Neural Networks with
    Cutout. arXiv 1708.04552, 2017.

    >>> images, mix = cutout(jax.random.key(0), jax.numpy.ones((4, 32, 32, 3)), size=8)
    >>> mix.weight.tolist()
    [[1.0], [1.0], [1.0], [1.0]]
    """
    x = arguments.images(batch)
    samples, height, width, _ = x.shape
    half = arguments.number("size", size, low=0.0).astype(jnp.int32) // 2
    draws = arguments.count("holes", holes) * (1 if per_batch else samples)
    row, column = masks.uniform_center(key, draws, height, width)
    rows = masks.window(row - half, row + half, height)
    columns = masks.window(column - half, column + half, width)
    kept = (1 - masks.outer(rows, columns)[0]).reshape(-1, holes, height, width).min(1)
    source = jnp.arange(samples, dtype=jnp.int32)[:, None]
    mask = jnp.broadcast_to(kept[:, None], (samples, 1, height, width))
    mix = Mix(source, jnp.ones((samples, 1), jnp.float32), mask, (None,))
    return apply(mix, x), mix
