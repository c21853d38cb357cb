"""The tables of papers: their networks and rows, and the options of the training of each row."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import models

__all__ = ["PAPER_TABLES", "PaperTable", "Row"]

Options = dict[str, Any]


class Row(NamedTuple):
    """A row of a table.

    method: as for --method
    train: options of the training that the row has of its own, by name
    name: of the row; that of the method unless given
    ours: whether the paper has no such row
    """

    method: str
    train: Options = {}  # noqa: RUF012 (never changed)
    name: str = ""
    ours: bool = False


class PaperTable(NamedTuple):
    """The setting of a paper's table.

    paper: authors, title, venue, year and tables
    networks: the data set and the network of each part
    rows: what is trained in each part
    suite: as for --suite
    train: options of the training of all rows, by name
    by_family: options of the training of a family of networks, see `models.family`
    best_epoch: whether the paper reports the best epoch on the test images, where ours is the last
    notes: where our rows differ from the paper's
    missing: the paper's rows that are not here, with the reason
    """

    paper: str
    networks: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    suite: str
    train: Options
    by_family: Mapping[str, Options] = {}
    best_epoch: bool = False
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """The names of the rows, as for --methods."""
        return tuple(row.name or row.method for row in self.rows)

    def title(self, name: str) -> str:
        """The name of a row, marked if the paper has no such row."""
        return f"{name} (ours)" if name not in self.names() or self._row(name).ours else name

    def cells(self, names: tuple[str, ...], given: Options) -> dict[str, Options]:
        """The options of the training of each row of each part, by name: PART/ROW, or ROW where there is one part.

        Args:
            names: of rows, or of other methods, which train with what all rows share.
            given: options that the command line gives; they come before those of the table. A data set or a network
                among them takes the place of that of every part, and epochs move the milestones in proportion.
        """
        parts = [(given.get("dataset", dataset), given.get("model", model)) for dataset, model in self.networks]
        found = {}
        for dataset, model in dict.fromkeys(parts):
            shared = self.train | self.by_family.get(models.family(model), {})
            if dataset not in {own for own, _ in self.networks}:  # the paper's preprocessing is for the paper's images
                shared = {
                    name: value for name, value in shared.items() if name not in ("crop_padding", "normalization")
                }
            where = f"{dataset}-{model}/" if len(set(parts)) > 1 else ""
            for name in names:
                row = self._row(name)
                options = _scaled(shared | row.train, given) | given
                found[where + name] = options | {"dataset": dataset, "model": model, "method": row.method}
        return found

    def _row(self, name: str) -> Row:
        return dict(zip(self.names(), self.rows, strict=True)).get(name, Row(name))


def _scaled(options: Options, given: Options) -> Options:
    """The options with the milestones in proportion to the epochs that are given."""
    if "epochs" not in given or "milestones" not in options or not options.get("epochs"):
        return options
    moved = (round(milestone * given["epochs"] / options["epochs"]) for milestone in options["milestones"])
    return options | {"milestones": tuple(milestone for milestone in moved if milestone > 0)}


# Of the tables of PuzzleMix and SAGE, whose code goes back to that of Manifold Mixup.
_PUZZLEMIX: Options = {
    **{"batch_size": 100, "weight_decay": 1e-4, "schedule": "step", "loss": "softmax_bce"},
    **{"crop_padding": 2, "crop_fill": "black"},
}
_PREACT, _WIDE = "preact-resnet-18-puzzlemix", "wrn-{}-puzzlemix"
_STARTS = "Networks start from He's normal initialization; preact-resnet and wrn of the authors' code from PyTorch's."

PAPER_TABLES = {
    "augmix": PaperTable(
        "Hendrycks et al., AugMix, ICLR 2020, table 1 and appendix",
        tuple(
            (dataset, model)
            for dataset in ("cifar10", "cifar100")
            for model in ("wrn-40-2", "allconv", "densenet-40-12", "resnext-29-4x32")
        ),
        tuple(map(Row, ("none", "cutout", "mixup", "cutmix", "autoaugment", "augmix"))),
        "clean,corruptions,calibration",
        {
            **{"epochs": 100, "batch_size": 128, "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine"},
            **{"loss": "cross_entropy", "crop_padding": 4, "crop_fill": "black", "normalization": "half"},
        },
        by_family={"densenet": {"epochs": 200, "weight_decay": 1e-4}, "resnext": {"epochs": 200}},
        notes=(
            "The other methods have the hyper-parameters of their own papers; this paper's are not in its code.",
            "The learning rate falls to 0, in the authors' code to 1e-6.",
        ),
        missing=("adversarial training (--train.adversarial with --methods none, at about 11 times the cost)",),
    ),
    "cutmix": PaperTable(
        "Yun et al., CutMix, ICCV 2019, tables 5 and 8",
        (("cifar100", "pyramidnet-240-200"),),
        (
            Row("none"),
            Row("none", {"label_smoothing": 0.1}, "label-smoothing"),
            Row("cutout-half"),
            Row("mixup"),
            Row("mixup-alpha-0.5"),
            Row("manifold-mixup-alpha-1"),
            Row("cutout-half+mixup"),
            Row("cutout-half+manifold-mixup-alpha-1"),
            Row("dropblock"),
            Row("feature-cutmix"),
            Row("cutmix"),
            Row("cutmix-center-gaussian"),
            Row("cutmix-fixed-size"),
            Row("cutmix-one-hot"),
            Row("cutmix-complete-label"),
            Row("cutmix-scheduled"),
        ),
        "clean,occlusion,in_between,attacks,detection",
        {
            **{"epochs": 300, "batch_size": 64, "lr": 0.25, "weight_decay": 1e-4},
            **{"schedule": "step", "milestones": (150, 225), "loss": "cross_entropy"},
            **{"crop_padding": 4, "crop_fill": "black", "normalization": "cifar10"},
        },
        best_epoch=True,
        notes=(
            "Manifold Mixup trains by cross-entropy as all rows here; its own paper trains by softmax_bce.",
            "The paper's figures are of the best epoch on the test images; ours are of the last, but for one column.",
            "dropblock acts after the last two stages, in its authors' code after each of their convolutions.",
            "cutmix-center-gaussian: the paper doesn't give the standard deviation; a quarter of the side is ours.",
            "feature-cutmix: the paper doesn't give the layers that are drawn from; 0 to 3 are ours.",
        ),
        missing=("stochastic depth, ShakeDrop, CutMix + ShakeDrop (no such networks yet)",),
    ),
    "sage": PaperTable(
        "Ma et al., SAGE, BMVC 2022, table 1",
        (
            ("cifar10", _PREACT),
            ("cifar100", _PREACT),
            ("cifar100", _WIDE.format("16-8")),
            ("cifar100", "resnext-29-4x24"),
        ),
        (
            *map(Row, ("none", "mixup", "manifold-mixup", "cutmix-real-box", "saliencymix-one-box")),
            *map(Row, ("puzzlemix", "comixup", "sage-sampled")),
            Row("sage", name="sage-all-shifts", ours=True),
        ),
        "clean,attacks,detection",
        _PUZZLEMIX | {"epochs": 300, "lr": 0.2, "milestones": (100, 200)},
        notes=(
            "saliencymix-one-box: the maps are those of the 8-bit images; the authors' are of normalized ones.",
            _STARTS,
        ),
        missing=("mini-ImageNet, few-shot (no such data set; train/evaluate.py has the suite)",),
    ),
    "puzzlemix": PaperTable(
        "Kim et al., PuzzleMix, ICML 2020, tables on CIFAR-100",
        (("cifar100", _PREACT), ("cifar100", _WIDE.format("28-10"))),
        (
            *map(Row, ("none", "mixup", "manifold-mixup", "cutmix-real-box")),
            Row("augmix", {"loss": "cross_entropy"}),
            Row("puzzlemix"),
        ),
        "clean,attacks,corruptions",
        _PUZZLEMIX | {"lr": 0.1},
        by_family={
            "preact-resnet": {"epochs": 1200, "milestones": (400, 800)},
            "wrn": {"epochs": 400, "milestones": (200, 300)},
        },
        notes=(
            "augmix: the authors' code has no such row. Here it trains by its own loss, cross-entropy and divergence.",
            "The authors train PuzzleMix in 200 epochs at lr 0.2 (wrn-28-10) and 600 (preact-resnet-18) too.",
            _STARTS,
        ),
        missing=("PuzzleMix with adversarial training", "Tiny-ImageNet and ImageNet (not in train/cifar.py)"),
    ),
}
