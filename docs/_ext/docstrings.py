"""The docstrings of jaxmix, taken apart into their sections, and written as reStructuredText or Markdown.

A docstring is a line that says what the function does; paragraphs and indented equations; `Args:`, `Returns:`,
`Raises:`; `Differs from ..:`; `Reference: ..`; and a doctest.
"""

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Docstring", "Parameter", "parameters", "parse", "signature", "to_rest"]

SECTION = re.compile(r"^(Args|Returns|Raises):$")
DIFFERS = re.compile(r"^Differs from (?P<whom>[^:]+): (?P<text>.*)$", re.DOTALL)
REFERENCE = re.compile(r"^Reference: (?P<text>.*)$", re.DOTALL)
ENTRY = re.compile(r"^(?P<name>\*{0,2}\w+): +(?P<text>.*)$")


class Docstring(NamedTuple):
    """Sections of a docstring; what it lacks is empty. Blocks of the body are indented where they are equations."""

    summary: str
    body: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    returns: str
    raises: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    differs_from: str
    differs: str
    reference: str
    example: str


class Parameter(NamedTuple):
    """A parameter as the source has it."""

    name: str
    annotation: str
    default: str
    keyword_only: bool


def joined(text: str) -> str:
    """A paragraph on one line."""
    return " ".join(text.split())


FIELD = re.compile(r"^\w+: +\S")


def equation(block: str) -> str:
    """An indented block from the left margin, each of its statements on a line of its own."""
    lines = []
    for line in textwrap.dedent(block).splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        lines.append(re.sub(r"(?<=[,;]) {3}(?=\S)", "\n" + margin, line))
    return "\n".join(lines)


def is_fields(block: str) -> bool:
    """Whether a block lists the fields of a named tuple, each on lines of its own."""
    return bool(FIELD.match(block)) and all(FIELD.match(line) or line[:4].isspace() for line in block.splitlines())


def entries(block: str) -> tuple[tuple[str, str], ...]:
    """Names and texts of the lines of `Args:` or `Raises:`."""
    found: list[list[str]] = []
    for line in textwrap.dedent(block).splitlines():
        if match := ENTRY.match(line):
            found.append([match["name"], match["text"]])
        elif found:
            found[-1][1] += " " + line.strip()
    return tuple((name, joined(text)) for name, text in found)


def parse(text: str) -> Docstring:
    r"""Take a docstring apart, as `inspect.getdoc` returns it.

    >>> parse("Add one.\n\n    y = x + 1").body
    ('    y = x + 1',)
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    body, notes, found = (
        [],
        [],
        dict.fromkeys(("Args", "Returns", "Raises", "differs_from", "differs", "reference"), ""),
    )
    examples = []
    for block in blocks[1:]:
        first, _, rest = block.partition("\n")
        if match := SECTION.match(first):
            found[match[1]] = rest
        elif match := DIFFERS.match(block):
            found["differs_from"], found["differs"] = match["whom"], joined(match["text"])
        elif match := REFERENCE.match(block):
            found["reference"] = joined(match["text"])
        elif first.startswith(">>> "):
            examples.append(block)
        elif found["Args"] and not block.startswith(" "):
            notes.append(joined(block))
        else:
            body.append(block if block.startswith(" ") or is_fields(block) else joined(block))
    return Docstring(
        joined(blocks[0]),
        tuple(body),
        entries(found["Args"]),
        joined(found["Returns"]),
        entries(found["Raises"]),
        tuple(notes),
        found["differs_from"],
        found["differs"],
        found["reference"],
        "\n\n".join(examples),
    )


def definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The source of a function, without its decorators' wrapping."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    node = tree.body[0]
    assert isinstance(node, ast.FunctionDef), f"{function} isn't defined by def"
    return node


SHAPED = {"Float", "Int", "Bool", "Shaped", "UInt8", "UInt32", "Num", "Integer", "Inexact"}


class _Legible(ast.NodeTransformer):
    """Annotations as the docstrings write shapes: `Float[Array, "b h w"]` becomes `Float["b h w"]`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        inner = node.slice
        if isinstance(node.value, ast.Name) and node.value.id in SHAPED and isinstance(inner, ast.Tuple):
            return ast.Subscript(node.value, inner.elts[1], ast.Load())
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if ast.unparse(node) in ("jax.Array", "arguments.Batch"):
            return ast.Name(node.attr, ast.Load())
        return node


def written(node: ast.expr | None) -> str:
    """An annotation or a default, as code."""
    return "" if node is None else ast.unparse(_Legible().visit(node))


@functools.cache
def parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a function, with annotations and defaults as its source has them."""
    given = definition(function).args
    plain = [*given.posonlyargs, *given.args]
    defaults: Sequence[ast.expr | None] = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    found = [Parameter(a.arg, written(a.annotation), written(d), False) for a, d in zip(plain, defaults, strict=True)]
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(Parameter(argument.arg, written(argument.annotation), written(default), True))
    return tuple(p for p in found if p.name not in ("self", "cls"))


def signature(function: Callable[..., Any], *, defaults_only: bool = False) -> tuple[str, str]:
    """The argument list and the result of a function, short enough to read."""
    parts, starred = [], False
    for parameter in parameters(function):
        if parameter.keyword_only and not starred:
            parts, starred = [*parts, "*"], True
        annotation = "" if defaults_only or not parameter.annotation else f": {parameter.annotation}"
        equals = " = " if annotation else "="
        parts.append(parameter.name + annotation + (equals + parameter.default if parameter.default else ""))
    return f"({', '.join(parts)})", written(definition(function).returns)


def linked(text: str, known: Callable[[str], str | None]) -> str:
    """Prose as reStructuredText: names that are documented become links, other code is literal, the rest is escaped."""

    def piece(part: str) -> str:
        if not part.startswith("`"):
            return re.sub(r"([*_|\\])", r"\\\1", part)
        code = part.strip("`")
        target = known(code)
        return f":py:obj:`{code} <{target}>`" if target else f"``{code}``"

    # Code next to a letter or digit needs a boundary that isn't seen.
    pieces = [piece(part) for part in re.split(r"(`[^`]+`)", text)]
    out = ""
    for before, part in zip(["", *pieces], pieces, strict=False):
        touching = bool(before and part and (re.match(r"\w|\[", part) if before.endswith("`") else False))
        out += ("\\ " if touching else "") + part
    return out


def to_rest(doc: Docstring, known: Callable[[str], str | None]) -> list[str]:
    """Lines of reStructuredText."""
    lines: list[str] = []

    def add(text: str) -> None:
        lines.extend([*text.splitlines(), ""])

    def code(language: str, text: str, name: str) -> None:
        add(f".. code-block:: {language}\n   :class: {name}\n\n{textwrap.indent(text, '   ')}")

    add(linked(doc.summary, known))
    for block in doc.body:
        if block.startswith(" "):
            code("text", equation(block), "equation")
        elif is_fields(block):
            add("\n".join(f"- **{name}**: {linked(text, known)}" for name, text in entries(block)))
        else:
            add(linked(block, known))
    fields = [f":param {name}: {linked(text, known)}" for name, text in doc.arguments]
    fields += [f":returns: {linked(doc.returns, known)}"] if doc.returns else []
    fields += [f":raises {name}: {linked(text, known)}" for name, text in doc.raises]
    if fields:
        add("\n".join(fields))
    for note in doc.notes:
        add(linked(note, known))
    if doc.differs:
        add(f"**Differs from {linked(doc.differs_from, known)}:** {linked(doc.differs, known)}")
    if doc.reference:
        add(f"**Reference:** {linked(doc.reference, known)}")
    if doc.example:
        code("pycon", doc.example, "example")
    return lines
