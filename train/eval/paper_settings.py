"""The settings of the tables of papers: methods, suites, and the options of the training."""

from typing import Any, NamedTuple

__all__ = ["PAPER_SETTINGS", "PaperSetting"]


class PaperSetting(NamedTuple):
    """The setting of a paper's table.

    methods: as for --methods
    suite: as for --suite
    train: options of the training, by name
    """

    methods: tuple[str, ...]
    suite: str
    train: dict[str, Any]


_AUGMIX = {"model": "wrn-40-2", "epochs": 100, "batch_size": 128, "lr": 0.1, "weight_decay": 5e-4}
_CUTMIX = {"model": "pyramidnet-240-200", "epochs": 300, "batch_size": 64, "lr": 0.25, "weight_decay": 1e-4}
_SAGE = {"model": "preact-resnet-18", "epochs": 300, "batch_size": 100, "lr": 0.2, "weight_decay": 1e-4}
PAPER_SETTINGS = {
    # Hendrycks et al., AugMix, ICLR 2020, tables 1 and 2.
    "augmix": PaperSetting(
        ("none", "cutout", "mixup", "cutmix", "autoaugment", "augmix"),
        "clean,corruptions,calibration",
        _AUGMIX | {"dataset": "cifar10", "crop_padding": 4},
    ),
    # Yun et al., CutMix, ICCV 2019, tables 5 and 7.
    "cutmix": PaperSetting(
        (
            *("none", "cutout", "mixup", "manifold-mixup", "feature-cutmix", "dropblock", "cutmix"),
            *("cutmix-center-gaussian", "cutmix-fixed-size", "cutmix-one-hot", "cutmix-complete-label"),
            "cutmix-scheduled",
        ),
        "clean,occlusion,in_between,attacks,detection",
        _CUTMIX | {"dataset": "cifar100", "schedule": "step", "milestones": (150, 225)},
    ),
    # Ma et al., SAGE, BMVC 2022.
    "sage": PaperSetting(
        ("none", "mixup", "manifold-mixup", "cutmix", "saliencymix", "puzzlemix", "sage"),
        "clean,attacks,detection",
        _SAGE | {"dataset": "cifar10", "schedule": "step", "milestones": (100, 200)},
    ),
    # Kim et al., PuzzleMix, ICML 2020.
    "puzzlemix": PaperSetting(
        ("none", "mixup", "manifold-mixup", "cutmix", "augmix", "puzzlemix"),
        "clean,attacks,corruptions",
        _SAGE | {"dataset": "cifar100", "epochs": 1200, "lr": 0.1, "schedule": "step", "milestones": (400, 800)},
    ),
}
