"""Crop and resize RGB images on the host: torchvision's transforms of Pillow images, to the bit.

An image is cropped and then resized: Pillow's resize of a box reads pixels beyond the edge of the crop. A random
function draws and calls a pure one; all of them return uint8 [h w 3] and are picklable as functools.partial of their
options.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

__all__ = [
    "INTERPOLATIONS",
    "Box",
    "Interpolation",
    "center_crop",
    "drawn_box",
    "pixels",
    "random_crop",
    "random_resized_crop",
    "resize",
    "resized_center_crop",
    "resized_random_crop",
    "whole",
]

INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
}
Interpolation = Image.Resampling
BILINEAR = Image.Resampling.BILINEAR
# A side: of a square, or of the shorter side of an image that keeps its shape; or height and width.
Size = int | tuple[int, int]


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


# ---- for training: crop(image, random, ...)


def random_resized_crop(
    image: Image.Image,
    random: np.random.Generator,
    *,
    size: int,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    interpolation: Interpolation = BILINEAR,
) -> UInt8[np.ndarray, "size size 3"]:
    """A part of random area and shape, resized to a square of `size` pixels.

    area: the range of its share of the image
    ratio: the range of its width divided by its height, uniform on a logarithmic scale

    Reference: Szegedy et al., Going Deeper with Convolutions, CVPR 2015; the ten attempts are torchvision's.
    """
    box = drawn_box(random, image.height, image.width, area=area, ratio=ratio)
    return pixels(_cropped(image, box).resize((size, size), interpolation))


def resized_random_crop(
    image: Image.Image,
    random: np.random.Generator,
    *,
    size: int,
    resized: Size,
    interpolation: Interpolation = BILINEAR,
) -> UInt8[np.ndarray, "size size 3"]:
    """A square of `size` pixels at a random place of the image after `resize`, for fine-grained classes."""
    return random_crop(resize(image, resized, interpolation), random, size=size)


def random_crop(
    image: Image.Image, random: np.random.Generator, *, size: int, padding: int = 0
) -> UInt8[np.ndarray, "size size 3"]:
    """A square of `size` pixels at a random place of the image, around which there are `padding` black pixels."""
    if padding:
        image = ImageOps.expand(image, padding)
    if min(image.size) < size:
        raise ValueError(
            f"it has {image.height} x {image.width} pixels, padding included; wanted {size} x {size} or more for a "
            "crop: resize it first, or crop less."
        )
    top = int(random.integers(image.height - size + 1))
    left = int(random.integers(image.width - size + 1))
    return pixels(_cropped(image, Box(top, left, size, size)))


# ---- for testing: crop(image, ...)


def resized_center_crop(
    image: Image.Image, *, size: int, resized: Size, interpolation: Interpolation = BILINEAR
) -> UInt8[np.ndarray, "size size 3"]:
    """The center of the image after `resize`: a square of `size` pixels, with black ones where it is smaller."""
    return center_crop(resize(image, resized, interpolation), size=size)


def center_crop(image: Image.Image, *, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The center of the image: a square of `size` pixels, with black ones where the image is smaller."""
    width, height = max(size - image.width, 0), max(size - image.height, 0)
    if width or height:
        image = ImageOps.expand(image, (width // 2, height // 2, (width + 1) // 2, (height + 1) // 2))
    # Half a pixel goes to the even offset.
    top, left = round((image.height - size) / 2), round((image.width - size) / 2)
    return pixels(_cropped(image, Box(top, left, size, size)))


def whole(image: Image.Image, random: np.random.Generator | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The image as it is, for training and testing on images of one size."""
    return pixels(image)


# ---- the pieces


def resize(image: Image.Image, size: Size, interpolation: Interpolation = BILINEAR) -> Image.Image:
    """The image with a shorter side of `size` pixels, or warped to the height and width of `size`."""
    if isinstance(size, int):
        short, long = min(image.size), max(image.size)
        other = int(size * long / short)
        height, width = (size, other) if image.width >= image.height else (other, size)
    else:
        height, width = size
    return image if image.size == (width, height) else image.resize((width, height), interpolation)


def drawn_box(
    random: np.random.Generator,
    height: int,
    width: int,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Box:
    """A box of random area and shape inside an image; after ten that don't fit, one in its center."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        shape = _shape(height, width, random.uniform(*area), math.exp(random.uniform(low, high)))
        if 0 < shape[0] <= height and 0 < shape[1] <= width:
            top = int(random.integers(height - shape[0] + 1))
            left = int(random.integers(width - shape[1] + 1))
            return Box(top, left, *shape)
    return _central(height, width, ratio)


def _shape(height: int, width: int, share: float, ratio: float) -> tuple[int, int]:
    """Height and width of a box with a share of the area of an image."""
    target = height * width * share
    return round(math.sqrt(target / ratio)), round(math.sqrt(target * ratio))


def _central(height: int, width: int, ratio: tuple[float, float]) -> Box:
    """The largest box in the center of an image whose ratio is in the range."""
    shape = height, width
    if width / height < min(ratio):
        shape = round(width / min(ratio)), width
    elif width / height > max(ratio):
        shape = height, round(height * max(ratio))
    return Box((height - shape[0]) // 2, (width - shape[1]) // 2, *shape)


def _cropped(image: Image.Image, box: Box) -> Image.Image:
    if (box.width, box.height) == image.size:
        return image
    return image.crop((box.left, box.top, box.left + box.width, box.top + box.height))


def pixels(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of an RGB image."""
    return np.asarray(image)
