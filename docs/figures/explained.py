"""Figures that explain one idea each: a mix is data, SAGE's search, PuzzleMix's blocks."""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import photographs
from canvas import GREY, INK, Card
from mixes import SIDE, example
from PIL import ImageFont

import jaxmix
from jaxmix import saliency, shifts
from jaxmix.methods import sage
from jaxmix.visualize import examples
from jaxmix.visualize.label_bars import plot_bar
from jaxmix.visualize.method_sheets import tinted_mask
from jaxmix.visualize.overlays import overlay

__all__ = ["mix_is_data", "puzzlemix_blocks", "sage_search"]

_PAD, _GAP, _LINE = 36, 20, 44


def mix_is_data(path: Path) -> None:
    """Plot the two equations of a mix with CutMix: masks and images give the image, weights and classes the label."""
    shown, images = example("cutmix"), photographs.batch(SIDE)
    own, partner = shown.mix.source[0].tolist()
    masks = np.rint(shown.mix.mask[0, :, :, :, None] * 255).astype(np.uint8)
    tiles = [masks[0], images[own], masks[1], images[partner], shown.mixed[0]]
    titles = ["mask[b, 0]", "x[source[b, 0]]", "mask[b, 1]", "x[source[b, 1]]", "image[b]"]
    step, bar = SIDE + 64, 40
    card = Card(2 * _PAD + 4 * step + SIDE, _PAD + _LINE + SIDE + 110 + bar + _PAD)
    top, below = _PAD + _LINE, _PAD + _LINE + SIDE + 110
    for place, (tile, title, sign) in enumerate(zip(tiles, titles, "·+·= ", strict=True)):
        left = _PAD + place * step
        card.text((left, _PAD), title, 28)
        card.tile(tile, (left, top), SIDE)
        card.frame((left, top), SIDE)
        for middle in (top + SIDE / 2, below + bar / 2):
            card.text((left + SIDE + 32, middle), sign, 44, anchor="mm")
    weight = shown.mix.weight[0].tolist()
    words = [f"{weight[0]:.2f}", None, f"{weight[1]:.2f}", None, None]
    labels = ["weight[b, 0]", "y[source[b, 0]]", "weight[b, 1]", "y[source[b, 1]]", "label[b]"]
    for place, (word, title) in enumerate(zip(words, labels, strict=True)):
        left = _PAD + place * step
        card.text((left, below - _LINE), title, 28)
        box = (left, below, left + SIDE, below + bar)
        if word:
            card.text((left + SIDE / 2, below + bar / 2), word, 38, anchor="mm")
        elif place < 4:
            name = photographs.NAMES[own if place == 1 else partner]
            plot_bar(card.pen, box, np.ones(1), np.array([own if place == 1 else partner]))
            card.text((left + SIDE / 2, below + bar / 2), name, 26, "#ffffff" if place == 1 else INK, "mm")
        else:
            plot_bar(card.pen, box, shown.mix.weight[0], shown.mix.source[0], ImageFont.load_default(24))
    card.save(path, quality=90)


def sage_search(path: Path) -> None:
    """Plot two saliency maps, the score of every shift of the partner, and the mix at the best one."""
    side, images = 64, photographs.batch(SIDE)
    maps = examples.pixel_saliency(jnp.asarray(images)).reshape(3, side, SIDE // side, side, -1).mean((2, 4))
    maps = saliency.normalize(saliency.smooth(maps))
    share, partner = 0.55, jnp.array([2, 0, 1])  # of the six pairs the one that gains most
    own_at, other_at = 1, 0
    mix = sage.arrange(jax.random.key(0), maps, jnp.full(3, share), partner, shifts.fourier, SIDE, SIDE)
    mixed, moved = jaxmix.apply(mix, images), mix.warps[1](jnp.asarray(images)[partner])
    own, other = share * maps[own_at][None], (1 - share) * maps[other_at][None]
    scores = np.asarray(_scores(own, other))
    best = np.array(np.unravel_index(scores.argmax(), scores.shape)) - (side - 1)
    if (best != np.asarray(shifts.fourier(None, own, other))[0]).any():
        raise ValueError(f"the best score is at {best}, which isn't the shift that the search found")
    tinted = np.asarray(tinted_mask(jax.device_get(mix)))

    glowing, block, head = overlay(images, maps), 2 * SIDE + _GAP + _LINE, _LINE
    card = Card(2 * _PAD + 3 * (block - _LINE) + 2 * 48, _PAD + head + block + 16)
    lefts = [_PAD + i * (block - _LINE + 48) for i in range(3)]
    squares = (
        (
            (images[own_at], "x"),
            (glowing[own_at], "saliency of x"),
            (images[other_at], "partner"),
            (glowing[other_at], "its saliency"),
        ),
        (
            (np.asarray(moved)[own_at], "partner, shifted"),
            (tinted[own_at], "mask"),
            (np.asarray(mixed)[own_at], "mixed"),
            (None, "label"),
        ),
    )
    for left, square in zip((lefts[0], lefts[2]), squares, strict=True):
        for place, (tile, title) in enumerate(square):
            at = (left + place % 2 * (SIDE + _GAP), _PAD + head + place // 2 * (SIDE + _GAP + _LINE))
            card.text((at[0], at[1] - 36), title, 26)
            if tile is not None:
                card.tile(tile, at, SIDE)
    _plot_scores(card, scores, best, (lefts[1], _PAD + head), block)
    at = (lefts[2] + SIDE + _GAP, _PAD + head + SIDE + _GAP + _LINE)
    weight, source = np.asarray(mix.weight)[own_at], np.asarray(mix.source)[own_at]
    plot_bar(card.pen, (*at, at[0] + SIDE, at[1] + 36), weight, source, ImageFont.load_default(22))
    lines = (f"best shift: v = {scores.max():.3f}", f"no shift: v = {scores[side - 1, side - 1]:.3f}")
    for line, text in enumerate(lines):
        card.text((at[0], at[1] + 64 + 38 * line), text, 23, GREY)
    card.save(path)


@jax.jit
def _scores(own: jax.Array, other: jax.Array) -> jax.Array:
    """Score every shift of one pair, from (1 - h, 1 - w) on."""
    height, width = own.shape[1:]
    columns = jnp.arange(1 - width, width)

    def row(dy: jax.Array) -> jax.Array:
        places = jnp.stack([jnp.full_like(columns, dy), columns], 1)
        return jax.lax.map(lambda shift: shifts.score(own, other, shift[None])[0], places, batch_size=None)

    return jax.lax.map(row, jnp.arange(1 - height, height))


def _plot_scores(card: Card, scores: np.ndarray, best: np.ndarray, place: tuple[int, int], block: int) -> None:
    """Plot the scores of all shifts, with the shift of none and the best one marked."""
    left, top = place
    size = (block - _LINE, block)
    low, high = scores.min(), scores.max()
    glow = matplotlib.colormaps["viridis"]((scores - low) / (high - low))[..., :3]
    card.text((left, top - 36), "score v of every shift", 26)
    card.tile(np.rint(255 * glow).astype(np.uint8), (left, top), size)
    height, width = scores.shape

    def at(shift: np.ndarray) -> tuple[float, float]:
        return left + (shift[1] + width / 2) * size[0] / width, top + (shift[0] + height / 2) * size[1] / height

    card.arrow(at(np.zeros(2)), at(best))
    x, y = at(np.zeros(2))
    card.pen.ellipse((x - 7, y - 7, x + 7, y + 7), fill="#ffffff", outline="#000000", width=2)
    card.text((x + 14, y), "no shift", 23, "#ffffff", "lm")
    card.text(
        (left + 14, top + size[1] - 14),
        f"best shift: {best[0]:+d} rows, {best[1]:+d} columns of 64",
        23,
        "#ffffff",
        "ls",
    )


def puzzlemix_blocks(path: Path) -> None:
    """Plot saliency, the label of each block, the blocks that are moved to where they are visible, and the mix."""
    shown, images = example("puzzlemix", distance_weight=0.1), photographs.batch(SIDE)
    partner = int(shown.mix.source[0, 1])
    z = shown.mix.mask[0, 0]
    blocks, side, step = len(z), 384, 384 + _GAP
    glowing = overlay(images, _pooled(shown.maps, blocks))
    moved = [
        np.asarray(warp(jnp.asarray(images)[np.array([i, i, i])]))[0]
        for warp, i in zip(shown.mix.warps, (0, partner), strict=True)
    ]
    tiles = [
        (images[0], "x"),
        (glowing[0], "saliency of its blocks"),
        (moved[0], "x, blocks moved"),
        (tinted_mask(shown.mix)[0], "labels of the blocks"),
        (images[partner], "partner"),
        (glowing[partner], "saliency of its blocks"),
        (moved[1], "partner, blocks moved"),
        (shown.mixed[0], "mixed"),
    ]
    card = Card(2 * _PAD + 4 * step - _GAP, _PAD + 2 * (side + _LINE + _GAP) - _GAP + _PAD)
    for place, (tile, title) in enumerate(tiles):
        left, top = _PAD + place % 4 * step, _PAD + _LINE + place // 4 * (side + _LINE + _GAP)
        card.text((left, top - 38), title, 28)
        card.tile(
            np.kron(tile, np.ones((side // len(tile),) * 2 + (1,), np.uint8)) if len(tile) <= blocks else tile,
            (left, top),
            side,
        )
        if place in (2, 6):
            _plot_moves(card, shown.mix.warps[place // 4].source[0], (left, top), side)
    card.save(path)


def _pooled(maps: np.ndarray, blocks: int) -> np.ndarray:
    return maps.reshape(len(maps), blocks, SIDE // blocks, blocks, -1).mean((2, 4))


def _plot_moves(card: Card, source: np.ndarray, place: tuple[int, int], side: int) -> None:
    """Plot an arrow from where each block was to where it is shown."""
    rows, columns = source.shape
    for row, column in np.ndindex(rows, columns):
        block = int(source[row, column])
        if block >= 0 and block != row * columns + column:
            start, end = (
                (place[0] + (x + 0.5) * side / columns, place[1] + (y + 0.5) * side / rows)
                for y, x in (divmod(block, columns), (row, column))
            )
            card.arrow(start, end, "#ffffff")
