"""Readers of data sets, and their messages about files they cannot read."""

import io
import os
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest

import inputs
from inputs import dataset, plain_unpickler


def rows(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


@pytest.fixture
def cifar10(tmp_path):
    """A folder with the official layout, 20 + 6 images. Returns the folder that holds it."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        content = {b"data": rows(4, number), b"labels": [number % 10, 1, 2, 9], b"batch_label": b"training"}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(content, 2))
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": rows(6, 9), b"labels": [0, 1, 2, 3, 4, 5]}, 2))
    names = [f"name{number}".encode() for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, 2))
    return tmp_path


def write_npz(path, **changes):
    arrays = {
        "x_train": np.arange(6 * 8 * 8 * 3, dtype=np.uint8).reshape(6, 8, 8, 3),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.zeros((2, 8, 8, 3), np.uint8),
        "y_test": np.array([0, 2]),
    }
    arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, **arrays)
    return path


def test_digits_are_split_once_and_for_all_with_every_class_in_both_parts(tmp_path):
    found, again = inputs.load("digits", tmp_path), inputs.load("digits", tmp_path)
    assert len(found.train_images) + len(found.test_images) == 1797
    assert found.train_images.shape[1:] == (8, 8, 1)
    assert found.train_images.max() == 255
    assert set(found.train_labels) == set(found.test_labels) == set(range(10))
    np.testing.assert_array_equal(found.test_images, again.test_images)


def test_cifar10_rows_are_channel_after_channel(cifar10):
    found = inputs.load("cifar10", cifar10)
    assert found.train_images.shape == (20, 32, 32, 3)
    assert found.test_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.classes[3] == "name3"
    row = rows(4, 1)[0]
    assert found.train_images[0, 5, 7].tolist() == [row[1024 * channel + 5 * 32 + 7] for channel in range(3)]


def test_the_folder_itself_is_accepted_too(cifar10):
    assert len(inputs.load("cifar10", cifar10 / "cifar-10-batches-py").train_images) == 20


def test_cifar100_takes_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name, count in (("train", 5), ("test", 3)):
        content = {b"data": rows(count), b"fine_labels": [99] * count, b"coarse_labels": [1] * count}
        (folder / name).write_bytes(pickle.dumps(content, 2))
    found = inputs.load("cifar100", tmp_path)
    assert found.train_labels.tolist() == [99] * 5
    assert len(found.classes) == 100


def test_mean_and_standard_deviation_are_those_of_the_training_images(cifar10):
    found = inputs.load("cifar10", cifar10)
    scaled = found.train_images / 255
    np.testing.assert_allclose(found.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, scaled.std((0, 1, 2)), rtol=1e-12)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_arrays_of_every_pickle_protocol_before_the_fifth_are_read(protocol):
    content = {"data": rows(2), "labels": [1, 2], "name": b"bytes"}
    read = plain_unpickler.PlainUnpickler(io.BytesIO(pickle.dumps(content, protocol)), encoding="bytes").load()
    assert len(read) == 3


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_an_array_is_read_as_python_2_wrote_it_under_both_names_of_its_module(module):
    content = rows(3)
    raw = (
        (b"\x80\x02c" + module + b"\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03M\x00\x0c\x86")
        + (b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
        + (b"T" + struct.pack("<i", content.size) + content.tobytes() + b"tb.")
    )
    read = plain_unpickler.PlainUnpickler(io.BytesIO(raw), encoding="bytes").load()
    np.testing.assert_array_equal(read, content)
    assert read.dtype == np.uint8


class Call:
    """Pickles as a call of any function, and as a state that is set on what it returns."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Call(os.system, "touch ran"),
        Call(eval, "1"),
        Call(getattr, [], "append"),
        Call(np.load, "file"),
        np.zeros,
        # numpy trusts the state of a dtype: eight bytes of anything would be taken for the address of an object.
        Call(np.dtype, "V8", False, True, state=(3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)),
        Call(np.dtype, "O8", False, True),
        Call(np.dtype, ("u1", 2)),
        np.array([None]),
        np.ma.zeros(3),
        Call(np.empty(0).__reduce__()[0], np.matrix, (0,), b"b"),
    ],
)
def test_a_pickle_that_asks_for_anything_else_is_refused_and_not_run(cifar10, evil, monkeypatch):
    monkeypatch.chdir(cifar10)
    path = cifar10 / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(pickle.dumps({b"data": evil, b"labels": []}, 2))
    with pytest.raises(ValueError, match=r"data_batch_2 is broken or not a CIFAR file.*refused"):
        inputs.load("cifar10", cifar10)
    assert not (cifar10 / "ran").exists()


def test_a_forged_state_leaves_a_type_of_numbers_as_it_is():
    forged = Call(np.dtype, "u1", False, True, state=(3, "|", None, ("a",), {"a": (np.dtype("u8"), 0)}, 8, 1, 0))
    read = plain_unpickler.PlainUnpickler(io.BytesIO(pickle.dumps(forged, 2)), encoding="bytes").load()
    assert read == np.dtype(np.uint8)
    assert (read.itemsize, read.fields) == (1, None)


def test_the_functions_of_a_pickle_keep_their_attributes():
    raw = b"c_codecs\nencode\nN}(S'__defaults__'\nS'x'\nu\x86b."
    with pytest.raises(pickle.UnpicklingError, match="sets the state of a function"):
        plain_unpickler.PlainUnpickler(io.BytesIO(raw), encoding="bytes").load()


def test_arrays_are_made_by_their_state_alone():
    # An array over the bytes of another one would outlive them.
    with pytest.raises(TypeError, match="not callable"):
        plain_unpickler.PlainUnpickler(
            io.BytesIO(pickle.dumps(Call(np.ndarray, (3,), "u1"), 2)), encoding="bytes"
        ).load()


def test_a_truncated_file_is_named(cifar10):
    path = cifar10 / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="data_batch_3 is broken"):
        inputs.load("cifar10", cifar10)


def test_a_file_that_is_missing_from_the_folder_is_named(cifar10):
    (cifar10 / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(ValueError, match="test_batch is missing"):
        inputs.load("cifar10", cifar10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({b"data": rows(4), b"labels": [1, 2, 3]}, "4 images, but labels of shape"),
        ({b"data": rows(4), b"labels": [1, 2, 3, 10]}, "wanted 0 to 9"),
        ({b"data": rows(4)[:, :3000], b"labels": [1, 2, 3, 4]}, "wanted uint8"),
        ({b"data": rows(4), b"fine_labels": [1, 2, 3, 4]}, "another data set"),
        ({b"data": rows(4), b"labels": [1, 2, 3, "4"]}, "wanted integer labels"),
        ({b"data": rows(4), b"labels": [1, 2, 3, [4]]}, "isn't a list of class ids"),
        ([1, 2], "broken or not a CIFAR file"),
    ],
)
def test_wrong_contents_are_named_with_their_file(cifar10, content, message):
    (cifar10 / "cifar-10-batches-py" / "data_batch_5").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(ValueError, match=f"data_batch_5(.|\n)*{message}"):
        inputs.load("cifar10", cifar10)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_missing_data_are_answered_with_where_and_what_to_do(tmp_path, name):
    with pytest.raises(ValueError, match="No " + name) as caught:
        inputs.load(name, tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    archive = f"cifar-{name[5:]}-python.tar.gz"
    command = f"curl -O https://www.cs.toronto.edu/~kriz/{archive} && tar -xzf {archive} -C {tmp_path}"
    assert command in message
    assert f"tfds build {name} --data_dir {tmp_path}" in message


def test_a_folder_with_the_name_of_an_official_file_is_not_one(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="No cifar100(.|\n)*curl -O"):
        inputs.load("cifar100", tmp_path)


def test_the_newest_prepared_version_is_read_and_a_missing_package_is_named(tmp_path, monkeypatch):
    for version in ("3.0.10", "3.0.2"):
        (tmp_path / "cifar10" / version).mkdir(parents=True)
        (tmp_path / "cifar10" / version / "dataset_info.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ValueError, match=r"3\.0\.10 cannot be read \(.*tensorflow_datasets(.|\n)*array_record"):
        inputs.load("cifar10", tmp_path)


def test_mean_and_standard_deviation_count_more_images_than_one_chunk_has():
    images = np.random.default_rng(0).integers(0, 256, (2300, 2, 3, 2), np.uint8)
    labels = np.zeros(2300, np.int32)
    found = dataset.create("npz", (images, labels, images, labels), ("0",), padding=0, flip=False)
    np.testing.assert_allclose(found.mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, (images / 255).std((0, 1, 2)), rtol=1e-12)


def test_an_unknown_data_set_is_answered_with_the_list(tmp_path):
    with pytest.raises(ValueError, match="There are: digits, cifar10, cifar100, npz, folder"):
        inputs.load("svhn", tmp_path)


def test_npz_is_read(tmp_path):
    found = inputs.load("npz", write_npz(tmp_path / "own.npz"))
    assert found.train_images.shape == (6, 8, 8, 3)
    assert found.test_labels.tolist() == [0, 2]
    assert len(found.classes) == 3


def test_classes_without_training_images_are_named(tmp_path):
    found = inputs.load("npz", write_npz(tmp_path / "own.npz", y_train=np.array([1, 2, 4, 1, 2, 4])))
    assert len(found.classes) == 5 and found.absent == ("0", "3")
    assert found.limited(2, None).absent == ("0", "3", "4")


def test_some_images_are_the_first_ones_or_where_class_stands_after_class_each_ones_share():
    labels = np.repeat(np.arange(5), 4)
    assert labels[inputs.some(labels, 10)].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert inputs.some(labels[::-1], 10) == slice(10) and inputs.some(labels, None) == slice(None)
    assert len(labels[inputs.some(labels, 99)]) == 20


def test_npz_without_a_channel_axis_gets_one(tmp_path):
    path = write_npz(tmp_path / "own.npz", x_train=np.zeros((6, 8, 8), np.uint8), x_test=np.zeros((2, 8, 8), np.uint8))
    assert inputs.load("npz", path).test_images.shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "lacks y_test"),
        ({"x_train": np.zeros((6, 8, 8, 3), np.float32)}, "wanted uint8"),
        ({"y_train": np.zeros(5, int)}, "6 images, but labels"),
        ({"y_train": np.zeros(6)}, "wanted integer labels"),
        ({"y_train": np.array([0, 1, 2, 0, 1, -1])}, "labels go from -1"),
        ({"x_test": np.zeros((2, 9, 8, 3), np.uint8)}, "test images"),
        ({"x_test": np.zeros((0, 8, 8, 3), np.uint8), "y_test": np.zeros(0, int)}, "all above 0"),
        ({"x_train": np.zeros((6, 0, 8, 3), np.uint8)}, "all above 0"),
        ({"x_train": np.zeros((6, 8, 8, 0), np.uint8)}, "all above 0"),
        ({"y_train": np.array([0, 1, 2, 0, 1, None], object)}, "plain arrays"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 6])}, "up to 6, which makes 7 classes for 6 training images"),
        (
            {"y_train": np.array([0, 1, 2, 0, 1, 2**31])},
            r"labels go .* 2147483648; wanted 0, 1, 2, .* numpy\.unique",
        ),
        ({"y_test": np.array([0, 2**64 - 1], np.uint64)}, "labels go from 0 to 18446744073709551615; wanted 0, 1, 2"),
        ({"y_test": np.eye(3, dtype=int)[:2]}, r"2 images, but labels of shape \[2, 3\].*labels.argmax\(1\)"),
    ],
)
def test_a_wrong_npz_is_named_with_what_is_wrong(tmp_path, changes, message):
    path = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        inputs.load("npz", path)
    assert str(path) in str(caught.value)


def images(*shape):
    return np.zeros((6, *shape), np.uint8)


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (2, 8, 8), (3, 16, 16), (3, 32, 96), (3, 96, 32), (4, 8, 8), (13, 64, 64)]
)
def test_images_with_their_channels_first_are_refused(tmp_path, shape):
    path = write_npz(tmp_path / "own.npz", x_train=images(*shape), x_test=images(*shape)[:2])
    with pytest.raises(ValueError, match=r"own\.npz.*channels first.*transpose\(0, 2, 3, 1\)"):
        inputs.load("npz", path)


@pytest.mark.parametrize("shape", [(3, 16, 3), (4, 4, 4), (1, 32, 2), (9, 9, 200), (3, 3, 13), (16, 32, 10)])
def test_low_images_and_ones_of_many_channels_are_read(tmp_path, shape):
    path = write_npz(tmp_path / "own.npz", x_train=images(*shape), x_test=images(*shape)[:2])
    assert inputs.load("npz", path).train_images.shape[1:] == shape


def test_a_column_of_labels_is_read(tmp_path):
    column = np.array([[0], [1], [2], [0], [1], [2]], np.uint8)
    assert inputs.load("npz", write_npz(tmp_path / "own.npz", y_train=column)).train_labels.tolist() == [0, 1, 2] * 2


def test_a_file_that_is_no_npz_and_a_missing_one_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"No data: .*own\.npz is not a file"):
        inputs.load("npz", tmp_path / "own.npz")
    with (tmp_path / "own.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"own\.npz cannot be read.*a single array"):
        inputs.load("npz", tmp_path / "own.npz")
    (tmp_path / "own.npz").write_text("text")
    with pytest.raises(ValueError, match=r"own\.npz cannot be read"):
        inputs.load("npz", tmp_path / "own.npz")
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", b"broken")
    with pytest.raises(ValueError, match=r"own\.npz lacks x_train"):
        inputs.load("npz", tmp_path / "own.npz")


@pytest.mark.filterwarnings("ignore")  # of tensorflow-datasets and what it imports
def test_what_tensorflow_datasets_prepared_is_read_without_tensorflow(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("array_record")
    from PIL import Image

    class Cifar10(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("3.0.2")
        name = "cifar10"
        pkg_dir_path = tmp_path

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(32, 32, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=[f"name{number}" for number in range(10)]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, download_manager):
            return {"train": self._generate_examples(8), "test": self._generate_examples(4)}

        def _generate_examples(self, count):
            for number in range(count):
                file = io.BytesIO()
                Image.fromarray(np.full((32, 32, 3), number, np.uint8)).save(file, "PNG")
                file.seek(0)
                yield number, {"image": file, "label": number}

    Cifar10(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    found = inputs.load("cifar10", tmp_path)
    assert "tensorflow" not in sys.modules
    assert found.train_images.shape == (8, 32, 32, 3)
    np.testing.assert_array_equal(found.train_images[:, 0, 0, 0], found.train_labels)
    assert found.classes[2] == "name2"
    (tmp_path / "cifar10" / "3.0.2" / "features.json").write_text("{")
    with pytest.raises(ValueError, match=r"3\.0\.2 cannot be read"):
        inputs.load("cifar10", tmp_path)
