"""The 19 corruptions of ImageNet-C by severity."""

import math
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import photographs
from canvas import GREY, Card

from jaxmix.robustness.corruptions import EXTRA, LIKE, MAIN, corrupt

__all__ = ["corruptions"]

_SIDE, _TILE, _GAP, _PAD, _MARGIN = 224, 116, 6, 32, 196
# What can't be shipped or rendered has a substitute.
_SUBSTITUTES = {name.removesuffix("_like"): name for name in LIKE}


def corruptions(path: Path) -> None:
    """Plot the coffee cup under each corruption, severities 1 to 5, in two columns."""
    x = jnp.asarray(photographs.batch(_SIDE)[2:])
    names = [_SUBSTITUTES.get(name, name) for name in (*MAIN, *EXTRA)]
    rows, width = math.ceil(len(names) / 2), _MARGIN + 5 * (_TILE + _GAP)
    card = Card(2 * _PAD + 2 * width + 40, _PAD + 44 + rows * (_TILE + _GAP) + _PAD)
    for place, name in enumerate(names):
        left, top = _PAD + place // rows * (width + 40), _PAD + 44 + place % rows * (_TILE + _GAP)
        for line, word in enumerate(words := name.split("_")):
            card.text((left, top + _TILE / 2 + 28 * (line - (len(words) - 1) / 2)), word, 25, anchor="lm")
        if place % rows == 0:
            card.text((left, _PAD), "severity", 25, GREY)
        key = jax.random.key(zlib.crc32(name.encode()))
        for severity in range(1, 6):
            column = left + _MARGIN + (severity - 1) * (_TILE + _GAP)
            if place % rows == 0:
                card.text((column + _TILE / 2, _PAD), f"{severity}", 25, GREY, anchor="ma")
            corrupted = jax.device_get(corrupt(key, x, name, severity, constants="imagenet"))[0]
            card.tile(corrupted, (column, top), _TILE)
    if len(names) % 2:
        left, top = _PAD + width + 40, _PAD + 44 + (rows - 1) * (_TILE + _GAP)
        card.text((left, top + _TILE / 2), "not corrupted", 25, GREY, anchor="lm")
        card.tile(jax.device_get(x)[0], (left + _MARGIN, top), _TILE)
    card.save(path, quality=72)
