"""What checks the annotations of jaxmix under pytest: beartype, to which ints are floats and NumPy arrays are arrays.

Arguments are checked together with the result, once a function returns: what it refuses by an error of its own, as the
tests of wrong arguments want to see, it may get.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeCallHintViolation

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """What jaxtyping's import hook calls, twice a function: for its arguments alone, and for both with the result."""
    if function.__annotations__.get("return") in (Any, "Any"):
        return function
    strict = _checked(function)

    @functools.wraps(function)
    def checked(*arguments, **options):
        try:
            return strict(*arguments, **options)
        except BeartypeCallHintViolation:
            call = arguments, options
            arguments, options = jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, call)
            return strict(*arguments, **options)

    return checked
