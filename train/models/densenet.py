"""`densenet-D-K`: densely connected networks, D = 3n + 4, every layer adding K channels (`densenet-40-12`).

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, table 2: the plain
network, without bottlenecks and compression: three blocks of n layers that see all channels before them. As in the code
of Hendrycks et al., AugMix, ICLR 2020, the stem has 2K channels (the paper's has 16). Without dropout.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from .layers import Classifier, Conv, DType, Norm, PreActivated


class Layer(nnx.Module):
    """bn-relu-conv, whose channels come after those that it saw."""

    def __init__(self, inputs: int, growth: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.norm = Norm(inputs, rngs=rngs, dtype=dtype)
        self.conv = Conv(inputs, growth, 3, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return jnp.concatenate([x, self.conv(jax.nn.relu(self.norm(x, train)))], -1)


class Transition(nnx.Module):
    """bn-relu-conv of 1x1, then the mean over 2x2."""

    def __init__(self, width: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.norm = Norm(width, rngs=rngs, dtype=dtype)
        self.conv = Conv(width, width, 1, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = self.conv(jax.nn.relu(self.norm(x, train)))
        # At the border of an odd size the mean is over the pixels that are there, which flax counts in float32.
        return nnx.avg_pool(x, (2, 2), strides=(2, 2), padding="SAME", count_include_pad=False).astype(x.dtype)


class DenseNet(PreActivated):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4 after each block."""

    points = 5

    def __init__(
        self, depth: int, growth: int, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        if depth < 7 or depth % 3 != 1 or growth < 1:
            raise ValueError(
                f"densenet-D-K needs D = 3n + 4 (7, 40, 100, ...) and K >= 1, got densenet-{depth}-{growth}."
            )
        width = 2 * growth
        self.stem = Conv(channels, width, 3, rngs=rngs, dtype=dtype)
        stages = []
        for stage in range(3):
            blocks: list[nnx.Module] = [Transition(width, rngs=rngs, dtype=dtype)] if stage > 0 else []
            for _ in range((depth - 4) // 3):
                blocks.append(Layer(width, growth, rngs=rngs, dtype=dtype))
                width += growth
            stages.append(nnx.List(blocks))
        self.stages = nnx.List(stages)
        self.norm = Norm(width, rngs=rngs, dtype=dtype)
        self.classifier = Classifier(width, num_classes, rngs=rngs, dtype=dtype)
