"""The layers that every network here is built from: convolution, batch normalization, pooling.

Parameters are float32; `dtype` is what is computed in. Convolutions have no bias unless requested, because a batch
normalization follows, and start from He's normal initialization by fan-out.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from models.convolution import convolve

__all__ = [
    "Classifier",
    "Conv",
    "DType",
    "Hidden",
    "Network",
    "Norm",
    "PreActivated",
    "Stem",
    "dropout",
    "residual_stages",
    "through",
    "unchanged",
    "widen",
]

DType = Any
# The first convolution of a network: 7x7 with stride 2, then max pooling with stride 2; or 3x3 with stride 1 or 2 and
# no pooling.
Stem = Literal["large", "small", "strided"]
# What a network calls at each of its mixing points: hidden(point, features [b h w d]) -> features of the same shape.
Hidden = Callable[[int, jax.Array], jax.Array]


def unchanged(point: int, features: jax.Array) -> jax.Array:
    """The default of `hidden`: the features go on as they are."""
    del point
    return features


def through(stages: nnx.List, x: jax.Array, train: bool, hidden: Hidden) -> jax.Array:
    """Apply the stages in turn; the mixing points after them are numbered from 2 (0 is the input, 1 the stem)."""
    for point, stage in enumerate(stages, start=2):
        for block in stage:
            x = block(x, train)
        x = hidden(point, x)
    return x


def residual_stages(
    block: Callable[[int, int, int], nnx.Module], inputs: int, plan: Sequence[tuple[int, int, int]]
) -> nnx.List:
    """Stages of blocks, `block(inputs, outputs, stride)`; the plan has the count, outputs and stride of each stage.

    The first block of a stage has its stride, the others stride 1.
    """
    stages = []
    for count, outputs, stride in plan:
        blocks = []
        for position in range(count):
            blocks.append(block(inputs, outputs, stride if position == 0 else 1))
            inputs = outputs
        stages.append(nnx.List(blocks))
    return nnx.List(stages)


def dropout(key: jax.Array, features: jax.Array, rate: float) -> jax.Array:
    """Zero each value with probability `rate` and scale the others so that the mean stays."""
    kept = jax.random.bernoulli(key, 1 - rate, features.shape)
    return jnp.where(kept, features / (1 - rate), 0.0)


class Conv(nnx.Conv):
    """A convolution, without bias unless requested, padded so that stride 1 keeps h and w and stride 2 halves them,
    rounding up, unless another padding is given.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
        bias: bool = False,
        rngs: nnx.Rngs,
        dtype: DType = jnp.float32,
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            (side, side),
            strides=stride,
            padding=side // 2 if padding is None else padding,
            feature_group_count=groups,
            use_bias=bias,
            dtype=dtype,
            conv_general_dilated=convolve,
            kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
            rngs=rngs,
        )


class Norm(nnx.BatchNorm):
    """Batch normalization over b, h and w of the whole batch, on all devices; running averages decay by `decay`, and
    scales start from `scale`.
    """

    def __init__(
        self, width: int, *, decay: float = 0.9, scale: float = 1.0, rngs: nnx.Rngs, dtype: DType = jnp.float32
    ) -> None:
        super().__init__(
            width,
            momentum=decay,
            epsilon=1e-5,
            scale_init=nnx.initializers.constant(scale),
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(self, features: jax.Array, train: bool) -> jax.Array:  # type: ignore[override]
        return super().__call__(features, use_running_average=not train)


class Classifier(nnx.Module):
    """Mean over h and w, then one linear layer: features [b h w d] -> logits [b k] in float32."""

    def __init__(self, width: int, num_classes: int, *, rngs: nnx.Rngs, dtype: DType = jnp.float32) -> None:
        self.linear = nnx.Linear(width, num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, features: jax.Array) -> jax.Array:
        return self.linear(features.mean(axis=(1, 2))).astype(jnp.float32)


class Network(nnx.Module):
    """Images [b h w c] -> logits [b k] in float32: the features of a network, then its classifier.

    `features(x, train=..., hidden=..., key=...)` gives [b h w d], what the classifier averages: class activation maps
    (`jaxmix.saliency.cam`) can be read off them with the classifier's weights. Networks with dropout need a key in
    training; the others ignore it.
    """

    points: int
    smallest = 1  # side of the images
    classifier: Classifier

    @abstractmethod
    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        """What the classifier averages."""

    def __call__(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        return self.classifier(self.features(x, train=train, hidden=hidden, key=key))


class PreActivated(Network):
    """A network whose blocks begin with their normalization: the features are normalized and rectified at the end,
    if there is a last norm.
    """

    stem: Conv
    stages: nnx.List
    norm: Norm | None

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        x = hidden(1, self.stem(hidden(0, x)))
        x = through(self.stages, x, train, hidden)
        return x if self.norm is None else jax.nn.relu(self.norm(x, train))


def widen(features: jax.Array, width: int) -> jax.Array:
    """Appends zero channels to [b h w d] until there are `width`."""
    return jnp.pad(features, ((0, 0), (0, 0), (0, 0), (0, width - features.shape[-1])))
