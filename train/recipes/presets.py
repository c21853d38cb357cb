"""Published trainings by name: the options of a program, the published accuracy, and its source.

    python train/imagenet.py --preset torchvision-v1 --dataset imagenet --data-dir DIR

Options that are given beside a preset come before those of the preset. What every preset shares differs from the
published runs in two points: batch statistics are of the whole batch (there of the images of one device, 32 to 128),
and the learning rate changes with every step (in several of the sources with every epoch).
"""

from typing import Any, NamedTuple

__all__ = ["PRESETS", "Preset", "listing", "options"]


class Preset(NamedTuple):
    """One published training.

    program: "imagenet" or "finegrained", of train/imagenet.py or train/finegrained.py
    options: of the program, by name
    figure: the published accuracy, top-1 on the test images in percent
    source: of the options and the figure; "from memory" is what was not checked against the source
    """

    program: str
    options: dict[str, Any]
    figure: str
    source: str


PLAIN: dict[str, Any] = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4, "batch_size": 256, "nesterov": False}
STEPS: dict[str, Any] = {"epochs": 90, "schedule": "step", "milestones": (30, 60)}
# The ImageNet setting of CutMix's code: mirrored, jittered and lit images, 300 epochs.
CUTMIX: dict[str, Any] = PLAIN | {
    **{"nesterov": True, "epochs": 300, "schedule": "step", "milestones": (75, 150, 225)},
    **{"jitter": 0.4, "lighting": 0.1},
}
TINY: dict[str, Any] = {
    **{"dataset": "tiny-imagenet", "model": "preact-resnet-18-puzzlemix", "stem": "strided", "crop": 64},
    **{"crop_mode": "padded", "optimizer": "sgd", "lr": 0.2, "weight_decay": 1e-4, "batch_size": 100, "epochs": 1200},
    **{"schedule": "step", "milestones": (600, 900), "normalization": "half"},
}
SNAPMIX: dict[str, Any] = {"method": "snapmix", "optimizer": "sgd", "weight_decay": 1e-4, "batch_size": 16}

PRESETS: dict[str, Preset] = {
    "torchvision-v1": Preset(
        "imagenet",
        PLAIN | STEPS,
        "resnet18 69.76, resnet50 76.13, resnet101 77.37",
        "torchvision's references, weights V1; from memory",
    ),
    "torchvision-v2": Preset(
        "imagenet",
        PLAIN
        | {
            **{"lr": 0.5, "weight_decay": 2e-5, "decay_norms": False, "batch_size": 1024, "epochs": 600},
            **{"schedule": "cosine", "warmup_epochs": 5, "warmup_start": 0.01, "crop": 176, "test_crop": 224},
            **{"test_resize": 232, "method": "trivialaugment+mixup-or-cutmix", "erasing": 0.1},
            **{"label_smoothing": 0.1, "ema": 0.99997, "repeats": 4},
        },
        "resnet50 80.86, resnet101 81.89",
        "torchvision's references, weights V2; its average is taken every 32 steps with a factor of that length; "
        "accuracies and decay of the average from memory",
    ),
    "augmix-90": Preset(
        "imagenet",
        PLAIN | STEPS | {"method": "augmix"},
        "resnet50 77.53 after 180 epochs",
        "defaults of AugMix's code, Hendrycks et al., ICLR 2020",
    ),
    "augmix-180": Preset(
        "imagenet",
        PLAIN | {**STEPS, "epochs": 180, "milestones": (60, 120), "warmup_epochs": 5, "method": "augmix"},
        "resnet50 77.53, mCE 65.3",
        "Hendrycks et al., ICLR 2020, and its code; the warm-up of 5 epochs from memory",
    ),
    "cutmix-300": Preset(
        "imagenet",
        CUTMIX | {"method": "cutmix"},
        "resnet50 78.60, the best epoch",
        "Yun et al., CutMix, ICCV 2019, and its code; jitter and lighting of the code from memory",
    ),
    "smoothmix-300": Preset(
        "imagenet",
        CUTMIX | {"method": "smoothmix_c"},
        "resnet50 77.66",
        "Lee et al., SmoothMix, CVPR workshops 2020; trained as CutMix, how often it mixes is not stated",
    ),
    "puzzlemix-300": Preset(
        "imagenet",
        CUTMIX | {"method": "puzzlemix"},
        "resnet50 78.76",
        "Kim et al., PuzzleMix, ICML 2020, README of its code; trained as CutMix",
    ),
    "openmixup-100": Preset(
        "imagenet",
        PLAIN | {"epochs": 100, "schedule": "cosine", "interpolation": "bicubic", "test_resize": 256},
        "resnet50 76.83; with mixup 77.12, cutmix 77.17, puzzlemix 77.54",
        "OpenMixup's configurations and table; its alpha is one for each method",
    ),
    "rsb-a3": Preset(
        "imagenet",
        {
            **{"optimizer": "lamb", "lr": 8e-3, "weight_decay": 0.02, "batch_size": 2048, "epochs": 100},
            **{"schedule": "cosine", "warmup_epochs": 5, "crop": 160, "test_crop": 224, "test_resize": 236},
            **{"interpolation": "bicubic", "method": "randaugment-6+mixup-or-cutmix-0.1", "loss": "sigmoid_bce"},
            **{"bce_threshold": 0.2, "zero_last": True},
        },
        "resnet50 78.1",
        "Wightman et al., ResNet Strikes Back, arXiv 2110.00476; from memory",
    ),
    "vit-s16-90": Preset(
        "imagenet",
        {
            **{"model": "vit-s16", "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.1, "clip_norm": 1.0},
            **{"batch_size": 1024, "epochs": 90, "schedule": "cosine", "warmup_epochs": 8, "normalization": "half"},
            **{"method": "randaugment-10+mixup", "min_area": 0.05},
        },
        "vit-s16 76.5",
        "big_vision's vit_s16_i1k, which warms up for 10,000 steps (7.99 epochs) and tests on 1 % of the training "
        "images too; decay as AdamW counts it and the smallest area from memory",
    ),
    **{
        f"tiny-{name}": Preset(
            "imagenet",
            TINY | {"method": name},
            figure,
            f"{paper}; mean and standard deviation of the images not checked against the code",
        )
        for name, figure, paper in (
            ("puzzlemix", "63.48", "Kim et al., PuzzleMix, ICML 2020, and its code"),
            ("comixup", "64.15", "Kim et al., Co-Mixup, ICLR 2021, and its code, the accuracy from memory"),
            ("sage", "none for these options", "the setting of PuzzleMix's code; the authors of SAGE released none"),
        )
    },
    "snapmix": Preset(
        "finegrained",
        SNAPMIX
        | {
            **{"lr": 0.001, "fresh_lr": 0.01, "epochs": 200, "schedule": "step", "milestones": (80, 150, 180)},
            **{"resize": 512, "crop": 448, "middle": True},
        },
        "CUB resnet18 84.29, resnet50 87.75; with the middle head resnet50 88.70, of the best epoch",
        "Huang et al., SnapMix, AAAI 2021, and its code",
    ),
    "snapmix-scratch": Preset(
        "finegrained",
        SNAPMIX
        | {
            **{"lr": 0.01, "fresh_lr": 0.01, "epochs": 300, "schedule": "step", "milestones": (150, 225, 270)},
            **{"resize": 512, "crop": 448, "middle": False},
        },
        "CUB resnet18 70.31, resnet50 72.17, of the best epoch",
        "Huang et al., SnapMix, AAAI 2021, and its code",
    ),
    "wsol-cub": Preset(
        "finegrained",
        {
            **{"dataset": "cub", "method": "cutmix-alpha-1", "optimizer": "sgd", "lr": 0.01, "fresh_lr": 0.1},
            **{"weight_decay": 1e-4, "batch_size": 64, "epochs": 50, "schedule": "step", "milestones": (15, 30, 45)},
            **{"resize": 256, "warp": True, "crop": 224, "middle": False, "late_strides": False},
        },
        "none for the accuracy",
        "Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020, defaults of its code; "
        "epochs and strides from memory",
    ),
}


def options(program: str, name: str) -> dict[str, Any]:
    """The options of a preset of a program. Raises ValueError listing those that there are."""
    found = {preset: made.options for preset, made in PRESETS.items() if made.program == program}
    if name not in found:
        raise ValueError(f"--preset: there is no {name!r} for train/{program}.py. There are: {', '.join(found)}.")
    return found[name]


def listing(program: str) -> str:
    """The presets of a program with their published accuracies, in one paragraph."""
    return "; ".join(f"{name} ({made.figure})" for name, made in PRESETS.items() if made.program == program) + "."
