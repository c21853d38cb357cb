"""Where the maps of a guided method come from: the pictures, one pass back to them, or the network's features.

A guide looks at a batch and the network as they are before the step, and returns `Guidance`: the maps, what its pass
back leaves to learn from, and the batch statistics that its pass forward made.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

import jaxmix
from jaxmix import saliency


class Clean(NamedTuple):
    """A batch that isn't mixed yet, and the network.

    images: as the network takes them
    pixels: the same pictures in grey levels
    labels: class ids
    graph, params, statistics: of the network, for `nnx.merge`
    loss: of the training, per example: loss(logits, labels)
    key: for the dropout of passes in training mode
    """

    images: Float[Array, "b h w c"]
    pixels: UInt8[Array, "b h w c"]
    labels: Int[Array, "b"]
    graph: Any
    params: Any
    statistics: Any
    loss: Callable[[Array, Array], Array]
    key: Array | None = None

    def network(self, params: Any) -> Any:
        return nnx.merge(self.graph, params, self.statistics, copy=True)


class Guidance(NamedTuple):
    """What a guide found.

    maps: the method's arguments after the pictures, the first of them [b n m]
    gradients: of the parameters, to be added to those of the mixed pictures; None if the clean pictures teach nothing
    statistics: of the network, to go on with
    """

    maps: tuple[Array, ...]
    gradients: Any | None
    statistics: Any


Guide = Callable[[Clean], Guidance]


def fine_grained(clean: Clean) -> Guidance:
    """Fine-grained saliency of the pictures themselves; no network is asked (SaliencyMix)."""
    return Guidance((saliency.fine_grained(clean.pixels),), None, clean.statistics)


def input_gradient(
    clean: Clean,
    *,
    magnitude: Callable[[Array], Array],
    objective: Callable[[Clean, Array], Array],
    train: bool,
    learn: bool,
) -> Guidance:
    """How much each pixel changes the loss of the clean pictures (PuzzleMix, Co-Mixup, SAGE).

    Args:
        magnitude: from the gradient [b h w c] to maps [b h w].
        objective: from the clean batch and its logits to the number to differentiate.
        train: whether the pass forward normalizes by its batch and moves the running averages.
        learn: whether the parameters learn from the clean pictures too; one pass back gives both gradients.
    """

    def scored(images: Array, params: Any) -> tuple[Array, Any]:
        model = clean.network(params)
        score = objective(clean, model(images, train=train, key=clean.key))
        return score, nnx.state(model, nnx.BatchStat)

    wanted = (0, 1) if learn else (0,)
    (by_pixel, *by_parameter), statistics = jax.grad(scored, argnums=wanted, has_aux=True)(clean.images, clean.params)
    return Guidance((magnitude(by_pixel),), by_parameter[0] if learn else None, statistics)


def class_activation(clean: Clean) -> Guidance:
    """Where the network, in training mode, sees the class of each picture, and the classes (SnapMix).

    Its pass forward moves the running averages, as in the authors' code.
    """
    model = clean.network(clean.params)
    features = model.features(clean.images, train=True, key=clean.key).astype(jnp.float32)
    linear = model.classifier.linear
    maps = saliency.cam(features, linear.kernel[...], clean.labels, linear.bias[...])
    return Guidance((jax.lax.stop_gradient(maps), clean.labels), None, nnx.state(model, nnx.BatchStat))


def attention(clean: Clean, *, cells: int) -> Guidance:
    """Mean activation of the network's last features, on a grid of cells x cells (AttentiveMix).

    Differs from the paper, whose maps are those of another network, trained on ImageNet.
    """
    features = clean.network(clean.params).features(clean.images, train=False).astype(jnp.float32)
    shape = (features.shape[0], cells, cells)
    return Guidance((jax.image.resize(features.mean(-1), shape, "linear"),), None, clean.statistics)


# The numbers that are differentiated.


def mean_loss(clean: Clean, logits: Array) -> Array:
    """Mean cross-entropy."""
    return jaxmix.cross_entropy(logits, clean.labels).mean()


def weighted_mean_loss(clean: Clean, logits: Array, *, weight: float) -> Array:
    """Mean cross-entropy, times 2 / classes, which is about the scale of the softmax-BCE loss, and a weight."""
    return 2 * weight * mean_loss(clean, logits) / logits.shape[1]


def training_loss(clean: Clean, logits: Array, *, weight: float) -> Array:
    """The mean of the very loss of the training, times a weight."""
    return weight * clean.loss(logits, clean.labels).mean()
