"""The grid of benchmarks/evidence.py: what is trained and tested in each setting, and what is wanted first."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["COLUMNS", "METHODS", "SEEDS", "SETTINGS", "Setting", "cost", "wanted"]

# Most wanted first.
METHODS = (
    *("none", "mixup", "cutmix", "smoothmix_c", "augmix"),
    *("cutout", "smoothmix_s", "fmix", "resizemix", "saliencymix", "snapmix", "sage", "puzzlemix", "comixup"),
    "augmix+cutmix",
)
SEEDS = (0, 1, 2)

# A step of a method in steps of plain training, which estimates what a cell takes before one of its method is known
# (benchmarks/train_step.py).
COSTS = {
    **{"saliencymix": 1.1, "snapmix": 1.3, "puzzlemix": 1.6, "sage": 2.0, "comixup": 2.5},
    **{"augmix": 3.2, "augmix+cutmix": 3.2},
}

# The values that the table lists, of those that a cell keeps, by their titles.
COLUMNS = {
    "training accuracy, %": "training accuracy, %",
    "clean error, %": "clean error, %",
    "clean loss": "clean loss",
    "corruption error, %": "corruption error, mean of 15 with frost_like, %",
    "RMS calibration error, %": "RMS calibration error, %",
    "FGSM 8/255, error, %": "FGSM 8/255, error, %",
    "center hidden, error, %": "center occlusion, mean error, %",
    "border hidden, error, %": "border occlusion, mean error, %",
}

# What all methods of a setting have in common, though their papers differ in it: the rows differ in the augmentation
# alone (and AugMix in its consistency loss).
COMMON: dict[str, Any] = {
    **{"dataset": "cifar10", "loss": "cross_entropy", "weight_decay": 5e-4, "crop_padding": 4, "flip": True},
    # These test images are watched in the training; nothing is chosen by them.
    "limit_test": 512,
}

# By suite of train/evaluate.py, the number of first test images that it takes; None for all.
SUITES = {"clean": None, "calibration": None, "corruptions": 2000, "attacks": 2000, "occlusion": 2000}


class Setting(NamedTuple):
    """What all cells of a setting have in common.

    title: in words, without the data
    train: options of train/cifar.py; the others have their defaults
    suites: by name of the suite, the number of first test images, None for all
    test: options of train/evaluate.py
    """

    title: str
    train: Mapping[str, Any]
    suites: Mapping[str, int | None]
    test: Mapping[str, Any]


# A setting that changes gets another name: cells of both are kept, in tables of their own.
SETTINGS = {
    "small": Setting(
        "wrn-10-2, the first 2,048 training images, 75 epochs, float32",
        COMMON
        | {"model": "wrn-10-2", "limit_train": 2048, "epochs": 75, "batch_size": 32, "lr": 0.025}
        | {"checkpoint_every": 5},
        SUITES,
        {"attacked": 2000, "pgd": False},
    ),
    "full": Setting(
        "preact-resnet-18, all 50,000 training images, 30 epochs, bfloat16",
        COMMON
        | {"model": "preact-resnet-18", "epochs": 30, "batch_size": 128, "lr": 0.1}
        | {"dtype": "bfloat16", "checkpoint_every": 5},
        SUITES,
        {"attacked": 2000, "pgd": False},
    ),
}


def wanted() -> Iterator[tuple[str, int]]:
    """Every method with every seed, most wanted first."""
    return ((method, seed) for seed in SEEDS for method in METHODS)


def cost(method: str) -> float:
    """A step of a method in steps of plain training, roughly."""
    return COSTS.get(method, 1.0)
