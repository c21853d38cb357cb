"""The grid of benchmarks/evidence.py: what is trained and tested in each setting, and what is wanted first."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = [
    "BASELINES",
    "COMPARED",
    "FAMILIES",
    "GROUPS",
    "MAIN",
    "METHODS",
    "MORE_IS_BETTER",
    "README",
    "SEEDS",
    "SETTINGS",
    "TABLES",
    "VARIANTS",
    "Setting",
    "cost",
    "training",
    "wanted",
]

# Most wanted first.
MAIN = (
    *("none", "mixup", "cutmix", "smoothmix_c", "augmix"),
    *("cutout", "smoothmix_s", "fmix", "resizemix", "saliencymix", "snapmix", "sage", "puzzlemix", "comixup"),
    "augmix+cutmix",
)
# Those in the table of README.md: of each group the most used.
README = ("none", "mixup", "cutmix", "smoothmix_c", "sage", "puzzlemix", "augmix", "pixmix")
# What the claims of docs/claims.md need besides.
VARIANTS = (
    *("cutmix-scheduled", "cutmix-one-hot", "cutmix-complete-label", "cutmix-center-gaussian", "cutmix-fixed-size"),
    *("feature-cutmix", "manifold-mixup", "sage-sampled", "sage-unshifted"),
    *("pixmix", "pixmix-nine", "pixmix-noise", "augmix-no-jsd", "resizemix-half"),
)
SEEDS = (0, 1, 2)

# A name that is no method of train/cifar.py: the method that it is, and its options.
OWN_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "augmix-no-jsd": ("augmix", {"jsd": "off"}),
    "resizemix-half": ("resizemix", {"mix_share": 0.5}),
}

# The methods that all others are compared with.
BASELINES = ("none", "cutmix")

# A step of a method in steps of plain training, which estimates what a cell takes before one of its method is known
# (benchmarks/train_step.py).
COSTS = {
    **{"saliencymix": 1.1, "snapmix": 1.3, "puzzlemix": 1.6, "sage": 2.0, "comixup": 2.5},
    **{"augmix": 3.2, "augmix+cutmix": 3.2, "sage-sampled": 1.9, "sage-unshifted": 1.8},
}

# The values that the tables list, as wide as a page, of those that a cell keeps: by their titles, in which * stands for
# anything.
TABLES: dict[str, dict[str, str]] = {
    "Clean images": {
        "training accuracy, %": "training accuracy, %",
        "clean error, %": "clean error, %",
        "clean loss": "clean loss",
        "RMS calibration error, %": "RMS calibration error, %",
    },
    "Corruptions, attacks and noise": {
        "corruption error, %": "corruption error, mean of 15 with frost_like, %",
        "C-bar error, %": "C-bar error, mean of 10, %",
        "flips, %": "flip probability, mean of *, %",
        "FGSM 8/255, %": "FGSM 8/255, error, %",
        "robust accuracy, %": "robust accuracy, mean of *, %",
    },
    "Hidden and mixed images, detection": {
        "center hidden, %": "center occlusion, mean error, %",
        "border hidden, %": "border occlusion, mean error, %",
        "between, mixup, %": "in between classes by mixup, mean error, %",
        "between, cutmix, %": "in between classes by cutmix, mean error, %",
        "AUROC, %": "AUROC, mean, %",
    },
    "Strong edges": {
        "latch, frame, points": "frame window, latch, points",
        "latch, soft, points": "soft window, latch, points",
        "added error, frame, points": "frame window, error less clean error, points",
    },
    "Severities of corruptions": {
        "corruption error, %": "corruption error, mean of 15 with frost_like, %",
        "rise of the error, points": "rise of the corruption error from severity 1 to 5, points",
        "calibration error at severity 1, %": "RMS calibration error at severity 1, %",
        "calibration error at severity 5, %": "RMS calibration error at severity 5, %",
        "rise of the calibration error, points": "rise of the RMS calibration error from severity 1 to 5, points",
    },
    "Objects, backgrounds and new classes": {
        "Top-1 Loc, %": "Top-1 Loc, %",
        "MaxBoxAccV2, %": "MaxBoxAccV2, %",
        "of a centered box, %": "MaxBoxAccV2 of a centered box, %",
        "BG-Gap, points": "BG-Gap, points",
        "5-way 1-shot, %": "5-way 1-shot by logistic regression, %",
        "5-way 5-shot, %": "5-way 5-shot by logistic regression, %",
    },
}
# The columns in which more is better; in the others less is.
MORE_IS_BETTER = (
    *("robust accuracy, %", "AUROC, %", "Top-1 Loc, %", "MaxBoxAccV2, %"),
    *("5-way 1-shot, %", "5-way 5-shot, %"),
)
# Those in which methods are compared, with their intervals; the others describe the training or the data.
DESCRIBING = ("training accuracy, %", "clean loss", "of a centered box, %")
COMPARED = {
    title: {label: value for label, value in table.items() if label not in DESCRIBING}
    for title, table in TABLES.items()
}

# The 15 corruptions of the mean, in the families of their authors.
FAMILIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost_like", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}

# What methods do, which figures show as colors.
GROUPS = {
    "no mixing": ("none",),
    "mixing": ("mixup", "cutmix", "smoothmix_c", "smoothmix_s", "cutout", "fmix", "resizemix"),
    "guided by maps": ("saliencymix", "snapmix", "sage", "puzzlemix", "comixup"),
    "label-preserving": ("augmix", "augmix+cutmix", "pixmix"),
}

# What all methods of a setting have in common, though their papers differ in it: the rows differ in the augmentation
# alone (and AugMix in its consistency loss).
COMMON: dict[str, Any] = {
    **{"dataset": "cifar10", "loss": "cross_entropy", "weight_decay": 5e-4, "crop_padding": 4, "flip": True},
    # These test images are watched in the training; nothing is chosen by them.
    "limit_test": 512,
}

# By suite of train/evaluate.py, the number of first test images that it takes, which never changes; None for all. A
# suite may be added: a cell without it is in part, and the same command completes it from the folder of its run.
SUITES = {
    **{"clean": None, "calibration": None, "corruptions": 2000, "attacks": 2000, "occlusion": 2000},
    **{"in_between": 1000, "detection": 2000, "cbar": 2000, "stability": 500, "noise": 2000, "edges": 1000},
}


class Setting(NamedTuple):
    """What all cells of a setting have in common.

    title: in words, without the data
    train: options of train/cifar.py; the others have their defaults
    suites: by name of the suite, the number of first test images that it takes, None for all
    test: options of train/evaluate.py
    methods: in parts, most wanted first
    tables: those of TABLES that it fills
    targets: the accuracies of which a table has the time until a training reached them, in percent
    files: options of train/evaluate.py that are paths, and where those are below --data-dir
    data: what --data-dir holds, where that isn't what train/cifar.py takes
    like: the setting that trains in the same way, and tests in another
    """

    title: str
    train: Mapping[str, Any]
    suites: Mapping[str, int | None]
    test: Mapping[str, Any]
    methods: tuple[tuple[str, ...], ...]
    tables: tuple[str, ...]
    targets: tuple[int, ...]
    files: Mapping[str, str] = {}
    data: str = ""
    like: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All its methods."""
        return tuple(method for part in self.methods for method in part)


CIFAR_TABLES = tuple(TABLES)[:4]
SMALL = {"model": "wrn-10-2", "limit_train": 2048, "epochs": 75, "batch_size": 32, "lr": 0.025, "checkpoint_every": 5}

# A setting that changes gets another name: cells of both are kept, in tables of their own.
SETTINGS = {
    "small": Setting(
        "wrn-10-2, the first 2,048 training images, 75 epochs, float32",
        COMMON | SMALL,
        SUITES,
        {"attacked": 2000, "pgd": False},
        methods=(MAIN, VARIANTS),
        tables=CIFAR_TABLES,
        targets=(50, 60),
    ),
    "full": Setting(
        "preact-resnet-18, all 50,000 training images, 30 epochs, bfloat16",
        COMMON
        | {"model": "preact-resnet-18", "epochs": 30, "batch_size": 128, "lr": 0.1}
        | {"dtype": "bfloat16", "checkpoint_every": 5},
        SUITES,
        {"attacked": 2000, "pgd": False},
        methods=(MAIN, VARIANTS),
        tables=CIFAR_TABLES,
        targets=(80, 90),
    ),
    # As `small`, whose corruptions were tested before the suite measured the calibration, too.
    "severities": Setting(
        "as `small`, with the calibration on corrupted images",
        COMMON | SMALL,
        {suite: SUITES[suite] for suite in ("clean", "calibration", "corruptions")},
        {},
        methods=(("none", "augmix"), ("cutmix",), ("mixup", "smoothmix_c")),
        tables=("Clean images", "Severities of corruptions"),
        targets=(50, 60),
        like="small",
    ),
    "objects": Setting(
        "wrn-10-2, images of 20 classes at 32 pixels, 40 epochs, float32",
        COMMON
        | {"dataset": "folder", "side": 32, "limit_test": None}
        | {"model": "wrn-10-2", "epochs": 40, "batch_size": 32, "lr": 0.025, "checkpoint_every": 5},
        {"clean": None, "calibration": None, "localization": 500, "backgrounds": None, "fewshot": None},
        {},
        methods=(("cutmix", "none", "mixup", "sage"),),
        tables=("Clean images", "Objects, backgrounds and new classes"),
        targets=(30, 40),
        files={"boxes": ".", "held_out": "held_out"},
        data="Tiny-ImageNet or the like with boxes, as benchmarks/evidence_classes.py parts its classes",
    ),
    "flowers": Setting(
        "wrn-10-2, images of 17 kinds of flowers at 48 pixels, 60 epochs, float32",
        COMMON
        | {"dataset": "folder", "side": 48, "limit_test": None, "crop_padding": 6}
        | {"model": "wrn-10-2", "epochs": 60, "batch_size": 16, "lr": 0.0125, "checkpoint_every": 5},
        {"clean": None, "calibration": None},
        {},
        methods=(("snapmix", "cutmix", "none"),),
        tables=("Clean images",),
        targets=(50, 60),
        data="Flowers-17 as train/CLASS/*.jpg and val/CLASS/*.jpg",
    ),
}
METHODS = tuple(dict.fromkeys(name for setting in SETTINGS.values() for name in setting.names))


def wanted(setting: str) -> Iterator[tuple[str, int]]:
    """Every method of a setting with every seed, most wanted first: all seeds of a part come before the next part."""
    return ((method, seed) for methods in SETTINGS[setting].methods for seed in SEEDS for method in methods)


def training(setting: str, name: str) -> tuple[str, dict[str, Any]]:
    """The method of train/cifar.py that a name of the grid trains with, and all its options in a setting."""
    method, own = OWN_OPTIONS.get(name, (name, {}))
    return method, {**SETTINGS[setting].train, **own}


def cost(method: str) -> float:
    """A step of a method in steps of plain training, roughly."""
    return COSTS.get(method, 1.0)
