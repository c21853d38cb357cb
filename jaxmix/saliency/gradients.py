"""Saliency maps [b h w] from input gradients, as SAGE, PuzzleMix and Co-Mixup make them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import arguments, dtypes

__all__ = ["input_gradient", "mean_abs", "root_mean_square"]


@arguments.annotated
def input_gradient(loss: Callable[[Array], Array], images: arguments.Batch) -> Float[Array, "b h w c"]:
    """Compute the gradient of every sample's loss with respect to its own image.

        out[b] = d loss[b] / d images[b]

    The sum of the losses is differentiated, since the scale of a sample's gradient doesn't matter for saliency. Batch
    statistics tie samples together: PuzzleMix uses running averages, SAGE the statistics of the batch.

    Where a training step needs gradients of the parameters too, `jax.grad(loss, argnums=(0, 1))(params, images)` gives
    both in one backward pass; then only `mean_abs` or `root_mean_square` is needed. With Flax NNX that is
    `nnx.grad(loss, argnums=(0, 1))(model, images)`, and a model whose state a call changes (BatchNorm, Dropout) has to
    be an argument of it, or a view for inference: `nnx.view(model, use_running_average=True)`.

    Args:
        loss: from images to losses [b], or to their sum or mean.
        images: images or features [b h w c], floating, or uint8, which are passed on as float32 in 0..255.

    Returns:
        The gradient, float32, itself without a gradient.

    Raises:
        ValueError: images that aren't [b h w c], losses that aren't [b] or one scalar.

    >>> input_gradient(lambda x: (x**2).sum((1, 2, 3)), jnp.full((1, 1, 2, 1), 3.0)).ravel().tolist()
    [6.0, 6.0]
    """
    x = jax.lax.stop_gradient(arguments.images(images))
    x = dtypes.widen(x) if x.dtype == jnp.uint8 else x

    def total(x: Array) -> Array:
        losses = loss(x)
        if losses.shape not in ((), x.shape[:1]):
            raise ValueError(f"loss gave shape {losses.shape} for images of shape {x.shape}; wanted [b] or a scalar")
        return losses.sum()

    with arguments.pure_calls(
        "wanted nnx.grad(loss, argnums=1)(model, images), or a view for inference, "
        "nnx.view(model, use_running_average=True)"
    ):
        return jax.lax.stop_gradient(jax.grad(total)(x).astype(jnp.float32))


def mean_abs(gradient: Array) -> Float[Array, "b h w"]:
    """Reduce gradients [b h w c] to SAGE's saliency: `out = mean over c of |gradient[..., c]|`.

    Reference: Ma et al., SAGE: Saliency-Guided Mixup with Optimal Rearrangements, BMVC 2022.

    >>> mean_abs(jnp.array([[[[3.0, -4.0]]]])).tolist()
    [[[3.5]]]
    """
    return jnp.abs(arguments.ranked("gradient", gradient, 4).astype(jnp.float32)).mean(3)


def root_mean_square(gradient: Array) -> Float[Array, "b h w"]:
    """Reduce gradients [b h w c] to PuzzleMix's and Co-Mixup's saliency.

        out = sqrt(mean over c of gradient[..., c]^2)

    Squares neither overflow nor underflow.

    Reference: Kim et al., Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup, ICML 2020.

    >>> root_mean_square(jnp.array([[[[1.0, -7.0]]]])).tolist()
    [[[5.0]]]
    """
    gradient = arguments.ranked("gradient", gradient, 4).astype(jnp.float32)
    largest = jnp.abs(gradient).max(3)
    # Powers of two, so that nothing is rounded. From 2**-48 on, squares below 2**-126, the smallest normal number, are
    # too small next to the largest, 2**-96, to be seen in the sum.
    up = jnp.where(largest < 2.0**-48, 2.0**64, jnp.where(largest > 2.0**56, 2.0**-72, 1.0)).astype(jnp.float32)
    down = jnp.where(largest < 2.0**-48, 2.0**-64, jnp.where(largest > 2.0**56, 2.0**72, 1.0)).astype(jnp.float32)
    return jnp.sqrt(jnp.square(gradient * up[..., None]).mean(3)) * down
