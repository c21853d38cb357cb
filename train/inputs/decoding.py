"""Decode image files to RGB, the same pixels whatever the decoder; what can't be read is named.

Pillow reads everything: grey, CMYK and palette images, 16 bits a channel (the upper 8 are kept), and files whose name
has the suffix of another format. Transparency is dropped and the orientation in EXIF stays unapplied, as in
torchvision. simplejpeg, where it is installed, decodes JPEG files faster and to the same bits.
"""

import io
import threading
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, UnidentifiedImageError

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

__all__ = ["BrokenImageError", "Decoder", "decode", "decode_jpeg", "fastest", "warn_by_path"]

# decode(bytes, path) -> an RGB image
Decoder = Callable[[bytes, str], Image.Image]

_warnings = threading.Lock()


def warn_by_path() -> None:
    """Let `decode` see the warnings of Pillow, which name no file: as errors, which it repeats as warnings."""
    for category in (UserWarning, Image.DecompressionBombWarning):
        warnings.filterwarnings("error", module=r"PIL\.", category=category)


warn_by_path()


class BrokenImageError(ValueError):
    """An image that can't be decoded; the message names its file."""


def decode(data: bytes, path: str) -> Image.Image:
    """Decode an image with Pillow; a warning of Pillow's is repeated with the path.

    Raises BrokenImageError, which begins with the path.
    """
    try:
        return _rgb(data)
    except Warning:
        return _decode_and_warn(data, path)
    except Exception as error:  # a damaged file can make a decoder raise nearly anything
        raise _broken(path, error) from error


def decode_jpeg(data: bytes, path: str) -> Image.Image:
    """As `decode`, with simplejpeg for what it decodes to the same bits."""
    try:
        if data[:2] == b"\xff\xd8" and simplejpeg.decode_jpeg_header(data)[2] in ("YCbCr", "Gray"):
            return Image.fromarray(simplejpeg.decode_jpeg(data, colorspace="RGB"))
    except ValueError:  # Pillow may read it, or says why not
        pass
    return decode(data, path)


def fastest() -> Decoder:
    """`decode_jpeg` where simplejpeg is installed, otherwise `decode`."""
    return decode if simplejpeg is None else decode_jpeg


def _rgb(data: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data))
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        # Grey of 16 bits, which Pillow's own conversion clips at 255.
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError(f"grey levels from {levels.min()} to {levels.max()}, wanted 0 to 65535")
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is unknown")
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


def _decode_and_warn(data: bytes, path: str) -> Image.Image:
    with _warnings, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            image = _rgb(data)
        except Exception as error:
            raise _broken(path, error) from error
    for one in caught:
        warnings.warn(f"{path}: {one.message}", one.category, stacklevel=3)
    return image


def _broken(path: str, error: Exception) -> BrokenImageError:
    if isinstance(error, UnidentifiedImageError):
        return BrokenImageError(f"{path} is no image, or one of an unknown format. Replace or remove it.")
    return BrokenImageError(f"{path} is broken: {error}. Replace or remove it.")
