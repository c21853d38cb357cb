"""Class activation maps: the evidence for a class at each place of the features."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxmix import arguments
from jaxmix.sharding import sharded_like

__all__ = ["cam", "grad_cam"]


def cam(
    features: Float[Array, "b h w d"],
    kernel: Float[Array, "d k"],
    labels: Int[Array, "b"],
    bias: Float[Array, "k"] | None = None,
) -> Float[Array, "b h w"]:
    """Compute class activation maps of a network that ends with a mean over places and a linear layer.

        out[b, i, j] = sum over d of features[b, i, j, d] kernel[d, y] + bias[y],   y = labels[b]

    The mean of a map is then the logit of its class. SnapMix rectifies the features first: `cam(jax.nn.relu(f), ...)`.

    Args:
        features: the last features before the mean, [b h w d].
        kernel: weights of the linear layer, [d k].
        labels: class ids [b]; a traced id out of range gives a map of 0.
        bias: of the linear layer, [k]; maps that are normalized later don't need it.

    Returns:
        Maps [b h w], float32, of any sign.

    Raises:
        ValueError: shapes that don't fit, labels that aren't class ids or are out of range.

    Reference: Bolei Zhou, Aditya Khosla, Agata Lapedriza, Aude Oliva, Antonio Torralba. Learning Deep Features for
    Discriminative Localization. CVPR 2016.

    >>> cam(jnp.ones((1, 1, 2, 3)), jnp.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]]), jnp.array([1])).tolist()
    [[[6.0, 6.0]]]
    """
    features, kernel = _features(features), jnp.asarray(arguments.numeric("kernel", kernel), jnp.float32)
    if kernel.ndim != 2 or kernel.shape[0] != features.shape[3]:
        raise ValueError(f"kernel has shape {kernel.shape}; wanted [d k] with d = {features.shape[3]}, as the features")
    classes = kernel.shape[1]
    bias = (
        jnp.zeros(classes, jnp.float32) if bias is None else jnp.asarray(arguments.numeric("bias", bias), jnp.float32)
    )
    if bias.shape != (classes,):
        raise ValueError(f"bias has shape {bias.shape}; wanted [k] with k = {classes}, as the kernel")
    labels, inside = _class_ids(labels, features.shape[0], classes)
    return _cam(features, kernel, bias, labels, inside)


@sharded_like("features")
def _cam(
    features: Float[Array, "b h w d"],
    kernel: Float[Array, "d k"],
    bias: Float[Array, "k"],
    labels: Int[Array, "b"],
    inside: Bool[Array, "b"],
) -> Float[Array, "b h w"]:
    maps = _weighted(features, kernel.T[labels]) + bias[labels][:, None, None]
    return jnp.where(inside[:, None, None], maps, 0)


def grad_cam(
    features: Float[Array, "b h w d"],
    logits: Callable[[Array], Array],
    labels: Int[Array, "b"],
) -> Float[Array, "b h w"]:
    """Compute class activation maps of any network from the gradient of a logit with respect to features inside it.

        out = max(sum over d of a[b, d] features[..., d], 0),   a = mean over places of d logits[b, y] / d features

    Where only a mean and a linear layer follow, that is `cam` rectified and divided by the number of places.

    Args:
        features: [b h w d], from any layer.
        logits: the rest of the network, from features to logits [b k].
        labels: class ids [b]; a traced id out of range gives a map of 0.

    Returns:
        Maps [b h w], float32, non-negative, without a gradient.

    Raises:
        ValueError: shapes that don't fit, labels that aren't class ids or are out of range.

    Reference: Ramprasaath R. Selvaraju, Michael Cogswell, Abhishek Das, Ramakrishna Vedantam, Devi Parikh, Dhruv Batra.
    Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. ICCV 2017.

    >>> grad_cam(jnp.array([[[[1.0], [3.0]]]]), lambda f: f.sum((1, 2)), jnp.array([0])).tolist()
    [[[1.0, 3.0]]]
    """
    if not callable(logits):
        raise ValueError(f"logits came as {type(logits).__name__}; wanted a function of the features")
    wide = _features(features)
    if not jnp.issubdtype(jnp.asarray(features).dtype, jnp.floating):
        features = wide

    def score(features: Array) -> Array:
        found = logits(features)
        if found.ndim != 2 or found.shape[0] != features.shape[0]:
            raise ValueError(f"logits gave shape {found.shape} for features of shape {features.shape}; wanted [b k]")
        ids, inside = _class_ids(labels, *found.shape)
        chosen = (jnp.arange(found.shape[1], dtype=jnp.int32)[None, :] == ids[:, None]) & inside[:, None]
        return jnp.where(chosen, found, 0).sum()

    with arguments.pure_calls("wanted a view for inference, nnx.view(model, use_running_average=True)"):
        gradient = jax.grad(score)(jax.lax.stop_gradient(jnp.asarray(features)))
    importance = gradient.astype(jnp.float32).mean((1, 2))
    return jax.lax.stop_gradient(jnp.maximum(_weighted(wide, importance), 0))


def _weighted(features: Float[Array, "b h w d"], weights: Float[Array, "b d"]) -> Float[Array, "b h w"]:
    return jnp.einsum("bhwd,bd->bhw", features, weights, precision="highest")


def _features(features: Array) -> Float[Array, "b h w d"]:
    array = arguments.numeric("features", features)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(f"features have shape {array.shape}; wanted [b h w d]: the last ones before the mean")
    return jnp.asarray(array).astype(jnp.float32)


def _class_ids(labels: ArrayLike, size: int, classes: int) -> tuple[Int[Array, "b"], Bool[Array, "b"]]:
    """Clip class ids to 0..classes - 1, and mark those that were in range."""
    ids = arguments.class_ids(labels, (size,), classes)
    return jnp.clip(ids, 0, classes - 1), (ids >= 0) & (ids < classes)
