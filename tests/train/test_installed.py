"""A program without its packages says what to install."""

import pathlib
import subprocess
import sys

import pytest

import installed

TRAIN = pathlib.Path(installed.__file__).parent


@pytest.mark.parametrize("program", ["cifar", "compare", "evaluate", "export"])
def test_a_program_without_its_packages_ends_in_one_line_that_says_what_to_install(program):
    bare = [sys.executable, "-S", "-E", str(TRAIN / f"{program}.py"), "--help"]  # without site-packages
    finished = subprocess.run(bare, capture_output=True, text=True, check=False)
    (line,) = finished.stderr.splitlines()
    assert (finished.returncode, finished.stdout) == (1, "")
    assert line.startswith("error: not installed: jax, jaxmix, flax, ")
    assert f'pip install -e "{TRAIN.parent}[train]" (or uv pip install ...)' in line


def test_what_is_installed_is_not_missing():
    assert installed.missing((*installed.NEEDED, "no_such_package")) == ["no_such_package"]
