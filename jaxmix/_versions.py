"""The check that JAX is recent enough, made before any other module is imported."""

import re

import jax

__all__ = ["OLDEST", "check"]

OLDEST = (0, 7)


def check(installed: str) -> None:
    """Raise an ImportError if a version of JAX is too old.

    >>> check("0.10.2")
    """
    if tuple(int(part) for part in re.findall(r"\d+", installed)[:2]) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ImportError(
            f"jax {installed} is installed; jaxmix needs jax {wanted} or later: "
            f'pip install --upgrade "jax>={wanted}" (on a GPU "jax[cuda12]>={wanted}", on a TPU "jax[tpu]>={wanted}")'
        )


check(jax.__version__)
