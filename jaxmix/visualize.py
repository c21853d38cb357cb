"""Figures of mixed batches: images, partners, masks, labels and maps. Needs Pillow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxmix import arguments
from jaxmix.mix import Mix

__all__ = ["contact_sheet", "overlay"]

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

# Ten colors that are easy to tell apart, the eight of Okabe and Ito (2008) and two greys; classes take them in turn.
_COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555", "#a0a0a0", "#8c510a"]
# From black through violet and orange to light yellow, lighter all the way.
_GLOW = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
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
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError("jaxmix.visualize needs Pillow: pip install pillow") from error
    images, mixed = _pixels(images, "images"), _pixels(mixed, "mixed")
    if images.shape != mixed.shape:
        raise ValueError(f"images have shape {images.shape} and mixed {mixed.shape}; wanted the same shape")
    count = min(count, len(images))
    source, weight, mask = _heaviest(*(np.asarray(field)[:count] for field in mix[:3]), limit=4)
    rows = _rows(images, mixed, None if maps is None else overlay(images, maps), source, weight, mask)
    slots, classes = weight.shape[1], _classes(labels)
    if names is not None and len(names) <= classes.max():
        raise ValueError(f"there are {len(names)} names, but class {classes.max()} among the labels")

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
    left = float(start)
    for slot, (share, label) in enumerate(zip(weight.tolist(), classes.tolist(), strict=True)):
        color, row = _COLORS[label % len(_COLORS)], top + _LINE * (slot + 1)
        if share > 0:
            pen.rectangle((left, top, left + max(share * width - 1, 0), top + _LINE - 3), fill=color)
        if slot > 1 and share == 0:
            continue
        pen.rectangle((start, row + 3, start + 6, row + 9), fill=color)
        pen.text((start + 10, row), f"{names[label] if names else label}: {share:.2f}", _INK, font)
        left += share * width


def overlay(images: np.ndarray | jax.Array, maps: np.ndarray | jax.Array) -> np.ndarray:
    """Plot maps over their images, uint8 [b h w 3]: grey images, coloured where the map is high.

    Args:
        images: [b h w c], uint8, or floating in [0, 1]; c is 1 or 3.
        maps: [b n m], one for each image, coarser or as fine; each is scaled from its lowest to its highest value.

    Raises:
        ValueError: images that aren't [b h w 1] or [b h w 3], another number of maps, or maps without a pixel.

    >>> overlay(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 4, 4))).shape
    (2, 8, 8, 3)
    """
    images, maps = _pixels(images, "images"), np.asarray(maps, np.float32)
    size, height, width, _ = images.shape
    if maps.ndim != 3 or maps.shape[0] != size or 0 in maps.shape:
        raise ValueError(f"maps have shape {maps.shape}; wanted one map for each of {size} images, [{size} n m]")
    rows, columns = (
        np.arange(side) * count // side for side, count in zip((height, width), maps.shape[1:], strict=True)
    )
    maps = np.where(np.isfinite(maps), maps, 0)[:, rows][:, :, columns]
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    level = (maps - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    glow = np.stack([np.interp(level, np.linspace(0, 1, len(_GLOW)), channel) for channel in _GLOW.T], -1)
    grey = images.mean(-1, keepdims=True)
    return np.rint(0.4 * grey + 0.6 * glow).astype(np.uint8)


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


def _pixels(images: np.ndarray | jax.Array, name: str) -> np.ndarray:
    """Convert images to uint8 on the host."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{name} have shape {images.shape}; wanted [b h w 1] or [b h w 3]")
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images.astype(np.float32), 0, 1) * 255).astype(np.uint8)


def _classes(labels: np.ndarray | jax.Array) -> np.ndarray:
    labels = np.asarray(labels)
    return labels if labels.ndim == 1 else np.asarray(arguments.one_hot(labels, None)).argmax(1)
