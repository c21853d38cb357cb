"""Masks: the partner's share of each pixel, in [0, 1], float32.

Many masks are the outer product of a profile of the rows and a profile of the columns (`outer`). Random
functions take a key and a number of draws d; the others are deterministic, and d is their leading axis.
"""

from jaxmix.masks.boxes import (
    Center,
    Profiles,
    column_band,
    even_box,
    gaussian_center,
    inner_corner,
    outer,
    real_box,
    real_center,
    row_band,
    uniform_center,
    window,
)
from jaxmix.masks.fourier_noise import authors_anisotropic, brightest, brightest_soft, isotropic, spectrum_noise
from jaxmix.masks.grids import cells, holes
from jaxmix.masks.soft_edges import bump, ramp, relative_ramp
from jaxmix.masks.tokens import Tokens, first_tokens, random_tokens, token_blocks, tokens_needed, with_blocks

__all__ = [
    "Center",
    "Profiles",
    "Tokens",
    "authors_anisotropic",
    "brightest",
    "brightest_soft",
    "bump",
    "cells",
    "column_band",
    "even_box",
    "first_tokens",
    "gaussian_center",
    "holes",
    "inner_corner",
    "isotropic",
    "outer",
    "ramp",
    "random_tokens",
    "real_box",
    "real_center",
    "relative_ramp",
    "row_band",
    "spectrum_noise",
    "token_blocks",
    "tokens_needed",
    "uniform_center",
    "window",
    "with_blocks",
]
