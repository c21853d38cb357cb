"""`preact-resnet-18` and `preact-resnet-34`: residual networks with the activation first, for small images.

He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, with the widths 64, 128, 256 and 512 of
the ImageNet networks and a 3x3 stem, the network in which Mixup, Manifold Mixup, PuzzleMix and SAGE report on CIFAR.
As in He et al., a last batch normalization and ReLU come before the pooling. In `preact-resnet-18-puzzlemix` they
don't, as in the code of Manifold Mixup, PuzzleMix, Co-Mixup and SAGE. For Tiny-ImageNet that code gives the stem a
stride of 2 (stem "strided").
"""

from functools import partial

from flax import nnx

from .layers import Classifier, Conv, DType, Norm, PreActivated, Stem, residual_stages
from .wide_resnet import Block

__all__ = ["PreActResNet"]

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class PreActResNet(PreActivated):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the stem, 2, 3, 4, 5 after each stage."""

    points = 6

    def __init__(
        self,
        depth: int,
        num_classes: int,
        channels: int,
        *,
        last_norm: bool = True,
        stem: Stem = "small",
        rngs: nnx.Rngs,
        dtype: DType,
    ) -> None:
        if depth not in BLOCKS:
            raise ValueError(f"preact-resnet-D needs D in {sorted(BLOCKS)}, got {depth}.")
        if stem not in ("small", "strided"):
            raise ValueError(f"preact-resnet-D has a stem of 3x3, small or strided; got {stem}.")
        self.stem = Conv(channels, 64, 3, stride=2 if stem == "strided" else 1, rngs=rngs, dtype=dtype)
        block = partial(Block, rngs=rngs, dtype=dtype)
        plan = list(zip(BLOCKS[depth], (64, 128, 256, 512), (1, 2, 2, 2), strict=True))
        self.stages = residual_stages(block, 64, plan)
        self.norm = Norm(512, rngs=rngs, dtype=dtype) if last_norm else None
        self.classifier = Classifier(512, num_classes, rngs=rngs, dtype=dtype)
