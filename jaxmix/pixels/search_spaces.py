"""The operations of AutoAugment and its successors, with their ranges divided into bins."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.pixels import operations
from jaxmix.pixels.random_operations import RangedOperation

__all__ = ["autoaugment", "linspace", "space", "trivialaugment_wide"]

Values = Float[np.ndarray, "bins"]


def autoaugment(bins: int) -> dict[str, RangedOperation]:
    """AutoAugment's and RandAugment's: slopes to 0.3, 30 degrees, shifts by 150 / 331 of a side, 8 to 4 bits."""
    return space(bins, slope=0.3, degrees=30, factor=0.9, lost_bits=4, shift=lambda side: 150 / 331 * side)


def trivialaugment_wide(bins: int) -> dict[str, RangedOperation]:
    """TrivialAugmentWide's: slopes to 0.99, 135 degrees, shifts by 32 pixels, 8 to 2 bits."""
    return space(bins, slope=0.99, degrees=135, factor=0.99, lost_bits=6, shift=lambda side: 32.0)


def space(
    bins: int, *, slope: float, degrees: float, factor: float, lost_bits: int, shift: Callable[[int], float]
) -> dict[str, RangedOperation]:
    """The operations by name; the level of each is the index of its bin."""

    def spread(end: float, start: float = 0.0) -> Callable[[int], Values]:
        return lambda side: linspace(start, end, bins)

    def pixels(side: int) -> Values:
        return -np.trunc(linspace(0.0, shift(side), bins))  # to the right and down

    def bits(side: int) -> Values:
        return 8 - np.round(np.arange(bins) * lost_bits / max(bins - 1, 1))

    slopes, factors = spread(slope), spread(factor)
    return {
        "identity": RangedOperation(operations.IDENTITY),
        "shear_x": RangedOperation(operations.SHEAR_X, _at_bin(slopes), signed=True),
        "shear_y": RangedOperation(operations.SHEAR_Y, _at_bin(slopes), signed=True),
        "translate_x": RangedOperation(operations.SHIFT_X, _at_bin(pixels), signed=True),
        "translate_y": RangedOperation(operations.SHIFT_Y, _at_bin(pixels), signed=True, tall=True),
        "rotate": RangedOperation(operations.ROTATE, _at_bin(spread(degrees)), signed=True),
        "brightness": RangedOperation(operations.BRIGHTNESS, _at_bin(factors), signed=True, base=1.0),
        "color": RangedOperation(operations.COLOR, _at_bin(factors), signed=True, base=1.0),
        "contrast": RangedOperation(operations.CONTRAST, _at_bin(factors), signed=True, base=1.0),
        "sharpness": RangedOperation(operations.SHARPNESS, _at_bin(factors), signed=True, base=1.0),
        "posterize": RangedOperation(operations.POSTERIZE, _at_bin(bits)),
        "solarize": RangedOperation(operations.SOLARIZE, _at_bin(spread(0.0, 255.0))),
        "autocontrast": RangedOperation(operations.AUTOCONTRAST),
        "equalize": RangedOperation(operations.EQUALIZE),
        "invert": RangedOperation(operations.INVERT),
    }


def linspace(start: float, end: float, bins: int) -> Values:
    """Values from start to end, each rounded once: the first half counted from the start, the rest back from the end.

    Both ends and the step are rounded too, so the 16th of 31 values from 0 to 32 is 15.999999, which truncates to 15:
    so it is in torchvision, where most results come from.
    """
    start, end = float(np.float32(start)), float(np.float32(end))
    step, number = float(np.float32((end - start) / max(bins - 1, 1))), np.arange(bins)
    up, down = start + step * number, end - step * (bins - 1 - number)
    return np.where(number < bins // 2, up, down).astype(np.float32)


def _at_bin(table: Callable[[int], Values]) -> Callable[[Array, int], Array]:
    """The amount of a bin."""

    def amount(level: Array, side: int) -> Array:
        values = jnp.asarray(table(side), jnp.float32)
        return values[jnp.clip(jnp.round(level).astype(jnp.int32), 0, len(values) - 1)]

    return amount
