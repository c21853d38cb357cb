"""report.json: what an evaluation has measured, rewritten after every measurement so that none is repeated.

    {"run": {..., "failed": {"detection": "the reason"}},
     "suites": {"corruptions": [{"settings": {...}, "versions": [{...}], "complete": true, "summary": {...},
                                 "measurements": {"fog 3": 0.21, ...}}]}}

A suite has a section for each of the settings that it was run with, and a folder sections/SUITE-CHECKSUM for the files
of that section; none is ever overwritten by another. Beside the report lie the files of the sections in it.
"""

import json
import shutil
import time
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import run_dir
from eval import progress

__all__ = ["Results", "Section"]

# The parts of a section, and of what type each is in JSON.
SECTION = {"settings": dict, "complete": bool, "summary": dict, "measurements": dict}


class Results:
    """The report of a run, suite by suite.

    path: of the file
    content: of the file
    """

    def __init__(self, path: Path) -> None:
        """Continues from the file if it exists. Raises ValueError if that is no report."""
        self.path = path
        self.content: dict[str, Any] = _read(path) if path.exists() else {"run": {}, "suites": {}}

    def suite(self, name: str, settings: dict[str, Any]) -> "Section":
        """The section of a suite with these settings; a new one is written with its first measurement."""
        sections = self.content["suites"].setdefault(name, [])
        for section in sections:
            if section["settings"] == settings:
                return Section(self, name, sections, section)
        new = {"settings": settings, "versions": [], "complete": False, "summary": {}, "measurements": {}}
        return Section(self, name, sections, new)

    def complete(self) -> dict[str, dict[str, Any]]:
        """By suite, the latest section that is complete and of the images and step that were tested last.

        None of a suite that failed since: its values are those of other files or settings than were requested.
        """
        tested, failed = self.content["run"].get("tested", {}), self.content["run"].get("failed", {})
        return {
            name: section
            for name, sections in self.content["suites"].items()
            for section in sections
            if name not in failed and section["complete"] and tested.items() <= section["settings"].items()
        }

    def summary(self) -> dict[str, float | None]:
        """The summaries of the complete suites in one."""
        return {name: value for section in self.complete().values() for name, value in section["summary"].items()}

    def folder(self, name: str, settings: dict[str, Any]) -> Path:
        """The folder of the files of a section."""
        checksum = zlib.crc32(json.dumps(settings, sort_keys=True).encode())
        return self.path.parent / "sections" / f"{name}-{checksum:08x}"

    def publish(self) -> None:
        """Copy the files of the complete sections beside the report, and remove those of other sections there."""
        beside = self.path.parent
        kept = [path for path in (beside / "sections").glob("*/*") if path.is_file()]
        reported = [self.folder(name, section["settings"]) for name, section in self.complete().items()]
        for path in kept:
            if path.parent not in reported and not any((folder / path.name).exists() for folder in reported):
                (beside / path.name).unlink(missing_ok=True)
        for path in kept:
            if path.parent in reported:
                part = beside / f"{path.name}.part"
                shutil.copyfile(path, part)
                part.replace(beside / path.name)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        run_dir.write_json(self.path, self.content)

    @cached_property
    def versions(self) -> dict[str, Any]:
        """The versions by which measurements are made now."""
        return run_dir.versions()


class Section:
    """The measurements of one suite with its settings."""

    def __init__(self, results: Results, name: str, sections: list[dict[str, Any]], content: dict[str, Any]) -> None:
        self._results, self._name, self._sections, self._content = results, name, sections, content
        self.measurements: dict[str, Any] = content["measurements"]

    @property
    def folder(self) -> Path:
        """The folder of the section's figures and arrays."""
        folder = self._results.folder(self._name, self._content["settings"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def once(self, name: str, measure: Callable[[], Any], *, files: Sequence[str] = ()) -> Any:
        """The measurement called `name`: from the file, or made now and written.

        It is made anew where one of the `files` is missing from the folder, which `measure` writes too.
        """
        if name not in self.measurements or not all((self.folder / file).is_file() for file in files):
            started = time.perf_counter()
            self.measurements[name] = measure()
            progress.line(f"{name} ({time.perf_counter() - started:.0f} s)")
            versions = self._content.setdefault("versions", [])
            if self._results.versions not in versions:
                versions.append(self._results.versions)
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


def _read(path: Path) -> dict[str, Any]:
    content = run_dir.read_json(path)
    wrong = _wrong(content)
    if wrong:
        raise ValueError(
            f"{path} is not a report of this version of train/evaluate.py ({wrong}); move it to start anew."
        )
    return content


def _wrong(content: Any) -> str:
    """What isn't as in a report; empty where all is."""
    if not isinstance(content, dict) or not all(isinstance(content.get(name), dict) for name in ("run", "suites")):
        return "it has no run and suites"
    if not all(isinstance(content["run"].get(name, {}), dict) for name in ("tested", "failed")):
        return "tested or failed of its run is of another type"
    for name, sections in content["suites"].items():
        if not isinstance(sections, list) or not all(isinstance(section, dict) for section in sections):
            return f"{name} is no list of sections"
        for section in sections:
            wrong = [part for part, kind in SECTION.items() if not isinstance(section.get(part), kind)]
            wrong += [] if isinstance(section.get("versions", []), list) else ["versions"]
            if wrong:
                return f"{', '.join(wrong)} of a section of {name} is missing or of another type"
            if not all(value is None or type(value) in (int, float) for value in section["summary"].values()):
                return f"the summary of a section of {name} has values that are no numbers"
    return ""
