"""Mathematics without MathJax, which would be fetched: TeX of a modest kind as Unicode, subscripts and superscripts."""

# ruff: noqa: RUF001

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

__all__ = ["setup", "to_html"]

SYMBOLS = {
    "times": "×", "cdot": "·", "approx": "≈", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "sum": "∑",
    "sqrt": "√", "in": "∈", "to": "→", "dots": "…", "ldots": "…", "cdots": "⋯", "pm": "±",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "mu": "μ", "sigma": "σ", "theta": "θ", "tau": "τ",
    "qquad": "\u2003\u2003", "quad": "\u2003", "left": "", "right": "", "log": "log ", "infty": "∞", "sim": "∼",
}  # fmt: skip
SPACES = {",": "\u2009", ";": "\u2005", " ": " ", "!": "", "{": "{", "}": "}", "%": "%", "\\": "<br>", "_": "_"}


def symbol(command: str) -> str:
    """The symbol of a command of TeX; a warning, which ends the build, where it isn't known."""
    if command not in SYMBOLS:
        logging.getLogger(__name__).warning("the TeX command \\%s has no symbol in plain_math.py", command)
    return SYMBOLS.get(command, command)


def to_html(tex: str) -> str:
    r"""Write TeX as HTML.

    >>> to_html(r"3 n^2 c \cdot W_{ij}, \text{bytes} \le 4")
    '3 n<sup>2</sup> c · W<sub>ij</sub>, <span class="upright">bytes</span> ≤ 4'
    """
    text = html.escape(tex.strip(), quote=False).replace("&amp;", " ")
    text = re.sub(r"\\(?:text|mathrm|operatorname)\{([^{}]*)\}", r'<span class="upright">\1</span>', text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda match: symbol(match[1]), text)
    text = re.sub(r"\\([,; !{}%\\_])", lambda match: SPACES[match[1]], text)
    for mark, tag in (("^", "sup"), ("_", "sub")):
        text = re.sub(rf"\{mark}\{{([^{{}}]*)\}}", rf"<{tag}>\1</{tag}>", text)
        text = re.sub(rf"\{mark}(\w)", rf"<{tag}>\1</{tag}>", text)
    return text.replace("{", "").replace("}", "")


def inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line."""
    translator.body.append(f'<span class="formula">{to_html(node.astext())}</span>')
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{to_html(node.astext())}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("plain", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
