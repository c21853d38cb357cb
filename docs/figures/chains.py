"""AugMix: the chains of operations of one view, step by step, and the views of an image."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import photographs
from canvas import GREY, Card
from mixes import SIDE

import jaxmix
from jaxmix import sampling
from jaxmix.methods import augmix
from jaxmix.pixels.random_operations import Sampled, apply_sampled_chains

__all__ = ["augmix_chains"]

_PAD, _GAP, _LINE, _SEED, _SEVERITY = 36, 24, 44, 189, 3.0
_LINE_COLOR = "#afb8c1"
_NAMES = "autocontrast equalize posterize rotate solarize shear_x shear_y translate_x translate_y".split()


def augmix_chains(path: Path) -> None:
    """Plot three chains and their weights, and the views that `augmix_views` makes with the same key."""
    x = jnp.asarray(photographs.batch(SIDE)[:1])
    views = np.asarray(jaxmix.augmix_views(jax.random.key(_SEED), x, severity=_SEVERITY))[:, 0]
    # The samples of its first view, and the chains cut after each step.
    chains_key, weight_key, skip_key = jax.random.split(jax.random.key(_SEED), 3)
    sampled = augmix.sample(chains_key, 1, 6, _SEVERITY, None, len(augmix.NINE))
    weight = np.asarray(sampling.dirichlet(weight_key, 1.0, 2, 3))[0]
    m = float(sampling.beta(skip_key, 1.0, 2)[0])
    chosen = np.asarray(sampled.operation)[0, :3]
    steps = [_after(x, sampled, depth) for depth in (1, 2, 3)]
    expected = (1 - m) * np.asarray(x[0], np.float32) + m * sum(
        w * end for w, end in zip(weight, steps[2], strict=True)
    )
    if np.abs(expected - views[1]).max() > 1:
        raise ValueError("the chains aren't those of the view")

    column, row = SIDE + _GAP, SIDE + _LINE + 12
    card = Card(2 * _PAD + 5 * column + 170 - _GAP, _PAD + 3 * row - 12 + _PAD)
    middle = _PAD + row + _LINE
    card.text((_PAD, middle - 38), "x", 27)
    card.tile(np.asarray(x[0]), (_PAD, middle), SIDE)
    for chain in range(3):
        top = _PAD + chain * row + _LINE
        for step in range(3):
            left = _PAD + (1 + step) * column
            if chosen[chain, step] < 0:
                continue
            card.text((left, top - 38), _NAMES[chosen[chain, step]], 27)
            card.tile(steps[step][chain].astype(np.uint8), (left, top), SIDE)
        end = _PAD + (1 + (chosen[chain] >= 0).sum()) * column - _GAP + 4
        if chosen[chain, -1] < 0:  # from the last step of a shorter chain
            card.pen.line((end, top + SIDE // 2, _PAD + 4 * column - 12, top + SIDE // 2), _LINE_COLOR, 3)
        if chain != 1:  # from the image to the first step
            x_middle, y = _PAD + SIDE // 2, top + SIDE // 2
            turn = middle + (SIDE + 4 if chain == 2 else -_LINE - 4)
            card.pen.line((x_middle, turn, x_middle, y, _PAD + column - 4, y), _LINE_COLOR, 3)
        card.text((_PAD + 4 * column + 4, top + SIDE / 2 - 22), f"weight {chain + 1}", 24, GREY, "lm")
        card.text((_PAD + 4 * column + 4, top + SIDE / 2 + 16), f"{weight[chain]:.2f}", 34, anchor="lm")
        left = _PAD + 4 * column + 150
        title = ("clean view", f"view of these chains, m = {m:.2f}", "another view")[chain]
        card.text((left + SIDE, top - 38), title, 25, anchor="ra")
        card.tile(views[chain], (left, top), SIDE)
    card.save(path)


def _after(x: jax.Array, sampled: Sampled, depth: int) -> np.ndarray:
    """The first three chains after some steps, as values 0..255 [3 h w c]."""
    cut = jnp.where(jnp.arange(3, dtype=jnp.int32) < depth, sampled.operation, -1)
    ends = jax.jit(lambda x: apply_sampled_chains(x, sampled._replace(operation=cut), augmix.NINE))(x)
    return np.asarray(ends)[0, :3].astype(np.float32)
