"""Mixed-sample image augmentation for JAX: a key and a batch in, mixed images and label weights out."""

from jaxmix import _versions  # noqa: F401

# isort: split
from jaxmix import blocks, masks, partners, pixels, robustness, saliency, sampling, shifts, visualize, warps
from jaxmix.arguments import Batch
from jaxmix.combinators import Method, one_of, sometimes, split
from jaxmix.losses import accuracy, cross_entropy, decoupled, jsd, sigmoid_bce, softmax_bce
from jaxmix.methods.attentivemix import attentivemix
from jaxmix.methods.augmix import augmix, augmix_views
from jaxmix.methods.autoaugment import autoaugment, random_autoaugment
from jaxmix.methods.comixup import comixup
from jaxmix.methods.cutmix import cutmix
from jaxmix.methods.cutout import cutout
from jaxmix.methods.dropblock import dropblock
from jaxmix.methods.fmix import fmix
from jaxmix.methods.gridmix import gridmix
from jaxmix.methods.gridmixup import gridmixup
from jaxmix.methods.guidedmix import guidedmix
from jaxmix.methods.mixup import mixup
from jaxmix.methods.patches import patch_gaussian, patch_uniform
from jaxmix.methods.pixmix import mixing_images, pixmix
from jaxmix.methods.puzzlemix import puzzlemix
from jaxmix.methods.randaugment import randaugment
from jaxmix.methods.randommix import randommix
from jaxmix.methods.resizemix import resizemix
from jaxmix.methods.sage import sage
from jaxmix.methods.saliencymix import saliencymix
from jaxmix.methods.smoothmix import smoothmix_c, smoothmix_s
from jaxmix.methods.snapmix import snapmix
from jaxmix.methods.transmix import attend
from jaxmix.methods.trivialaugment import trivialaugment
from jaxmix.mix import Mix, apply, evenly, majority, mirrored, pair, targets
from jaxmix.robustness.attacks.adversarial import adversarial
from jaxmix.sharding import per_device

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Method",
    "Mix",
    "accuracy",
    "adversarial",
    "apply",
    "attend",
    "attentivemix",
    "augmix",
    "augmix_views",
    "autoaugment",
    "blocks",
    "comixup",
    "cross_entropy",
    "cutmix",
    "cutout",
    "decoupled",
    "dropblock",
    "evenly",
    "fmix",
    "gridmix",
    "gridmixup",
    "guidedmix",
    "jsd",
    "majority",
    "masks",
    "mirrored",
    "mixing_images",
    "mixup",
    "one_of",
    "pair",
    "partners",
    "patch_gaussian",
    "patch_uniform",
    "per_device",
    "pixels",
    "pixmix",
    "puzzlemix",
    "randaugment",
    "random_autoaugment",
    "randommix",
    "resizemix",
    "robustness",
    "sage",
    "saliency",
    "saliencymix",
    "sampling",
    "shifts",
    "sigmoid_bce",
    "smoothmix_c",
    "smoothmix_s",
    "snapmix",
    "softmax_bce",
    "sometimes",
    "split",
    "targets",
    "trivialaugment",
    "visualize",
    "warps",
]


def __dir__() -> list[str]:
    return __all__
