"""The options of train/imagenet.py, and what they are in a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from configuration import RunOptions
from image_options import AugmentOptions, LoadOptions, RateOptions
from recipes import imagenet as recipes
from recipes.presets import listing

__all__ = ["AUTOMATIC", "Config", "CropOptions", "ImageNetOptions", "Resolved"]

METHODS = ", ".join(recipes.names())
METHODS += f"; {', '.join(recipes.PREFIXES)} or augmix before another, as in trivialaugment+cutmix"


@dataclass(frozen=True)
class CropOptions:
    """The part of an image that the network sees."""

    crop: int = 224
    """Side of the training images in pixels."""
    crop_mode: Literal["resized", "padded"] = "resized"
    """resized takes a part of random area and ratio and resizes it; padded resizes the shorter side, and crops after
    padding by a sixteenth of it on all sides, as on Tiny-ImageNet."""
    min_area: float = 0.08
    """Smallest area of a resized crop, as a share of the image."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How training images are resized."""
    test_crop: int | None = None
    """Side of the test images. Default: that of the training images."""
    test_resize: int | None = None
    """Shorter side of a test image before its center is cropped. Default: 8/7 of the side of the test images, for 224
    pixels 256; for padded crops the side itself."""
    test_interpolation: Literal["auto", "bilinear", "bicubic"] = "auto"
    """How test images are resized; auto is as for training images."""
    repeats: int = 1
    """Copies of an image in an epoch, each cropped by itself; an epoch has the same number of steps (repeated
    augmentation)."""


@dataclass(frozen=True)
class ImageNetOptions:
    """What is trained, and on what."""

    preset: Annotated[str | None, tyro.conf.arg(help=f"Published recipe. {listing('imagenet')}")] = None
    dataset: Literal["folder", "imagenet", "tiny-imagenet", "tfds"] = "folder"
    """Layout of the data. folder has train/CLASS/* and val/CLASS/* (or test/); imagenet may have its validation images
    in one folder, with a list of their labels; tiny-imagenet is as it unpacks; tfds as tensorflow-datasets prepared
    it."""
    data_dir: Path = Path("data")
    """Folder of the data."""
    second_dir: Path | None = None
    """Folder of further training images of the same classes, such as Stylized-ImageNet beside ImageNet."""
    method: Annotated[str, tyro.conf.arg(help=f"Method of mixing: {METHODS}.")] = "none"
    model: str = "resnet50"
    """Network: resnet18, resnet34, resnet50, resnet101, with -blur after it anti-aliased; vit-s16, vit-ti16, deit-s16;
    or one of train/cifar.py, such as preact-resnet-18."""
    stem: Literal["auto", "large", "small", "strided"] = "auto"
    """First convolution: large is 7x7 with stride 2 and pooling, small 3x3 with stride 1, strided 3x3 with stride 2;
    auto is that of the network's paper."""
    zero_last: bool = False
    """Start the last normalization of each residual block at scale 0."""
    weights: Path | None = None
    """Weights to begin with: a .safetensors or .pth file of torchvision or timm, or the folder of a run of this
    program. The last layer is new where its classes are others."""
    skip_broken: bool = False
    """Leave out images that can't be read; they are searched for first, and listed in broken.json of the run."""
    limit_train: int | None = None
    """Train on n images only, the same share of each class, for a quick look."""
    limit_test: int | None = None
    """Test on n images only, the same share of each class, for a quick look."""
    mix_until: int | None = None
    """Epochs after which nothing is mixed any more (what keeps the labels, such as augmix, goes on). Default: all."""
    mix_share: float | None = None
    """Share of the batches that are mixed. Default: that of the method's paper, for most every batch or every second
    one."""
    epochs: int | None = None
    """Passes over the training images. Default: 90."""
    batch_size: int = 256
    """Images in a step, over all devices together. The last, smaller part of an epoch is left out (another one every
    epoch)."""
    loss: Literal["auto", "cross_entropy", "softmax_bce", "sigmoid_bce", "decoupled"] = "auto"
    """auto is the loss of the method's paper: cross_entropy, for tiny-imagenet often softmax_bce. decoupled adds to it,
    for the smaller share of a label, the one without the other class."""
    bce_threshold: float | None = None
    """For sigmoid_bce: make targets above this value 1 and all others 0."""
    jsd: Literal["on", "off"] = "on"
    """For augmix: train on each image and two views of it, with 12 times their Jensen-Shannon divergence in the loss;
    off is one view and the plain loss."""
    mix_per_device: bool = False
    """Mix the images of each device among themselves, which sends none of them to another one, but makes the mixes
    depend on the number of devices."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for accelerators. Parameters and losses stay float32."""


@dataclass(frozen=True)
class Config(RunOptions, LoadOptions, RateOptions, AugmentOptions, CropOptions, ImageNetOptions):
    """Train a classifier of images of any size, from folders, with mixed samples."""


@dataclass(frozen=True, kw_only=True)
class Resolved(Config):
    """The options of a run, every one of them with its value; what config.json holds."""

    epochs: int
    lr: float
    milestones: tuple[int, ...]
    weight_decay: float
    loss: Literal["cross_entropy", "softmax_bce", "sigmoid_bce", "decoupled"]
    test_crop: int
    test_resize: int
    test_interpolation: Literal["bilinear", "bicubic"]


# The fields that `resolve` fills in where they have their default.
AUTOMATIC = (
    *("epochs", "lr", "milestones", "weight_decay", "loss", "test_crop", "test_resize", "test_interpolation"),
    "steps_per_call",
)
