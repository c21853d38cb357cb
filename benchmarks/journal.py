"""Results as lines of JSON, each on disk before the next is measured.

A line holds `key`, what was measured on what, and `result`; or in place of a result `failed`, an error in words, or
`cut`, the seconds after which the time was up. A process killed while it writes leaves at most a last line without an
end, which the next one takes away.
"""

import datetime
import json
import os
import pathlib
import threading
from typing import Any

__all__ = ["Journal"]

Record = dict[str, Any]


class Journal:
    """The records of a file; those of other keys, such as of other devices, are kept beside one's own."""

    def __init__(self, path: pathlib.Path, common: dict[str, Any]) -> None:
        """`common` is part of the key of all that is added: the device and the versions."""
        self.path, self.common = path, common
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.records = _read(path)

    def key(self, phase: str, name: str, setting: dict[str, Any]) -> dict[str, Any]:
        return {"phase": phase, "name": name, "setting": setting} | self.common

    def add(self, key: dict[str, Any], **content: Any) -> None:
        """Append a record, and wait until it is on disk."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = {"key": key} | content | {"date": now, "load": _load()}
        line = json.dumps(record) + "\n"
        with self._lock:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, line.encode())
                os.fsync(file)
            finally:
                os.close(file)
            self.records.append(json.loads(line))

    def found(self, phase: str | None = None) -> list[Record]:
        """The results of this device and these versions, one for each key, in the order in which they came."""
        by_key = {_hashable(r["key"]): r for r in self.records if "result" in r and self._ours(r, phase)}
        return list(by_key.values())

    def has(self, key: dict[str, Any]) -> bool:
        """Whether there is a result."""
        return any("result" in record for record in self._of(key))

    def attempts(self, key: dict[str, Any]) -> list[Record]:
        """The records without a result: failures, and what was cut short."""
        return [record for record in self._of(key) if "result" not in record]

    def _of(self, key: dict[str, Any]) -> list[Record]:
        wanted = _hashable(key)
        return [record for record in self.records if _hashable(record["key"]) == wanted]

    def _ours(self, record: Record, phase: str | None) -> bool:
        key = record["key"]
        return all(key.get(name) == value for name, value in self.common.items()) and phase in (None, key["phase"])


def _hashable(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def _load() -> float | None:
    """The processes that wanted to run over the last minute, or None where the system doesn't say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _read(path: pathlib.Path) -> list[Record]:
    """The records of a file, after a line without an end is taken away.

    Raises ValueError for a file of something else.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    try:
        records = [json.loads(line) for line in content[:whole].splitlines()]
        if not all({"phase", "name", "setting"} <= record["key"].keys() for record in records):
            raise ValueError("a line is no record")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a file of results of this program ({error}); wanted one, or a new name: --out FILE"
        ) from error
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    return records
