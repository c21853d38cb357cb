"""What an evaluation has found so far: one JSON file, written anew after every part, so that no part is computed twice.

    {"run": {...}, "suites": {"corruptions": [{"settings": {...}, "complete": true, "summary": {...},
                                               "parts": {"fog 3": 0.21, ...}}]}}

A suite has a section for each setting that it was run with; none is ever overwritten.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import run_dir


class Results:
    """The report of a run, suite by suite."""

    def __init__(self, path: Path) -> None:
        """Goes on from the file if it is there. Raises ValueError if that is no report."""
        self.path = path
        self.content: dict[str, Any] = run_dir.read_json(path) if path.exists() else {"run": {}, "suites": {}}
        suites = self.content.get("suites") if isinstance(self.content, dict) else None
        if not isinstance(suites, dict) or not all(isinstance(sections, list) for sections in suites.values()):
            raise ValueError(f"{path} is not a report of train/evaluate.py; move it away to have it made anew.")

    def suite(self, name: str, settings: dict[str, Any]) -> "Section":
        """The section of a suite with these settings; a new one, not in the file before it has a part, if need be."""
        sections = self.content["suites"].setdefault(name, [])
        for section in sections:
            if section["settings"] == settings:
                return Section(self, sections, section)
        return Section(self, sections, {"settings": settings, "complete": False, "summary": {}, "parts": {}})

    def complete(self) -> dict[str, dict[str, Any]]:
        """By suite, the section that was asked for last of those that are complete and of what was tested last."""
        tested = self.content["run"].get("tested", {})
        found = {}
        for name, sections in self.content["suites"].items():
            for section in sections:
                if section["complete"] and tested.items() <= section["settings"].items():
                    found[name] = section
        return found

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(self.path, self.content)


class Section:
    """What is known of one suite."""

    def __init__(self, results: Results, sections: list[dict[str, Any]], content: dict[str, Any]) -> None:
        self._results, self._sections, self._content = results, sections, content
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
            self._last()
        return self.parts[name]

    def finish(self, summary: dict[str, float | None]) -> None:
        """All parts are there, and this is what they come to."""
        self._content["summary"], self._content["complete"] = summary, True
        self._last()

    def _last(self) -> None:
        """Writes the file, this section as the one that was asked for last."""
        self._sections[:] = [section for section in self._sections if section is not self._content]
        self._sections.append(self._content)
        self._results.save()
