"""What checks the annotations of jaxmix under pytest: beartype, to which an int is a float, as to Python's typing.

Arguments are checked together with the result, once a function returns: what it refuses by an error of its own, as the
tests of wrong arguments want to see, it may get.
"""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """What jaxtyping's import hook calls, twice a function: for its arguments alone, and for both with the result."""
    return function if function.__annotations__.get("return") is Any else _checked(function)
