"""Layouts of data sets on disk, by tiny ones; and their messages about what is missing or doesn't suit."""

import io
import re

import image_folders
import numpy as np
import pytest
from image_folders import folder_of_classes, write
from PIL import Image
from scipy.io import savemat

from inputs import layouts


def read(name, root, **options):
    return layouts.read(name, root, **options)


def described(listing):
    """Items and labels."""
    items = [listing.item(index) for index in range(len(listing))]
    return dict(zip(items, listing.labels.tolist(), strict=True))


def test_an_unknown_layout_is_answered_with_the_list(tmp_path):
    with pytest.raises(ValueError, match="There are: folder, imagenet, tiny-imagenet, tfds, cub, cars, aircraft"):
        read("flowers", tmp_path)


# ---- folders of classes


@pytest.mark.parametrize("held_out", ["val", "validation", "valid", "test"])
def test_a_folder_of_classes(tmp_path, held_out):
    splits = read("folder", folder_of_classes(tmp_path, train=2, val=1, held_out=held_out))
    assert splits.train.classes == ("ant", "bee")
    assert described(splits.train) == {
        f"train/{name}/{n}.png": i for i, name in enumerate(("ant", "bee")) for n in (0, 1)
    }
    assert described(splits.test) == {f"{held_out}/ant/0.png": 0, f"{held_out}/bee/0.png": 1}
    assert splits.validation is None and splits.train.boxes is None


def test_with_val_and_test_the_first_validates(tmp_path):
    folder_of_classes(tmp_path)
    splits = read("folder", folder_of_classes(tmp_path, held_out="test", val=4))
    assert [len(splits.validation), len(splits.test)] == [4, 8]


def test_a_test_folder_without_classes_as_of_images_without_labels_is_left_out(tmp_path):
    write(folder_of_classes(tmp_path) / "test" / "images" / "0.png")
    splits = read("folder", tmp_path)
    assert splits.validation is None and splits.test.item(0) == "val/ant/0.png"


def test_a_class_may_lack_test_images_but_must_not_be_unknown(tmp_path):
    folder_of_classes(tmp_path)
    (tmp_path / "val" / "bee").rename(tmp_path / "bee")
    assert set(read("folder", tmp_path).test.labels) == {0}
    write(tmp_path / "val" / "wasp" / "0.png")
    with pytest.raises(ValueError, match=r"val/wasp is of no class: .*train has no folder of that name\. Rename"):
        read("folder", tmp_path)


def test_boxes_lie_in_a_table_beside_the_folder(tmp_path):
    folder_of_classes(tmp_path, train=1)
    (tmp_path / "train_boxes.csv").write_text("file,x0,y0,x1,y1\nbee/0.png,1,2,3,4\nant/0.png,5,6,7,8\n")
    np.testing.assert_array_equal(read("folder", tmp_path).train.boxes, [[5, 6, 7, 8], [1, 2, 3, 4]])
    (tmp_path / "train_boxes.csv").write_text("file,x0,y0,x1,y1\nbee/0.png,1,2,3,4\n")
    with pytest.raises(ValueError, match=r"train_boxes\.csv has no box for ant/0\.png.* 1 of 2 lack one"):
        read("folder", tmp_path)


def test_missing_folders_and_classes_are_answered_with_what_is_wanted(tmp_path):
    with pytest.raises(ValueError, match="has no folder of a class. There is no such folder(.|\n)*Point --data-dir"):
        read("folder", tmp_path / "none")
    write(tmp_path / "ant" / "0.png")
    with pytest.raises(ValueError, match=r"train has no folder of a class\. There are: ant\. Wanted images as\n"):
        read("folder", tmp_path)
    write(tmp_path / "train" / "ant" / "0.png")
    with pytest.raises(ValueError, match="train has one folder, ant, so there is one class; wanted a folder"):
        read("folder", tmp_path)
    write(tmp_path / "train" / "bee" / "0.png")
    with pytest.raises(ValueError, match="None of val, validation, valid, test in .* has a folder of a class"):
        read("folder", tmp_path)
    (tmp_path / "val" / "ant").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"val has no images \(\.jpg"):
        read("folder", tmp_path)


def test_an_empty_class_is_named_or_kept_as_absent(tmp_path):
    folder_of_classes(tmp_path)
    (tmp_path / "train" / "cricket").mkdir()
    with pytest.raises(ValueError, match=r"1 of 3 classes have no image .*train/cricket\. Remove these"):
        read("folder", tmp_path)
    found = read("folder", tmp_path, allow_empty=True).train
    assert found.classes == ("ant", "bee", "cricket") and found.absent == ("cricket",)


# ---- ImageNet

VALIDATION = [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3)]


@pytest.fixture
def imagenet(tmp_path):
    """Two classes, and three validation images in one folder, of the second, first and second class."""
    for synset in ("n02", "n01"):
        write(tmp_path / "train" / synset / f"{synset}_1.JPEG")
    for name in VALIDATION:
        write(tmp_path / "val" / name)
    return tmp_path


def solution(path):
    path.write_text(
        "ImageId,PredictionString\n"
        "ILSVRC2012_val_00000003,n02 1 2 3 4 n02 5 6 7 8 \n"
        "ILSVRC2012_val_00000001,n02 1 2 3 4 \nILSVRC2012_val_00000002,n01 1 2 3 4 \n"
    )


def development_kit(folder):
    """The kit numbers n02 as 1 and n01 as 2, and has nodes above the classes."""
    folder.mkdir(parents=True)
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    synsets = np.array([(1, "n02", "two"), (2, "n01", "one"), (3, "n00", "above")], kind)
    savemat(folder / "meta.mat", {"synsets": synsets[:, None]})
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n1\n")


def synset_labels(path):
    path.write_text("n02\nn01\nn02\n")


@pytest.mark.parametrize(
    "label",
    [
        lambda root: solution(root / "LOC_val_solution.csv"),
        lambda root: development_kit(root / "ILSVRC2012_devkit_t12" / "data"),
        lambda root: synset_labels(root / "imagenet_2012_validation_synset_labels.txt"),
        lambda root: synset_labels(root / "val" / "imagenet_2012_validation_synset_labels.txt"),
    ],
    ids=["kaggle", "development kit", "synsets", "beside the images"],
)
def test_validation_images_of_imagenet_in_one_folder(imagenet, label):
    label(imagenet)
    splits = read("imagenet", imagenet)
    assert splits.train.classes == splits.test.classes == ("n01", "n02")
    assert described(splits.test) == dict(zip([f"val/{name}" for name in VALIDATION], [1, 0, 1], strict=True))


def test_imagenet_by_classes_and_as_kaggle_has_it(imagenet, tmp_path):
    solution(imagenet / "LOC_val_solution.csv")
    there = imagenet / "ILSVRC" / "Data" / "CLS-LOC"
    there.mkdir(parents=True)
    for split in ("train", "val"):
        (imagenet / split).rename(there / split)
    assert described(read("imagenet", imagenet).test)[f"val/{VALIDATION[1]}"] == 0
    for name, synset in zip(VALIDATION, ("n02", "n01", "n02"), strict=True):
        (there / "val" / synset).mkdir(exist_ok=True)
        (there / "val" / name).rename(there / "val" / synset / name)
    splits = read("imagenet", there)
    assert splits.test.name == "imagenet" and sorted(splits.test.labels) == [0, 1, 1]


def test_labels_of_imagenet_that_are_missing_or_do_not_suit_are_named(imagenet):
    with pytest.raises(ValueError, match=r"val holds 3 images without folders of classes(.|\n)*LOC_val_solution\.csv"):
        read("imagenet", imagenet)
    path = imagenet / "imagenet_2012_validation_synset_labels.txt"
    path.write_text("n02\nn01\n")
    with pytest.raises(ValueError, match=r"labels\.txt has 2 labels, and there are 3 validation images"):
        read("imagenet", imagenet)
    path.write_text("n02\nn01\nn07\n")
    with pytest.raises(ValueError, match=r"names 1 classes without a folder in .*train, such as n07"):
        read("imagenet", imagenet)
    (imagenet / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nILSVRC2012_val_00000003,n02 1 2 3 4\n")
    with pytest.raises(ValueError, match=r"has no label for ILSVRC2012_val_00000001\.JPEG, one of 2 such images"):
        read("imagenet", imagenet)
    (imagenet / "LOC_val_solution.csv").unlink()
    development_kit(imagenet / "ILSVRC2012_devkit_t12" / "data")
    (imagenet / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").unlink()
    with pytest.raises(ValueError, match=r"meta\.mat is missing, without which the classes"):
        read("imagenet", imagenet)


# ---- Tiny-ImageNet


def tiny_imagenet(root):
    for name in ("n02", "n01"):
        for number in (0, 1):
            write(root / "train" / name / "images" / f"{name}_{number}.JPEG")
        (root / "train" / name / f"{name}_boxes.txt").write_text(
            f"{name}_0.JPEG\t1\t2\t3\t4\n{name}_1.JPEG\t5\t6\t7\t8\n"
        )
    for number in (0, 1):
        write(root / "val" / "images" / f"val_{number}.JPEG")
    write(root / "test" / "images" / "test_0.JPEG")
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn01\t5\t6\t7\t8\n")
    return root


def test_tiny_imagenet_as_it_unpacks(tmp_path):
    tiny_imagenet(tmp_path / "tiny-imagenet-200")
    for root in (tmp_path, tmp_path / "tiny-imagenet-200"):
        splits = read("tiny-imagenet", root)
        assert described(splits.test) == {"val/images/val_0.JPEG": 1, "val/images/val_1.JPEG": 0}
        assert described(splits.train)["train/n01/images/n01_1.JPEG"] == 0
        np.testing.assert_array_equal(splits.test.boxes, [[0, 32, 44, 62], [5, 6, 7, 8]])
        np.testing.assert_array_equal(splits.train.boxes, [[1, 2, 3, 4], [5, 6, 7, 8]] * 2)


def test_tables_of_tiny_imagenet_that_do_not_suit_are_named(tmp_path):
    root = tiny_imagenet(tmp_path)
    (root / "train" / "n01" / "n01_boxes.txt").unlink()
    assert read("tiny-imagenet", root).train.boxes is None
    table = root / "val" / "val_annotations.txt"
    for text, message in (
        ("val_0.JPEG\tn02\t0\t32\t44\t62\n", r"has no line for val_1\.JPEG, one of 1 such images"),
        ("val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn09\t5\t6\t7\t8\n", "has the class n09, of which .*train has no"),
        ("val_0.JPEG\tn02\t0\t32\n", "line 1: 4 columns; wanted 6"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=message):
            read("tiny-imagenet", root)


def test_tiny_imagenet_with_validation_images_by_class(tmp_path):
    assert read("tiny-imagenet", folder_of_classes(tmp_path)).train.name == "tiny-imagenet"


# ---- fine-grained data sets


def cub(root):
    tables = {
        "images.txt": "1 001.A_bird/a.jpg\n2 001.A_bird/b.jpg\n3 002.Other/c.jpg\n",
        "classes.txt": "1 001.A_bird\n2 002.Other\n",
        "image_class_labels.txt": "1 1\n2 1\n3 2\n",
        "train_test_split.txt": "1 1\n2 0\n3 1\n",
        "bounding_boxes.txt": "1 60.0 27.0 325.0 304.0\n2 1.0 2.0 3.0 4.0\n3 0.5 0.0 10.0 10.0\n",
    }
    for name in ("001.A_bird/a.jpg", "001.A_bird/b.jpg", "002.Other/c.jpg"):
        write(root / "images" / name)
    for name, text in tables.items():
        (root / name).write_text(text)
    return root


def test_cub(tmp_path):
    cub(tmp_path / "CUB_200_2011")
    splits = read("cub", tmp_path)
    assert splits.train.classes == ("001.A_bird", "002.Other")
    assert described(splits.train) == {"images/001.A_bird/a.jpg": 0, "images/002.Other/c.jpg": 1}
    assert described(splits.test) == {"images/001.A_bird/b.jpg": 0}
    np.testing.assert_array_equal(splits.train.boxes, [[60, 27, 385, 331], [0.5, 0, 10.5, 10]])
    (tmp_path / "CUB_200_2011" / "images" / "002.Other" / "c.jpg").unlink()
    with pytest.raises(ValueError, match=r"002\.Other/c\.jpg, named by a table of cub, can't be read: No such file"):
        read("cub", tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train_test_split.txt", "1 1\n2 0\n", r"train_test_split\.txt has no line for image 3 of images\.txt"),
        ("image_class_labels.txt", "1 1\n2 1\n3 7\n", r"has the class 7, which classes\.txt lacks"),
        ("bounding_boxes.txt", "1 1 2 3\n", r"bounding_boxes\.txt, line 1: 4 columns; wanted 5"),
        ("classes.txt", None, r"classes\.txt is missing: unpack the archive"),
    ],
)
def test_tables_of_cub_that_do_not_suit_are_named(tmp_path, file, text, message):
    path = cub(tmp_path) / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read("cub", tmp_path)


def cars_annotations(rows, *names):
    kind = [(name, "O") for name in (*(f"bbox_{corner}" for corner in ("x1", "y1", "x2", "y2")), *names)]
    return np.array(rows, kind)[None]


def test_cars_as_its_archives_unpack(tmp_path):
    for split, count in (("train", 2), ("test", 1)):
        for number in range(count):
            write(tmp_path / f"cars_{split}" / f"0000{number}.jpg")
    (tmp_path / "devkit").mkdir()
    names = np.array([["AM General Hummer", "Acura RL"]], object)
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    rows = [(39, 116, 569, 375, 2, "00000.jpg"), (1, 2, 3, 4, 1, "00001.jpg")]
    train = cars_annotations(rows, "class", "fname")
    savemat(tmp_path / "devkit" / "cars_train_annos.mat", {"annotations": train})
    with pytest.raises(ValueError, match=r"Neither .*devkit/cars_test_annos_withlabels\.mat nor .* is there"):
        read("cars", tmp_path)
    savemat(tmp_path / "cars_test_annos_withlabels.mat", {"annotations": train[:, :1]})
    splits = read("cars", tmp_path)
    assert splits.train.classes == ("AM General Hummer", "Acura RL")
    assert described(splits.train) == {"cars_train/00000.jpg": 1, "cars_train/00001.jpg": 0}
    assert described(splits.test) == {"cars_test/00000.jpg": 1}
    np.testing.assert_array_equal(splits.train.boxes, [[39, 116, 569, 375], [1, 2, 3, 4]])
    rows[0] = (*rows[0][:4], 3, "00000.jpg")
    savemat(tmp_path / "cars_test_annos_withlabels.mat", {"annotations": cars_annotations(rows[:1], "class", "fname")})
    with pytest.raises(ValueError, match=r"annotations of cars_test/ have the class 3; wanted 1 to 2"):
        read("cars", tmp_path)
    savemat(
        tmp_path / "cars_test_annos_withlabels.mat", {"annotations": cars_annotations([(*rows[0][:4], "a")], "fname")}
    )
    with pytest.raises(ValueError, match=r"have no classes; for the test images wanted\s+cars_test_annos_withlabels"):
        read("cars", tmp_path)
    (tmp_path / "devkit" / "cars_meta.mat").write_text("text")
    with pytest.raises(ValueError, match=r"cars_meta\.mat can't be read as a MATLAB file"):
        read("cars", tmp_path)


def test_cars_in_one_folder(tmp_path):
    rows = [
        (1, 2, 3, 4, 2, 0, "car_ims/1.jpg"),
        (1, 2, 3, 4, 1, 1, "car_ims/2.jpg"),
        (5, 6, 7, 8, 1, 0, "car_ims/3.jpg"),
    ]
    for number in (1, 2, 3):
        write(tmp_path / "car_ims" / f"{number}.jpg")
    content = {
        "annotations": cars_annotations(rows, "class", "test", "relative_im_path"),
        "class_names": np.array([["a", "b"]], object),
    }
    savemat(tmp_path / "cars_annos.mat", content)
    splits = read("cars", tmp_path)
    assert described(splits.train) == {"car_ims/1.jpg": 1, "car_ims/3.jpg": 0}
    assert described(splits.test) == {"car_ims/2.jpg": 0}


def test_aircraft(tmp_path):
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    for number in (1, 2, 3):
        write(data / "images" / f"{number}.jpg")
    (data / "variants.txt").write_text("707-320\nCessna 172\n")
    (data / "images_box.txt").write_text("1 3 144 998 431\n2 1 2 3 4\n3 5 6 7 8\n")
    for split, text in (("train", "2 Cessna 172\n"), ("val", "1 707-320\n"), ("test", "3 Cessna 172\n")):
        (data / f"images_variant_{split}.txt").write_text(text)
    splits = read("aircraft", tmp_path)
    assert splits.train.classes == ("707-320", "Cessna 172")
    assert described(splits.train) == {"images/1.jpg": 0, "images/2.jpg": 1}
    assert described(splits.test) == {"images/3.jpg": 1}
    np.testing.assert_array_equal(splits.train.boxes, [[3, 144, 998, 431], [1, 2, 3, 4]])
    (data / "images_variant_test.txt").write_text("3 Cessna 173\n")
    with pytest.raises(ValueError, match=r"images_variant_test\.txt: image 3 is a Cessna 173, which isn't in variants"):
        read("aircraft", tmp_path)
    (data / "images_variant_test.txt").write_text("4 Cessna 172\n")
    with pytest.raises(ValueError, match=r"images_variant_test\.txt: image 4 isn't in images_box\.txt"):
        read("aircraft", tmp_path)


# ---- records of tensorflow-datasets


@pytest.mark.filterwarnings("ignore")  # of tensorflow-datasets and what it imports
def test_records_of_tensorflow_datasets_are_read_as_encoded_images(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("array_record")

    class Photographs(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        name = "photographs"
        pkg_dir_path = tmp_path

        def _info(self):
            features = {
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=["ant", "bee"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, download_manager):
            return {"train": self._generate_examples(4), "validation": self._generate_examples(2)}

        def _generate_examples(self, count):
            for number in range(count):
                data = image_folders.encoded(Image.new("RGB", (10 + number, 8), (60 * number,) * 3), "JPEG")
                yield number, {"image": io.BytesIO(data), "label": number % 2}

    Photographs(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    splits = read("tfds", tmp_path)
    assert [len(splits.train), len(splits.test), splits.validation] == [4, 2, None]
    assert (splits.train.name, splits.train.classes, splits.train.absent) == ("photographs", ("ant", "bee"), ())
    for index in range(4):
        data, label = splits.train.example(index)
        image = Image.open(io.BytesIO(data))
        assert image.width % 2 == label == splits.train.labels[index]
    assert splits.train.chosen([1, 2]).labels.tolist() == splits.train.labels[1:3].tolist()
    assert splits.train.path(3) == f"{tmp_path / 'photographs' / '1.0.0'}, train[3]"
    assert splits.train.checksum() != splits.test.checksum() == read("tfds", tmp_path).test.checksum()
    (tmp_path / "photographs" / "1.0.1").mkdir()
    (tmp_path / "photographs" / "1.0.1" / "dataset_info.json").write_text("{}")
    with pytest.raises(ValueError, match=re.escape("Wanted one prepared data set in")):
        read("tfds", tmp_path)
    assert len(read("tfds", tmp_path / "photographs" / "1.0.0").train) == 4
