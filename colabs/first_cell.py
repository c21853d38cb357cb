# @title Setup: jaxmix from this checkout or from git; the runtime's own jax stays
needs = []

import importlib.metadata
import pathlib
import subprocess
import sys

from packaging.requirements import Requirement


def fits(requirement):
    """Whether a package is installed, in a version that the requirement allows."""
    wanted = Requirement(requirement)
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def install(*arguments):
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]
    if subprocess.run(command).returncode:
        raise ImportError(f"failed; run it in a terminal, then restart the runtime: python {' '.join(command[1:])}")
    importlib.invalidate_caches()


if not fits("jax>=0.7"):
    raise ImportError(
        'jaxmix needs jax 0.7 or newer: pip install -U jax, on a TPU "jax[tpu]"; then restart the runtime'
    )
missing = [need for need in ["jaxtyping>=0.3", "numpy>=2.0", "scipy>=1.14", *needs] if not fits(need)]
if missing:
    install(*missing, f"jax=={importlib.metadata.version('jax')}")

here = pathlib.Path.cwd()
projects = [folder / "pyproject.toml" for folder in [here, *here.parents]]
checkout = next((file.parent for file in projects if file.exists() and 'name = "jaxmix"' in file.read_text()), None)
if checkout:
    sys.path.insert(0, str(checkout))
elif not fits("jaxmix"):
    install("--no-deps", "git+https://github.com/OWNER/jaxmix")

import jax

import jaxmix

if not hasattr(jaxmix, "Mix"):
    raise ImportError("another project's package of this name is installed: pip uninstall jaxmix, then restart")
print(f"jaxmix {jaxmix.__version__} from {'this checkout' if checkout else 'its installation'}, jax {jax.__version__}")
