"""Contact sheets of one mixed batch: a column each sample, with its images, masks, the result and the label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxmix import arguments
from jaxmix.mix import Mix, require_mix
from jaxmix.visualize import pillow
from jaxmix.visualize.label_bars import color_of, plot_bar
from jaxmix.visualize.overlays import overlay, to_levels

__all__ = ["contact_sheet"]

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_INK, _PAPER = "#202020", "#ffffff"
# Between tiles, left of them, and height of a line of text, in pixels.
_GAP, _MARGIN, _LINE = 4, 96, 14


def contact_sheet(
    images: np.ndarray | jax.Array,
    mixed: np.ndarray | jax.Array,
    mix: Mix,
    labels: np.ndarray | jax.Array,
    *,
    maps: np.ndarray | jax.Array | None = None,
    names: Sequence[str] | None = None,
    count: int = 8,
    tile: int = 96,
) -> "Image.Image":
    """Plot the first samples of a mixed batch, a column each: its images, masks, the result, and the label as a bar.

    Of more than four slots the four of largest weight are shown, the sample itself first; a slot of weight 0 is blank.

    Args:
        images: [b h w c] before mixing, uint8, or floating in [0, 1] (other values are clipped); c is 1 or 3.
        mixed: the same batch after mixing.
        mix: how it was mixed.
        labels: class ids Int[b], or soft labels Float[b k].
        maps: saliency or class activation maps [b n m] that guided the method, plotted over the images.
        names: name of every class; by default its id.
        count: the number of samples to show.
        tile: side of an image on the sheet, in pixels; the longer side where they differ.

    Raises:
        ValueError: images that aren't [b h w 1] or [b h w 3], another shape for mixed, maps that
            aren't one for each image, fewer names than classes.
        ImportError: Pillow isn't installed.

    >>> import jaxmix
    >>> images = jax.numpy.zeros((4, 32, 32, 3), jax.numpy.uint8)
    >>> mixed, mix = jaxmix.cutmix(jax.random.key(0), images)
    >>> contact_sheet(images, mixed, mix, jax.numpy.arange(4)).size
    (500, 454)
    """
    pillow.require()
    from PIL import Image, ImageDraw, ImageFont

    images, mixed = to_levels(images, "images"), to_levels(mixed, "mixed")
    require_mix(mix)
    if images.shape != mixed.shape:
        raise ValueError(f"images have shape {images.shape} and mixed {mixed.shape}; wanted the same shape")
    count, tile = min(arguments.count("count", count), len(images)), arguments.count("tile", tile, high=4096)
    source, weight, mask = _heaviest(*(np.asarray(field)[:count] for field in mix[:3]), limit=4)
    rows = _rows(images, mixed, None if maps is None else overlay(images, maps), source, weight, mask)
    slots, classes = weight.shape[1], _classes(labels, len(images))
    if names is not None and len(arguments.some("names", names, str)) <= classes.max():
        raise ValueError(f"there are {len(names)} names, but class {classes.max()}; wanted one for each class")

    height, width = (max(1, round(tile * side / max(images.shape[1:3]))) for side in images.shape[1:3])
    bar = _LINE * (1 + slots) + _GAP
    size = (_MARGIN + count * (width + _GAP) + _GAP, len(rows) * (height + _GAP) + bar + 2 * _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, (title, tiles) in enumerate(rows):
        top = _GAP + place * (height + _GAP)
        pen.text((_GAP, top + height / 2), title, _INK, font, anchor="lm")
        for column, pixels in enumerate(tiles):
            tiled = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())
            box = (_MARGIN + column * (width + _GAP), top)
            sheet.paste(tiled.resize((width, height), Image.Resampling.NEAREST), box)
    top = 2 * _GAP + len(rows) * (height + _GAP)
    pen.text((_GAP, top + _LINE / 2), "label", _INK, font, anchor="lm")
    for column in range(count):
        start = _MARGIN + column * (width + _GAP)
        _plot_label(pen, font, (start, top, width), weight[column], classes[source[column]], names)
    return sheet


def _plot_label(
    pen: "ImageDraw.ImageDraw",
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
    place: tuple[int, int, int],
    weight: np.ndarray,
    classes: np.ndarray,
    names: Sequence[str] | None,
) -> None:
    """Plot the label of a sample at (left, top, width): a bar of its weights, and a line for each class."""
    start, top, width = place
    plot_bar(pen, (start, top, start + width, top + _LINE - 2), weight, classes)
    for slot, (share, label) in enumerate(zip(weight.tolist(), classes.tolist(), strict=True)):
        if slot < 2 or share > 0:
            row = top + _LINE * (slot + 1)
            pen.rectangle((start, row + 3, start + 6, row + 9), fill=color_of(label))
            pen.text((start + 10, row), f"{names[label] if names else label}: {share:.2f}", _INK, font)


def _rows(
    images: np.ndarray,
    mixed: np.ndarray,
    heat: np.ndarray | None,
    source: np.ndarray,
    weight: np.ndarray,
    mask: np.ndarray,
) -> list[tuple[str, np.ndarray]]:
    """The rows of a sheet with their titles: of every slot the images and their maps, then the masks, the result."""
    count, slots = weight.shape
    greys = np.rint(mask[:, :, :, :, None] * 255).astype(np.uint8)
    whose = ["own", *["partner"] * (slots - 1)]
    rows = []
    for slot in range(slots):
        blank = (slot > 1) & (weight[:, slot, None, None, None] == 0)
        rows.append((whose[slot], np.where(blank, 255, images[source[:, slot]])))
        if heat is not None:
            rows.append((f"{whose[slot]}'s map", np.where(blank, 255, heat[source[:, slot]])))
    if slots > 1 or (mask < 1).any():  # else nothing of the image is mixed
        rows += [(f"{whose[slot]}'s share", greys[:, slot]) for slot in range(min(1, slots - 1), slots)]
    return [*rows, ("mixed", mixed[:count])]


def _heaviest(
    source: np.ndarray, weight: np.ndarray, mask: np.ndarray, *, limit: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each sample, slot 0 and the slots of largest weight, `limit` in all."""
    if weight.shape[1] <= limit:
        return source, weight, mask
    others = 1 + np.argsort(-weight[:, 1:], 1, kind="stable")[:, : limit - 1]
    kept = np.concatenate([np.zeros((len(weight), 1), int), others], 1)
    row = np.arange(len(weight))[:, None]
    return source[row, kept], weight[row, kept], mask[row, kept]


def _classes(labels: np.ndarray | jax.Array, size: int) -> np.ndarray:
    labels = np.asarray(arguments.numeric("labels", labels))
    if labels.ndim == 2:
        labels = np.asarray(arguments.one_hot(labels, None)).argmax(1)
    return np.asarray(arguments.class_ids(labels, (size,)))
