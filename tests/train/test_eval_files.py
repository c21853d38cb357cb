"""Files of an evaluation: labels, class folders, images and tables of boxes are read as they are meant, or refused."""

import os

import image_folders
import numpy as np
import PIL.Image
import pytest

from eval import datasets
from eval.fingerprints import fingerprint
from eval.image_files import class_folders, image_size, image_tree, read_image
from inputs import crops
from inputs.box_tables import read_boxes

NAMES = ("airplane", "automobile", "bird")


def folders(place, *names):
    for name in names:
        (place / name).mkdir(parents=True)
    return place


def ids(place, classes):
    found = class_folders(place, classes)
    return {folder.name: label for folder, label in found.places}, found.note


# ---- labels


@pytest.fixture
def fog(tmp_path):
    """CIFAR-10-C's layout with four images of three classes at each severity."""
    np.save(tmp_path / "fog.npy", np.zeros((20, 8, 8, 1), np.uint8))
    np.save(tmp_path / "labels.npy", np.array([0, 1, 2, 1]))
    return tmp_path


def read_labels(place, labels):
    np.save(place / "labels.npy", labels)
    return datasets.Published(place, (8, 8, 1), NAMES).read("fog", 1, None)[1].tolist()


def test_labels_are_one_class_id_per_image_and_a_column_is_taken_for_them(fog):
    column = np.array([[0], [1], [2], [1]], np.uint8)
    assert read_labels(fog, column) == read_labels(fog, np.tile(column, (5, 1))) == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3, dtype=int)[[0, 1, 2, 1]], r"labels of shape \[4, 3\].*labels.argmax\(1\)"),
        (np.array([0.0, 1.0, 2.0, 1.0]), "labels are float64; wanted integer"),
        (np.array([1, 2, 3, 2]), "labels go from 1 to 3; wanted 0 to 2"),
        (np.array([50, 51, 52, 51]), "labels go from 50 to 52"),
        (np.array([0, 1, 2, -1]), "labels go from -1 to 2"),
        (np.array(["a", "b", "c", "a"]), "labels are <U1"),
        (np.array(4), "1 labels; wanted five severities"),
    ],
)
def test_other_labels_are_named_with_their_file(fog, labels, message):
    with pytest.raises(ValueError, match=rf"{fog}.*labels.npy.*{message}"):
        read_labels(fog, labels)


def test_images_with_their_channels_first_get_that_advice(fog):
    np.save(fog / "fog.npy", np.zeros((20, 3, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"takes uint8 \[8, 8, 3\]: write x.transpose\(0, 2, 3, 1\)"):
        datasets.Published(fog, (8, 8, 3), NAMES).read("fog", 1, None)
    for shape, advice in (((4, 3, 8, 8), "transpose"), ((4, 9, 8, 3), "resize them")):
        np.savez(fog / "other.npz", x=np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match=rf"other.npz.*wanted uint8 \[n 8 8 3\].*{advice}"):
            datasets.read_outside(fog / "other.npz", (8, 8, 3))


# ---- class folders


def test_class_folders_with_the_names_of_the_run_are_those_classes(tmp_path):
    assert ids(folders(tmp_path / "one", "bird", "airplane"), NAMES) == ({"airplane": 0, "bird": 2}, "")
    numbers = tuple(map(str, range(12)))
    assert ids(folders(tmp_path / "two", *numbers), numbers) == ({name: int(name) for name in numbers}, "")


def test_numbers_are_in_the_order_of_their_values(tmp_path):
    classes = tuple(f"name{place}" for place in range(12))
    found, note = ids(folders(tmp_path / "zero", *map(str, range(12))), classes)
    assert found == {str(value): value for value in range(12)} and not note
    found, note = ids(folders(tmp_path / "one", *map(str, range(1, 13))), tuple(map(str, range(12))))
    assert found == {str(value): value - 1 for value in range(1, 13)}
    assert "numerical order: 1 is class 0, 2 is class 1, .., 12 is class 11" in note
    with pytest.raises(ValueError, match="two folders for one number"):
        class_folders(folders(tmp_path / "both", "1", "01", "2"), NAMES)


def test_other_names_are_sorted_which_is_said(tmp_path):
    found, note = ids(folders(tmp_path, "n03", "n01", "n02"), NAMES)
    assert found == {"n01": 0, "n02": 1, "n03": 2}
    assert "alphabetical order: n01 is class airplane, n02 is class automobile, n03 is class bird" in note


def test_names_of_which_only_some_are_of_the_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match="car is no class of the run, while airplane, bird are.*rename to automobile"):
        class_folders(folders(tmp_path, "airplane", "bird", "car"), NAMES)


def test_hidden_folders_and_files_are_left_out(tmp_path):
    folders(tmp_path, *NAMES, ".ipynb_checkpoints", "bird/.ipynb_checkpoints")
    PIL.Image.new("L", (8, 8), 7).save(tmp_path / "bird" / "1.png")
    (tmp_path / "bird" / "._1.png").write_bytes(b"resource fork")
    images, labels, paths = image_tree(class_folders(tmp_path, NAMES), (8, 8, 1), None)
    assert len(images) == len(paths) == 1 and labels.tolist() == [2]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere can't be read \(No such file"):
        class_folders(tmp_path / "nowhere", NAMES)


# ---- images


def test_grey_images_of_16_bits_keep_their_levels(tmp_path):
    levels = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    PIL.Image.fromarray(levels).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png", (8, 8, 1))[..., 0], np.rint(levels / 257))
    assert read_image(tmp_path / "deep.png", (8, 8, 3)).shape == (8, 8, 3)


def test_images_are_turned_as_their_orientation_says(tmp_path):
    levels = np.zeros((8, 4), np.uint8)
    levels[0] = 255  # the first row as it is stored is the right column of the image
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(levels).save(tmp_path / "turned.png", exif=exif)
    found = read_image(tmp_path / "turned.png", (4, 8, 1))[..., 0]
    assert image_size(tmp_path / "turned.png") == (4, 8)
    assert (found[:, -1] == 255).all() and not found[:, :-1].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_resized_as_for_training_unless_it_is_wanted_whole(tmp_path, channels):
    image = image_folders.smooth(40, 30)
    image.save(tmp_path / "0.png")
    image = image.convert("L" if channels == 1 else "RGB")
    found = read_image(tmp_path / "0.png", (10, 10, channels))
    expected = np.asarray(crops.resized_center_crop(image, size=10, resized=10)).reshape(10, 10, channels)
    np.testing.assert_array_equal(found, expected)
    warped = np.asarray(image.resize((10, 10), PIL.Image.Resampling.BILINEAR)).reshape(10, 10, channels)
    assert (warped != expected).any()
    np.testing.assert_array_equal(read_image(tmp_path / "0.png", (10, 10, channels), whole=True), warped)
    assert read_image(tmp_path / "0.png", (20, 15, channels)).shape == (20, 15, channels)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "page.png").write_text("<html>")
    for read in (image_size, lambda path: read_image(path, (8, 8, 1))):
        with pytest.raises(ValueError, match=r"page.png can't be read as an image"):
            read(tmp_path / "page.png")


# ---- boxes


def table(place, text):
    (place / "boxes.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return place / "boxes.csv"


@pytest.mark.parametrize(
    "text",
    [
        "file,x0,y0,x1,y1\na/1.png,1,2,3,4\n",
        "\ufefffile,x0,y0,x1,y1\r\na/1.png,1,2,3,4\r\n",
        "file;x0;y0;x1;y1\na/1.png;1;2;3;4\n\n",
        'file, x0, y0, x1, y1\n"a/1.png", 1, 2, 3, 4\n',
        "class\ty1\tx1\ty0\tx0\tfile\na\t4\t3\t2\t1\t.\\a\\1.png\n",
    ],
    ids=["plain", "byte-order mark", "semicolons", "blanks", "tabs"],
)
def test_a_table_of_boxes_is_read_as_spreadsheets_write_it(tmp_path, text):
    assert read_boxes(table(tmp_path, text)) == {"a/1.png": (1, 2, 3, 4)}


HEAD = "file,x0,y0,x1,y1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1.png,1,2,3,4\n2.png,1,2,3,4\n1.png,5,6,7,8\n", "two boxes for 1.png, in lines 2 and 4"),
        ("name,x0,y0,x1,y1\n", "has the columns name, x0, y0, x1, y1; wanted the columns file, x0"),
        ("", "has the columns none"),
        (HEAD + "1.png,1,2,3,4.5\n", "line 2: the box is 1, 2, 3, 4.5; wanted four whole numbers"),
        (HEAD + "1.png,1,2,3\n", "line 2: 4 columns; wanted 5"),
        (b"\xff\xfe\x00", "can't be read as text"),
    ],
)
def test_a_table_that_is_not_one_of_boxes_is_named_with_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"boxes.csv.*{message}"):
        read_boxes(table(tmp_path, text))


# ---- fingerprints


def test_a_fingerprint_changes_with_names_labels_and_images_but_not_with_the_place(tmp_path):
    place = folders(tmp_path / "one", "fog")
    np.save(place / "labels.npy", np.arange(4))
    (place / "fog" / "1.png").write_bytes(b"image")
    found = [fingerprint(place, ["*.npy", "fog/*"])]
    place = place.rename(tmp_path / "other")
    assert fingerprint(place, ["*.npy", "fog/*"]) == found[0] and found[0]["files"] == 2
    np.save(place / "labels.npy", np.arange(4)[::-1])  # of the same size, and perhaps within the same tick of the clock
    found.append(fingerprint(place, ["*.npy", "fog/*"]))
    os.utime(place / "fog" / "1.png", ns=(1, 1))
    found.append(fingerprint(place, ["*.npy", "fog/*"]))
    (place / "fog" / "1.png").rename(place / "fog" / "2.png")
    found.append(fingerprint(place, ["*.npy", "fog/*"]))
    assert len({str(one) for one in found}) == 4
    assert fingerprint(None, ["*"]) is None
