"""The options of a classifier of small images, and what they are in a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from adversarial import AdversarialOptions
from configuration import RunOptions
from inputs.preprocess import PreprocessOptions
from optimizer import OptimizerOptions
from recipes import cifar as recipes

__all__ = ["AUTOMATIC", "ClassifierOptions", "Config", "Resolved"]

METHODS = ", ".join(recipes.table(recipes.Setting(dataset="digits", side=8, family="resnet", std=(1.0,), jsd=True)))
METHODS += "; augmix+METHOD, cutout+METHOD, cutout-half+METHOD"


@dataclass(frozen=True)
class ClassifierOptions:
    """What is trained, and on what."""

    dataset: Literal["digits", "cifar10", "cifar100", "npz", "folder"] = "digits"
    """Data set. npz is a file of your own with x_train, y_train, x_test and y_test; folder is one with images as
    train/CLASS/*.jpg and val/CLASS/*.jpg (or test)."""
    data_dir: Path = Path("data")
    """Folder of cifar-10-batches-py, cifar-100-python or what tensorflow-datasets prepared; for npz, the file; for
    folder, the one that holds train."""
    side: int | None = None
    """Side in pixels of the images of a folder, which are resized by their shorter side and cropped in the center.
    Default: the shorter side of the first one."""
    method: Annotated[str, tyro.conf.arg(help=f"Method of mixing: {METHODS}.")] = "cutmix"
    model: str = "resnet-8"
    """Network: resnet-D, wrn-D-W, preact-resnet-18, resnext-29-CxW, pyramidnet-A-D, densenet-40-12, allconv; with
    -puzzlemix after a wrn or preact-resnet as that paper's code builds it."""
    limit_train: int | None = None
    """Train on n images only, for a quick look: the first ones, or where class stands after class the same share of
    each."""
    limit_test: int | None = None
    """Test on n images only, chosen alike."""
    val_share: float = 0.0
    """Share of the training images, chosen by the seed and of each class alike, that only validate: the best epoch on
    them is kept in best/."""
    balanced: bool = False
    """Train on every class equally often: in an epoch images of large classes are left out, others each time, and those
    of small ones repeated."""
    mix_until: int | None = None
    """Epochs after which nothing is mixed any more (what keeps the labels, such as augmix, goes on). Default: all."""
    mix_share: float | None = None
    """Share of the batches that are mixed. Default: that of the method's paper, for most every batch or every second
    one."""
    epochs: int | None = None
    """Passes over the training images. Default: 30 for digits, otherwise 200, for augmix 100 (200 with densenet and
    resnext), though the papers of others differ."""
    batch_size: int = 128
    """Images in a step, over all devices together. The last, smaller part of an epoch is left out (another one every
    epoch)."""
    mix_per_device: bool = False
    """Mix the images of each device among themselves, which sends none of them to another one, but makes the mixes
    depend on the number of devices."""
    label_smoothing: float = 0.0
    """Share of every label that is spread evenly over all classes."""
    loss: Literal["auto", "cross_entropy", "softmax_bce", "decoupled"] = "auto"
    """auto is the loss of the method's paper: softmax_bce for manifold-mixup, sage, puzzlemix, comixup and guidedmix,
    else cross_entropy. decoupled adds to it, for the smaller share of a label, the one without the other class."""
    jsd: Literal["on", "off"] = "on"
    """For augmix: train on each image and two views of it, with 12 times their Jensen-Shannon divergence in the loss;
    off is one view and the plain loss."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for accelerators. Parameters and losses stay float32."""


@dataclass(frozen=True)
class Config(RunOptions, OptimizerOptions, PreprocessOptions, AdversarialOptions, ClassifierOptions):
    """Train a classifier of small images with mixed samples; without options, digits with CutMix."""


@dataclass(frozen=True, kw_only=True)
class Resolved(Config):
    """The options of a run, every one of them with its value; what config.json holds."""

    epochs: int
    lr: float
    milestones: tuple[int, ...]
    weight_decay: float
    loss: Literal["cross_entropy", "softmax_bce", "decoupled"]
    crop_padding: int
    flip: bool


# The fields that `resolve` fills in where they have their default.
AUTOMATIC = ("epochs", "lr", "milestones", "weight_decay", "loss", "crop_padding", "flip")
