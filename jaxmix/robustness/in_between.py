"""In-between class images, a robustness test of CutMix (Yun et al., 2019): error over the share of the partner.

The share is given, not sampled: a curve takes 0, 0.1, .., 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, losses
from jaxmix.mix import Mix, apply, pair
from jaxmix.numerics import barrier
from jaxmix.robustness import occlusion

__all__ = ["cutmix", "hit", "mixup", "other_class"]


def mixup(batch: arguments.Batch, share: ArrayLike, *, partner: ArrayLike | None = None) -> tuple[jax.Array, Mix]:
    """Blend every image with its partner by a given share.

        x' = (1 - share) x + share x[partner]

    Args:
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        share: the partner's, in [0, 1]; may be traced. The paper's lambda is 1 - share.
        partner: index of each image's partner, Int[b]; by default the next one. `other_class` finds partners of another
            class.

    Returns:
        Images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, a share out of range.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.4, in-between class samples.

    >>> mixup(jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1), 0.25)[0].ravel().tolist()
    [0.25, 0.75]
    """
    x, partners, _ = arguments.inputs(batch, partner, True)
    mix = pair(partners, arguments.number("share", share, high=1.0).reshape(1, 1, 1))
    return apply(mix, x), mix


def cutmix(batch: arguments.Batch, share: ArrayLike, *, partner: ArrayLike | None = None) -> tuple[jax.Array, Mix]:
    """Paste a centered box of every image's partner, of a given share of the area, into the image.

        x' = x outside the box, x[partner] inside;   box sides = side * sqrt(share), centered

    The box has equal margins; the weights of the labels are the counted pixels.

    Args:
        batch: as in `mixup`.
        share: the partner's share of the area, in [0, 1]; may be traced.
        partner: as in `mixup`.

    Returns:
        Images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: as `mixup`.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.4, in-between class samples.

    >>> images, mix = cutmix(jnp.zeros((4, 32, 32, 3)), 0.25)
    >>> mix.weight[0].tolist()
    [0.75, 0.25]
    """
    x, partners, _ = arguments.inputs(batch, partner, True)
    height, width = x.shape[1:3]
    root = barrier(jnp.sqrt(arguments.number("share", share, high=1.0)))
    box = occlusion.square((barrier(height * root), barrier(width * root)), height, width)
    mix = pair(partners, box[None].astype(jnp.float32))
    return apply(mix, x), mix


def other_class(labels: Int[Array, "b"]) -> Int[Array, "b"]:
    """Partner of another class for each sample: the next one in the batch that has another label.

    Args:
        labels: class ids Int[b]. Where they are traced and all the same, each sample is its own partner.

    Raises:
        ValueError: labels that aren't integer [b], or known ones of a single class.

    >>> other_class(jnp.array([3, 3, 5, 3])).tolist()
    [2, 2, 3, 2]
    """
    labels = arguments.class_ids(labels)
    known = arguments.concrete(labels)
    if known is not None and (known == known[0]).all():
        raise ValueError(f"all {known.size} labels are {known[0]}; wanted two classes at least: shuffle, or take more")
    size = labels.shape[0]
    place = jnp.arange(size, dtype=jnp.int32)
    ahead = (place[None, :] - place[:, None]) % size
    steps = jnp.where(labels[None, :] != labels[:, None], ahead, size).min(1)
    return (place + steps) % size


def hit(logits: Float[Array, "b k"], labels: Array, mix: Mix) -> Float[Array, "b"]:
    """1 where the predicted class is one of those in the image, the sample's or its partner's, else 0.

    A class without any share of the image (the partner's at share 0, the sample's at share 1) doesn't count.

    Args:
        logits: [b k], any floating dtype.
        labels: class ids Int[b] of the samples before mixing.
        mix: of `mixup` or `cutmix`.

    Raises:
        ValueError: logits or labels of another rank or size.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> hit(jnp.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), jnp.array([0, 1]), mix).tolist()
    [1.0, 0.0]
    """
    return (losses.accuracy(logits, labels, mix) > 0).astype(jnp.float32)
