"""Listings: encoded images by index, their checksums, subsets and joins; and what can't be decoded in them."""

import shutil

import image_folders
import numpy as np
import pytest

from inputs import broken, listing, scanning
from inputs.class_folders import class_folders


def test_a_listing_has_the_bytes_labels_and_paths_of_its_files(tmp_path):
    found = image_folders.numbered(tmp_path, 5)
    assert len(found) == 5 and len(list(found)) == 5
    assert found[3] == (tmp_path / "003.png").read_bytes()
    assert found.example(4) == ((tmp_path / "004.png").read_bytes(), 1)
    assert (found.path(2), found.item(2)) == (str(tmp_path / "002.png"), "002.png")
    assert found.labels.dtype == np.int32 and found.labels.tolist() == [0, 1, 2, 0, 1]
    with pytest.raises(IndexError):
        found[5]
    (tmp_path / "001.png").unlink()
    with pytest.raises(ValueError, match=r"001\.png can't be read: No such file"):
        found[1]


def test_a_checksum_is_of_names_sizes_and_labels_and_not_of_the_place(tmp_path):
    found = class_folders(image_folders.folder_of_classes(tmp_path / "a")).train
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert class_folders(tmp_path / "b").train.checksum() == found.checksum()
    name = tmp_path / "b" / "train" / "ant" / "0.png"
    name.write_bytes(name.read_bytes() + b"1")
    larger = class_folders(tmp_path / "b").train.checksum()
    name.write_bytes(name.read_bytes()[:-1])
    name.rename(name.with_name("4.png"))
    renamed = class_folders(tmp_path / "b").train.checksum()
    (tmp_path / "b" / "train" / "bee").rename(tmp_path / "b" / "train" / "aaa")
    (tmp_path / "b" / "val" / "bee").rename(tmp_path / "b" / "val" / "aaa")
    relabelled = class_folders(tmp_path / "b").train.checksum()
    assert len({found.checksum(), larger, renamed, relabelled}) == 4


def test_a_part_of_a_listing_has_its_own_checksum_labels_and_boxes(tmp_path):
    whole = image_folders.numbered(tmp_path, 6)
    whole.boxes = np.arange(24, dtype=np.float32).reshape(6, 4)
    part = whole.chosen([4, 1])
    assert [part[0], part.item(1), part.path(0)] == [whole[4], "001.png", whole.path(4)]
    assert part.labels.tolist() == [1, 1] and part.absent == ("a", "c")
    np.testing.assert_array_equal(part.boxes, whole.boxes[[4, 1]])
    assert whole.first(None) is whole and whole.first(9) is whole and len(whole.first(2)) == 2
    assert len({whole.checksum(), part.checksum(), whole.chosen([1, 4]).checksum()}) == 3


def test_two_listings_with_the_same_classes_are_joined(tmp_path):
    first, second = (
        image_folders.numbered(tmp_path / "a", 3),
        image_folders.numbered(tmp_path / "b", 2, name="stylized"),
    )
    both = listing.joined(first, second)
    assert len(both) == 5 and both.name == "numbered+stylized"
    assert [both.item(2), both.item(3)] == ["numbered/002.png", "stylized/000.png"]
    assert both.path(4) == str(tmp_path / "b" / "001.png")
    assert both.labels.tolist() == [0, 1, 2, 0, 1] == [both.example(index)[1] for index in range(5)]
    assert both.boxes is None and both.checksum() != listing.joined(second, first).checksum()
    other = image_folders.numbered(tmp_path / "c", 2, classes=2)
    with pytest.raises(ValueError, match="numbered has 3 classes and numbered, .* 2; wanted the same.* only: c"):
        listing.joined(first, other)


def test_files_are_found_at_any_depth_in_order_without_hidden_ones_and_other_files(tmp_path):
    for name in ("b.JPG", "a/2.png", "a/10.png", "c.jpeg"):
        image_folders.write(tmp_path / name)
    for name in ("notes.txt", ".hidden.png", "Thumbs.db"):
        (tmp_path / name).write_text("text")
    image_folders.write(tmp_path / ".cache" / "d.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing")
    found = scanning.below(tmp_path)
    assert [item for item, _ in found] == ["a/10.png", "a/2.png", "b.JPG", "c.jpeg", "nowhere.png"]
    assert found[2][1] == (tmp_path / "b.JPG").stat().st_size and found[-1][1] == 0
    assert [item for item, _ in scanning.below_itself(tmp_path)] == ["b.JPG", "c.jpeg", "nowhere.png"]


def test_what_cannot_be_decoded_is_listed_with_its_path_and_left_out(tmp_path):
    found = image_folders.numbered(tmp_path, 5)
    assert broken.scan(found, threads=2) == {}
    (tmp_path / "001.png").write_bytes((tmp_path / "001.png").read_bytes()[:-40])
    (tmp_path / "003.png").write_text("<html>")
    (tmp_path / "004.png").unlink()
    messages = broken.scan(found, threads=2)
    assert list(messages) == ["001.png", "003.png", "004.png"]
    assert all(text.startswith(str(tmp_path / item)) for item, text in messages.items())
    sound = broken.leave_out(found, messages)
    assert [sound.item(index) for index in range(len(sound))] == ["000.png", "002.png"]
    assert broken.leave_out(found, []) is found
    with pytest.raises(ValueError, match="All 5 images of numbered are broken"):
        broken.leave_out(found, found.items)
