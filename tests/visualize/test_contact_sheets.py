"""The contact sheet: every row shows what it should."""

import jax
import numpy as np
import pytest

import jaxmix
from jaxmix.mix_structures import identity
from jaxmix.visualize import contact_sheet, overlay

X = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
LABELS = np.array([0, 1, 2, 3])
cutmix = jax.jit(jaxmix.cutmix)


def sheet_of(images, labels=LABELS, **options):
    mixed, mix = cutmix(jax.random.key(1), images)
    return np.asarray(contact_sheet(images, mixed, mix, labels, tile=32, **options)), mixed, mix


def tile(sheet, row, column):
    left, top = 96 + column * 36, 4 + row * 36
    return sheet[top : top + 32, left : left + 32]


def test_rows_are_own_partner_mask_and_result():
    sheet, mixed, mix = sheet_of(X)
    for column in range(4):
        own, partner = (np.kron(X[i], np.ones((2, 2, 1))) for i in (column, (column + 1) % 4))
        np.testing.assert_array_equal(tile(sheet, 0, column), own)
        np.testing.assert_array_equal(tile(sheet, 1, column), partner)
        np.testing.assert_array_equal(tile(sheet, 2, column)[::2, ::2, 0], 255 * np.asarray(mix.mask[column, 1]))
        np.testing.assert_array_equal(tile(sheet, 3, column), np.kron(mixed[column], np.ones((2, 2, 1))))


def test_grey_floating_images_and_soft_labels_are_shown_too():
    sheet, _, _ = sheet_of(X[..., :1].astype(np.float32) / 255, np.eye(4, dtype=np.float32))
    np.testing.assert_array_equal(tile(sheet, 0, 0)[::2, ::2, 1], X[0, :, :, 0])


def test_methods_of_one_slot_have_no_partner_row():
    images, mix = X // 2, identity(4)._replace(mask=np.full((4, 1, 1, 1), 0.5))
    two, one = sheet_of(X)[0], np.asarray(contact_sheet(X, images, mix, LABELS, tile=32))
    assert two.shape[0] - one.shape[0] == 36 + 14


def test_images_that_are_not_mixed_have_no_row_of_shares():
    images, mix = 255 - X, identity(4)
    sheet, two = np.asarray(contact_sheet(X, images, mix, LABELS, tile=32)), sheet_of(X)[0]
    assert two.shape[0] - sheet.shape[0] == 2 * 36 + 14
    np.testing.assert_array_equal(tile(sheet, 1, 2), np.kron(images[2], np.ones((2, 2, 1))))


def test_names_and_count_are_taken():
    sheet, _, _ = sheet_of(X, names=["cat", "dog", "owl", "bee"], count=2)
    assert sheet.shape[1] == 96 + 2 * 36 + 4


def test_images_of_a_wrong_shape_say_so():
    mixed, mix = cutmix(jax.random.key(1), X)
    with pytest.raises(ValueError, match=r"images have shape \(4, 16, 16, 2\); wanted \[b h w 1\] or \[b h w 3\]"):
        contact_sheet(X[..., :2], mixed, mix, LABELS)
    for names in (["cat", "dog"], ["cat", "dog", "owl"]):  # too few by two, and by one
        with pytest.raises(ValueError, match=f"there are {len(names)} names, but class 3; wanted one for each class"):
            contact_sheet(X, mixed, mix, LABELS, names=names)
    with pytest.raises(ValueError, match="wanted the same shape"):
        contact_sheet(X, mixed[:, :8], mix, LABELS)


def test_maps_are_shown_below_the_image_they_belong_to():
    maps = np.random.default_rng(1).random((4, 8, 8))
    sheet, mixed, mix = sheet_of(X, maps=maps)
    glowing = overlay(X, maps)
    for column in range(4):
        for row, picture in enumerate((column, (column + 1) % 4)):
            np.testing.assert_array_equal(tile(sheet, 2 * row, column)[::2, ::2], X[picture])
            np.testing.assert_array_equal(tile(sheet, 2 * row + 1, column)[::2, ::2], glowing[picture])


def test_a_map_glows_where_it_is_high_whatever_its_scale_and_never_fails():
    maps = np.zeros((4, 2, 2), np.float32)
    maps[:, 1, 0] = 7
    bright = overlay(np.zeros((4, 16, 16, 3), np.uint8), maps).sum(-1)
    assert (bright[:, 8:, :8] > 3 * bright[:, :8].max()).all()
    np.testing.assert_array_equal(overlay(X, maps), overlay(X, 1e-9 * maps))
    np.testing.assert_array_equal(overlay(X, np.full((4, 2, 2), np.nan)), overlay(X, np.ones((4, 2, 2))))
    with pytest.raises(ValueError, match=r"maps have shape \(3, 2, 2\); wanted one map for each of 4 images"):
        overlay(X, maps[:3])


def test_of_many_sources_the_heaviest_are_shown():
    weight = np.full((4, 6), 0.0, np.float32)
    weight[:, [0, 2, 3, 5]] = 0.1, 0.2, 0.4, 0.3
    source = (np.arange(4)[:, None] + np.arange(6)) % 4
    mask = np.broadcast_to(weight[:, :, None, None], (4, 6, 1, 1))
    mix = jaxmix.Mix(source, weight, mask, (None,) * 6)
    sheet = np.asarray(contact_sheet(X, X, mix, LABELS, tile=32))
    for column in range(4):
        for row, slot in enumerate((0, 3, 5, 2)):
            np.testing.assert_array_equal(tile(sheet, row, column)[::2, ::2], X[source[column, slot]])
