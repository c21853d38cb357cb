"""Ends a program with one line where a package that it needs is not installed; each program imports it first."""

import importlib.util
import sys
from pathlib import Path

__all__ = ["NEEDED", "missing", "require"]

# What the programs import, jaxmix itself included: its `train` extra, without what only one option needs.
NEEDED = (
    *("jax", "jaxmix", "flax", "jaxtyping", "matplotlib", "optax", "orbax", "PIL", "safetensors", "sklearn", "tqdm"),
    "tyro",
)


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that can't be imported."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def require(packages: tuple[str, ...]) -> None:
    """Exit with what to install unless all packages are there."""
    absent = missing(packages)
    if absent:
        checkout = Path(__file__).resolve().parents[1]
        sys.exit(
            f"error: not installed: {', '.join(absent)}. Wanted jaxmix with its train extra: "
            f'pip install -e "{checkout}[train]" (or uv pip install ...), then the same command.'
        )


require(NEEDED)
