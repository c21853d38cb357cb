"""Rules of style that a test can check."""

import ast
import inspect
import pathlib
import re

import pytest
from specimens import KEEPS_LABELS, METHODS, SHARES_NO_DRAW, SHARES_WITH_MANY

import jaxmix

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted((ROOT / "jaxmix").rglob("*.py"))
PUBLIC = {n: getattr(jaxmix, n) for n in jaxmix.__all__ if inspect.isfunction(getattr(jaxmix, n))}
NOUNS = {"partners", "masks", "warps", "sampling"}


def str_of(file):
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_docstrings_have_arguments_errors_and_an_example(name):
    text = inspect.getdoc(PUBLIC[name])
    assert ">>> " in text, "no example"
    if name not in ("majority", "mirrored", "evenly", "pair"):
        assert "Args:" in text and "Raises:" in text
    for argument in inspect.signature(PUBLIC[name]).parameters:
        assert f"{argument}:" in text or name in ("majority", "mirrored", "evenly"), f"{argument} isn't explained"


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_key_batch_and_keyword_hyper_parameters_and_name_their_paper(name):
    parameters = inspect.signature(METHODS[name]).parameters.values()
    maps = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert maps[:2] == ["key", "batch"]
    assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters), "would swallow a misspelt option"
    text = inspect.getdoc(METHODS[name])
    assert "Reference:" in text and "Returns:" in text
    has_draw = name not in SHARES_WITH_MANY | KEEPS_LABELS | SHARES_NO_DRAW
    assert ("per_batch" in inspect.signature(METHODS[name]).parameters) == has_draw


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_files_are_short_and_named_after_what_they_hold(file):
    assert len(file.read_text().splitlines()) <= 250
    assert file.stem not in ("utils", "helpers", "common", "misc")


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_an_import_evaluates_no_shapes(file):
    names = {node.module for node in ast.parse(file.read_text()).body if isinstance(node, ast.ImportFrom)}
    assert "jaxtyping" not in names or "__future__" in names, "begin it with from __future__ import annotations"


def test_masks_warps_partners_and_sampling_do_not_know_of_each_other():
    for file in FILES:
        noun = file.relative_to(ROOT / "jaxmix").parts[0].removesuffix(".py")
        nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        imported = {f"{node.module}.{alias.name}".split(".")[1] for node in nodes for alias in node.names}
        assert noun not in NOUNS or not imported & (NOUNS - {noun})


def test_every_public_name_is_listed_once_and_in_order():
    assert jaxmix.__all__ == sorted(set(jaxmix.__all__))
    assert "jaxmix" == jaxmix.__name__


def test_gamma_samplers_are_known():
    # The bits of the draws from `sampling`, static, traced and jitted, are tested there and not for every method; one
    # of the others draws from Dirichlet with a mask, one from a Beta with two parameters.
    drawing = {f.name for f in FILES if re.search(r"random\.(beta|dirichlet|gamma|loggamma)\(", f.read_text())}
    assert drawing <= {"sampling.py", "comixup.py", "attentivemix.py"}
