"""The networks, one file per paper, under the names that the papers use.

Every network is called as `model(images [b h w c], train=..., hidden=..., key=...)` and returns float32 logits
[b k], its `classifier` of its `features`; the key is for dropout, in the networks that have it. At each of its `points`
mixing points it calls `hidden(point, features) -> features`: 0 is the input, 1 follows the stem, 2, 3, ... follow the
stages. Hidden-feature mixing (Manifold Mixup, Feature-CutMix) and DropBlock enter there.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx

from .allconv import AllConv
from .densenet import DenseNet
from .imagenet_resnet import DEPTHS, ImageNetResNet
from .layers import DType, Hidden, Stem
from .preact_resnet import PreActResNet
from .pyramidnet import PyramidNet
from .resnet import ResNet
from .resnext import ResNeXt
from .vision_transformer import VisionTransformer
from .wide_resnet import RawShortcutBlock, WideResNet

__all__ = ["DType", "Hidden", "Stem", "check_for_large_images", "create", "family", "structure"]


class Family(NamedTuple):
    """Networks that one class makes.

    pattern: of their names, with the arguments of the class
    network: the class
    description: of the names, for the user
    options: those of `create` that the class has
    """

    pattern: str
    network: Callable[..., Any]
    description: str
    options: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    "resnet": Family(r"resnet-(\d+)", ResNet, "resnet-D with D = 6n + 2 (resnet-8, resnet-20, resnet-110)"),
    "wrn": Family(r"wrn-(\d+)-(\d+)", WideResNet, "wrn-D-W with D = 6n + 4 (wrn-16-2, wrn-28-10)"),
    "preact-resnet": Family(
        r"preact-resnet-(\d+)", PreActResNet, "preact-resnet-18, preact-resnet-34", options=("stem",)
    ),
    "resnext": Family(
        r"resnext-(\d+)-(\d+)x(\d+)",
        ResNeXt,
        "resnext-D-CxW with D = 9n + 2 (resnext-29-4x24, resnext-29-8x64)",
    ),
    "pyramidnet": Family(
        r"pyramidnet-(\d+)-(\d+)",
        PyramidNet,
        "pyramidnet-A-D (pyramidnet-48-110, pyramidnet-240-200)",
    ),
    "densenet": Family(r"densenet-(\d+)-(\d+)", DenseNet, "densenet-D-K with D = 3n + 4 (densenet-40-12)"),
    "allconv": Family(r"allconv", AllConv, "allconv, for images of 24 pixels and more"),
    "imagenet-resnet": Family(
        rf"resnet({'|'.join(map(str, DEPTHS))})",
        ImageNetResNet,
        f"{', '.join(f'resnet{depth}' for depth in DEPTHS)}, without a hyphen: the networks for ImageNet",
        options=("stem", "zero_last", "late_strides"),
    ),
    "vit": Family(
        r"vit-(mu|ti|s|b)(\d+)", VisionTransformer, "vit-SP with S one of mu, ti, s, b and patches of PxP (vit-s16)"
    ),
    "deit": Family(
        r"deit-(mu|ti|s|b)(\d+)",
        partial(VisionTransformer, class_token=True),
        "deit-SP, the same with a class token and learned positions, for images of 14P pixels (deit-s16)",
    ),
}


class Variant(NamedTuple):
    """Networks of a family that another code builds differently; their names end with that of the variant."""

    networks: dict[str, Callable[..., Any]]
    description: str


VARIANTS: dict[str, Variant] = {
    "-puzzlemix": Variant(
        {
            "wrn": partial(WideResNet, block=RawShortcutBlock, bias=True, last_decay=0.1),
            "preact-resnet": partial(PreActResNet, last_norm=False),
        },
        "wrn-..-puzzlemix, preact-resnet-..-puzzlemix, as in the code of PuzzleMix and SAGE",
    ),
    "-blur": Variant(
        {"imagenet-resnet": partial(ImageNetResNet, blur=True)}, "resnetD-blur (resnet50-blur), anti-aliased"
    ),
}


def family(name: str) -> str:
    """The family of the network called `name`. Raises ValueError listing what there is."""
    plain, variant = _parted(name)
    for found, (pattern, *_) in FAMILIES.items():
        if re.fullmatch(pattern, plain) and (variant is None or found in variant.networks):
            return found
    listing = [made.description for made in FAMILIES.values()] + [made.description for made in VARIANTS.values()]
    raise ValueError("\n  ".join([f"There is no model {name!r}. There are:", *listing]))


def _parted(name: str) -> tuple[str, Variant | None]:
    """A name without that of its variant, and the variant."""
    ending = next((ending for ending in VARIANTS if name.endswith(ending)), "")
    return name.removesuffix(ending), VARIANTS.get(ending)


def create(
    name: str,
    num_classes: int,
    channels: int,
    rngs: nnx.Rngs,
    dtype: DType = jnp.float32,
    *,
    stem: Stem | None = None,
    zero_last: bool = False,
    late_strides: bool = True,
) -> Any:
    """The network called `name`, for images with `channels` channels.

    `stem`, `zero_last` and `late_strides` are explained at `ImageNetResNet`; without a stem the network has that of its
    paper. Raises ValueError listing the networks that there are, or for an option that this one doesn't have.
    """
    found = family(name)
    plain, variant = _parted(name)
    pattern, network, _, options = FAMILIES[found]
    given: dict[str, Any] = {} if stem is None else {"stem": stem}
    given |= {"zero_last": True} if zero_last else {}
    given |= {} if late_strides else {"late_strides": False}
    for option in given.keys() - set(options):
        have = ", ".join(other for other, made in FAMILIES.items() if option in made.options)
        raise ValueError(f"{name} has no option {option}; wanted a network that has it ({have}), or to leave it out.")
    groups = re.fullmatch(pattern, plain).groups()  # type: ignore[union-attr]
    values = [int(group) if group.isdecimal() else group for group in groups]
    made = network if variant is None else variant.networks[found]
    return made(*values, num_classes, channels, **given, rngs=rngs, dtype=dtype)


def check_for_large_images(name: str) -> None:
    """Raises ValueError for `resnet-50` and the like, the names of networks for small images, where the ResNet for
    ImageNet of that depth may be meant.
    """
    depth = re.fullmatch(r"resnet-(\d+)", name)
    if depth and int(depth[1]) in DEPTHS:
        raise ValueError(
            f"{name} is the name of a network for images of 32x32 (D = 6n + 2); wanted resnet{depth[1]}, without the "
            "hyphen, the ResNet for ImageNet."
        )


def structure(network: Callable[[nnx.Rngs], Any], name: str, dataset: str, side: int) -> tuple[Any, int]:
    """The graph of a network and the number of its mixing points, without making it.

    Raises ValueError if the images, `side` pixels a side, are too small.
    """
    shapes = nnx.eval_shape(lambda: network(nnx.Rngs(0)))
    if side < shapes.smallest:
        raise ValueError(f"--model {name} needs {shapes.smallest} pixels a side; {dataset} has {side}.")
    return nnx.graphdef(shapes), shapes.points
