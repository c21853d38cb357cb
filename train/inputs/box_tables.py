"""Tables of boxes: CSV files with the columns file, x0, y0, x1, y1."""

import csv
from pathlib import Path

__all__ = ["read_boxes"]

CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("file", *CORNERS)


def read_boxes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the box (x0, y0, x1, y1) of each file.

    Columns are separated by commas, semicolons or tabs, in any order and among others.

    Raises ValueError, which names the line, for a table that can't be read, lacks a column, or has a corner that is no
    whole number or two boxes for one file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # spreadsheets write a byte-order mark
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} can't be read as text: {error}") from error
    head = lines[0] if lines else ""
    rows = csv.reader(lines, delimiter=max(",;\t", key=head.count), skipinitialspace=True)
    header = [name.strip() for name in next(rows, [])]
    if not set(COLUMNS) <= set(header):
        raise ValueError(
            f"{path} has the columns {', '.join(header) or 'none'}; wanted the columns file, x0, y0, x1, y1."
        )
    boxes: dict[str, tuple[int, ...]] = {}
    seen: dict[str, int] = {}
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {rows.line_num}: {len(cells)} columns; wanted {len(header)} as in the first."
            )
        one = dict(zip(header, cells, strict=True))
        name = one["file"].replace("\\", "/").removeprefix("./")
        if name in boxes:
            raise ValueError(
                f"{path} has two boxes for {name}, in lines {seen[name]} and {rows.line_num}; wanted one for each "
                "image: leave out one of them, or the image."
            )
        try:
            boxes[name] = tuple(int(one[corner]) for corner in CORNERS)
        except ValueError as error:
            corners = ", ".join(one[corner] for corner in CORNERS)
            raise ValueError(
                f"{path}, line {rows.line_num}: the box is {corners}; wanted four whole numbers."
            ) from error
        seen[name] = rows.line_num
    return boxes
