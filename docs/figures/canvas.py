"""A white card with rounded corners on a transparent ground: legible on light and on dark pages alike."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["GREY", "INK", "Card"]

INK, GREY = "#1f2328", "#59636e"
_RADIUS = 24


class Card:
    """What a figure is plotted on, at twice the size at which a page shows it."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), "#ffffff")
        self.pen = ImageDraw.Draw(self.image)

    def text(self, place: tuple[float, float], text: str, size: int = 26, color: str = INK, anchor: str = "la") -> None:
        """Write a line; the anchor is Pillow's: l, m, r of its width, and a, m, s of its height."""
        self.pen.text(place, text, color, ImageFont.load_default(size), anchor=anchor)

    def tile(self, pixels: np.ndarray, place: tuple[int, int], side: int | tuple[int, int]) -> None:
        """Place an image [h w], [h w 1] or [h w 3], uint8: smoothed where it gets smaller, or else in squares."""
        size = (side, side) if isinstance(side, int) else side
        pixels = np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3))
        tile = Image.fromarray(np.ascontiguousarray(pixels))
        smaller = tile.width > size[0]
        self.image.paste(tile.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.NEAREST), place)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], color: str = "#ffffff") -> None:
        """Plot an arrow with a dark outline, legible on any image."""
        way = np.subtract(end, start)
        along = way / np.hypot(*way)
        across = np.array([-along[1], along[0]])
        base = np.subtract(end, 16 * along)
        head = [tuple(end), tuple(base + 9 * across), tuple(base - 9 * across)]
        for width, ink in ((9, "#000000"), (4, color)):
            self.pen.line([tuple(start), tuple(base)], ink, width)
            self.pen.polygon(head, color, "#000000", 2)

    def frame(
        self, place: tuple[int, int], side: int | tuple[int, int], color: str = "#d1d9e0", width: int = 2
    ) -> None:
        """Outline a tile, from within."""
        size = (side, side) if isinstance(side, int) else side
        box = (place[0], place[1], place[0] + size[0] - 1, place[1] + size[1] - 1)
        self.pen.rectangle(box, outline=color, width=width)

    def save(self, path: Path, quality: int = 82) -> None:
        """Write the card as WebP."""
        corners = Image.new("L", (4 * self.image.width, 4 * self.image.height), 0)
        box = (0, 0, corners.width - 1, corners.height - 1)
        ImageDraw.Draw(corners).rounded_rectangle(box, 4 * _RADIUS, fill=255)
        card = self.image.copy()
        card.putalpha(corners.resize(self.image.size, Image.Resampling.LANCZOS))
        card.save(path, quality=quality, method=6)
