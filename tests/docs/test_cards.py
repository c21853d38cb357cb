"""Every public method has a card with every part, and what scripts have written is up to date."""

import ast
import builtins
import doctest
import inspect
import re
import sys

import pages
import pytest

import jaxmix

DOCS = pages.ROOT / "docs"
sys.path[:0] = [str(DOCS), str(DOCS / "_ext")]

import cards
import docstrings
import tables


@pytest.mark.parametrize("name", cards.methods())
def test_every_method_has_a_card_with_every_part(name):
    said = cards.texts()[name]  # a new method needs its entry in docs/methods/cards.toml
    text = cards.card(name)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [part for part in cards.PARTS if part not in headings] == []
    assert text.startswith("<!--") and f"# {said['title']}\n" in text
    assert said["avoid"] and said["source"]
    assert all(len(row) == 4 and row[3] for row in said["reports"])
    assert cards.cost(name) or said["cost"]
    doc = docstrings.parse(inspect.getdoc(getattr(jaxmix, name)))
    assert doc.reference and doc.example and doc.returns
    assert [argument for argument, _ in doc.arguments] == [p.name for p in docstrings.parameters(cards.methods()[name])]


def test_every_public_method_is_on_a_card_and_in_the_index():
    public = {name for name in jaxmix.__all__ if inspect.isfunction(getattr(jaxmix, name))}
    from_methods = {n for n in public if getattr(jaxmix, n).__module__.startswith("jaxmix.methods.")}
    assert from_methods == set(cards.methods()) | {name for names in cards.BESIDE.values() for name in names}
    assert set(cards.texts()) == set(cards.methods()), "an entry of cards.toml without a method, or the reverse"
    assert cards.OTHERS not in cards.groups(), "give the new method its group in docs/cards.py"


def test_the_cards_are_as_the_script_writes_them():
    stale = [path.name for path, text in cards.written().items() if not path.exists() or path.read_text() != text]
    assert not stale, "run `python docs/cards.py`"
    assert {path.name for path in cards.FOLDER.glob("*.md")} == {path.name for path in cards.written()}


def test_the_page_of_benchmarks_is_as_the_script_writes_it():
    assert tables.PAGE.read_text() == tables.page(), "run `python docs/tables.py`"


@pytest.mark.parametrize("name", cards.methods())
def test_the_example_of_a_card_imports_what_it_names(name):
    text = re.search(r"```pycon\n(.*?)```", cards.card(name), re.DOTALL)[1]
    lines = [line[4:] for line in text.splitlines() if line.startswith((">>> ", "... "))]
    tree = ast.parse("\n".join(lines))
    bound = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
    bound |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    assert used - bound <= set(dir(builtins))


def test_docstrings_are_taken_apart_as_their_examples_show():
    assert doctest.testmod(docstrings) == (0, 1)
    assert doctest.testmod(pytest.importorskip("plain_math")) == (0, 1)


def test_every_public_name_is_on_one_page_of_the_reference():
    documented = []
    for page in sorted((DOCS / "api").glob("*.md")):
        text = page.read_text()
        for module in re.findall(r"automodule:: (\S+)\n   :members:", text):
            documented += [f"{module}.{name}" for name in sys.modules[module].__all__]
        listed = re.findall(r"(?:autofunction|autoclass|py:data):: ([\w.]+)", text)
        documented += [f"jaxmix.{name.removeprefix('jaxmix.')}" for name in listed]
    assert len(documented) == len(set(documented)), "a name is listed twice"

    def public(module):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value):
                yield from public(value)
            else:
                yield f"{module.__name__}.{name}"

    missing = set(public(jaxmix)) - set(documented)
    assert not missing, "add it to a page of docs/api"
