"""Importing the library: what it imports besides JAX, and what it says to a JAX that is too old."""

import importlib
import pathlib
import re
import subprocess
import sys

import jax
import pytest

from jaxmix import _versions

IMPORTED = """
import sys, jax
before = set(sys.modules)
import jaxmix
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""


def test_importing_the_library_imports_jaxtyping_and_no_other_package_that_jax_does_not():
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    # Of numpy its types; scipy, which JAX imports in part, matplotlib and Pillow only where a function needs them.
    assert sorted(done.stdout.split()) == ["jaxmix", "jaxtyping", "numpy"]


TYPES = """
import gc, jaxtyping, jaxmix
print(sum(isinstance(one, type) and issubclass(one, jaxtyping.AbstractArray) for one in gc.get_objects()))
"""


def test_importing_the_library_makes_types_of_arrays_for_aliases_alone():
    done = subprocess.run([sys.executable, "-c", TYPES], capture_output=True, text=True, check=True)
    # Those of all annotations, a thousand, took longer to make than the rest of the library takes to import.
    assert int(done.stdout) < 100


@pytest.mark.parametrize("version", ["0.6.2", "0.4.38", "0.6.99.dev20250801"])
def test_a_jax_that_is_too_old_is_named_with_the_command(version, monkeypatch):
    monkeypatch.setattr(jax, "__version__", version)
    with pytest.raises(ImportError, match=rf"jax {version} is installed; jaxmix needs jax 0\.7 or later: pip install"):
        importlib.reload(_versions)


@pytest.mark.parametrize("version", ["0.7.0", "0.7.2", "0.10.2", "0.12.0.1", "0.13.0.dev20261101", "1.0"])
def test_later_versions_pass(version):
    _versions.check(version)


def test_the_oldest_version_is_that_of_the_requirements_and_is_checked_first():
    root = pathlib.Path(__file__).parents[1]
    floor = re.search(r'"jax>=([\d.]+)"', (root / "pyproject.toml").read_text())[1]
    assert floor == ".".join(map(str, _versions.OLDEST))
    imports = re.findall(r"^from .*", (root / "jaxmix" / "__init__.py").read_text(), re.MULTILINE)
    assert imports[0].startswith("from jaxmix import _versions ")
