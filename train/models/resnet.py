"""`resnet-D`: the residual networks for small images, D = 6n + 2.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2: three stages of n blocks,
16, 32 and 64 channels wide; the shortcut has no parameters (option A: every second pixel, zero channels appended).
"""

from functools import partial

import jax
from flax import nnx

from .imagenet_resnet import DEPTHS
from .layers import Classifier, Conv, DType, Hidden, Network, Norm, residual_stages, through, unchanged, widen

__all__ = ["Block", "ResNet"]


class Block(nnx.Module):
    """conv-bn-relu-conv-bn, plus the shortcut, then relu."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.stride, self.outputs = stride, outputs
        self.conv1 = Conv(inputs, outputs, 3, stride=stride, rngs=rngs, dtype=dtype)
        self.norm1 = Norm(outputs, rngs=rngs, dtype=dtype)
        self.conv2 = Conv(outputs, outputs, 3, rngs=rngs, dtype=dtype)
        self.norm2 = Norm(outputs, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = jax.nn.relu(self.norm1(self.conv1(x), train))
        residual = self.norm2(self.conv2(residual), train)
        return jax.nn.relu(residual + widen(x[:, :: self.stride, :: self.stride], self.outputs))


class ResNet(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4 after each stage."""

    points = 5

    def __init__(self, depth: int, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        if depth < 8 or depth % 6 != 2:
            large = f" resnet{depth}, without the hyphen, is the network for ImageNet." if depth in DEPTHS else ""
            raise ValueError(f"resnet-D needs D = 6n + 2 (8, 14, 20, 32, 44, 56, 110, ...), got {depth}.{large}")
        self.stem = Conv(channels, 16, 3, rngs=rngs, dtype=dtype)
        self.norm = Norm(16, rngs=rngs, dtype=dtype)
        count = (depth - 2) // 6
        block = partial(Block, rngs=rngs, dtype=dtype)
        self.stages = residual_stages(block, 16, [(count, 16, 1), (count, 32, 2), (count, 64, 2)])
        self.classifier = Classifier(64, num_classes, rngs=rngs, dtype=dtype)

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        x = jax.nn.relu(self.norm(self.stem(hidden(0, x)), train))
        x = hidden(1, x)
        return through(self.stages, x, train, hidden)
