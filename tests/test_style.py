"""Rules of style that a test can check."""

import ast
import inspect
import pathlib
import re
import tokenize

import pytest
from specimens import KEEPS_LABELS, METHODS, SHARES_WITH_MANY

import jaxmix

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted((ROOT / "jaxmix").rglob("*.py"))
SCRIPTS = sorted((ROOT / "train").rglob("*.py"))
PUBLIC = {n: getattr(jaxmix, n) for n in jaxmix.__all__ if inspect.isfunction(getattr(jaxmix, n))}
NOUNS = {"partners", "masks", "warps", "sampling"}


def str_of(file):
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_docstrings_have_arguments_errors_and_an_example(name):
    text = inspect.getdoc(PUBLIC[name])
    assert ">>> " in text, "no example"
    if name not in ("majority", "evenly", "pair"):
        assert "Args:" in text and "Raises:" in text
    for argument in inspect.signature(PUBLIC[name]).parameters:
        assert f"{argument}:" in text or name in ("majority", "evenly"), f"{argument} isn't explained"


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_key_batch_and_keyword_hyper_parameters_and_name_their_paper(name):
    parameters = inspect.signature(METHODS[name]).parameters.values()
    maps = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert maps[:2] == ["key", "batch"]
    assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters), "would swallow a misspelt option"
    text = inspect.getdoc(METHODS[name])
    assert "Reference:" in text and "Returns:" in text
    assert "per_batch" in inspect.signature(METHODS[name]).parameters or name in SHARES_WITH_MANY | KEEPS_LABELS


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_files_are_short_and_named_after_what_they_hold(file):
    assert len(file.read_text().splitlines()) <= 250
    assert file.stem not in ("utils", "helpers", "common", "misc")


def test_masks_warps_partners_and_sampling_do_not_know_of_each_other():
    for noun in NOUNS:
        tree = ast.parse((ROOT / "jaxmix" / f"{noun}.py").read_text())
        imported = {
            alias.name.split(".")[-1]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom | ast.Import)
            for alias in node.names
        }
        imported |= {
            node.module.split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not imported & (NOUNS - {noun})


def test_every_public_name_is_listed_once_and_in_order():
    assert jaxmix.__all__ == sorted(set(jaxmix.__all__))
    assert "jaxmix" == jaxmix.__name__


# What the trees import, from the lowest up: a module imports only what stands before it, and within a package nothing
# goes round.
LIBRARY = (
    "dtypes numerics sharding warps masks partners arguments sampling mix saliency shifts blocks losses pixels "
    "visualize combinators robustness methods"
).split()
PROGRAMS = "checkpoints devices run_dir models inputs recipes step loop steps cifar eval evaluate compare".split()
TREES = {"jaxmix": LIBRARY, "train": PROGRAMS}


def modules(tree):
    """The file of each module, by its dotted name."""
    found = {}
    for file in (ROOT / tree).rglob("*.py"):
        name = file.relative_to(ROOT if tree == "jaxmix" else ROOT / tree).with_suffix("").parts
        found[".".join(name[:-1] if name[-1] == "__init__" else name)] = file
    return found


def imported(name, files):
    """The modules of the same tree that a module imports."""
    named = set()
    for node in ast.walk(ast.parse(files[name].read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named |= {f"{node.module}.{alias.name}" for alias in node.names}
    found = {next((a for a in (n, n.rpartition(".")[0]) if a in files), "") for n in named}
    return found - {"", name}


def top(name):
    """The module or package at the top of its tree; of the tree's own names, nothing."""
    parts = name.removeprefix("jaxmix").strip(".").split(".")
    return parts[0]


@pytest.mark.parametrize("tree", TREES)
def test_imports_go_downward(tree):
    files, order = modules(tree), ["", *TREES[tree]]
    assert {top(name) for name in files} <= set(order), "give the new module its place in the order"
    for name in files:
        above = [n for n in imported(name, files) if top(name) and order.index(top(n)) > order.index(top(name))]
        assert not above, f"{name} imports {above}, which stand above it"


@pytest.mark.parametrize("tree", TREES)
def test_imports_have_no_circle(tree):
    files = modules(tree)
    done: set[str] = set()

    def visit(name, path):
        assert name not in path, f"a circle: {[*path, name]}"
        if name not in done:
            for other in imported(name, files):
                visit(other, [*path, name])
            done.add(name)

    for name in files:
        visit(name, [])


def test_the_top_of_the_library_is_small():
    entries = [path for path in (ROOT / "jaxmix").iterdir() if not path.name.startswith("_")]
    assert sum(path.suffix == ".py" for path in entries) <= 13
    assert sum(path.is_dir() for path in entries) <= 8


def test_the_names_of_the_package_are_its_api():
    assert set(dir(jaxmix)) == {*jaxmix.__all__, "__version__"} | {n for n in dir(jaxmix) if n.startswith("__")}


@pytest.mark.parametrize("package", [f for f in FILES if f.name == "__init__.py"], ids=lambda f: f.parent.name)
def test_every_package_lists_its_names(package):
    assert re.search(r"^__all__ = ", package.read_text(), re.MULTILINE)


def functions(file):
    return [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_functions_are_short(file):
    for function in functions(file):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= 60, f"{function.name} has {lines} lines"


@pytest.mark.parametrize("file", FILES + SCRIPTS, ids=str_of)
def test_every_function_is_annotated(file):
    for function in functions(file):
        own = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        missing = [a.arg for a in own if a.annotation is None and a.arg not in ("self", "cls")]
        assert not missing and function.returns is not None, f"{function.name}: {missing or 'its result'}"


# Words with a plainer one in the field (see CONTRIBUTING.md), in comments, docstrings and messages.
WORDS = re.compile(
    r"\b(pictures?|so many|as many as|as much as|will do|says? nothing|nobody|anybody|strange|meets|learnt|teach(es)?"
    r"|what is shown|is told|asks? for|public path is)\b",
    re.IGNORECASE,
)
NAMES = {"pictures", "picture", "draw", "draws", "between", "parts", "members", "frames", "balls", "levels", "sets"} | {
    "guides",
    "forms",
}


def prose(file):
    """Comments and strings, each with its line."""
    with file.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if tokenize.tok_name[token.type] in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
                yield token.start[0], " ".join(token.string.split())


@pytest.mark.parametrize("file", FILES + SCRIPTS, ids=str_of)
def test_prose_is_in_the_terms_of_the_field(file):
    found = [(line, match[0]) for line, text in prose(file) for match in WORDS.finditer(text)]
    assert not found


@pytest.mark.parametrize("file", FILES + SCRIPTS, ids=str_of)
def test_modules_and_functions_are_named_in_the_terms_of_the_field(file):
    defined = {file.stem, *(function.name.strip("_") for function in functions(file))}
    words = {word for name in defined for word in name.split("_")}
    assert not words & {"pictures", "picture"} and not defined & NAMES


def test_gamma_samplers_are_known():
    # The bits of the draws from `sampling`, static, traced and jitted, are tested there and not for every method; one
    # of the others draws from Dirichlet with a mask, one from a Beta with two parameters.
    drawing = {f.name for f in FILES if re.search(r"random\.(beta|dirichlet|gamma|loggamma)\(", f.read_text())}
    assert drawing <= {"sampling.py", "comixup.py", "attentivemix.py"}
