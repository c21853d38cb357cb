"""Labels as bars: a segment for each class, in the color of the class, as wide as its weight."""

from typing import TYPE_CHECKING

import numpy as np

__all__ = ["color_of", "plot_bar"]

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Ten colors that are easy to tell apart, the eight of Okabe and Ito (2008) and two greys; classes take them in turn.
_COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555", "#a0a0a0", "#8c510a"]


def color_of(label: int) -> str:
    """The color of a class."""
    return _COLORS[label % len(_COLORS)]


def plot_bar(
    pen: "ImageDraw.ImageDraw",
    box: tuple[float, float, float, float],
    weight: np.ndarray,
    classes: np.ndarray,
    font: "Font | None" = None,
) -> None:
    """Plot the weights [s] of classes [s] one beside the other; a sum of 1, or the sum where it is more, fills the box.

    Args:
        pen: what plots.
        box: left, top, right and bottom, the last two not part of it.
        weight: of each slot.
        classes: class id of each slot.
        font: writes the percentage into every segment that has room for it.
    """
    left, top, right, bottom = box
    scale = (right - left) / max(1.0, float(weight.sum()))
    for share, label in zip(weight.tolist(), classes.tolist(), strict=True):
        end = left + share * scale
        if round(end) > round(left):
            pen.rectangle((round(left), top, round(end) - 1, bottom - 1), fill=color_of(label))
            text = f"{100 * share:.0f} %"
            if font is not None and font.getlength(text) + 6 <= end - left:
                pen.text(((left + end) / 2, (top + bottom) / 2), text, _ink_on(color_of(label)), font, anchor="mm")
        left = end


def _ink_on(color: str) -> str:
    """Black or white, whichever contrasts more with a color (by WCAG's relative luminance)."""
    levels = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "#ffffff"
