"""Saliency passes: the maps of a guided method, from the images, one backward pass, or the network's features.

A pass takes a batch and the network as they are before the step, and returns `Saliency`: the maps, the gradient that
its backward pass gives the parameters, and the batch statistics of its forward pass.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

import jaxmix
from jaxmix import saliency

__all__ = [
    "CleanBatch",
    "Saliency",
    "SaliencyPass",
    "attention",
    "class_activation",
    "fine_grained",
    "input_gradient",
    "mean_loss",
    "spectral_residual",
    "training_loss",
    "weighted_mean_loss",
]


class CleanBatch(NamedTuple):
    """A batch before mixing, and the network.

    images: as the network takes them
    quantized: the same images as uint8
    labels: class ids
    graph, params, statistics: of the network, for `nnx.merge`
    loss: of the training, per example: loss(logits, labels)
    key: for the dropout of passes in training mode
    """

    images: Float[Array, "b h w c"]
    quantized: UInt8[Array, "b h w c"]
    labels: Int[Array, "b"]
    graph: Any
    params: Any
    statistics: Any
    loss: Callable[[Array, Array], Array]
    key: Array | None = None

    def network(self, params: Any) -> Any:
        return nnx.merge(self.graph, params, self.statistics, copy=True)


class Saliency(NamedTuple):
    """The result of a saliency pass.

    maps: the method's arguments after the images, the first of them [b n m]
    gradients: of the parameters, to be added to those of the mixed images; None if the clean images contribute none
    statistics: of the network, to go on with
    """

    maps: tuple[Array, ...]
    gradients: Any | None
    statistics: Any


SaliencyPass = Callable[[CleanBatch], Saliency]


def fine_grained(clean: CleanBatch) -> Saliency:
    """Fine-grained saliency of the images themselves, without a network (SaliencyMix)."""
    return Saliency((saliency.fine_grained(clean.quantized),), None, clean.statistics)


def spectral_residual(clean: CleanBatch) -> Saliency:
    """Spectral residual saliency of the images themselves, without a network (GuidedMixup)."""
    return Saliency((saliency.spectral_residual(clean.images),), None, clean.statistics)


def input_gradient(
    clean: CleanBatch,
    *,
    magnitude: Callable[[Array], Array],
    objective: Callable[[CleanBatch, Array], Array],
    train: bool,
    parameter_gradient: bool,
) -> Saliency:
    """Gradient of the loss of the clean images with respect to each pixel (PuzzleMix, Co-Mixup, SAGE).

    Args:
        magnitude: from the gradient [b h w c] to maps [b h w].
        objective: from the clean batch and its logits to the scalar to differentiate.
        train: whether the forward pass normalizes by its batch and moves the running averages.
        parameter_gradient: whether the clean images contribute a gradient of the parameters; one
            backward pass gives both gradients.
    """

    def scored(images: Array, params: Any) -> tuple[Array, Any]:
        model = clean.network(params)
        score = objective(clean, model(images, train=train, key=clean.key))
        return score, nnx.state(model, nnx.BatchStat)

    wanted = (0, 1) if parameter_gradient else (0,)
    (by_pixel, *by_parameter), statistics = jax.grad(scored, argnums=wanted, has_aux=True)(clean.images, clean.params)
    return Saliency((magnitude(by_pixel),), by_parameter[0] if parameter_gradient else None, statistics)


def class_activation(clean: CleanBatch) -> Saliency:
    """Class activation maps of the network in training mode, and the classes (SnapMix).

    Its forward pass moves the running averages, as in the authors' code.
    """
    model = clean.network(clean.params)
    features = model.features(clean.images, train=True, key=clean.key).astype(jnp.float32)
    linear = model.classifier.linear
    maps = saliency.cam(features, linear.kernel[...], clean.labels, linear.bias[...])
    return Saliency((jax.lax.stop_gradient(maps), clean.labels), None, nnx.state(model, nnx.BatchStat))


def attention(clean: CleanBatch, *, cells: int) -> Saliency:
    """Mean activation of the network's last features, on a grid of cells x cells (AttentiveMix).

    Differs from the paper, whose maps are those of another network, trained on ImageNet.
    """
    features = clean.network(clean.params).features(clean.images, train=False).astype(jnp.float32)
    shape = (features.shape[0], cells, cells)
    return Saliency((jax.image.resize(features.mean(-1), shape, "linear"),), None, clean.statistics)


# The scalars that are differentiated.


def mean_loss(clean: CleanBatch, logits: Array) -> Array:
    """Mean cross-entropy."""
    return jaxmix.cross_entropy(logits, clean.labels).mean()


def weighted_mean_loss(clean: CleanBatch, logits: Array, *, weight: float) -> Array:
    """Mean cross-entropy, times 2 / classes, which is about the scale of the softmax-BCE loss, and a weight."""
    return 2 * weight * mean_loss(clean, logits) / logits.shape[1]


def training_loss(clean: CleanBatch, logits: Array, *, weight: float) -> Array:
    """The mean of the training's own loss, times a weight."""
    return weight * clean.loss(logits, clean.labels).mean()
