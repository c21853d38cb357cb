"""What an evaluation has found so far: one JSON file, written anew after every part, so that no part is computed twice.

{"suites": {"corruptions": {"settings": {...}, "complete": true, "summary": {...}, "parts": {"fog 3": 0.21, ...}}}}
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import runs


class Results:
    """The report of a run, suite by suite."""

    def __init__(self, path: Path) -> None:
        """Goes on from the file if it is there. Raises ValueError if that is no report."""
        self.path = path
        self.content: dict[str, Any] = runs.read_json(path) if path.exists() else {"suites": {}}
        if not isinstance(self.content, dict) or not isinstance(self.content.get("suites"), dict):
            raise ValueError(f"{path} is not a report of train/evaluate.py; move it away to have it made anew.")

    def suite(self, name: str, settings: dict[str, Any]) -> "Section":
        """The section of a suite; an empty one if it was begun with other settings."""
        suites = self.content["suites"]
        if name not in suites or suites[name].get("settings") != settings:
            suites[name] = {"settings": settings, "complete": False, "summary": {}, "parts": {}}
        return Section(self, suites[name])

    def complete(self) -> dict[str, dict[str, Any]]:
        """The sections of the suites that were finished."""
        return {name: section for name, section in self.content["suites"].items() if section["complete"]}

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(self.path, self.content)


class Section:
    """What is known of one suite."""

    def __init__(self, results: Results, content: dict[str, Any]) -> None:
        self._results, self._content = results, content
        self.parts: dict[str, Any] = content["parts"]

    @property
    def folder(self) -> Path:
        """Where figures and arrays of the suite go."""
        self._results.path.parent.mkdir(parents=True, exist_ok=True)
        return self._results.path.parent

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """The part called `name`: from the file, or computed now and written."""
        if name not in self.parts:
            self.parts[name] = compute()
            self._results.save()
        return self.parts[name]

    def finish(self, summary: dict[str, float | None]) -> None:
        """All parts are there, and this is what they come to."""
        self._content["summary"], self._content["complete"] = summary, True
        self._results.save()
