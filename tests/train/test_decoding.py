"""Decoding: the same RGB from every decoder, odd files read right, broken ones named."""

import sys

import image_folders
import numpy as np
import pytest
from PIL import Image

from inputs import decoding

IMAGE = image_folders.smooth(21, 30)
DECODERS = [decoding.decode, decoding.decode_jpeg]


@pytest.fixture(params=DECODERS, ids=["pillow", "simplejpeg"])
def decode(request):
    if request.param is decoding.decode_jpeg:
        pytest.importorskip("simplejpeg")
    return request.param


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 30}, {"optimize": True}],
    ids=str,
)
def test_jpeg_files_have_the_pixels_of_pillow(decode, mode, options):
    data = image_folders.encoded(IMAGE.convert(mode), "JPEG", **options)
    with Image.open(image_folders.io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    found = decode(data, "")
    assert found.mode == "RGB"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["PNG", "BMP", "WEBP", "TIFF", "PPM"])
def test_other_formats_are_read_whatever_the_name_of_their_file(decode, suffix):
    options = {"lossless": True} if suffix == "WEBP" else {}
    np.testing.assert_array_equal(decode(image_folders.encoded(IMAGE, suffix, **options), "n0001.JPEG"), IMAGE)


def test_grey_of_16_bits_keeps_the_upper_ones(decode):
    levels = np.arange(20 * 16, dtype=np.uint16).reshape(20, 16) * 204
    found = decode(image_folders.encoded(Image.fromarray(levels)), "")
    np.testing.assert_array_equal(found, np.repeat(levels[..., None] >> 8, 3, -1))


def test_transparency_is_dropped(decode):
    alpha = Image.new("L", IMAGE.size, 100)
    transparent = IMAGE.copy()
    transparent.putalpha(alpha)
    np.testing.assert_array_equal(decode(image_folders.encoded(transparent), ""), IMAGE)
    palette = IMAGE.quantize(16)
    data = image_folders.encoded(palette, transparency=bytes(range(16)))
    np.testing.assert_array_equal(decode(data, ""), palette.convert("RGB"))


def test_orientation_stays_unapplied(decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = image_folders.encoded(IMAGE, "JPEG", exif=exif)
    assert decode(data, "").size == IMAGE.size


@pytest.mark.parametrize("suffix", ["JPEG", "PNG"])
@pytest.mark.parametrize("left", [0, 2, 200, -20])
def test_a_truncated_file_is_named(decode, suffix, left):
    if suffix == "PNG" and left == -20:
        left = -60  # Pillow wants the pixels, not what comes after them
    data = image_folders.encoded(IMAGE, suffix)[:left]
    with pytest.raises(decoding.BrokenImageError, match=r"^a/b\.jpg is (broken|no image)"):
        decode(data, "a/b.jpg")


def test_a_file_that_is_no_image_and_one_of_unknown_range_are_named(decode):
    with pytest.raises(ValueError, match=r"^x\.jpg is no image, or one of an unknown format\. Replace or remove it"):
        decode(b"<html>", "x.jpg")
    floating = Image.fromarray(np.ones((4, 4), np.float32))
    with pytest.raises(ValueError, match=r"^x\.tif is broken: its pixels are floating-point"):
        decode(image_folders.encoded(floating, "TIFF"), "x.tif")
    wide = Image.fromarray(np.full((4, 4), 70000, np.int32))
    with pytest.raises(ValueError, match="grey levels from 70000 to 70000, wanted 0 to 65535"):
        decode(image_folders.encoded(wide, "TIFF"), "x.tif")


def test_a_warning_of_pillow_is_repeated_with_the_path(decode, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    data = image_folders.encoded(IMAGE)

    def decoded():
        decoding.warn_by_path()  # pytest has filters of its own
        return decode(data, "large.png")

    with pytest.warns(Image.DecompressionBombWarning, match=r"^large\.png: .*630 pixels") as caught:
        found = decoded()
    assert len(caught) == 1
    np.testing.assert_array_equal(found, IMAGE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"^large\.png is broken: .*630 pixels"):
        decode(data, "large.png")


def test_pillow_alone_suffices(monkeypatch):
    monkeypatch.setattr(decoding, "simplejpeg", None)
    assert decoding.fastest() is decoding.decode
    monkeypatch.setattr(decoding, "simplejpeg", sys)
    assert decoding.fastest() is decoding.decode_jpeg
