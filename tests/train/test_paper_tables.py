"""Every row of a paper's table trains with the paper's settings.

The literal tables are those of the papers and of their authors' code: what the rows of a network share, then what a row
has of its own. All values are as `compare.py --list` prints them.
"""

import pathlib

import pytest

import compare
import paper_rows

EVERYWHERE = {"momentum": "0.9", "flip": "True", "smoothing": "0", "warmup": "0"}

# What a row mixes. p is the share of the batches that are mixed; of a method that acts on hidden features, `points`
# counts the input as 0, the stem as 1 and the first stage as 2.
NONE: dict[str, str] = {}
MIXUP = {"method": "mixup", "p": "1", "draw": "batch", "alpha": "1"}
MANIFOLD = MIXUP | {"alpha": "2", "points": "0 2 3"}
EVEN = {"box": "even_box", "center": "uniform_center", "area": "0 1"}
CUTMIX = {"method": "cutmix", "p": "0.5", "draw": "batch", "alpha": "1"} | EVEN
# The box of the PuzzleMix code, real-valued, on every batch.
REAL_CUTMIX = CUTMIX | {"p": "1", "box": "real_box", "center": "real_center"}
# In the authors' code one box, around the peak of one image, serves the whole batch.
SALIENCYMIX = {"method": "saliencymix", "p": "0.5", "draw": "batch", "alpha": "1", "maps": "fine_grained"}
PUZZLEMIX = {
    **{"method": "puzzlemix", "p": "1", "draw": "batch", "alpha": "1", "blocks": "2 4 8 16", "levels": "3"},
    **{"smoothness": "1.2", "data_weight": "0.5", "prior_weight": "0.2", "neighbors": "4", "transport": "True"},
    **{"distance_weight": "0.8", "transport_side": "4", "maps": "input_gradient"},
}
COMIXUP = {
    **{"method": "comixup", "p": "1", "alpha": "2", "blocks": "4", "group": "20", "smoothness": "0.32"},
    **{"diversity": "1", "prior_weight": "0.05", "threshold": "0.83", "compatibility": "0.001", "iterations": "4"},
    **{"thresholding": "hard_threshold", "maps": "input_gradient"},
}
SAGE = {"method": "sage", "p": "1", "draw": "batch", "alpha": "1", "smooth": "smooth", "maps": "input_gradient"}
ONE_PERCENT = {"search": "sampled, share 0.01"}
ALL_SHIFTS = {"search": "fourier"}
AUGMIX = {"views": "three_views", "consistency": "12"}


def rows_of_sage(upper, ratio):
    sage = SAGE | {"upper": upper, "mixed_weight": ratio}
    return {
        "none": NONE,
        "mixup": MIXUP,
        "manifold-mixup": MANIFOLD,
        "cutmix-real-box": REAL_CUTMIX,
        "saliencymix-one-box": SALIENCYMIX,
        "puzzlemix": PUZZLEMIX,
        "comixup": COMIXUP,
        "sage-sampled": sage | ONE_PERCENT,
        "sage-all-shifts (ours)": sage | ALL_SHIFTS,
    }


# methods.md, 3.11: 300 epochs, batch 100, softmax-BCE in every row, crops of padding 2.
SAGE_SHARED = {
    **{"epochs": "300", "batch": "100", "lr": "0.2", "schedule": "step 100 200", "decay": "0.0001"},
    **{"crop": "2 black", "normalization": "data", "loss": "softmax_bce"},
}
# methods.md, 3.9.
PUZZLEMIX_SHARED = SAGE_SHARED | {"lr": "0.1"}
PUZZLEMIX_ROWS = {
    "none": NONE,
    "mixup": MIXUP,
    "manifold-mixup": MANIFOLD,
    "cutmix-real-box": REAL_CUTMIX,
    "augmix": AUGMIX | {"loss": "cross_entropy"},
    "puzzlemix": PUZZLEMIX,
}
# methods.md, 3.3, 3.2 (a hole of 16 in this paper), 3.6 and section 5. The authors' normalization is CIFAR-10's.
CUTMIX_SHARED = {
    **{"epochs": "300", "batch": "64", "lr": "0.25", "schedule": "step 150 225", "decay": "0.0001"},
    **{"crop": "4 black", "normalization": "cifar10", "loss": "cross_entropy"},
}
CUTOUT = {"method": "cutout", "p": "1", "draw": "image", "holes": "1"}
CUTMIX_ROWS = {
    "none": NONE,
    "label-smoothing": {"smoothing": "0.1"},
    "cutout-half": CUTOUT | {"size": "16"},
    "mixup": MIXUP,
    "mixup-alpha-0.5": MIXUP | {"alpha": "0.5"},
    "manifold-mixup-alpha-1": MANIFOLD | {"alpha": "1"},
    "cutout-half+mixup": MIXUP | {"first": "cutout, size 16"},
    "cutout-half+manifold-mixup-alpha-1": MANIFOLD | {"alpha": "1", "first": "cutout, size 16"},
    "dropblock": {"regularization": "dropblock, keep 0.9, block 4"},
    "feature-cutmix": CUTMIX | {"p": "1", "points": "0 1 2 3"},
    "cutmix": CUTMIX,
    "cutmix-center-gaussian": CUTMIX | {"center": "gaussian_center"},
    "cutmix-fixed-size": CUTMIX | {"area": "0.25 0.25"},
    "cutmix-one-hot": CUTMIX | {"label": "majority"},
    "cutmix-complete-label": CUTMIX | {"label": "evenly"},
    "cutmix-scheduled": CUTMIX | {"p": "rising"},
}
# robustness.md, A.4: 200 epochs for DenseNet and ResNeXt, weight decay 1e-4 for DenseNet, in every row.
AUGMIX_SHARED = {
    **{"epochs": "100", "batch": "128", "lr": "0.1", "schedule": "cosine", "decay": "0.0005"},
    **{"crop": "4 black", "normalization": "half", "loss": "cross_entropy"},
}


def rows_of_augmix(hole):
    return {
        "none": NONE,
        "cutout": CUTOUT | {"size": hole},
        "mixup": MIXUP,
        "cutmix": CUTMIX,
        "autoaugment": {"views": "autoaugment"},
        "augmix": AUGMIX,
    }


AUGMIX_NETWORKS = {
    "allconv": {},
    "densenet-40-12": {"epochs": "200", "decay": "0.0001"},
    "wrn-40-2": {},
    "resnext-29-4x32": {"epochs": "200"},
}

TABLES: dict[str, dict[str, tuple[dict[str, str], dict[str, dict[str, str]]]]] = {
    "augmix": {
        f"{dataset}-{model}": (AUGMIX_SHARED | own, rows_of_augmix(hole))
        for dataset, hole in (("cifar10", "16"), ("cifar100", "8"))
        for model, own in AUGMIX_NETWORKS.items()
    },
    "cutmix": {"cifar100-pyramidnet-240-200": (CUTMIX_SHARED, CUTMIX_ROWS)},
    "sage": {
        "cifar10-preact-resnet-18-puzzlemix": (SAGE_SHARED, rows_of_sage("0.6", "0.7")),
        "cifar100-preact-resnet-18-puzzlemix": (SAGE_SHARED, rows_of_sage("0.5", "0.7")),
        "cifar100-wrn-16-8-puzzlemix": (SAGE_SHARED, rows_of_sage("0.7", "0.5")),
        "cifar100-resnext-29-4x24": (SAGE_SHARED, rows_of_sage("0.7", "0.5")),
    },
    "puzzlemix": {
        "cifar100-preact-resnet-18-puzzlemix": (
            PUZZLEMIX_SHARED | {"epochs": "1200", "schedule": "step 400 800"},
            PUZZLEMIX_ROWS,
        ),
        "cifar100-wrn-28-10-puzzlemix": (
            PUZZLEMIX_SHARED | {"epochs": "400", "schedule": "step 200 300"},
            PUZZLEMIX_ROWS,
        ),
    },
}


def of_its_network(part):
    """The title of a part, from how it is written above."""
    dataset, model = part.split("-", 1)
    return f"{model} on {dataset}"


@pytest.mark.parametrize("name", TABLES)
def test_every_row_trains_with_the_settings_of_the_paper(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = {
        of_its_network(part): {row: EVERYWHERE | shared | own for row, own in rows.items()}
        for part, (shared, rows) in TABLES[name].items()
    }
    options = compare.parse(["--table", name])
    assert paper_rows.settings(compare.cells(options), paper_rows.paper_table(name)) == expected
    # And so it is printed, for a terminal of 100 columns, without data and without a folder.
    assert compare.main(["--table", name, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert set(expected) <= set(lines) and not pathlib.Path("comparison").exists()
