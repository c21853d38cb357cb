"""`allconv`: an all-convolutional network, the smallest of the four in which AugMix reports on CIFAR.

Springenberg, Dosovitskiy, Brox, Riedmiller, "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop,
as built by the code of Hendrycks et al., AugMix, ICLR 2020: batch normalization, GELU, max pooling, and dropout. On
images of 32x32 the last layers go from 8x8 to 6x6 (no padding) to 8x8 to 10x10 (1x1 convolutions, padded all the
same), of which the first 8x8 are averaged. Their biases, which a batch normalization takes out again, are left out.
"""

import jax
from flax import nnx

from .layers import Classifier, Conv, DType, Hidden, Network, Norm, dropout, unchanged

POOL = 8  # side of the windows that are averaged


class Layer(nnx.Module):
    """conv-bn-gelu, GELU being x sigmoid(1.702 x)."""

    def __init__(
        self, inputs: int, outputs: int, side: int = 3, padding: int = 1, *, rngs: nnx.Rngs, dtype: DType
    ) -> None:
        self.conv = Conv(inputs, outputs, side, padding=padding, rngs=rngs, dtype=dtype)
        self.norm = Norm(outputs, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = self.norm(self.conv(x), train)
        return x * jax.nn.sigmoid(1.702 * x)


class AllConv(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the first layer, 2, 3, 4 after each
    stage, before the pooling.
    """

    points = 5
    smallest = 24

    def __init__(self, num_classes: int, channels: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        # (input channels, output channels, side, padding) of each layer after the first
        shapes = (
            ((96, 96, 3, 1), (96, 96, 3, 1)),
            ((96, 192, 3, 1), (192, 192, 3, 1), (192, 192, 3, 1)),
            ((192, 192, 3, 0), (192, 192, 1, 1), (192, 192, 1, 1)),
        )
        self.stem = Layer(channels, 96, rngs=rngs, dtype=dtype)
        self.stages = nnx.List(
            [nnx.List([Layer(*shape, rngs=rngs, dtype=dtype) for shape in stage]) for stage in shapes]
        )
        self.classifier = Classifier(192, num_classes, rngs=rngs, dtype=dtype)

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        if train and key is None:
            raise ValueError("allconv drops features in training: pass a key.")
        drop_keys = None if key is None else jax.random.split(key)
        x = hidden(1, self.stem(hidden(0, x), train))
        for point, stage in enumerate(self.stages, start=2):
            if point > 2:
                x = nnx.max_pool(x, (2, 2), strides=(2, 2))
                if train and drop_keys is not None:
                    x = dropout(drop_keys[point - 3], x, 0.5)
            for layer in stage:
                x = layer(x, train)
            x = hidden(point, x)
        return x[:, : x.shape[1] // POOL * POOL, : x.shape[2] // POOL * POOL]
