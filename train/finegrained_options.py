"""The options of train/finegrained.py, and what they are in a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from configuration import RunOptions
from image_options import AugmentOptions, LoadOptions, RateOptions
from recipes import finegrained as recipes
from recipes.presets import listing

__all__ = ["AUTOMATIC", "Config", "FineGrainedOptions", "FineRateOptions", "Resolved", "SizeOptions"]


@dataclass(frozen=True)
class SizeOptions:
    """The part of an image that the network sees."""

    resize: int = 512
    """Shorter side of an image before it is cropped, for training at a random place, for testing in the center."""
    crop: int = 448
    """Side of the crops in pixels."""
    warp: bool | None = None
    """Resize images to squares, whatever their shape. Default: on cars and aircraft only, as in SnapMix's code."""


@dataclass(frozen=True)
class FineRateOptions(RateOptions):
    """Options of the optimizer."""

    lr: float | None = 0.001
    """Highest learning rate of the pretrained network, its last layer left out."""
    fresh_lr: float = 0.01
    """Highest learning rate of the new layers: the last one, and the middle head."""
    schedule: Literal["cosine", "step"] = "step"
    """How the learning rates fall: along half a cosine to 0, or tenfold at every milestone."""
    milestones: tuple[int, ...] | None = None
    """Epochs after which --schedule step divides the learning rates by 10. Default: 80, 150 and 180 of 200, and the
    same shares of another number."""
    weight_decay: float | None = 1e-4
    """For sgd an L2 penalty on all parameters; for adamw and lamb decoupled, on kernels alone."""


@dataclass(frozen=True)
class FineGrainedOptions:
    """What is trained, and on what."""

    preset: Annotated[str | None, tyro.conf.arg(help=f"Published recipe. {listing('finegrained')}")] = None
    dataset: Literal["folder", "cub", "cars", "aircraft"] = "folder"
    """Layout of the data. folder has train/CLASS/* and val/CLASS/* (or test/); the others are as they unpack:
    CUB-200-2011, Stanford Cars, FGVC-Aircraft."""
    data_dir: Path = Path("data")
    """Folder of the data."""
    method: Annotated[str, tyro.conf.arg(help=f"Method of mixing: {', '.join(recipes.names())}.")] = "snapmix"
    model: str = "resnet50"
    """Network: resnet18, resnet34, resnet50, resnet101, or another one of train/imagenet.py."""
    stem: Literal["auto", "large", "small", "strided"] = "auto"
    """First convolution: large is 7x7 with stride 2 and pooling, small 3x3 with stride 1, strided 3x3 with stride 2;
    auto is that of the network's paper."""
    late_strides: bool = True
    """--no-late-strides leaves the last two stages at the size of the second, for larger class activation maps."""
    weights: Path | None = None
    """Pretrained weights: a .safetensors or .pth file of torchvision or timm, or the folder of a run of
    train/imagenet.py. Without them the network starts from scratch, and SnapMix mixes every second batch."""
    middle: bool = True
    """Train a second classifier on the features before the last stage, without a gradient into the network ("baseline+"
    of SnapMix), and report its accuracy and that of the sum of both."""
    skip_broken: bool = False
    """Leave out images that can't be read; they are searched for first, and listed in broken.json of the run."""
    limit_train: int | None = None
    """Train on n images only, the same share of each class, for a quick look."""
    limit_test: int | None = None
    """Test on n images only, the same share of each class, for a quick look."""
    mix_until: int | None = None
    """Epochs after which nothing is mixed any more. Default: all."""
    mix_share: float | None = None
    """Share of the batches that are mixed. Default: that of the method's paper, for most every batch or every second
    one."""
    epochs: int = 200
    """Passes over the training images."""
    batch_size: int = 16
    """Images in a step, over all devices together. The last, smaller part of an epoch is left out (another one every
    epoch)."""
    mix_per_device: bool = False
    """Mix the images of each device among themselves, which sends none of them to another one, but makes the mixes
    depend on the number of devices."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for accelerators. Parameters and losses stay float32."""


@dataclass(frozen=True)
class Config(RunOptions, LoadOptions, FineRateOptions, AugmentOptions, SizeOptions, FineGrainedOptions):
    """Fine-tune a classifier of fine-grained images with mixed samples; without options, with SnapMix."""


@dataclass(frozen=True, kw_only=True)
class Resolved(Config):
    """The options of a run, every one of them with its value; what config.json holds."""

    lr: float
    milestones: tuple[int, ...]
    weight_decay: float
    warp: bool


# The fields that `resolve` fills in where they have their default.
AUTOMATIC = ("lr", "milestones", "weight_decay", "warp", "steps_per_call")
