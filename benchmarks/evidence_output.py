"""The files that benchmarks/evidence.py --table writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import evidence_claims
import evidence_figures
import evidence_pages
from evidence_cells import Cell

__all__ = ["write"]


def write(cells: Sequence[Cell], pilots: Mapping[str, Mapping[str, Any]], docs: Path, readme: Path) -> list[Path]:
    """Write results.md with its figures, claims.md, and the table of the README where it has markers; returns their
    paths. A figure that no cell is of any more is removed.

    Args:
        cells: all of them.
        pilots: how a setting was chosen, see `evidence_pages.page`.
        docs: the folder of the pages; the figures are in results/ under it.
        readme: a file, which may be missing.
    """
    # All texts before any file: a mistake leaves the pages as they are.
    texts = {docs / "results.md": evidence_pages.page(cells, pilots), docs / "claims.md": evidence_claims.page(cells)}
    if readme.exists():
        before = readme.read_text(encoding="utf-8")
        after = evidence_pages.filled(before, evidence_pages.snippet(cells))
        texts |= {readme: after} if after != before else {}
    figures = list[Path]()
    for _, _, own in evidence_pages.places(cells):
        figures += evidence_figures.write(docs / "results", own)
    for path in set((docs / "results").glob("*.svg")) - set(figures):
        path.unlink()
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return [*texts, *figures]
