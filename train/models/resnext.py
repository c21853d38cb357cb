"""`resnext-D-CxW`: aggregated residual transformations, D = 9n + 2, C groups of base width W (`resnext-29-4x24`).

Xie, Girshick, Dollar, Tu, He, "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, section 5.3:
three stages of n bottleneck blocks whose outputs have the paper's widths, 256, 512 and 1024 channels; the grouped
convolution has C W, 2 C W and 4 C W.
"""

import jax
from flax import nnx

from .layers import Classifier, Conv, DType, Hidden, Network, Norm, residual_stages, through, unchanged


class Block(nnx.Module):
    """1x1 conv-bn-relu, grouped 3x3 conv-bn-relu, 1x1 conv-bn, plus the shortcut, then relu."""

    def __init__(
        self, inputs: int, outputs: int, inner: int, groups: int, stride: int, *, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        self.conv1 = Conv(inputs, inner, 1, rngs=rngs, dtype=dtype)
        self.norm1 = Norm(inner, rngs=rngs, dtype=dtype)
        self.conv2 = Conv(inner, inner, 3, stride=stride, groups=groups, rngs=rngs, dtype=dtype)
        self.norm2 = Norm(inner, rngs=rngs, dtype=dtype)
        self.conv3 = Conv(inner, outputs, 1, rngs=rngs, dtype=dtype)
        self.norm3 = Norm(outputs, rngs=rngs, dtype=dtype)
        moved = inputs != outputs
        self.shortcut = Conv(inputs, outputs, 1, stride=stride, rngs=rngs, dtype=dtype) if moved else None
        self.shortcut_norm = Norm(outputs, rngs=rngs, dtype=dtype) if moved else None

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = jax.nn.relu(self.norm1(self.conv1(x), train))
        residual = jax.nn.relu(self.norm2(self.conv2(residual), train))
        residual = self.norm3(self.conv3(residual), train)
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x), train)
        return jax.nn.relu(residual + x)


class ResNeXt(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4 after each stage."""

    points = 5

    def __init__(
        self, depth: int, groups: int, width: int, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        if depth < 11 or depth % 9 != 2 or groups < 1 or width < 1:
            raise ValueError(f"resnext-D-CxW needs D = 9n + 2 (29, ...), got resnext-{depth}-{groups}x{width}.")
        self.stem = Conv(channels, 64, 3, rngs=rngs, dtype=dtype)
        self.norm = Norm(64, rngs=rngs, dtype=dtype)
        count = (depth - 2) // 9

        def block(inputs: int, outputs: int, stride: int) -> Block:
            # The grouped convolution is C W channels wide where the outputs are 256.
            return Block(inputs, outputs, groups * width * outputs // 256, groups, stride, rngs=rngs, dtype=dtype)

        self.stages = residual_stages(block, 64, [(count, 256, 1), (count, 512, 2), (count, 1024, 2)])
        self.classifier = Classifier(1024, num_classes, rngs=rngs, dtype=dtype)

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        x = jax.nn.relu(self.norm(self.stem(hidden(0, x)), train))
        x = hidden(1, x)
        return through(self.stages, x, train, hidden)
