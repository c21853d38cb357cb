"""The figures of the documentation: what the script writes is what the repository has, small, and explained."""

import importlib.util
import pathlib
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from jaxmix.methods.enumeration import by_name

NEEDS = ("skimage", "matplotlib", "sklearn", "optax")
pytestmark = pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDS)), reason=f"needs {', '.join(NEEDS)}")
FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "figures"


@pytest.fixture(scope="module")
def scripts():
    """The names of the modules make and gallery."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        before = set(sys.modules)
        yield {name: runpy.run_path(str(FOLDER / f"{name}.py")) for name in ("make", "gallery")}
        for name in set(sys.modules) - before:
            if str(FOLDER) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def test_the_figures_are_those_that_the_script_writes(scripts):
    written = {path.name for path in FOLDER.iterdir() if path.suffix in (".webp", ".png", ".jpg", ".svg")}
    assert written == set(scripts["make"]["FIGURES"])


@pytest.mark.slow
def test_a_figure_shows_what_is_drawn_now(scripts, tmp_path):
    # One for all: of the methods CutMix is in most of them.
    scripts["make"]["FIGURES"]["mix_is_data.webp"](tmp_path / "made.webp")
    with Image.open(tmp_path / "made.webp") as made, Image.open(FOLDER / "mix_is_data.webp") as kept:
        np.testing.assert_allclose(np.asarray(made, int), np.asarray(kept, int), atol=64)  # the compression of edges


def test_figures_are_small_in_all_and_wide_enough_for_a_page():
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.webp")}
    assert sum(sizes.values()) < 1_500_000, sizes
    for name in sizes:
        with Image.open(FOLDER / name) as figure:
            assert figure.mode == "RGBA" and figure.width >= 2 * 800, name
            assert figure.getpixel((0, 0))[3] == 0 and figure.getpixel((figure.width // 2, 8)) == (255, 255, 255, 255)


def test_every_public_method_has_a_row_in_the_gallery_once(scripts):
    assert sorted(scripts["gallery"]["rows"]()) == sorted(by_name())


def test_every_figure_is_shown_and_explained_beside_it(scripts):
    text = (FOLDER / "README.md").read_text()
    for name in scripts["make"]["FIGURES"]:
        assert f"]({name})" in text and f"`{name}`: " in text


def test_the_license_of_every_photograph_is_named(scripts):
    text = (FOLDER / "LICENSES.md").read_text()
    assert all(f"| {name} | `" in text for name in scripts["gallery"]["photographs"].NAMES)


def test_an_unknown_figure_is_a_mistake(scripts, capsys):
    assert scripts["make"]["main"](["galery"]) == 2
    assert "no figure galery; wanted some of readme.webp" in capsys.readouterr().err
