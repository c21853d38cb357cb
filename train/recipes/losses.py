"""Losses of class ids that recipes train with beside those of the library, one value per example."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

import jaxmix
from jaxmix.mix import Mix

__all__ = ["sigmoid_bce"]


def sigmoid_bce(threshold: float | None = None) -> Callable[..., Array]:
    """The binary cross-entropy of each class, mean over classes, for class ids.

    `threshold` makes the targets 1 where they are above it and 0 elsewhere: both classes of a mixed image count in
    full. Without one the targets are the shares of the mix.

    Reference: Ross Wightman, Hugo Touvron, Herve Jegou. ResNet Strikes Back: an Improved Training Procedure in timm.
    arXiv 2110.00476, 2021.
    """

    def loss(
        logits: Float[Array, "b k"],
        labels: Int[Array, "b"],
        mix: Mix | None = None,
        *,
        label_smoothing: ArrayLike = 0.0,
    ) -> Float[Array, "b"]:
        classes = logits.shape[1]
        own = jax.nn.one_hot(labels, classes)
        smooth = own * (1 - label_smoothing) + label_smoothing / classes
        targets = smooth if mix is None else jaxmix.targets(mix, smooth)
        if threshold is not None:
            targets = (targets > threshold).astype(jnp.float32)
        # The shares of one class may sum to a little more than 1, and those of SnapMix to 2.
        return jaxmix.sigmoid_bce(logits, jnp.clip(targets, 0, 1))

    return loss
