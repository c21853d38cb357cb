"""A second classifier on the features before the last stage, as SnapMix's code trains it on fine-grained data.

Those features, without a gradient into the network, go through a 1x1 convolution of the same width, a ReLU, the maximum
over h and w, and a linear layer.

Reference: Shaoli Huang, Xinchao Wang, Dacheng Tao. SnapMix: Semantically Proportional Mixing for Augmenting
Fine-grained Data. AAAI 2021 (their "baseline+").
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxmix import accuracy

from .layers import Classifier, DType, Hidden, Network, unchanged

__all__ = ["MEASURES", "MidLevel", "around", "heads"]


class MidLevel(Network):
    """A network, `body`, with a second classifier; it predicts as its body does, and `heads` has the logits of both."""

    def __init__(self, body: Network, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        """Raises ValueError for a network without a stage before the last one."""
        if body.points < 4:
            raise ValueError("A middle head needs a network of two stages or more; leave it out with --no-middle.")
        self.body, self.points, self.smallest = body, body.points, body.smallest
        width = jax.eval_shape(lambda x: self._features(x, False)[1], _images(body.smallest, channels)).shape[-1]
        # As torch's layers start: with a sixth of the variance of He's initialization.
        init = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        self.middle = nnx.Conv(width, width, (1, 1), kernel_init=init, dtype=dtype, rngs=rngs)
        self.linear = nnx.Linear(width, num_classes, kernel_init=init, dtype=dtype, rngs=rngs)

    @property
    def classifier(self) -> Classifier:  # type: ignore[override]
        """The classifier of the body, of which class activation maps are made."""
        return self.body.classifier

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        return self.body.features(x, train=train, hidden=hidden, key=key)

    def heads(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """The logits [b k] of the body and of the middle head."""
        last, before = self._features(x, train, hidden, key)
        found = jax.nn.relu(self.middle(jax.lax.stop_gradient(before))).max((1, 2))
        return self.body.classifier(last), self.linear(found).astype(jnp.float32)

    def _features(
        self, x: jax.Array, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """The features of the body, and those before its last stage, after any mixing there."""
        seen: list[jax.Array] = []

        def noted(point: int, features: jax.Array) -> jax.Array:
            features = hidden(point, features)
            if point == self.points - 2:
                seen.append(features)
            return features

        last = self.body.features(x, train=train, hidden=noted, key=key)
        return last, seen[0]


def around(body: Callable[[nnx.Rngs], Any], num_classes: int, dtype: DType, rngs: nnx.Rngs) -> MidLevel:
    """The network that `body` makes, for color images, with a middle head."""
    return MidLevel(body(rngs), num_classes, 3, rngs=rngs, dtype=dtype)


def heads(network: MidLevel, images: Float[Array, "b h w c"], **options: Any) -> tuple[Array, ...]:
    """The logits of both heads of a network."""
    return network.heads(images, **options)


def _middle(logits: tuple[Array, ...], labels: Int[Array, "b"]) -> Float[Array, "b"]:
    return accuracy(logits[1], labels)


def _sum(logits: tuple[Array, ...], labels: Int[Array, "b"]) -> Float[Array, "b"]:
    return accuracy(logits[0] + logits[1], labels)


# The accuracies of the middle head, and of the sum of the logits of both.
MEASURES = (("accuracy_middle", _middle), ("accuracy_sum", _sum))


def _images(side: int, channels: int) -> jax.ShapeDtypeStruct:
    # Large enough for every network that says of itself that any side is.
    return jax.ShapeDtypeStruct((1, max(side, 64), max(side, 64), channels), jnp.float32)
