"""Sheets that compare methods: the same images under each, with the label as a bar."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from jaxmix import arguments
from jaxmix.mix import Mix
from jaxmix.visualize import pillow
from jaxmix.visualize.label_bars import color_of, plot_bar
from jaxmix.visualize.overlays import to_levels

__all__ = ["Row", "method_sheet", "tinted_mask"]

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# In pixels: around the sheet, between columns, between rows, between what belongs together; height of a bar.
_EDGE, _COLUMN, _ROW, _GAP, _BAR = 16, 10, 16, 4, 18
_LIGHT, _DARK = ("#ffffff", "#1f2328"), ("#0d1117", "#e6edf3")  # paper and ink


class Row(NamedTuple):
    """A batch under one method.

    title:  of the row, such as the name of the method
    images: [b h w c], mixed
    mix:    how they were mixed
    """

    title: str
    images: np.ndarray | jax.Array
    mix: Mix


@arguments.annotated
def method_sheet(
    images: np.ndarray | jax.Array,
    rows: Sequence[Row],
    names: Sequence[str],
    *,
    masks: bool = False,
    dark: bool = False,
    tile: int = 160,
) -> "Image.Image":
    """Plot images, and below them a row for each method: the mixed images, with their labels as bars.

    Every image is a class of its own, whose color stands beside its name; a bar has the weights of the label.

    Args:
        images: [b h w c] before mixing, uint8, or floating in [0, 1] (other values are clipped); c is 1 or 3.
        rows: the same batch after mixing, by one method each.
        names: of the images.
        masks: plot below each row the image that each pixel is taken from, in its color; where there is none, black.
        dark: light on dark.
        tile: side of an image on the sheet, in pixels; the longer side where they differ.

    Raises:
        ValueError: images that aren't [b h w 1] or [b h w 3], rows of another shape, another number of names.
        ImportError: Pillow isn't installed.

    >>> import jaxmix
    >>> images = jax.numpy.zeros((2, 32, 32, 3), jax.numpy.uint8)
    >>> row = Row("cutmix", *jaxmix.cutmix(jax.random.key(0), images))
    >>> method_sheet(images, [row], ["cat", "cup"], tile=100).size
    (306, 292)
    """
    pillow.require()
    from PIL import Image, ImageDraw, ImageFont

    tile, names = arguments.count("tile", tile, high=4096), arguments.some("names", names, str)
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Row) for row in rows):
        raise ValueError(f"rows came as {type(rows).__name__}; wanted a sequence of visualize.Row, one for each method")
    before, after = to_levels(images, "images"), [to_levels(row.images, row.title) for row in rows]
    _check(before, rows, after, names)
    height, width = (max(1, round(tile * side / max(before.shape[1:3]))) for side in before.shape[1:3])
    (paper, ink), font, small = (_DARK if dark else _LIGHT), ImageFont.load_default(15), ImageFont.load_default(12)
    titles = ["images", *(row.title for row in rows)]
    left = 2 * _EDGE + round(max(font.getlength(title) for title in titles))
    columns = [left + i * (width + _COLUMN) for i in range(len(before))]
    step = height + _GAP + _BAR + masks * (_GAP + height) + _ROW
    top = _EDGE + height + _GAP + _BAR + _ROW
    sheet = Image.new("RGB", (columns[-1] + width + _EDGE, top + len(rows) * step - _ROW + _EDGE), paper)
    pen = ImageDraw.Draw(sheet)
    for title, at in zip(titles, [_EDGE, *(top + i * step for i in range(len(rows)))], strict=True):
        pen.text((_EDGE, at + height / 2), title, ink, font, anchor="lm")

    _paste(sheet, before, columns, _EDGE, (width, height))
    for label, (column, name) in enumerate(zip(columns, names, strict=True)):
        middle = _EDGE + height + _GAP + _BAR // 2
        pen.rectangle((column, middle - 5, column + 9, middle + 4), fill=color_of(label))
        pen.text((column + 15, middle), _shortened(name, small, width - 15), ink, small, anchor="lm")
    for row, mixed in zip(rows, after, strict=True):
        _paste(sheet, mixed, columns, top, (width, height))
        _plot_bars(
            pen, row.mix, [(x, top + height + _GAP, x + width, top + height + _GAP + _BAR) for x in columns], small
        )
        if masks:
            _paste(sheet, tinted_mask(row.mix), columns, top + height + 2 * _GAP + _BAR, (width, height))
        top += step
    return sheet


def tinted_mask(mix: Mix) -> np.ndarray:
    """Blend the colors of the sources as the mask blends their pixels, each image a class of its own: uint8 [b h w 3].

    >>> mask = jax.numpy.array([[[[1.0, 0.0]], [[0.0, 1.0]]]] * 2)
    >>> mix = Mix(jax.numpy.array([[0, 1], [1, 0]]), jax.numpy.full((2, 2), 0.5), mask, (None, None))
    >>> tinted_mask(mix)[0, 0].tolist()  # the first two of the colors of Okabe and Ito
    [[0, 114, 178], [230, 159, 0]]
    """
    source = np.asarray(mix.source)
    colors = np.array(
        [[int(color_of(label)[at : at + 2], 16) for at in (1, 3, 5)] for label in range(source.max() + 1)]
    )
    tinted = np.einsum("bshw,bsc->bhwc", np.asarray(mix.mask, np.float64), colors[source])
    return np.rint(np.clip(tinted, 0, 255)).astype(np.uint8)


def _check(before: np.ndarray, rows: Sequence[Row], after: list[np.ndarray], names: Sequence[str]) -> None:
    for row, mixed in zip(rows, after, strict=True):
        if mixed.shape != before.shape:
            raise ValueError(f"images have shape {before.shape} and {row.title} {mixed.shape}; wanted the same shape")
    if len(names) != len(before):
        raise ValueError(f"there are {len(names)} names for {len(before)} images; wanted one for each")


def _paste(sheet: "Image.Image", tiles: np.ndarray, columns: list[int], top: int, size: tuple[int, int]) -> None:
    """Place tiles [b h w c] in a row, smoothed where they get smaller, each pixel a square where they get larger."""
    from PIL import Image

    for column, pixels in zip(columns, tiles, strict=True):
        tile = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())
        smaller = tile.width > size[0] or tile.height > size[1]
        sheet.paste(tile.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.NEAREST), (column, top))


def _plot_bars(pen: "ImageDraw.ImageDraw", mix: Mix, boxes: list[tuple[int, int, int, int]], font: "Font") -> None:
    for box, weight, source in zip(boxes, np.asarray(mix.weight), np.asarray(mix.source), strict=True):
        plot_bar(pen, box, weight, source, font)


def _shortened(text: str, font: "Font", width: float) -> str:
    """A text that fits the width, cut at its end where it is longer."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "..") > width:
        text = text[:-1]
    return text + ".."
