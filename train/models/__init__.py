"""The networks, one file per paper, under the names that the papers use.

Every network is called as `model(pictures [b h w c], train=..., hidden=..., key=...)` and returns float32 logits
[b k], its `classifier` of its `features`; the key is for dropout, in the networks that have it. At each of its `points`
mixing points it calls `hidden(point, features) -> features`: 0 is the input, 1 follows the stem, 2, 3, ... follow the
stages. Hidden-feature mixing (Manifold Mixup, Feature-CutMix) and DropBlock enter there.
"""

import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx

from .allconv import AllConv
from .densenet import DenseNet
from .layers import DType, Hidden
from .preact_resnet import PreActResNet
from .pyramidnet import PyramidNet
from .resnet import ResNet
from .resnext import ResNeXt
from .wide_resnet import WideResNet

# How a name is read, what takes its numbers, and how the name is shown to the user.
FAMILIES: tuple[tuple[str, Callable[..., Any], str], ...] = (
    (r"resnet-(\d+)", ResNet, "resnet-D with D = 6n + 2 (resnet-8, resnet-20, resnet-110)"),
    (r"wrn-(\d+)-(\d+)", WideResNet, "wrn-D-W with D = 6n + 4 (wrn-16-2, wrn-28-10)"),
    (r"preact-resnet-(\d+)", PreActResNet, "preact-resnet-18, preact-resnet-34"),
    (r"resnext-(\d+)-(\d+)x(\d+)", ResNeXt, "resnext-D-CxW with D = 9n + 2 (resnext-29-4x24, resnext-29-8x64)"),
    (r"pyramidnet-(\d+)-(\d+)", PyramidNet, "pyramidnet-A-D (pyramidnet-48-110, pyramidnet-240-200)"),
    (r"densenet-(\d+)-(\d+)", DenseNet, "densenet-D-K with D = 3n + 4 (densenet-40-12)"),
    (r"allconv", AllConv, "allconv, for pictures of 24 pixels and more"),
)

__all__ = ["DType", "Hidden", "create"]


def create(name: str, num_classes: int, channels: int, rngs: nnx.Rngs, dtype: DType = jnp.float32) -> Any:
    """The network called `name`, for pictures with `channels` channels. Raises ValueError listing what there is."""
    for pattern, family, _ in FAMILIES:
        match = re.fullmatch(pattern, name)
        if match:
            return family(*map(int, match.groups()), num_classes, channels, rngs=rngs, dtype=dtype)
    listing = "\n  ".join(description for _, _, description in FAMILIES)
    raise ValueError(f"There is no model {name!r}. There are:\n  {listing}")
