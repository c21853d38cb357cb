"""Encoded images in the array records of tensorflow-datasets, read without TensorFlow."""

import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from inputs import tfds_prepared
from inputs.listing import Listing, Splits

__all__ = ["Records", "tfds_records"]


def tfds_records(root: Path, *, allow_empty: bool = False) -> Splits:
    """A data set of labelled images that tensorflow-datasets prepared with --file_format array_record.

    `root` has dataset_info.json, or one folder NAME/VERSION that has. Tests on the split test, or on validation where
    test is missing or, as in ImageNet, has no labels.

    Raises ValueError: no prepared data set, or several; no images with labels; a split that is missing.
    """
    del allow_empty
    found = (
        [root]
        if (root / "dataset_info.json").is_file()
        else sorted(path.parent for path in root.glob("*/*/dataset_info.json"))
    )
    if len(found) != 1:
        given = ", ".join(map(str, found[:5])) or "none"
        raise ValueError(
            f"Wanted one prepared data set in {root}, NAME/VERSION/dataset_info.json; there is {given}. Point "
            "--data-dir to its folder VERSION, or prepare it (this alone needs TensorFlow):\n"
            f"  tfds build NAME --data_dir {root} --file_format array_record"
        )
    splits = {name: Records(found[0], name) for name in ("train", "test", "validation") if _has(found[0], name)}
    if "train" not in splits or len(splits) < 2:
        raise ValueError(
            f"{found[0]} has the splits {', '.join(splits) or 'none'}; wanted train, and test or validation."
        )
    if "test" in splits and (len(splits) == 2 or splits["test"].example(0)[1] >= 0):
        return Splits(splits["train"], splits["test"], splits.get("validation"))
    return Splits(splits["train"], splits["validation"])


def _has(folder: Path, split: str) -> bool:
    return split in tfds_prepared.builder(folder).info.splits


class Records(Listing):
    """A split of a prepared data set. Labels lie beside the images in the records: `labels` reads all of them."""

    def __init__(self, folder: Path, split: str) -> None:
        builder = tfds_prepared.builder(folder)
        self.folder, self.split, self._info = folder, split, builder.info
        features = self._info.features
        if not {"image", "label"} <= set(features):
            raise ValueError(f"{folder} has the features {', '.join(features)}; wanted image and label.")
        self._records = tfds_prepared.encoded(builder, split)
        super().__init__(self._info.name, tuple(features["label"].names))

    labels_known = False

    @cached_property
    def labels(self) -> Int[np.ndarray, "n"]:
        return np.fromiter((self.example(index)[1] for index in range(len(self))), np.int32)

    def __len__(self) -> int:
        return len(self._records)

    def example(self, index: int) -> tuple[bytes, int]:
        try:
            record = self._records[index]
            return bytes(record["image"]), int(record["label"])
        except Exception as error:  # a damaged file can make it raise nearly anything
            raise ValueError(f"{self.path(index)} can't be read: {error}.") from error

    def path(self, index: int) -> str:
        return f"{self.folder}, {self.item(index)}"

    def item(self, index: int) -> str:
        return f"{self.split}[{index}]"

    def checksum(self) -> int:
        split = self._info.splits[self.split]
        known = f"{self._info.full_name} {self.split} {split.shard_lengths} {split.num_bytes}"
        return zlib.crc32(known.encode())
