"""The options of the programs that read images of any size from files: how they are cropped, changed and loaded."""

from dataclasses import dataclass
from typing import Literal

from optimizer import OptimizerOptions

__all__ = ["NORMALIZATION", "AugmentOptions", "LoadOptions", "RateOptions"]

# Mean and standard deviation of the channels, as shares of 255.
NORMALIZATION = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class AugmentOptions:
    """What happens to the colors and the labels of images, on the devices."""

    normalization: Literal["imagenet", "half"] = "imagenet"
    """Mean and standard deviation that images are normalized by: those of ImageNet, or 1/2 and 1/2. Pretrained weights
    want those that they were trained with."""
    flip: bool = True
    """Mirror half of the training images."""
    jitter: float = 0.0
    """Strength of random changes of brightness, contrast and saturation, such as 0.4."""
    lighting: float = 0.0
    """Standard deviation of the noise along the principal colors of ImageNet, such as 0.1."""
    erasing: float = 0.0
    """Share of the training images of which a rectangle is set to the mean color."""
    label_smoothing: float = 0.0
    """Share of every label that is spread evenly over all classes."""


@dataclass(frozen=True)
class LoadOptions:
    """How images are read; nothing of it changes a parameter of the network."""

    threads: int = 0
    """Threads that decode. 0 takes one for each core, 16 at most."""
    workers: int = 0
    """Processes that decode, beside this one; for machines on which threads don't keep up."""
    cache: bool = False
    """Keep the decoded images in memory, for small data sets."""


@dataclass(frozen=True)
class RateOptions(OptimizerOptions):
    """Options of the optimizer that the recipes for large images need beside those of small ones."""

    nesterov: bool = True
    """Nesterov's form of the momentum of SGD; --no-nesterov is the plain one."""
    decay_norms: bool = True
    """For sgd, decay all parameters; --no-decay-norms decays kernels alone, no bias and no normalization."""
    warmup_start: float = 0.0
    """The learning rate that the warm-up rises from, as a share of the highest."""
    lr_end: float = 0.0
    """The learning rate that the cosine falls to, as a share of the highest."""
