"""What the build does with docstrings, signatures and the cards of methods."""

import inspect
import pathlib
import re
import types
from typing import Any

import card_figures
import cards
import docstrings
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import jaxmix

__all__ = ["setup"]

FIGURES = pathlib.Path(__file__).parents[1] / "_build" / "figures"


def documented() -> dict[str, str]:
    """Full public names, by every way that a docstring may name them."""
    names: dict[str, str] = {}

    def visit(module: types.ModuleType) -> None:
        for name in module.__all__:
            value = getattr(module, name)
            full = f"{module.__name__}.{name}"
            if isinstance(value, types.ModuleType):
                if full not in names.values():
                    names[full] = full
                    visit(value)
            else:
                names[full] = full

    visit(jaxmix)
    return names


NAMES = documented()


def known(home: str) -> Any:
    """The target of a name in a docstring of the module `home`: itself, one of its neighbors, or a method."""

    def find(code: str) -> str | None:
        name = re.sub(r"\(.*\)$", "", code)
        for full in (name, f"{home}.{name}", f"{home.rpartition('.')[0]}.{name}", f"jaxmix.{name}"):
            if full in NAMES:
                return full
        return None

    return find


def docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring for Sphinx."""
    if what == "attribute" or not any(lines):
        return
    home = name if what == "module" else name.rpartition(".")[0]
    lines[:] = docstrings.to_rest(docstrings.parse("\n".join(lines)), known(home))


def signature(
    app: Sphinx, what: str, name: str, value: Any, options: Any, given: str | None, result: str | None
) -> tuple[str, str] | None:
    """Write a signature from the source, where shapes and defaults are legible."""
    function = inspect.unwrap(value) if callable(value) else value
    return docstrings.signature(function) if inspect.isfunction(function) else None


def card(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the figure into the card of a method."""
    folder, _, name = page.rpartition("/")
    if folder == "methods" and cards.FIGURE in source[0]:
        card_figures.render(name, FIGURES)
        alternative = f"Images, masks, result and label of {name}"
        image = f":::{{figure}} /_build/figures/{name}.webp\n:alt: {alternative}\n:figclass: card-figure\n\n"
        source[0] = source[0].replace(cards.FIGURE, f"{image}{card_figures.caption(name)}\n:::")


def skip(app: Sphinx, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which the docstring of the class describes."""
    return True if type(value).__name__ == "_tuplegetter" else None


def shapes(app: Sphinx, domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Write the shapes in signatures as the text does, `Float[b h w]`: without quotes."""
    for signature_node in content.parent.findall(addnodes.desc_signature):
        for literal in signature_node.findall(addnodes.desc_sig_literal_string):
            text = literal.astext().strip("'")
            literal.clear()
            literal += nodes.Text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("object-description-transform", shapes)
    app.connect("source-read", card)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
