"""Crops: the bits of torchvision's transforms of Pillow images, and the distribution of random boxes.

Checksums and boxes are of torchvision 0.29.2 with Pillow 13.0.0, on the images of `image_folders.smooth`.
"""

import pickle
import zlib
from functools import partial

import numpy as np
import pytest
from image_folders import smooth
from PIL import Image

from inputs import crops

BILINEAR, BICUBIC = crops.INTERPOLATIONS["bilinear"], crops.INTERPOLATIONS["bicubic"]


def crc(image):
    return zlib.crc32(np.ascontiguousarray(image).tobytes())


class Scripted:
    """A generator that returns what it is given, in order."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        return self.values.pop(0)

    def integers(self, high):
        return self.values.pop(0)


@pytest.mark.parametrize(
    ("box", "bilinear", "bicubic"),
    [
        ((5, 7, 40, 31), 2383639286, 2871437479),
        ((0, 0, 60, 90), 2786440822, 319738195),
        ((20, 50, 9, 13), 380217706, 218207627),
    ],
)
def test_a_crop_is_resized_as_by_torchvision(box, bilinear, bicubic, monkeypatch):
    monkeypatch.setattr(crops, "drawn_box", lambda *arguments, **options: crops.Box(*box))
    image = smooth(60, 90)
    found = [
        crops.random_resized_crop(image, None, size=24, interpolation=interpolation)
        for interpolation in (BILINEAR, BICUBIC)
    ]
    assert [crc(one) for one in found] == [bilinear, bicubic]
    assert found[0].shape == (24, 24, 3) and found[0].dtype == np.uint8
    if box[0]:  # what Pillow does by itself reads beyond the edge
        top, left, height, width = box
        other = image.resize((24, 24), BILINEAR, box=(left, top, left + width, top + height))
        assert crc(other) != bilinear


@pytest.mark.parametrize(
    ("shape", "expected", "warped"),
    [
        ((60, 90), [(32, 28, 3371859082), (40, 33, 1016054050), (24, 32, 3555984982)], 710951917),
        ((90, 60), [(32, 28, 467726788), (40, 33, 2248466090), (24, 32, 1806335681)], 4232918447),
        ((61, 64), [(32, 28, 2500726011), (40, 33, 2776844632), (24, 32, 461184527)], 1585070576),
    ],
)
def test_an_image_is_tested_as_by_torchvision(shape, expected, warped):
    image = smooth(*shape)
    for resized, size, checksum in expected:
        found = crops.resized_center_crop(image, size=size, resized=resized)
        assert (found.shape, crc(found)) == ((size, size, 3), checksum)
    assert crc(crops.resized_center_crop(image, size=33, resized=(40, 40), interpolation=BICUBIC)) == warped


def test_the_shorter_side_is_resized_and_the_longer_one_rounded_down():
    sizes = [crops.resize(Image.new("RGB", size), 256).size for size in ((500, 375), (375, 500), (256, 300), (10, 10))]
    assert sizes == [(341, 256), (256, 341), (256, 300), (256, 256)]
    assert crops.resize(Image.new("RGB", (500, 375)), (30, 40)).size == (40, 30)


@pytest.mark.parametrize(
    ("shape", "box"), [((10, 400), (0, 193, 10, 13)), ((400, 10), (193, 0, 13, 10)), ((50, 60), (0, 0, 50, 60))]
)
def test_after_ten_boxes_that_do_not_fit_comes_the_one_in_the_center(shape, box):
    random = Scripted(*[9.0, 0.0] * 10)
    assert crops.drawn_box(random, *shape) == box
    assert random.values == []


@pytest.mark.parametrize(
    ("area", "log_ratio", "shape"), [(0.3, 0.1, (226, 249)), (0.08, -0.28, (141, 106)), (0.9, 0.05, None)]
)
def test_a_box_has_the_drawn_area_and_ratio(area, log_ratio, shape):
    later = (0.25, 0.0) if shape is None else ()  # the third is higher than the image
    random = Scripted(area, log_ratio, *later, 3, 5)
    assert crops.drawn_box(random, 375, 500) == (3, 5, *(shape or (217, 217)))


def test_random_boxes_are_distributed_as_those_of_torchvision():
    random = np.random.default_rng(0)
    boxes = np.array([crops.drawn_box(random, 60, 90) for _ in range(4000)], float)
    # Of 20,000 boxes of torchvision's, and 4 standard errors of the difference of the means.
    mean, std = [8.097, 22.313, 43.869, 45.784], [8.121, 15.303, 11.094, 13.684]
    np.testing.assert_allclose(boxes.mean(0), mean, atol=4 * 15.3 * (1 / 4000 + 1 / 20000) ** 0.5)
    np.testing.assert_allclose(boxes.std(0), std, rtol=0.06)
    top, left, height, width = boxes.T
    assert top.min() == 0 and (top + height).max() == 60 and (left + width).max() == 90


def test_every_place_of_a_random_crop_is_equally_likely_with_black_around_the_image():
    image = Image.new("RGB", (6, 5), (255, 255, 255))
    random = np.random.default_rng(0)
    found = [crops.random_crop(image, random, size=4, padding=2) for _ in range(600)]
    counts = np.unique([(int((one[:, :, 0].any(1)).argmax()), one[:, :, 0].any(0).argmax()) for one in found], axis=0)
    assert all(one.shape == (4, 4, 3) for one in found)
    assert counts.max() == 2 and len(counts) == 9  # 0, 1 or 2 rows and columns of padding lead
    np.testing.assert_array_equal(crops.random_crop(smooth(4, 4), random, size=4), smooth(4, 4))
    with pytest.raises(ValueError, match="it has 5 x 6 pixels, padding included; wanted 7 x 7 or more for a crop"):
        crops.random_crop(image, random, size=7)


def test_a_fine_grained_crop_is_a_window_of_the_resized_image():
    image = smooth(60, 90)
    resized = np.asarray(crops.resize(image, (48, 48)))
    found = crops.resized_random_crop(image, Scripted(5, 3), size=40, resized=(48, 48))
    np.testing.assert_array_equal(found, resized[5:45, 3:43])


def test_crops_with_their_options_are_picklable():
    crop = pickle.loads(pickle.dumps(partial(crops.random_resized_crop, size=8, interpolation=BICUBIC)))
    assert crop(smooth(20, 30), np.random.default_rng(0)).shape == (8, 8, 3)
    np.testing.assert_array_equal(crops.whole(smooth(4, 5)), smooth(4, 5))
