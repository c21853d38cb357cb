"""`--dataset folder`: a folder of anyone's images as arrays of one size, for the networks of small images."""

import image_folders
import numpy as np
import pytest

import inputs
from inputs import crops, memory, validation


def test_a_folder_is_decoded_to_the_side_of_its_first_image(tmp_path):
    image_folders.folder_of_classes(tmp_path, train=2, val=1, size=(10, 12))
    image_folders.write(tmp_path / "train" / "bee" / "9.JPEG", image_folders.smooth(40, 30), "PNG")
    found = inputs.load("folder", tmp_path)
    assert (found.name, found.classes, found.padding, found.flip) == ("folder", ("ant", "bee"), 1, False)
    assert found.train_images.shape == (5, 10, 10, 3) and found.test_images.shape == (2, 10, 10, 3)
    assert found.train_labels.tolist() == [0, 0, 1, 1, 1] and found.train_labels.dtype == np.int32
    expected = crops.resized_center_crop(image_folders.smooth(40, 30), size=10, resized=10)
    np.testing.assert_array_equal(found.train_images[-1], expected)
    first = np.asarray(image_folders.smooth(10, 12, seed=5))
    np.testing.assert_array_equal(found.train_images[0], first[:, 1:11])
    np.testing.assert_allclose(found.mean, (found.train_images / 255).mean((0, 1, 2)))


def test_a_side_resizes_and_suits_no_other_data(tmp_path):
    image_folders.folder_of_classes(tmp_path, size=(140, 150), train=1, val=1)
    with pytest.raises(ValueError, match=r"train/ant/0\.png has a shorter side of 140 pixels.* choose --side"):
        inputs.load("folder", tmp_path)
    assert inputs.load("folder", tmp_path, side=16).train_images.shape == (2, 16, 16, 3)
    with pytest.raises(ValueError, match="--side is 16; wanted none with --dataset digits"):
        inputs.load("digits", tmp_path, side=16)


def test_a_folder_with_val_and_test_has_validation_images_of_its_own(tmp_path):
    image_folders.folder_of_classes(tmp_path)
    image_folders.folder_of_classes(tmp_path, held_out="test", val=3)
    found = inputs.load("folder", tmp_path)
    assert [len(found.validation_images), len(found.test_images)] == [4, 6]
    assert found.validation_labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"--val-share is 0\.5; wanted 0, as folder has validation images of its own"):
        validation.split(found, 0.5, 0)


def test_a_broken_file_and_too_many_images_are_named(tmp_path, monkeypatch):
    image_folders.folder_of_classes(tmp_path)
    monkeypatch.setattr("inputs.memory.available", lambda: 4000)
    with pytest.raises(ValueError, match=r"The 10 images of .* at a side of 10 pixels need .*Choose a smaller --side"):
        inputs.load("folder", tmp_path)
    monkeypatch.setattr("inputs.memory.available", lambda: None)
    (tmp_path / "val" / "bee" / "1.png").write_text("")
    with pytest.raises(ValueError, match=r"val/bee/1\.png is no image"):
        inputs.load("folder", tmp_path)


def test_the_free_memory_is_known_here():
    assert memory.available() > 1_000_000
    memory.require(1, "One byte", "")
