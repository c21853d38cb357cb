"""The choice between two forms of one function, by the platform that a program is compiled for.

| function | form for CPUs | form for accelerators (GPUs, TPUs) |
|---|---|---|
| `methods.pixmix.rounds.mixed` | a loop over images with a branch per round | a pass over all images for each round |
| `numerics.materialize` | a branch that is always taken, which XLA on CPU doesn't fuse | an optimization barrier |
| `pixels.lookup_tables.equalize` | a running sum | a product with a triangular matrix |
| `pixels.operation_chains.apply_chains` | a loop over images with a branch per operation | one pass over all images |
| `robustness.corruptions.per_image.each` | a loop over images | all images at once |

Both forms have the same results. A CPU has few, fast cores: what is computed counts, and a loop or a branch costs
nothing. On an accelerator each step of a loop is a launch, and a branch waits for its condition: what counts is the
number of passes. Nothing else in the library depends on the platform.
"""

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["form"]


def form(*operands: Any, cpu: Callable[..., Any], accelerator: Callable[..., Any]) -> Any:
    """Apply one of two functions to the operands: `cpu` where the program is compiled for CPUs, or else `accelerator`.

    The choice is made when a program is lowered, not when it is traced, so that one trace serves all platforms: that of
    `jax.export` for several of them, or of a step whose augmentation is jitted for the CPU of a machine with a GPU. The
    form that isn't chosen is traced too, but neither compiled nor run.

    Args:
        operands: pytrees of arrays.
        cpu: function of the operands.
        accelerator: function of the operands, whose result has the same structure, shapes and dtypes.

    Returns:
        The result of the chosen function.

    Raises:
        TypeError: results that differ in structure, shape or dtype.

    >>> form(jax.numpy.arange(3), cpu=lambda x: x + 1, accelerator=lambda x: 1 + x).tolist()
    [1, 2, 3]
    """
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=accelerator)
