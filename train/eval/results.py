"""report.json: what an evaluation has measured, rewritten after every measurement so that none is repeated.

    {"run": {...}, "suites": {"corruptions": [{"settings": {...}, "complete": true, "summary": {...},
                                               "measurements": {"fog 3": 0.21, ...}}]}}

A suite has a section for each of the settings that it was run with; none is ever overwritten.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import run_dir

__all__ = ["Results", "Section"]

KEYS = {"settings", "complete", "summary", "measurements"}


class Results:
    """The report of a run, suite by suite.

    path: of the file
    content: of the file
    """

    def __init__(self, path: Path) -> None:
        """Continues from the file if it exists. Raises ValueError if that is no report."""
        self.path = path
        self.content: dict[str, Any] = run_dir.read_json(path) if path.exists() else {"run": {}, "suites": {}}
        if not _is_report(self.content):
            raise ValueError(f"{path} is not a report of this version of train/evaluate.py; move it to start anew.")

    def suite(self, name: str, settings: dict[str, Any]) -> "Section":
        """The section of a suite with these settings; a new one is written with its first measurement."""
        sections = self.content["suites"].setdefault(name, [])
        for section in sections:
            if section["settings"] == settings:
                return Section(self, sections, section)
        new = {"settings": settings, "complete": False, "summary": {}, "measurements": {}}
        return Section(self, sections, new)

    def complete(self) -> dict[str, dict[str, Any]]:
        """By suite, the latest section that is complete and of the images and step that were tested last."""
        tested = self.content["run"].get("tested", {})
        return {
            name: section
            for name, sections in self.content["suites"].items()
            for section in sections
            if section["complete"] and tested.items() <= section["settings"].items()
        }

    def summary(self) -> dict[str, float | None]:
        """The summaries of the complete suites in one."""
        return {name: value for section in self.complete().values() for name, value in section["summary"].items()}

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(self.path, self.content)


class Section:
    """The measurements of one suite with its settings."""

    def __init__(self, results: Results, sections: list[dict[str, Any]], content: dict[str, Any]) -> None:
        self._results, self._sections, self._content = results, sections, content
        self.measurements: dict[str, Any] = content["measurements"]

    @property
    def folder(self) -> Path:
        """The folder of the suite's figures and arrays."""
        self._results.path.parent.mkdir(parents=True, exist_ok=True)
        return self._results.path.parent

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """The measurement called `name`: from the file, or made now and written."""
        if name not in self.measurements:
            self.measurements[name] = measure()
            self._save_as_latest()
        return self.measurements[name]

    def finish(self, summary: dict[str, float | None]) -> None:
        """Mark the section as complete, with the summary of its measurements."""
        self._content["summary"], self._content["complete"] = summary, True
        self._save_as_latest()

    def _save_as_latest(self) -> None:
        self._sections[:] = [section for section in self._sections if section is not self._content]
        self._sections.append(self._content)
        self._results.save()


def _is_report(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("run"), dict):
        return False
    suites = content.get("suites")
    return isinstance(suites, dict) and all(
        isinstance(sections, list) and all(isinstance(section, dict) and KEYS <= section.keys() for section in sections)
        for sections in suites.values()
    )
