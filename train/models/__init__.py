"""The networks, one file per paper, under the names that the papers use.

Every network is called as `model(images [b h w c], train=..., hidden=..., key=...)` and returns float32 logits
[b k], its `classifier` of its `features`; the key is for dropout, in the networks that have it. At each of its `points`
mixing points it calls `hidden(point, features) -> features`: 0 is the input, 1 follows the stem, 2, 3, ... follow the
stages. Hidden-feature mixing (Manifold Mixup, Feature-CutMix) and DropBlock enter there.
"""

import re
from collections.abc import Callable
from functools import partial
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
from .wide_resnet import RawShortcutBlock, WideResNet

# Of each family: how a name is read, what takes its numbers, and its description for the user.
FAMILIES: dict[str, tuple[str, Callable[..., Any], str]] = {
    "resnet": (r"resnet-(\d+)", ResNet, "resnet-D with D = 6n + 2 (resnet-8, resnet-20, resnet-110)"),
    "wrn": (r"wrn-(\d+)-(\d+)", WideResNet, "wrn-D-W with D = 6n + 4 (wrn-16-2, wrn-28-10)"),
    "preact-resnet": (r"preact-resnet-(\d+)", PreActResNet, "preact-resnet-18, preact-resnet-34"),
    "resnext": (
        r"resnext-(\d+)-(\d+)x(\d+)",
        ResNeXt,
        "resnext-D-CxW with D = 9n + 2 (resnext-29-4x24, resnext-29-8x64)",
    ),
    "pyramidnet": (
        r"pyramidnet-(\d+)-(\d+)",
        PyramidNet,
        "pyramidnet-A-D (pyramidnet-48-110, pyramidnet-240-200)",
    ),
    "densenet": (r"densenet-(\d+)-(\d+)", DenseNet, "densenet-D-K with D = 3n + 4 (densenet-40-12)"),
    "allconv": (r"allconv", AllConv, "allconv, for images of 24 pixels and more"),
}
# Networks of a family as the code of PuzzleMix, and of Manifold Mixup, Co-Mixup and SAGE, builds them.
VARIANT = "-puzzlemix"
VARIANTS: dict[str, Callable[..., Any]] = {
    "wrn": partial(WideResNet, block=RawShortcutBlock, bias=True, last_decay=0.1),
    "preact-resnet": partial(PreActResNet, last_norm=False),
}

__all__ = ["DType", "Hidden", "create", "family", "structure"]


def family(name: str) -> str:
    """The family of the network called `name`. Raises ValueError listing what there is."""
    plain = name.removesuffix(VARIANT)
    for found, (pattern, _, _) in FAMILIES.items():
        if re.fullmatch(pattern, plain) and (plain == name or found in VARIANTS):
            return found
    variants = ", ".join(f"{found}-..{VARIANT}" for found in VARIANTS)
    listing = [description for _, _, description in FAMILIES.values()]
    listing.append(f"{variants}, as in the code of PuzzleMix and SAGE")
    raise ValueError("\n  ".join([f"There is no model {name!r}. There are:", *listing]))


def create(name: str, num_classes: int, channels: int, rngs: nnx.Rngs, dtype: DType = jnp.float32) -> Any:
    """The network called `name`, for images with `channels` channels. Raises ValueError listing what there is."""
    found, plain = family(name), name.removesuffix(VARIANT)
    pattern, network, _ = FAMILIES[found]
    numbers = re.fullmatch(pattern, plain).groups()  # type: ignore[union-attr]
    made = network if plain == name else VARIANTS[found]
    return made(*map(int, numbers), num_classes, channels, rngs=rngs, dtype=dtype)


def structure(network: Callable[[nnx.Rngs], Any], name: str, dataset: str, side: int) -> tuple[Any, int]:
    """The graph of a network and the number of its mixing points, without making it.

    Raises ValueError if the images, `side` pixels a side, are too small.
    """
    shapes = nnx.eval_shape(lambda: network(nnx.Rngs(0)))
    if side < shapes.smallest:
        raise ValueError(f"--model {name} needs {shapes.smallest} pixels a side; {dataset} has {side}.")
    return nnx.graphdef(shapes), shapes.points
