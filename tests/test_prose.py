"""Words and names are those of the field."""

import ast
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FILES = [*sorted((ROOT / "jaxmix").rglob("*.py")), *sorted((ROOT / "train").rglob("*.py"))]


def str_of(file):
    return str(file.relative_to(ROOT))


# Words with a plainer one in the field (see CONTRIBUTING.md), in comments, docstrings and messages.
WORDS = re.compile(
    r"\b(pictures?|so many|as many as|will do|says? nothing|nobody|strange|meets|learnt|teach(es)?"
    r"|what is shown|is told|asks? for|public path is)\b",
    re.IGNORECASE,
)
# Names that say what kind of thing is inside, where the thing itself has a name.
MODULES = {"parts", "members", "frames", "balls", "levels", "sets", "guides", "forms", "between", "draw", "pictures"}
FUNCTIONS = {"between", "draw"}


def functions(file):
    return [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def prose(file):
    """Comments and strings, each with its line, but for titles of papers."""
    with file.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if tokenize.tok_name[token.type] in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
                text = re.sub(r"Reference: .*?(\n\s*\n|\Z)", "", token.string, flags=re.DOTALL)
                yield token.start[0], " ".join(text.split())


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_prose_is_in_the_terms_of_the_field(file):
    found = [(line, match[0]) for line, text in prose(file) for match in WORDS.finditer(text)]
    assert not found


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_modules_and_functions_are_named_in_the_terms_of_the_field(file):
    assert file.stem not in MODULES
    names = {function.name.strip("_") for function in functions(file)}
    assert not names & FUNCTIONS
    assert not [name for name in names if {"picture", "pictures"} & set(name.split("_"))]
