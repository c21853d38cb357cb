"""The same photographs under every method: a compact grid for the README, and a gallery of one row for each method."""

import math
from pathlib import Path

import numpy as np
import photographs
from canvas import GREY, INK, Card
from mixes import SIDE, Example, example, names
from PIL import ImageFont

from jaxmix.visualize.label_bars import color_of, plot_bar
from jaxmix.visualize.method_sheets import tinted_mask
from jaxmix.visualize.overlays import overlay

__all__ = ["gallery", "readme", "rows"]

_PAD, _GAP = 32, 16


def rows() -> list[str]:
    """Name the methods that the figures show: every public one."""
    return names()


def readme(path: Path) -> None:
    """Plot the photographs, then the first one under every method, with its label as a bar."""
    methods, originals = rows(), len(photographs.NAMES)
    cells = originals + len(methods)
    columns = min((6, 7, 8), key=lambda count: (-cells % count, count))
    bar, line = 30, 60
    step = SIDE + 6 + bar + line
    height = 2 * _PAD + math.ceil(cells / columns) * step - 20
    card = Card(2 * _PAD + columns * (SIDE + _GAP) - _GAP, height)
    for cell in range(cells):
        left, top = _PAD + cell % columns * (SIDE + _GAP), _PAD + cell // columns * step
        if cell < originals:
            card.tile(photographs.batch(SIDE)[cell], (left, top), SIDE)
            one, own, title = np.ones(1), np.array([cell]), photographs.NAMES[cell]
        else:
            shown = example(methods[cell - originals])
            card.tile(shown.mixed[0], (left, top), SIDE)
            one, own, title = shown.mix.weight[0], shown.mix.source[0], shown.name
        box = (left, top + SIDE + 6, left + SIDE, top + SIDE + 6 + bar)
        plot_bar(card.pen, box, one, own, ImageFont.load_default(21) if cell >= originals else None)
        card.text((left, top + SIDE + 6 + bar + 6), title, 25, GREY if cell < originals else INK)
    if cells % columns:
        left, top = _PAD + cells % columns * (SIDE + _GAP), _PAD + cells // columns * step
        for line, text in enumerate(
            ("Every tile: the cat,", "mixed by one method.", "Its bar: weights of", "the label.")
        ):
            card.text((left + 8, top + 60 + 36 * line), text, 24, GREY)
    card.save(path, quality=74)


def gallery(path: Path) -> None:
    """Plot a row for each method: the images, the partner's map, the mask, the result, and the label."""
    side, margin, bar = 176, 290, 330
    columns = [margin + _PAD + i * (side + _GAP) for i in range(6)]
    methods, head, step = rows(), 56, side + 14
    card = Card(columns[5] + bar + _PAD, _PAD + head + len(methods) * step - 14 + _PAD)
    titles = ("image", "partner", "map", "mask", "mixed", "label")
    for title, left in zip(titles, columns, strict=True):
        card.text((left, _PAD), title, 26, GREY)
    for place, name in enumerate(methods):
        _row(card, example(name), (columns, _PAD + head + place * step), side, bar)
    card.save(path, quality=64)


def _row(card: Card, shown: Example, place: tuple[list[int], int], side: int, bar: int) -> None:
    """Plot one row at the places of its columns and its top."""
    columns, top = place
    mix, images, middle = shown.mix, photographs.batch(SIDE), top + side // 2
    partner = int(mix.source[0, 1:][np.argmax(mix.weight[0, 1:])]) if mix.source.shape[1] > 1 else None
    card.text((_PAD, middle), shown.name, 28, anchor="lm")
    card.tile(images[0], (columns[0], top), side)
    if partner is not None:
        card.tile(images[partner], (columns[1], top), side)
    if shown.maps is not None:
        card.tile(overlay(images, shown.maps)[0 if partner is None else partner], (columns[2], top), side)
    if mix.mask.shape[1] > 1 or (mix.mask < 1).any():
        card.tile(tinted_mask(mix)[0], (columns[3], top), side)
    card.tile(shown.mixed[0], (columns[4], top), side)
    plot_bar(card.pen, (columns[5], top, columns[5] + bar, top + 34), mix.weight[0], mix.source[0])
    line = 0
    for share, source in zip(mix.weight[0].tolist(), mix.source[0].tolist(), strict=True):
        if share > 0:
            at = top + 66 + 40 * line
            card.pen.rectangle((columns[5], at - 10, columns[5] + 19, at + 9), fill=color_of(source))
            card.text((columns[5] + 32, at), f"{photographs.NAMES[source]}: {share:.2f}", 26, anchor="lm")
            line += 1
