"""Stanford Cars, as its archives unpack."""

from pathlib import Path
from typing import Any

import numpy as np

from inputs import tables
from inputs.listing import Files, Splits

__all__ = ["cars"]

CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def cars(root: Path, *, allow_empty: bool = False) -> Splits:
    """Stanford Cars (Krause et al., 2013): 8,144 and 8,041 images of 196 models, a box for each.

    Read from car_ims/ and cars_annos.mat, or from cars_train/, cars_test/ and, in devkit/ or beside them,
    cars_train_annos.mat, cars_test_annos_withlabels.mat and cars_meta.mat.

    Raises ValueError: a file that is missing or of another form.
    """
    del allow_empty
    if (root / "cars_annos.mat").is_file():
        content = _read(root / "cars_annos.mat")
        classes, rows = _names(content), np.atleast_1d(content["annotations"])
        train, test = (rows[[int(row["test"]) == flag for row in rows]] for flag in (0, 1))
        return Splits(_split(root, classes, train, "relative_im_path"), _split(root, classes, test, "relative_im_path"))
    classes = _names(_read(_find(root, "cars_meta.mat")))
    train, test = (
        np.atleast_1d(_read(_find(root, file))["annotations"])
        for file in ("cars_train_annos.mat", "cars_test_annos_withlabels.mat")
    )
    return Splits(
        _split(root, classes, train, "fname", "cars_train/"), _split(root, classes, test, "fname", "cars_test/")
    )


def _find(root: Path, file: str) -> Path:
    places = [folder / file for folder in (root / "devkit", root)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ValueError(
            f"Neither {places[0]} nor {places[1]} is there. Wanted Stanford Cars as unpacked: cars_train, cars_test "
            "and devkit with the labels of the test images too, or car_ims and cars_annos.mat."
        )
    return found


def _read(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return loadmat(path, squeeze_me=True)
    except Exception as error:  # a damaged file can make it raise nearly anything
        raise ValueError(f"{path} can't be read as a MATLAB file ({error}): unpack the archive again.") from error


def _names(content: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in np.atleast_1d(content["class_names"]))


def _split(root: Path, classes: tuple[str, ...], rows: Any, path: str, folder: str = "") -> Files:
    if "class" not in (rows.dtype.names or ()):
        raise ValueError(
            f"The annotations of {folder or 'car_ims'} have no classes; for the test images wanted "
            "cars_test_annos_withlabels.mat."
        )
    labels = [int(row["class"]) - 1 for row in rows]
    wrong = [label + 1 for label in labels if not 0 <= label < len(classes)]
    if wrong:
        raise ValueError(
            f"The annotations of {folder or 'car_ims'} have the class {wrong[0]}; wanted 1 to {len(classes)}."
        )
    boxes = [[float(row[corner]) for corner in CORNERS] for row in rows]
    return tables.files("cars", classes, root, [f"{folder}{row[path]}" for row in rows], labels, boxes)
