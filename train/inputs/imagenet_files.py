"""ImageNet (ILSVRC 2012) as its archives unpack: training images by class, validation images by class or in one folder.

The labels of validation images in one folder come from the first of these files that is there, in the folder of the
data set or in the one with the validation images:

LOC_val_solution.csv                          of Kaggle: ImageId, PredictionString
ILSVRC2012_validation_ground_truth.txt        of the development kit, with its meta.mat: the kit numbers the classes in
                                              an order of its own
imagenet_2012_validation_synset_labels.txt    a WordNet id per line, in the order of the files
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from inputs import scanning
from inputs.class_folders import class_folders
from inputs.listing import Files, Splits

__all__ = ["imagenet"]

KAGGLE = Path("ILSVRC/Data/CLS-LOC")
SOLUTION = "LOC_val_solution.csv"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SYNSETS = "imagenet_2012_validation_synset_labels.txt"


def imagenet(root: Path, *, allow_empty: bool = False) -> Splits:
    """ImageNet below `root`, which holds train/WNID/*.JPEG and val/, or below Kaggle's ILSVRC/Data/CLS-LOC.

    Classes are in the order of their WordNet ids.

    Raises ValueError: a folder that is missing, validation images without labels, labels that don't suit the images.
    """
    place = root / KAGGLE if (root / KAGGLE).is_dir() else root
    classes = scanning.subfolders(place / "train")
    if not classes or scanning.subfolders(place / "val") or not scanning.below_itself(place / "val"):
        return class_folders(place, name="imagenet", allow_empty=allow_empty)
    train = scanning.by_class("imagenet", place, "train", classes)
    if not allow_empty:
        scanning.require_images(train, place / "train")
    return Splits(train, _flat(root, place, classes))


def _flat(root: Path, place: Path, classes: tuple[str, ...]) -> Files:
    """Validation images in one folder."""
    found = scanning.below_itself(place / "val")
    names = [name for name, _ in found]
    path, synsets = _labels(root, place, names)
    known = {name: label for label, name in enumerate(classes)}
    unknown = sorted(set(synsets) - set(classes))
    if unknown:
        raise ValueError(
            f"{path} names {len(unknown)} classes without a folder in {place / 'train'}, such as {unknown[0]}; wanted "
            "all of them."
        )
    labels = [known[synset] for synset in synsets]
    return Files("imagenet", classes, place, [f"val/{name}" for name in names], labels, [size for _, size in found])


def _labels(root: Path, place: Path, names: Sequence[str]) -> tuple[Path, list[str]]:
    """The file with the labels, and the WordNet id of each image."""
    folders = [
        root,
        place,
        place / "val",
        *root.glob("ILSVRC2012_devkit*/data"),
        *root.glob("*/ILSVRC2012_devkit*/data"),
    ]
    readers = {SOLUTION: _of_solution, GROUND_TRUTH: _of_development_kit, SYNSETS: _of_synsets}
    for file, read in readers.items():
        for path in (folder / file for folder in folders):
            if path.is_file():
                return path, read(path, names)
    raise ValueError(
        f"{place / 'val'} holds {len(names)} images without folders of classes, and their labels are missing. Wanted "
        f"one of these files in {root}:\n  {SOLUTION} (of Kaggle)\n  ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}, with "
        f"meta.mat beside it\n  {SYNSETS}\nor the images in folders of classes, as in train."
    )


def _of_solution(path: Path, names: Sequence[str]) -> list[str]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"ImageId", "PredictionString"} <= set(rows[0]):
        raise ValueError(f"{path} lacks the columns ImageId and PredictionString.")
    synsets = {row["ImageId"]: row["PredictionString"].split()[0] for row in rows}
    missing = [name for name in names if Path(name).stem not in synsets]
    if missing:
        raise ValueError(f"{path} has no label for {missing[0]}, one of {len(missing)} such images.")
    return [synsets[Path(name).stem] for name in names]


def _of_development_kit(path: Path, names: Sequence[str]) -> list[str]:
    from scipy.io import loadmat

    ids, meta = path.read_text().split(), path.parent / "meta.mat"
    _require_count(path, ids, names)
    if not meta.is_file():
        raise ValueError(f"{meta} is missing, without which the classes in {path} are unknown: unpack the kit again.")
    synsets = loadmat(meta, squeeze_me=True, struct_as_record=False)["synsets"]
    wordnet = {int(synset.ILSVRC2012_ID): str(synset.WNID) for synset in synsets}
    unknown = sorted({int(one) for one in ids} - set(wordnet))
    if unknown:
        raise ValueError(f"{path} has the class {unknown[0]}, which {meta} doesn't know.")
    return [wordnet[int(one)] for one in ids]


def _of_synsets(path: Path, names: Sequence[str]) -> list[str]:
    synsets = path.read_text().split()
    _require_count(path, synsets, names)
    return synsets


def _require_count(path: Path, labels: Sequence[str], names: Sequence[str]) -> None:
    """These files have a label per line: none of the images may be missing."""
    if len(labels) != len(names):
        raise ValueError(
            f"{path} has {len(labels)} labels, and there are {len(names)} validation images; wanted the same number, "
            "as labels belong to images by their order."
        )
