"""The tree of files is the tree of imports: small, downward, without a circle."""

import ast
import pathlib
import re

import pytest

import jaxmix

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted((ROOT / "jaxmix").rglob("*.py"))
SCRIPTS = sorted((ROOT / "train").rglob("*.py"))


def str_of(file):
    return str(file.relative_to(ROOT))


# What the trees import, from the lowest up: a module imports only what stands before it, and within a package nothing
# goes round.
LIBRARY = (
    "_versions dtypes platforms numerics threefry sharding arguments warps blending masks partners sampling mix "
    "mix_structures pixels saliency shifts blocks losses combinators robustness methods visualize __main__"
).split()
PROGRAMS = (
    "installed averages exits processes agreements locks events run_dir state checksums storage_errors checkpoints "
    "best devices configuration optimizer models inputs recipes adversarial options image_options imagenet_options "
    "finegrained_options step plans loop preview training initial_weights streaming programs eval cifar imagenet "
    "finegrained trainers paper_rows evaluate compare export"
).split()
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


def test_the_top_of_the_library_and_the_main_programs_are_small():
    for program in ("cifar", "imagenet", "finegrained"):
        assert len((ROOT / "train" / f"{program}.py").read_text().splitlines()) <= 250
    entries = [path for path in (ROOT / "jaxmix").iterdir() if not path.name.startswith("_")]
    modules_and_packages = [path.name for path in entries if path.suffix == ".py" or path.is_dir()]
    assert len(modules_and_packages) <= 22, modules_and_packages


def test_the_names_of_the_package_are_its_api():
    assert {name for name in dir(jaxmix) if not name.startswith("__")} == set(jaxmix.__all__)


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_every_module_lists_its_names(file):
    tree = ast.parse(file.read_text())
    listed = [node.value for node in tree.body if re.match(r"__all__(: .*)? =", ast.unparse(node))]
    assert listed, "no __all__"
    bound = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    bound |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {a.asname or a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
    missing = set(ast.literal_eval(listed[0])) - bound
    assert not missing, f"__all__ names {missing}, which the module doesn't have"


def functions(file):
    return [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("file", FILES, ids=str_of)
def test_functions_are_short(file):
    for function in functions(file):
        lines = (function.end_lineno or 0) - function.lineno + 1 - len((ast.get_docstring(function) or "").splitlines())
        assert lines <= 60, f"{function.name} has {lines} lines below its docstring"


@pytest.mark.parametrize("file", FILES + SCRIPTS, ids=str_of)
def test_every_function_is_annotated(file):
    for function in functions(file):
        own = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        missing = [a.arg for a in own if a.annotation is None and a.arg not in ("self", "cls")]
        assert not missing and function.returns is not None, f"{function.name}: {missing or 'its result'}"
