"""Fingerprints of the files that a suite reads, by which a measurement belongs to them."""

import zlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["fingerprint"]

SMALL = 2**20  # bytes
TABLES = (".npy", ".npz", ".csv", ".json")


def fingerprint(folder: Path | None, patterns: Iterable[str]) -> dict[str, int] | None:
    """The number of files in `folder` that match the patterns, and a CRC-32 that changes when one of them does.

    A change is seen in names and sizes; in small tables, such as labels, by content; in all other files, which may be
    millions, by the time of their last change. The folder may move. None for no folder.
    """
    if folder is None:
        return None
    checksum, count = 0, 0
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        if path.name.startswith(".") or not path.is_file():
            continue
        status = path.stat()
        small = path.suffix in TABLES and status.st_size <= SMALL
        state = zlib.crc32(path.read_bytes()) if small else status.st_mtime_ns
        line = f"{path.relative_to(folder).as_posix()} {status.st_size} {state}\n"
        checksum, count = zlib.crc32(line.encode(), checksum), count + 1
    return {"files": count, "crc32": checksum}
