"""Specimens: small folders of image files, in the layouts of data sets."""

import io

import numpy as np
from PIL import Image

from inputs.listing import Files


def smooth(height, width, seed=0):
    """An image with structure at several scales, from arithmetic alone."""
    y, x, c = np.indices((height, width, 3))
    return Image.fromarray(((x * x * 3 + y * 7 + x * y // 5 + c * 40 + seed * 11) % 256).astype(np.uint8))


def encoded(image, suffix="PNG", **options):
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return file.getvalue()


def write(path, image=None, suffix=None, **options):
    """An image file, 10 x 12 pixels unless given; made with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = smooth(10, 12) if image is None else image
    path.write_bytes(encoded(image, suffix or {".png": "PNG"}.get(path.suffix.lower(), "JPEG"), **options))
    return path


def folder_of_classes(root, *, train=3, val=2, classes=("ant", "bee"), held_out="val", size=(10, 12)):
    """ROOT/train/CLASS/*.png and ROOT/val/CLASS/*.png, with images of their own."""
    for split, count in (("train", train), (held_out, val)):
        for label, name in enumerate(classes):
            for number in range(count):
                write(root / split / name / f"{number}.png", smooth(*size, seed=100 * label + 10 * number + len(split)))
    return root


def numbered(root, count, *, size=(10, 12), classes=3, name="numbered", first=0):
    """A listing of images each of which has one value, its index; labels are the index modulo the classes."""
    items = [f"{index:03d}.png" for index in range(count)]
    for index, item in enumerate(items):
        write(root / item, Image.new("RGB", size[::-1], (first + index,) * 3))
    sizes = [(root / item).stat().st_size for item in items]
    return Files(name, tuple("abcdefg"[:classes]), root, items, [index % classes for index in range(count)], sizes)
