"""Pictures of what a method did to a batch, for people. Needs Pillow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from jaxmix.mix import Mix, one_hot

if TYPE_CHECKING:
    from PIL import Image

# Ten colors that people tell apart, the eight of Okabe and Ito (2008) and two greys; classes take them in turn.
_COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555", "#a0a0a0", "#8c510a"]
_INK, _PAPER = "#202020", "#ffffff"


def contact_sheet(
    images: np.ndarray | jax.Array,
    mixed: np.ndarray | jax.Array,
    mix: Mix,
    labels: np.ndarray | jax.Array,
    *,
    names: Sequence[str] | None = None,
    count: int = 8,
    tile: int = 96,
) -> "Image.Image":
    """The first samples of a mixed batch, a column each: its pictures, masks, the result, and the label as a bar.

    Args:
        images: [b h w c] before mixing, uint8, or floating in [0, 1] (other values are clipped); c is 1 or 3.
        mixed: the same batch after mixing.
        mix: how it was mixed.
        labels: class ids Int[b], or soft labels Float[b k].
        names: name of every class; by default its number.
        count: how many samples to show.
        tile: side of a picture on the sheet, in pixels; the longer side where they differ.

    Raises:
        ValueError: images that aren't [b h w 1] or [b h w 3], another shape for mixed, fewer names than classes.
        ImportError: Pillow isn't installed.

    >>> import jaxmix
    >>> images = jnp.zeros((4, 32, 32, 3), jnp.uint8)
    >>> mixed, mix = jaxmix.cutmix(jax.random.key(0), images)
    >>> contact_sheet(images, mixed, mix, jnp.arange(4)).size
    (500, 454)
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError("jaxmix.draw needs Pillow: pip install pillow") from error
    images, mixed = _pixels(images, "images"), _pixels(mixed, "mixed")
    if images.shape != mixed.shape:
        raise ValueError(f"images have shape {images.shape} and mixed {mixed.shape}; wanted the same shape")
    count = min(count, len(images))
    source, weight, mask = (np.asarray(field) for field in mix[:3])
    slots = min(weight.shape[1], 4)
    greys = np.rint(mask[:, :, :, :, None] * 255).astype(np.uint8)
    whose = ["own", *["partner"] * (slots - 1)]
    rows = [(whose[slot], images[source[:count, slot]]) for slot in range(slots)]
    rows += [(f"{whose[slot]}'s share", greys[:count, slot]) for slot in range(min(1, slots - 1), slots)]
    rows.append(("mixed", mixed[:count]))

    gap, margin, line = 4, 96, 14
    height, width = (max(1, round(tile * side / max(images.shape[1:3]))) for side in images.shape[1:3])
    bar = line * (1 + slots) + gap
    size = (margin + count * (width + gap) + gap, len(rows) * (height + gap) + bar + 2 * gap)
    sheet = Image.new("RGB", size, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, (title, pictures) in enumerate(rows):
        top = gap + place * (height + gap)
        pen.text((gap, top + height / 2), title, _INK, font, anchor="lm")
        for column, picture in enumerate(pictures):
            tiled = Image.fromarray(np.broadcast_to(picture, (*picture.shape[:2], 3)).copy())
            box = (margin + column * (width + gap), top)
            sheet.paste(tiled.resize((width, height), Image.Resampling.NEAREST), box)
    top = 2 * gap + len(rows) * (height + gap)
    pen.text((gap, top + line / 2), "label", _INK, font, anchor="lm")
    classes = _classes(labels)
    if names is not None and len(names) <= classes.max():
        raise ValueError(f"there are {len(names)} names, but class {classes.max()} among the labels")
    for column in range(count):
        left = float(margin + column * (width + gap))
        for slot in range(slots):
            share, label = float(weight[column, slot]), int(classes[source[column, slot]])
            color, row = _COLORS[label % len(_COLORS)], top + line * (slot + 1)
            if share > 0:
                pen.rectangle((left, top, left + max(share * width - 1, 0), top + line - 3), fill=color)
            start = margin + column * (width + gap)
            pen.rectangle((start, row + 3, start + 6, row + 9), fill=color)
            pen.text((start + 10, row), f"{names[label] if names else label}: {share:.2f}", _INK, font)
            left += share * width
    return sheet


def _pixels(images, name) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{name} have shape {images.shape}; wanted [b h w 1] or [b h w 3]")
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images.astype(np.float32), 0, 1) * 255).astype(np.uint8)


def _classes(labels) -> np.ndarray:
    labels = np.asarray(labels)
    return labels if labels.ndim == 1 else np.asarray(one_hot(jnp.asarray(labels), None)).argmax(1)
