"""Pillow, which only figures need."""

import importlib.util

__all__ = ["require"]


def require() -> None:
    """Say what to install where Pillow is missing.

    Raises:
        ImportError: Pillow isn't installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise ImportError("jaxmix.visualize needs Pillow: pip install pillow")
