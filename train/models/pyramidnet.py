"""`pyramidnet-A-D`: deep pyramidal residual networks that widen by A channels in all (`pyramidnet-240-200`).

Han, Kim, Kim, "Deep Pyramidal Residual Networks", CVPR 2017: every block is A / blocks channels wider than the one
before; the shortcut has no parameters (mean over 2x2 where the size halves, zero channels appended). As in the paper's
tables, networks of depth 164 and more (D = 9n + 2) have bottleneck blocks, the others (D = 6n + 2) basic ones.
"""

import jax
from flax import nnx

from .layers import Classifier, Conv, DType, Hidden, Network, Norm, through, unchanged, widen

FIRST_BOTTLENECK_DEPTH = 164


class Block(nnx.Module):
    """bn-conv(-bn-relu-conv)-bn, no relu before the first or after the last, plus the shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.stride, self.outputs = stride, 4 * width if bottleneck else width
        # (input channels, output channels, side, stride) of each convolution
        shapes = (
            ((inputs, width, 1, 1), (width, width, 3, stride), (width, self.outputs, 1, 1))
            if bottleneck
            else ((inputs, width, 3, stride), (width, width, 3, 1))
        )
        self.norms = nnx.List([Norm(shape[0], rngs=rngs, dtype=dtype) for shape in shapes])
        self.convs = nnx.List([Conv(a, b, side, stride=step, rngs=rngs, dtype=dtype) for a, b, side, step in shapes])
        self.last = Norm(self.outputs, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        residual = x
        for position, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            residual = norm(residual, train)
            residual = conv(residual if position == 0 else jax.nn.relu(residual))
        residual = self.last(residual, train)
        if self.stride == 2:
            # At the border of an odd size the mean is over the pixels that are there, which flax counts in float32.
            x = nnx.avg_pool(x, (2, 2), strides=(2, 2), padding="SAME", count_include_pad=False).astype(x.dtype)
        return residual + widen(x, self.outputs)


class PyramidNet(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4 after each stage."""

    points = 5

    def __init__(
        self, alpha: int, depth: int, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        bottleneck = depth >= FIRST_BOTTLENECK_DEPTH
        convolutions = 9 if bottleneck else 6
        if depth < 8 or depth % convolutions != 2 or alpha < 0:
            raise ValueError(
                f"pyramidnet-A-D needs A >= 0 and D = 6n + 2 below {FIRST_BOTTLENECK_DEPTH}, D = 9n + 2 from it "
                f"(164, 200, 236, 272), got pyramidnet-{alpha}-{depth}."
            )
        count = (depth - 2) // convolutions
        self.stem = Conv(channels, 16, 3, rngs=rngs, dtype=dtype)
        self.norm = Norm(16, rngs=rngs, dtype=dtype)
        stages, inputs = [], 16
        for stage in range(3):
            blocks = []
            for position in range(count):
                width = round(16 + alpha * (stage * count + position + 1) / (3 * count))
                stride = 2 if position == 0 and stage > 0 else 1
                block = Block(inputs, width, stride, bottleneck, rngs=rngs, dtype=dtype)
                blocks.append(block)
                inputs = block.outputs
            stages.append(nnx.List(blocks))
        self.stages = nnx.List(stages)
        self.last = Norm(inputs, rngs=rngs, dtype=dtype)
        self.classifier = Classifier(inputs, num_classes, rngs=rngs, dtype=dtype)

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        x = hidden(1, self.norm(self.stem(hidden(0, x)), train))
        x = through(self.stages, x, train, hidden)
        return jax.nn.relu(self.last(x, train))
