"""`resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`: the residual networks for ImageNet.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 1, in the form that torchvision
and timm call by these names: shortcuts of 1x1 convolutions, and the stride of a bottleneck block in its 3x3 convolution
("v1.5"; the paper has it in the first 1x1). Padding is explicit, the same on both sides.

`resnet50-blur`: as in Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, a blur comes before
every subsampling but that of the first convolution. It adds no parameters.
"""

from functools import partial
from typing import NamedTuple

import jax
from flax import nnx

from .antialiasing import blur_pool, max_blur_pool
from .layers import Classifier, Conv, DType, Hidden, Network, Norm, Stem, residual_stages, through, unchanged

__all__ = ["DEPTHS", "Basic", "Bottleneck", "ImageNetResNet"]


class Depth(NamedTuple):
    """The blocks of each stage, and whether they are bottlenecks."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


DEPTHS = {
    18: Depth((2, 2, 2, 2), False),
    34: Depth((3, 4, 6, 3), False),
    50: Depth((3, 4, 6, 3), True),
    101: Depth((3, 4, 23, 3), True),
    152: Depth((3, 8, 36, 3), True),
}
EXPANSION = 4  # of the channels in a bottleneck block
# The smallest image side with which every blur has 3 pixels or more, of each stem.
SMALLEST_BLURRED = {"large": 35, "small": 9, "strided": 17}


class Block(nnx.Module):
    """What both blocks have: the shortcut, a 1x1 convolution where the size or the number of channels changes."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, blur: bool, zero_last: bool, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        self.blurred = blur and stride == 2
        self.stride = 1 if self.blurred else stride
        self.last_scale = 0.0 if zero_last else 1.0
        moved = inputs != outputs or stride != 1
        self.shortcut = Conv(inputs, outputs, 1, stride=self.stride, rngs=rngs, dtype=dtype) if moved else None
        self.shortcut_norm = Norm(outputs, rngs=rngs, dtype=dtype) if moved else None

    def around(self, x: jax.Array, train: bool) -> jax.Array:
        """The shortcut of x."""
        if self.shortcut is None or self.shortcut_norm is None:
            return x
        return self.shortcut_norm(self.shortcut(self.blur(x)), train)

    def blur(self, x: jax.Array) -> jax.Array:
        """x, blurred and halved if the block subsamples by a blur."""
        return blur_pool(x) if self.blurred else x


class Basic(Block):
    """3x3 conv-bn-relu, 3x3 conv-bn, plus the shortcut, then relu."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, blur: bool, zero_last: bool, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        super().__init__(inputs, outputs, stride, blur=blur, zero_last=zero_last, rngs=rngs, dtype=dtype)
        self.conv1 = Conv(inputs, outputs, 3, stride=self.stride, rngs=rngs, dtype=dtype)
        self.norm1 = Norm(outputs, rngs=rngs, dtype=dtype)
        self.conv2 = Conv(outputs, outputs, 3, rngs=rngs, dtype=dtype)
        self.norm2 = Norm(outputs, scale=self.last_scale, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = self.blur(jax.nn.relu(self.norm1(self.conv1(x), train)))
        residual = self.norm2(self.conv2(residual), train)
        return jax.nn.relu(residual + self.around(x, train))


class Bottleneck(Block):
    """1x1 conv-bn-relu, 3x3 conv-bn-relu, 1x1 conv-bn, plus the shortcut, then relu; the 3x3 has the stride."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, blur: bool, zero_last: bool, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        super().__init__(inputs, outputs, stride, blur=blur, zero_last=zero_last, rngs=rngs, dtype=dtype)
        inner = outputs // EXPANSION
        self.conv1 = Conv(inputs, inner, 1, rngs=rngs, dtype=dtype)
        self.norm1 = Norm(inner, rngs=rngs, dtype=dtype)
        self.conv2 = Conv(inner, inner, 3, stride=self.stride, rngs=rngs, dtype=dtype)
        self.norm2 = Norm(inner, rngs=rngs, dtype=dtype)
        self.conv3 = Conv(inner, outputs, 1, rngs=rngs, dtype=dtype)
        self.norm3 = Norm(outputs, scale=self.last_scale, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = jax.nn.relu(self.norm1(self.conv1(x), train))
        residual = self.blur(jax.nn.relu(self.norm2(self.conv2(residual), train)))
        residual = self.norm3(self.conv3(residual), train)
        return jax.nn.relu(residual + self.around(x, train))


class ImageNetResNet(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem with its pooling, 2, 3, 4, 5 after
    each stage.
    """

    points = 6

    def __init__(
        self,
        depth: int,
        num_classes: int,
        channels: int,
        *,
        stem: Stem = "large",
        blur: bool = False,
        zero_last: bool = False,
        late_strides: bool = True,
        width: int = 64,
        rngs: nnx.Rngs,
        dtype: DType,
    ) -> None:
        """`stem` "small" suits images of 32 to 64 pixels, "strided" those of 64. `zero_last`: the last normalization of
        each block starts at scale 0, so that the block starts as its shortcut. Without `late_strides` the last two
        stages keep the size of the second, as for localization. `width` is that of the stem.
        """
        if stem not in SMALLEST_BLURRED:
            raise ValueError(f"resnet{depth} has a stem {', '.join(SMALLEST_BLURRED)}; got {stem}.")
        blocks, bottleneck = DEPTHS[depth]
        self.pool = None if stem != "large" else (max_blur_pool if blur else _max_pool)
        self.smallest = SMALLEST_BLURRED[stem] if blur else 1
        side, stride = (7, 2) if stem == "large" else (3, 2 if stem == "strided" else 1)
        self.stem = Conv(channels, width, side, stride=stride, rngs=rngs, dtype=dtype)
        self.norm = Norm(width, rngs=rngs, dtype=dtype)
        late, expansion = 2 if late_strides else 1, EXPANSION if bottleneck else 1
        plan = [
            (count, expansion * width * 2**stage, step)
            for stage, (count, step) in enumerate(zip(blocks, (1, 2, late, late), strict=True))
        ]
        kind = Bottleneck if bottleneck else Basic
        block = partial(kind, blur=blur, zero_last=zero_last, rngs=rngs, dtype=dtype)
        self.stages = residual_stages(block, width, plan)
        self.classifier = Classifier(plan[-1][1], num_classes, rngs=rngs, dtype=dtype)

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        x = jax.nn.relu(self.norm(self.stem(hidden(0, x)), train))
        x = hidden(1, x if self.pool is None else self.pool(x))
        return through(self.stages, x, train, hidden)


def _max_pool(x: jax.Array) -> jax.Array:
    return nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
