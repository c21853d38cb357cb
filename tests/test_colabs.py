"""The notebooks: what is kept in them, and that they run."""

import ast
import importlib.util
import json
import pathlib
import re
import tomllib

import pytest
from specimens import METHODS
from xla_flags import xla_flags

import jaxmix

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "colabs"
FILES = sorted(FOLDER.glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/{project}/blob/main/colabs/{name}.ipynb"
# Most of their time goes into compiling.
COMPILE = ("gallery", "your_own_step", "segmentation_and_features", "tpu")
# Text that belongs to one machine or one moment.
LOCAL = re.compile(r"/(tmp|home|root|work|Users|content|usr)/|file://|0x[0-9a-f]{6,}|execution_count")


def load_program():
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("execute_colabs", FOLDER / "execute.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def notebook(file):
    return json.loads(file.read_text())


def source(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def code(file):
    return [cell for cell in notebook(file)["cells"] if cell["cell_type"] == "code"]


def bound(tree):
    """The names that a cell defines: functions, classes, variables and imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


every_notebook = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_the_folder_holds_the_notebooks_that_the_program_runs_and_the_table_names():
    program = load_program()
    assert [file.stem for file in FILES] == sorted(program.NOTEBOOKS)
    table = (FOLDER / "README.md").read_text()
    assert re.findall(r"colabs/(\w+)\.ipynb\)", table) == list(program.NOTEBOOKS)


def test_the_notebooks_are_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir() if file.is_file()) < 1_000_000


@every_notebook
def test_a_notebook_opens_from_its_badge_and_says_what_it_needs(file):
    first = source(notebook(file)["cells"][0])
    project = re.search(r"git\+https://github\.com/([\w.-]+/[\w.-]+)\"", source(code(file)[0]))[1]
    assert f"({COLAB.format(project=project, name=file.stem)})" in first
    assert "**Needs** " in first and "\n# jaxmix" in first


@every_notebook
def test_links_lead_to_notebooks_of_the_folder(file):
    text = "\n".join(source(cell) for cell in notebook(file)["cells"] if cell["cell_type"] == "markdown")
    assert all((FOLDER / name).exists() for name in re.findall(r"\]\(([\w./]+)\)", text))


@every_notebook
def test_outputs_are_those_of_one_run_from_top_to_bottom(file):
    cells = code(file)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", ()) for output in outputs) or file.stem == "your_own_step"
    assert all(len(output.get("data", ("one",))) == 1 for output in outputs)


@every_notebook
def test_a_notebook_is_valid_and_holds_nothing_of_the_machine_that_ran_it(file):
    nbformat = pytest.importorskip("nbformat")
    content = nbformat.read(file, as_version=4)
    nbformat.validate(content)
    assert set(content.metadata) == {"colab", "kernelspec", "language_info"}
    assert content.metadata.language_info == {"name": "python"}
    for cell in content.cells:
        assert set(cell.metadata) <= {"cellView"}
        texts = [o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in cell.get("outputs", ())]
        assert not [match[0] for text in (cell.source, *texts) for match in LOCAL.finditer(text)]


@every_notebook
def test_the_first_cell_is_the_common_one(file):
    program = load_program()
    kept = source(code(file)[0])
    given = program.nbformat.read(file, as_version=4)
    assert next(program.code_cells(program.with_first_cell(given))).source == kept


def test_the_first_cell_wants_what_the_package_wants():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (FOLDER / "first_cell.py").read_text()
    for wanted in project["dependencies"]:
        if not wanted.startswith("jax>"):
            assert f'"{wanted}"' in text


@every_notebook
def test_nothing_of_the_library_is_defined_anew(file):
    for cell in code(file):
        tree = ast.parse(source(cell))
        assert not set(bound(tree)) & set(jaxmix.__all__)


def test_the_gallery_shows_every_method():
    text = "\n".join(source(cell) for cell in code(FOLDER / "gallery.ipynb"))
    missing = [name for name in (*METHODS, "augmix_views", "dropblock") if not re.search(rf"jaxmix\.{name}\b", text)]
    assert not missing


def test_what_is_wrong_with_a_notebook_is_reported_and_changes_nothing(monkeypatch, tmp_path, capsys):
    program = load_program()
    make = program.nbformat.v4

    def write(*cells):
        content = make.new_notebook(cells=[make.new_code_cell(text) for text in cells])
        program.nbformat.write(content, tmp_path / "a.ipynb")

    monkeypatch.setattr(program, "FOLDER", tmp_path)
    monkeypatch.setattr(program, "NOTEBOOKS", ("a",))
    (tmp_path / "first_cell.py").write_text("needs = []\nimport sys")
    write("print(1)")
    with pytest.raises(ValueError, match="no line needs"):
        program.main(["a"])
    write("needs = ['x']", "print('fine')", "print('warning', file=sys.stderr)")
    before = (tmp_path / "a.ipynb").read_bytes()
    assert program.main([]) == 1
    assert "cell 2 wrote to stderr: warning" in capsys.readouterr().out
    assert (tmp_path / "a.ipynb").read_bytes() == before

    write("needs = ['x']", "print('fine')")  # its output isn't kept yet
    assert program.main(["--check"]) == 1
    assert "has [[], ['stream']], and [[], []] are kept" in capsys.readouterr().out

    write("needs = ['x']", "print('drawn', 3)\nprint('loss', id(object()))")
    assert program.main([]) == 0
    content = program.nbformat.read(tmp_path / "a.ipynb", as_version=4)
    assert program.main(["--check"]) == 0  # what is measured may differ
    content.cells[1].outputs[0].text = "drawn 4\nloss 1\n"
    program.nbformat.write(content, tmp_path / "a.ipynb")
    assert program.main(["--check"]) == 1
    assert "has [[], ['drawn 3']], and [[], ['drawn 4']] are kept" in capsys.readouterr().out


@pytest.mark.slow
@every_notebook
def test_a_notebook_runs_and_prints_and_plots_what_it_holds(file, monkeypatch):
    program = load_program()
    monkeypatch.setenv("XLA_FLAGS", xla_flags())
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", str(int(file.stem in COMPILE)))
    assert program.main(["--check", file.stem]) == 0
