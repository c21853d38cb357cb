"""Markdown pages and their blocks of code: which pages there are, what in them runs, and running it.

Every block that is marked `python` runs, those of a page one after the other in the same namespace, as if pasted into a
session. A comment on the line before a block changes that:

    <!-- needs: torch, timm -->    skipped where one of these packages isn't installed
    <!-- not run: REASON -->       a fragment

and a comment anywhere else in a page concerns all of it: `<!-- slow: REASON -->` runs it with the tests marked slow,
`<!-- devices: 8 -->` with eight devices.
"""

import contextlib
import importlib.util
import pathlib
import re
import sys
import types
import warnings
from typing import NamedTuple

import jax

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
# Made by a script or a build, from examples that run where they stand.
MADE = {"_build", "methods", "api", "jupyter_execute"}

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+|~~~+)(?P<language>.*)$")
COMMENT = re.compile(r"^\s*<!-- (?P<name>needs|not run): (?P<value>.+) -->\s*$")
ABOUT_PAGE = re.compile(r"^<!-- (?P<name>slow|devices): (?P<value>.+) -->\s*$", re.MULTILINE)
# Other words for Python, which would leave a block unrun.
MISTAKEN = {"py", "python3", "Python", "pycon", "ipython", "ipython3", "{code-cell}", "{code-block}", "{code}"}


class Block(NamedTuple):
    """A fenced block: its text without the fence, its first line, and the packages without which it can't run."""

    language: str
    text: str
    line: int
    needs: tuple[str, ...]
    reason: str  # why it isn't run


def all_pages():
    """The pages that are written by hand, README.md first."""
    found = [p for p in sorted((ROOT / "docs").rglob("*.md")) if not MADE & set(p.relative_to(ROOT / "docs").parts)]
    return [README, *found]


def about(page):
    """What comments say about a whole page."""
    return {match["name"]: match["value"] for match in ABOUT_PAGE.finditer(page.read_text())}


def blocks(page):
    """All fenced blocks of a page; of nested fences the outer ones."""
    lines, found, number = page.read_text().splitlines(), [], 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if not opening:
            continue
        closing = re.compile(rf"^ *{opening['ticks']}[`~]*\s*$")
        end = next((n for n in range(number, len(lines)) if closing.match(lines[n])), None)
        assert end is not None, f"{page.name}:{number}: a fence that isn't closed"
        before = COMMENT.match(lines[number - 2]) if number > 1 else None
        said = {before["name"]: before["value"]} if before else {}
        text = "\n".join(line.removeprefix(opening["indent"]) for line in lines[number:end])
        needs = tuple(re.split(r",\s*", said["needs"])) if "needs" in said else ()
        found.append(Block(opening["language"].strip(), text, number + 1, needs, said.get("not run", "")))
        number = end + 1
    return found


def missing(block):
    """The packages that a block needs and that aren't installed."""
    return [name for name in block.needs if importlib.util.find_spec(name) is None]


def run(page, folder, monkeypatch, *, fresh_keys=False):
    """Run the Python of a page in an empty folder, with JAX's own settings; return its names and the lines skipped.

    Warnings that point at the page are errors; those within other packages aren't. With `fresh_keys` a key that is used
    twice is an error too; a page that shows what the same key gives can't have that.
    """
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # so that what a block defines can be pickled and inspected
    monkeypatch.chdir(folder)
    skipped = []
    settings = contextlib.ExitStack()
    for setting in (
        warnings.catch_warnings(),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.debug_key_reuse(fresh_keys),
    ):
        settings.enter_context(setting)
    with settings:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module=r"page$")
        for block in blocks(page):
            if block.language != "python" or block.reason:
                continue
            if absent := missing(block):
                skipped.append(f"{page.name}:{block.line} needs {', '.join(absent)}")
                continue
            source = "\n" * (block.line - 1) + block.text  # tracebacks and inspect show lines of the page
            exec(compile(source, str(page), "exec"), module.__dict__)
    return module.__dict__, skipped
