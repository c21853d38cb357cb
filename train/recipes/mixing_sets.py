"""The images that PixMix mixes with, made once for each size of image from a fixed key, and its views."""

import functools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

import jaxmix
from jaxmix.methods.pixmix.generation import Generator
from jaxmix.methods.pixmix.mixing_set import KINDS
from recipes.views import Views

__all__ = ["images", "pixmix"]

SEED = 0
# Bytes of a mixing set at most: it becomes a constant of the compiled step.
MOST = 2**27


@functools.cache
def images(number: int, side: int, kinds: tuple[Generator, ...]) -> UInt8[np.ndarray, "n side side 3"]:
    """Make the mixing set of a recipe, also while a step is traced; the same in every process and every run."""
    with jax.ensure_compile_time_eval(), jax.transfer_guard("allow"):  # the step itself may be forbidden to copy
        made = jaxmix.mixing_images(jax.random.key(SEED), number, side, kinds=kinds)
        return np.asarray(made)


def pixmix(
    number: int = 2000, margin: float = 1 / 8, kinds: Sequence[Generator] = KINDS, **hyper_parameters: Any
) -> Views:
    """PixMix as the only view of each image; the mixing images are larger by a share of the side, the margin."""
    return partial(_pixmix, number=number, margin=margin, kinds=tuple(kinds), **hyper_parameters)


def _pixmix(
    key: jax.Array,
    pixels: Float[Array, "b h w c"],
    *,
    number: int,
    margin: float,
    kinds: tuple[Generator, ...],
    **hyper_parameters: Any,
) -> Float[Array, "1 b h w c"]:
    side = max(pixels.shape[1:3])
    side = max(8, side + round(margin * side))
    mixing_set = images(min(number, MOST // (3 * side**2)), side, kinds)
    if pixels.shape[3] != 3:
        mixing_set = mixing_set[..., :1].repeat(pixels.shape[3], 3)
    return jaxmix.pixmix(key, pixels, jnp.asarray(mixing_set), **hyper_parameters)[0][None]
