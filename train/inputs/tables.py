"""Tables of data sets in text files: a name or a value per column, columns separated by blanks."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from inputs.listing import Files

__all__ = ["files", "keyed", "lines"]


def lines(path: Path, columns: int) -> list[list[str]]:
    """The columns of each line that isn't blank; the last one goes to the end of the line.

    Raises ValueError for a file that is missing, and for a line with fewer columns.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: unpack the archive of the data set again, or point --data-dir to it.")
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            row = line.strip().split(maxsplit=columns - 1)
            if len(row) < columns:
                raise ValueError(f"{path}, line {number}: {len(row)} columns; wanted {columns}.")
            rows.append(row)
    return rows


def keyed(path: Path, columns: int) -> dict[str, list[str]]:
    """The columns after the first one of each line, by the first one."""
    return {row[0]: row[1:] for row in lines(path, columns)}


def files(
    name: str,
    classes: Sequence[str],
    root: Path,
    items: Sequence[str],
    labels: Iterable[int],
    boxes: Sequence[Sequence[float]] | None = None,
) -> Files:
    """The files that a table names. Raises ValueError for one that isn't there."""
    sizes = []
    for item in items:
        try:
            sizes.append(os.stat(root / item).st_size)
        except OSError as error:
            raise ValueError(f"{root / item}, named by a table of {name}, can't be read: {error.strerror}.") from error
    found = None if boxes is None else np.array(boxes, np.float32).reshape(-1, 4)
    return Files(name, tuple(classes), root, items, labels, sizes, found)
