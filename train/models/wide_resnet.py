"""`wrn-D-W`: wide residual networks, D = 6n + 4, W times as wide as a ResNet for small images.

Zagoruyko, Komodakis, "Wide Residual Networks", BMVC 2016: pre-activation blocks of two 3x3 convolutions, three stages
of n blocks, 16W, 32W and 64W channels; a 1x1 convolution on the shortcut where the width changes. Without dropout.

`wrn-D-W-puzzlemix` is the network of the Manifold Mixup, PuzzleMix, Co-Mixup and SAGE code: shortcuts take the raw
input of their block, the second convolution of a block has its stride, convolutions have biases, and the running
averages of the last normalization decay by 0.1.
"""

from collections.abc import Callable
from functools import partial

import jax
from flax import nnx

from .layers import Classifier, Conv, DType, Norm, PreActivated, residual_stages


class Block(nnx.Module):
    """bn-relu-conv-bn-relu-conv plus the shortcut, which starts after the first bn-relu where it has a convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.norm1 = Norm(inputs, rngs=rngs, dtype=dtype)
        self.conv1 = Conv(inputs, outputs, 3, stride=stride, rngs=rngs, dtype=dtype)
        self.norm2 = Norm(outputs, rngs=rngs, dtype=dtype)
        self.conv2 = Conv(outputs, outputs, 3, rngs=rngs, dtype=dtype)
        moved = inputs != outputs or stride != 1
        self.shortcut = Conv(inputs, outputs, 1, stride=stride, rngs=rngs, dtype=dtype) if moved else None

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        active = jax.nn.relu(self.norm1(x, train))
        residual = self.conv2(jax.nn.relu(self.norm2(self.conv1(active), train)))
        return residual + (x if self.shortcut is None else self.shortcut(active))


class RawShortcutBlock(nnx.Module):
    """bn-relu-conv-bn-relu-conv plus the shortcut of the block's input; the second convolution has the stride."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        conv = partial(Conv, bias=True, rngs=rngs, dtype=dtype)
        self.norm1 = Norm(inputs, rngs=rngs, dtype=dtype)
        self.conv1 = conv(inputs, outputs, 3)
        self.norm2 = Norm(outputs, rngs=rngs, dtype=dtype)
        self.conv2 = conv(outputs, outputs, 3, stride=stride)
        moved = inputs != outputs or stride != 1
        self.shortcut = conv(inputs, outputs, 1, stride=stride) if moved else None

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = self.conv1(jax.nn.relu(self.norm1(x, train)))
        residual = self.conv2(jax.nn.relu(self.norm2(residual, train)))
        return residual + (x if self.shortcut is None else self.shortcut(x))


class WideResNet(PreActivated):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4 after each stage."""

    points = 5

    def __init__(
        self,
        depth: int,
        width: int,
        num_classes: int,
        channels: int,
        *,
        block: Callable[..., nnx.Module] = Block,
        bias: bool = False,
        last_decay: float = 0.9,
        rngs: nnx.Rngs,
        dtype: DType,
    ) -> None:
        """`bias` is that of the stem; `last_decay` that of the running averages of the last normalization."""
        if depth < 10 or depth % 6 != 4 or width < 1:
            raise ValueError(f"wrn-D-W needs D = 6n + 4 (10, 16, 22, 28, 40, ...) and W >= 1, got wrn-{depth}-{width}.")
        self.stem = Conv(channels, 16, 3, bias=bias, rngs=rngs, dtype=dtype)
        count = (depth - 4) // 6
        plan = [(count, 16 * width, 1), (count, 32 * width, 2), (count, 64 * width, 2)]
        self.stages = residual_stages(partial(block, rngs=rngs, dtype=dtype), 16, plan)
        self.norm = Norm(64 * width, decay=last_decay, rngs=rngs, dtype=dtype)
        self.classifier = Classifier(64 * width, num_classes, rngs=rngs, dtype=dtype)
