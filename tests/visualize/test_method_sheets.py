"""The sheet of methods: tiles, names and bars stand where they should, in the colors of the images."""

import jax
import numpy as np
import pytest
from PIL import ImageColor

import jaxmix
from jaxmix.visualize import Row, label_bars, method_sheet, method_sheets

X = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
MIXED = X[::-1]
WEIGHT = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]], np.float32)
MASK = np.zeros((3, 2, 2, 1), np.float32)
MASK[:, 0, 0], MASK[:, 1, 1] = 1, 1  # the upper half is the sample's, the lower the partner's
MIX = jaxmix.Mix(np.array([[0, 1], [1, 2], [2, 0]]), WEIGHT, MASK, (None, None))
COLORS = [ImageColor.getrgb(label_bars.color_of(label)) for label in range(3)]
NAMES = ["cat", "astronaut", "cup"]
TILE, EDGE, COLUMN, GAP, BAR, ROW = 100, 16, 10, 4, 18, 16


def sheet_of(*rows, **options):
    return np.asarray(method_sheet(X, rows or [Row("reverse", MIXED, MIX)], NAMES, tile=TILE, **options))


def left_of(sheet, column):
    return sheet.shape[1] - EDGE - TILE - (2 - column) * (TILE + COLUMN)


def test_the_images_come_first_and_the_mixed_ones_below_them():
    sheet = sheet_of()
    for column in range(3):
        left = left_of(sheet, column)
        for top, image in ((EDGE, X[column]), (EDGE + TILE + GAP + BAR + ROW, MIXED[column])):
            tile = sheet[top : top + TILE, left : left + TILE]
            np.testing.assert_array_equal(tile[3::25, 3::25], image[0::4, 0::4])  # 16 pixels are enlarged to 100


def test_bars_have_the_weights_and_colors_of_the_sources():
    sheet = sheet_of()
    bar = EDGE + 2 * TILE + GAP + BAR + ROW + GAP
    for column, share in enumerate((75, 50, 100)):
        line = sheet[bar, left_of(sheet, column) : left_of(sheet, column) + TILE]
        np.testing.assert_array_equal(line[:share], np.broadcast_to(COLORS[column], (share, 3)))
        np.testing.assert_array_equal(line[share:], np.broadcast_to(COLORS[(column + 1) % 3], (TILE - share, 3)))


def test_weights_of_more_than_1_fill_the_bar_and_of_less_leave_room():
    for weight, end in (([0.9, 0.9], TILE), ([0.25, 0.25], TILE // 2)):
        mix = MIX._replace(weight=np.array([weight] * 3, np.float32))
        sheet = sheet_of(Row("reverse", MIXED, mix))
        line = sheet[EDGE + 2 * TILE + GAP + BAR + ROW + GAP, left_of(sheet, 0) :]
        np.testing.assert_array_equal(line[[0, end // 2 - 1]], [COLORS[0]] * 2)
        np.testing.assert_array_equal(line[[end // 2, end - 1]], [COLORS[1]] * 2)
        np.testing.assert_array_equal(line[end], [255] * 3)


def test_masks_have_the_colors_of_the_sources_and_black_where_there_is_none():
    plain, sheet = sheet_of(), sheet_of(masks=True)
    assert sheet.shape[0] - plain.shape[0] == GAP + TILE
    tile = sheet[-EDGE - TILE : -EDGE, left_of(sheet, 1) : left_of(sheet, 1) + TILE]
    np.testing.assert_array_equal(tile[[0, TILE - 1], 0], [COLORS[1], COLORS[2]])
    assert (method_sheets.tinted_mask(MIX._replace(mask=0 * MASK)) == 0).all()


def test_the_sheet_is_light_or_dark():
    assert sheet_of().mean() > sheet_of(dark=True).mean()
    np.testing.assert_array_equal(sheet_of(dark=True)[0, 0], ImageColor.getrgb("#0d1117"))


def test_long_names_are_cut_to_the_width_of_the_image():
    long = np.asarray(method_sheet(X, [], ["w" * 200, "b", "c"], tile=TILE))
    gap = left_of(long, 0) + TILE
    assert (long[EDGE + TILE :, gap : gap + COLUMN] == 255).all()


def test_percentages_are_readable_on_every_color():
    def luminance(color):
        levels = np.array(ImageColor.getrgb(color)) / 255
        return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for label in range(10):
        color = label_bars.color_of(label)
        low, high = sorted((luminance(color), luminance(label_bars._ink_on(color))))
        assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, level AA


def test_mistakes_say_so():
    with pytest.raises(
        ValueError, match=r"images have shape \(3, 16, 16, 3\) and cut \(3, 8, 16, 3\); wanted the same"
    ):
        sheet_of(Row("cut", MIXED[:, :8], MIX))
    with pytest.raises(ValueError, match="there are 1 names for 3 images; wanted one for each"):
        method_sheet(X, [], ["cat"])
    with pytest.raises(ValueError, match=r"images have shape \(3, 16, 16\)"):
        method_sheet(X[..., 0], [], NAMES)


def test_grey_floating_images_of_a_device_are_plotted():
    x = jax.numpy.asarray(X[..., :1], jax.numpy.float32) / 255
    sheet = np.asarray(method_sheet(x, [], NAMES, tile=16))
    np.testing.assert_array_equal(sheet[EDGE : EDGE + 16, -EDGE - 16 : -EDGE, 1], X[2, :, :, 0])
