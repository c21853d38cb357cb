"""Evaluation: values are those of the saved logits, no measurement is repeated, and missing data are reported."""

import csv
import io
import json
import os
import re
import shutil
import types
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from flax import nnx

import cifar
import devices
import evaluate
import inputs
from eval import datasets, figures, load_run
from eval.image_files import image_size, read_image
from eval.load_run import Trained
from eval.results import Results
from eval.suites import SUITES, attacks, backgrounds, corruptions, edges, localization, noise, stability
from eval.suites.base import MissingError, Options, Suite, Table, no_figure
from jaxmix import robustness
from jaxmix.robustness import calibration
from jaxmix.robustness.calibration import probabilities
from locks import lock
from models.layers import Classifier

pytestmark = pytest.mark.unoptimized

CLASSES = tuple(map(str, range(10)))


def one_device():
    return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))


# ---- a trained network without training


class Linear(nnx.Module):
    """Logits linear in the pixels: a channel of features for every pixel, and the classifier of the other networks."""

    def __init__(self, kernel, bias):
        self.classifier = Classifier(64, 10, rngs=nnx.Rngs(0))
        self.classifier.linear.kernel[...], self.classifier.linear.bias[...] = kernel, bias

    def features(self, x, *, train):
        return x * jnp.eye(64).reshape(1, 8, 8, 64)

    def __call__(self, x, *, train):
        return self.classifier(self.features(x, train=train))


def trained(limit=None):
    """A least-squares fit to the digits, and 60 test images; one for all tests, so that each program compiles once."""
    return _trained(limit)


@cache
def _trained(limit):
    digits = inputs.load("digits", None)
    digits = digits._replace(test_images=digits.test_images[:60], test_labels=digits.test_labels[:60])
    x = (digits.train_images.reshape(-1, 64) / 255 - digits.mean[0]) / digits.std[0]
    weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], 10 * np.eye(10)[digits.train_labels], rcond=None)[0]
    network = Linear(64 * weights[:-1], weights[-1])  # features are averaged over 64 places
    config = types.SimpleNamespace(dataset="digits", model="linear", method="none", epochs=1, seed=0)
    return Trained(network, digits, config, 100, mesh=one_device(), limit=limit, batch_size=60)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of its run, in an empty folder to run in."""
    folder, load = tmp_path / "run", load_run.load
    folder.mkdir()

    def loaded(where, *, limit, **options):
        return trained(limit) if where == folder else load(where, limit=limit, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load_run, "load", loaded)
    return folder


def evaluated(run, suite, *options):
    return evaluate.main([str(run), "--suite", suite, "--batch-size", "60", *options])


def report(run):
    """The sections that were run last."""
    suites = json.loads((run / "evaluation" / "report.json").read_text())["suites"]
    return {name: sections[-1] for name, sections in suites.items() if sections}


# ---- a real run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short training of resnet-8 on digits."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
        patch.setattr(devices, "global_mesh", one_device)
        sizes = ("--limit-train", "64", "--limit-test", "60", "--batch-size", "32", "--epochs", "1")
        assert cifar.main([*sizes, "--method", "none", "--runs-dir", str(place)]) == 0
    (folder,) = place.iterdir()
    return folder


@pytest.fixture
def real_run(finished, tmp_path, monkeypatch):
    """A copy of it, which a test may change, in an empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "global_mesh", one_device)
    return shutil.copytree(finished, tmp_path / "real")


@pytest.mark.slow
def test_values_are_those_of_the_saved_logits(real_run, capsys):
    assert evaluated(real_run, "clean,calibration") == 0
    with np.load(real_run / "evaluation" / "logits.npz") as arrays:
        logits, labels = arrays["logits"].astype(np.float64), arrays["labels"]
    found = report(real_run)
    error = np.mean([row.argmax() != label for row, label in zip(logits, labels, strict=True)])
    assert found["clean"]["measurements"]["clean"]["error"] == pytest.approx(error)
    training = [json.loads(line) for line in (real_run / "metrics.jsonl").read_text().splitlines()][-1]
    assert 1 - training["test_accuracy"] == pytest.approx(error)
    assert found["clean"]["measurements"]["clean"]["loss"] == pytest.approx(training["test_loss"], abs=1e-5)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    metrics = found["calibration"]["measurements"]["metrics"]["uncalibrated"]
    assert metrics["NLL"] == pytest.approx(-np.log(shares[np.arange(60), labels]).mean(), abs=1e-6)
    one_hot = np.eye(10)[labels]
    assert metrics["Brier score"] == pytest.approx(((shares - one_hot) ** 2).sum(1).mean(), abs=1e-6)
    sure, right = shares.max(1), shares.argmax(1) == labels
    gap = 0.0
    for low in np.arange(15) / 15:
        inside = (sure > low) & (sure <= low + 1 / 15)
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert metrics["ECE"] == pytest.approx(gap, abs=1e-6)
    text = (real_run / "evaluation" / "report.md").read_text()
    assert f"| 60 | {100 * error:.2f} |" in text and "![Calibration](reliability.png)" in text
    assert (real_run / "evaluation" / "reliability.png").is_file()
    assert "clean: clean error" in capsys.readouterr().out


def test_a_run_without_a_checkpoint_or_with_other_data_says_so(real_run, capsys):
    description = real_run / "dataset.json"
    description.write_text(description.read_text().replace('"crc32": {', '"crc32": {"more": 1,'))
    assert evaluated(real_run, "clean") == 2
    assert "crc32 differ from its dataset.json" in capsys.readouterr().err
    description.write_text(description.read_text().replace('"more": 1,', ""))
    config = real_run / "config.json"
    saved = config.read_text()
    for changed in (saved.replace('"batch_size": 32', '"batch_size": "32"'), saved.replace('"cifar"', '"evaluate"')):
        config.write_text(changed)
        assert evaluated(real_run, "clean") == 2
        assert f"{real_run}" in (printed := capsys.readouterr().err) and "Traceback" not in printed
    config.write_text(saved)
    shutil.rmtree(real_run / "checkpoints")
    assert evaluated(real_run, "clean") == 2
    assert "has no checkpoint" in capsys.readouterr().err


# ---- measurements


def test_rows_come_back_in_their_order_whatever_the_batch_size():
    rows = np.arange(130, dtype=np.float32)
    np.testing.assert_array_equal(trained().batched(lambda x, y: 2 * x + y, rows, rows), 3 * rows)
    np.testing.assert_array_equal(trained().batched(lambda x: 2 * x, rows[:7]), 2 * rows[:7])


def test_nothing_is_computed_twice_unless_it_depends_on_what_changed(run, monkeypatch, capsys):
    asked = []
    logits = Trained.logits
    monkeypatch.setattr(Trained, "logits", lambda self, *rest: asked.append(1) or logits(self, *rest))
    assert evaluated(run, "clean") == 0
    before = len(asked)
    assert evaluated(run, "clean") == 0
    assert len(asked) == before and "kept" in capsys.readouterr().out
    assert evaluated(run, "clean", "--limit", "40") == 0
    assert len(asked) > before
    assert report(run)["clean"]["measurements"]["clean"]["images"] == 40


def test_logits_and_figures_are_those_of_the_report(run):
    def logits():
        with np.load(run / "evaluation" / "logits.npz") as arrays:
            return arrays["logits"]

    assert evaluated(run, "clean") == 0
    whole = logits()
    assert evaluated(run, "clean", "--limit", "40") == 0 and len(logits()) == 40
    assert evaluated(run, "clean") == 0
    np.testing.assert_array_equal(logits(), whole)
    assert evaluated(run, "occlusion", "--limit", "40") == 0 and len(logits()) == 40
    assert evaluated(run, "occlusion", "--limit", "30") == 0
    assert not (run / "evaluation" / "logits.npz").exists()  # no clean images in this report
    assert (run / "evaluation" / "occlusion.png").is_file()
    (run / "evaluation" / "own.png").write_bytes(b"a file of the user")
    assert evaluated(run, "calibration", "--limit", "50") == 0
    shown = {path.name for path in (run / "evaluation").iterdir()}
    assert shown == {"report.json", "report.md", "sections", "reliability.png", "own.png", "lock"}
    shutil.rmtree(run / "evaluation" / "sections")
    assert evaluated(run, "clean") == 0
    np.testing.assert_array_equal(logits(), whole)


def test_a_measurement_has_its_versions_and_belongs_to_its_network(run, monkeypatch):
    assert evaluated(run, "clean") == 0
    (versions,) = report(run)["clean"]["versions"]
    assert versions["jax"] == jax.__version__ and versions["devices"]["count"] >= 1
    assert f"jax {jax.__version__}" in (run / "evaluation" / "report.md").read_text()
    assert report(run)["clean"]["settings"]["network"] == trained().identity
    monkeypatch.setattr(trained(), "identity", 1)
    assert evaluated(run, "clean") == 0
    assert len(json.loads((run / "evaluation" / "report.json").read_text())["suites"]["clean"]) == 2


def test_no_more_rows_are_computed_than_there_are_test_images():
    assert Trained(trained().model, trained().dataset, None, 1, mesh=one_device(), limit=40).batch_size == 40


def test_every_part_is_a_line_where_there_is_no_terminal(run, capsys):
    assert evaluated(run, "occlusion") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 18 and lines[0].startswith("    center 0 (")


def test_an_unfinished_training_is_said(run, monkeypatch, capsys):
    monkeypatch.setattr(trained(), "steps", 300)
    assert evaluated(run, "clean") == 0
    assert "isn't finished, 100 of 300 steps: go on with it by --resume" in capsys.readouterr().err
    assert "The training isn't finished: 100 of 300 steps." in (run / "evaluation" / "report.md").read_text()
    monkeypatch.setattr(trained(), "steps", 100)
    assert evaluated(run, "clean") == 0
    assert "finished" not in (run / "evaluation" / "report.md").read_text()


def test_an_interrupt_keeps_what_was_computed(run, monkeypatch, capsys):
    over, calls = Trained.batched, []

    def interrupted(self, function, *arrays, title=""):
        calls.append(title)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return over(self, function, *arrays, title=title)

    monkeypatch.setattr(Trained, "batched", interrupted)
    assert evaluated(run, "occlusion") == 130
    assert "the same command continues" in capsys.readouterr().err
    assert list(report(run)["occlusion"]["measurements"]) == ["center 0", "center 1", "center 2"]
    assert not report(run)["occlusion"]["complete"]
    assert evaluated(run, "occlusion") == 0
    assert calls[4:] == [f"{kind} {size}" for kind in ("center", "border") for size in range(9)][3:]
    parts = report(run)["occlusion"]["measurements"]
    assert parts["center 0"] == parts["border 8"] and parts["center 8"] == parts["border 0"]


def test_errors_under_attack_grow_with_epsilon(run, monkeypatch):
    monkeypatch.setattr(attacks, "EPSILONS", (8, 64))
    monkeypatch.setattr(attacks, "L2_EPSILONS", (2.0,))
    monkeypatch.setattr(attacks, "STEPS", 3)
    section = Results(run / "evaluation" / "report.json").suite("attacks", {})
    attacks.measure(trained(), section, Options(attacked=60))
    parts = section.measurements
    for kind in ("fgsm", "pgd"):
        assert parts["none"] <= parts[f"{kind} 8/255"] < parts[f"{kind} 64/255"]
    assert parts["pgd 64/255"] >= parts["fgsm 64/255"]
    assert parts["pgd L2 2"] > parts["none"]
    # Without PGD the table has no empty column, and nothing else changes.
    assert len(attacks.tabulate(parts).header) == 3
    alone = {name: value for name, value in parts.items() if not name.startswith("pgd")}
    quick = Options(attacked=60, pgd=False)
    section = Results(run / "evaluation" / "report.json").suite("attacks", attacks.settings(quick))
    section.measurements |= {"fgsm 8/255": parts["fgsm 8/255"], "fgsm 64/255": parts["fgsm 64/255"]}
    attacks.measure(trained(), section, quick)
    table = attacks.tabulate(section.measurements)
    assert section.measurements == alone and len(table.header) == 2 and list(table.summary) == ["FGSM 8/255, error, %"]


def test_images_in_between_classes_and_out_of_distribution_ones(run):
    assert evaluated(run, "in_between,detection") == 0
    between = report(run)["in_between"]["measurements"]
    clean = np.mean(trained().logits(trained().images).argmax(1) != trained().labels)
    for kind in ("mixup", "cutmix"):
        assert between[f"{kind} 0.0"] == {"error": pytest.approx(clean, abs=1e-6), "share": 0.0}
    # Of 8 x 8 pixels the middle 4 x 4 are a quarter, and 6 x 6 just over a half.
    assert [between[f"cutmix {share}"]["share"] for share in (0.3, 0.5)] == [0.25, 0.5625]
    detection = report(run)["detection"]["measurements"]
    assert set(detection) == {"uniform noise", "Gaussian noise", "Rademacher noise", "blobs"}
    for part in detection.values():
        assert part["images"] == 12 and all(0 <= part[name] <= 1 for name in part if name != "images")
    for figure in ("in_between", "detection"):
        assert (run / "evaluation" / f"{figure}.png").is_file()


# ---- corruptions


@pytest.fixture
def two_corruptions(monkeypatch):
    monkeypatch.setattr(corruptions, "names", lambda options: ("contrast", "brightness"))


@pytest.mark.usefixtures("two_corruptions")
def test_published_corruptions_are_read_and_count_as_computed_ones_do(run, tmp_path):
    options = Options()
    files = {
        name: np.concatenate(
            [corruptions.corrupted(trained(), trained().images, options, name, s) for s in range(1, 6)]
        )
        for name in ("contrast", "brightness")
    }
    place = tmp_path / "published"
    place.mkdir()
    for name, images in files.items():
        np.save(place / f"{name}.npy", images)
    np.save(place / "labels.npy", np.tile(trained().labels, 5))
    parts = []
    for chosen in (options, Options(corrupted=place)):
        section = Results(tmp_path / f"{len(parts)}.json").suite("corruptions", {})
        corruptions.measure(trained(), section, chosen)
        errors = {name: section.measurements[name] for name in section.measurements if name[-1] in "12345"}
        parts.append(errors)
    assert parts[0] == parts[1] and len(parts[0]) == 10
    assert section.measurements[corruptions.SETTING]["note"] == ""
    assert parts[0]["contrast 5"]["error"] > parts[0]["contrast 1"]["error"]
    assert len([*tmp_path.glob("sections/corruptions-*/corrupted.png")]) == 1  # of the computed ones


def test_the_calibration_error_is_that_of_the_corrupted_images(run, tmp_path):
    # Each four times, so that they are more than one bin.
    images, labels = np.repeat(trained().images, 4, 0), np.repeat(trained().labels, 4)
    np.save(tmp_path / "fog.npy", np.concatenate([images // (s + 1) for s in range(5)]))
    np.save(tmp_path / "labels.npy", labels)
    section = Results(tmp_path / "report.json").suite("corruptions", {})
    corruptions.measure(trained(), section, Options(corrupted=tmp_path))
    for s in range(5):
        logits = trained().logits(images // (s + 1))
        expected = calibration.rms_error(*probabilities.top_label(logits, labels))
        assert section.measurements[f"fog {s + 1}"] == {
            "error": load_run.error(logits, labels),
            "RMS calibration error": expected,
        }
        assert expected != calibration.mad_error(*probabilities.top_label(logits, labels))


def test_the_mean_over_corruptions_says_what_it_counts():
    names = corruptions.names(Options())
    parts = {f"{name} {s}": 0.1 * s for name in names for s in range(1, 6)}
    parts[corruptions.SETTING] = {"source": "computed", "constants": "cifar", "images": 10}
    parts |= {f"gaussian_blur {s}": 1.0 for s in range(1, 6)}  # not one of the 15
    shown = corruptions.tabulate(parts)
    assert shown.summary == {"corruption error, mean of 15 with frost_like, %": pytest.approx(30)}
    assert len(shown.rows) == 20 and shown.rows[15][0] == "mean of 15 with frost_like"
    assert any("isn't the published" in note for note in shown.notes)
    # With the calibration error, which reports from before it lack.
    whole = {name: {"error": one, "RMS calibration error": one / 2} for name, one in parts.items() if name != "setting"}
    both = corruptions.tabulate(whole | {corruptions.SETTING: parts[corruptions.SETTING]})
    assert both.summary == shown.summary and both.rows[16][0] == "RMS calibration error, mean"
    assert both.rows[16][1:] == ("5.00", "10.00", "15.00", "20.00", "25.00", "15.00")
    assert [row for place, row in enumerate(both.rows) if place != 16] == list(shown.rows)
    # One that was begun before it and gone on with has both forms: the errors count, and there is no calibration error.
    mixed = corruptions.tabulate(whole | {name: one for name, one in parts.items() if name[-1] not in "45"})
    assert mixed.rows == shown.rows and mixed.summary == shown.summary
    official = {name.replace("frost_like", "frost"): value for name, value in parts.items()}
    large = parts[corruptions.SETTING] | {"constants": "imagenet", "classes": 1000}
    shown = corruptions.tabulate(official | {corruptions.SETTING: large})
    assert list(shown.summary) == ["corruption error, mean of 15, %", "mCE of 15, normalized by AlexNet, %"]
    assert "not saved as JPEG of quality 85" in shown.notes[0]
    birds = corruptions.tabulate(official | {corruptions.SETTING: large | {"classes": 200, "source": "published"}})
    assert list(birds.summary) == ["corruption error, mean of 15, %"]  # AlexNet's errors are those on ImageNet
    assert birds.notes[0].startswith("10 test images, corruptions published. ")


def image_tree(place, count=2, side=16):
    for label in CLASSES:
        (place / label).mkdir(parents=True)
        for number in range(count):
            levels = np.full((side, side, 3), 20 * int(label) + number, np.uint8)
            levels[: side // 2] = 255
            PIL.Image.fromarray(levels).save(place / label / f"{number}.png")


def test_trees_of_corrupted_images_are_read(tmp_path):
    for severity in range(1, 6):
        image_tree(tmp_path / "fog" / str(severity))
    published = datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    images, labels = published.read("fog", 3, None)
    assert published.names == ["fog"] and images.shape == (20, 8, 8, 1)
    assert labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert images[5, 0, 0, 0] == 255 and images[5, 7, 0, 0] == 20 * 2 + 1
    few, some = published.read("fog", 1, 5)
    assert len(few) == 5 and len(set(some.tolist())) == 5


def test_broken_published_files_say_so(tmp_path):
    with pytest.raises(ValueError, match=r"--corrupted .* has no corrupted images"):
        datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    np.save(tmp_path / "fog.npy", np.zeros((7, 8, 8, 1), np.uint8))
    published = datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    with pytest.raises(ValueError, match=r"labels.npy can't be read"):
        published.read("fog", 1, None)
    np.save(tmp_path / "labels.npy", np.zeros(7, np.int64))
    with pytest.raises(ValueError, match=r"7 images .*wanted five severities"):
        published.read("fog", 1, None)
    np.save(tmp_path / "fog.npy", np.zeros((10, 9, 8, 1), np.uint8))
    np.save(tmp_path / "labels.npy", np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"the network takes uint8 \[8, 8, 1\]"):
        published.read("fog", 1, None)


@pytest.mark.filterwarnings("ignore")  # of tensorflow-datasets and what it imports
def test_what_tensorflow_datasets_prepared_is_read(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("array_record")

    class Cifar10Corrupted(tfds.core.GeneratorBasedBuilder):
        name = "cifar10_corrupted"
        pkg_dir_path = tmp_path
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = tuple(
            tfds.core.BuilderConfig(name=name, version="1.0.0") for name in ("fog_1", "fog_2", "frosted_glass_blur_1")
        )

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(32, 32, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, download_manager):
            return {"test": self._generate_examples()}

        def _generate_examples(self):
            for number in range(4):
                file = io.BytesIO()
                PIL.Image.fromarray(np.full((32, 32, 3), 10 * number, np.uint8)).save(file, "PNG")
                file.seek(0)
                yield number, {"image": file, "label": number}

    for config in ("fog_1", "fog_2", "frosted_glass_blur_1"):  # its name for glass_blur
        builder = Cifar10Corrupted(config=config, data_dir=tmp_path, file_format="array_record")
        builder.download_and_prepare()
    published = datasets.Published(tmp_path, (32, 32, 3), CLASSES)
    images, labels = published.read("fog", 2, 3)
    assert published.names == ["glass_blur", "fog"] and images.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(images[:, 0, 0, 0], 10 * labels)
    backwards = datasets.Published(tmp_path, (32, 32, 3), CLASSES[::-1]).read("fog", 2, 3)[1]
    assert backwards.tolist() == (9 - labels).tolist()
    with pytest.raises(ValueError, match=r"has fog prepared at severity 1, but not at 5"):
        published.read("fog", 5, None)


# ---- boxes and backgrounds


@pytest.fixture
def boxed(tmp_path):
    place = tmp_path / "boxed"
    image_tree(place / "val")
    with (place / "val_boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "x0", "y0", "x1", "y1"])
        rows.writerows([f"{label}/{number}.png", 2, 0, 12, 8] for label in CLASSES for number in range(2))
    return place


def test_boxes_are_those_of_the_images_and_of_smaller_ones(boxed):
    located = datasets.located(boxed, (8, 8, 1), CLASSES, None)
    assert located.images.shape == (20, 8, 8, 1) and located.originals.shape == (20, 16, 16, 1)
    assert located.boxes[3].tolist() == [2, 0, 12, 8]
    assert located.boxes_at(8, 8)[3].tolist() == [1, 0, 7, 5]
    assert (located.images[:, :3] == 255).all()  # the next row is blended with the one below
    with pytest.raises(ValueError, match=r"has 10 classes; the network has 3"):
        datasets.located(boxed, (8, 8, 1), CLASSES[:3], None)
    wide = boxed / "val" / "1" / "0.png"
    PIL.Image.fromarray(np.tile(np.arange(0, 256, 8, np.uint8), (16, 1))).save(wide)
    np.testing.assert_array_equal(
        datasets.located(boxed, (8, 8, 1), CLASSES, None).images[2], read_image(wide, (8, 8, 1), whole=True)
    )
    large = PIL.Image.open(boxed / "val" / "1" / "1.png").resize((32, 32))
    large.save(boxed / "val" / "1" / "1.png")
    assert datasets.located(boxed, (8, 8, 1), CLASSES, None).boxes[3].tolist() == [1, 0, 6, 4]  # as in 16 x 16
    (boxed / "val_boxes.csv").write_text("file,x0,y0,x1,y1\n0/0.png,0,0,1,1\n")
    with pytest.raises(ValueError, match=r"no box for 19 images, such as 0/1.png"):
        datasets.located(boxed, (8, 8, 1), CLASSES, None)
    rows = [f"{label}/{number}.png,2,0,12,33" for label in CLASSES for number in range(2)]
    (boxed / "val_boxes.csv").write_text("\n".join(["file,x0,y0,x1,y1", *rows]))
    with pytest.raises(ValueError, match=r"val_boxes.csv: boxes holds \[2, 0, 12, 33\], outside its image"):
        datasets.located(boxed, (8, 8, 1), CLASSES, None)


@pytest.mark.parametrize("suite", [localization, edges], ids=["localization", "edges"])
def test_maps_without_places_are_refused(suite, tmp_path):
    images = np.zeros((2, 8, 8, 3), np.uint8)
    network = types.SimpleNamespace(
        images=images, maps=lambda x: jnp.zeros((len(x), 1, 1, 4)), some=lambda count: (images, None)
    )
    with pytest.raises(MissingError, match="no class activation maps"):
        suite.measure(network, None, Options(boxes=tmp_path))


class AskedError(Exception):
    """For some of the test images."""


@pytest.mark.parametrize("suite", [attacks, noise, edges, stability], ids=lambda suite: suite.__name__)
def test_parts_of_the_test_images_have_each_class_share(suite):
    def some(count):
        raise AskedError

    network = types.SimpleNamespace(images=np.zeros((2, 8, 8, 3), np.uint8), labels=np.zeros(2, int), some=some)
    with pytest.raises(AskedError):
        suite.measure(network, None, Options())


@pytest.mark.slow
def test_localization_and_backgrounds_are_reported_with_figures(run, boxed):
    assert evaluated(run, "localization,backgrounds", "--boxes", str(boxed)) == 0
    found = report(run)["localization"]["measurements"]["metrics"]
    assert found["images"] == 20 and found["MaxBoxAccV2 at 0.3"] >= found["MaxBoxAccV2 at 0.7"]
    assert found["Top-1 Loc"] <= min(found["GT-known Loc"], found["classification accuracy"])
    assert 0 < found["PxAP of the boxes"] <= 1
    located = datasets.located(boxed, (8, 8, 1), CLASSES, None)
    features = trained().features(located.images)
    maps = np.einsum("nabd,dn->nab", features, trained().kernel[:, located.labels])
    maps = robustness.localization.score_maps(maps, 16, 16)
    accuracy = robustness.localization.max_box_accuracy(maps, located.boxes)
    assert [found[f"MaxBoxAccV2 at {d}"] for d in (0.3, 0.5, 0.7)] == pytest.approx(accuracy, abs=0.051)  # an image
    parts = report(run)["backgrounds"]["measurements"]
    assert list(parts) == [
        *(
            "images",
            "Original",
            "Only-BG-B",
            "Only-BG-T",
            "Only-FG",
            "Mixed-Same",
            "Mixed-Rand",
            "Mixed-Next",
            "challenge",
        ),
        *("challenge foregrounds", "figures"),
    ]
    assert parts["challenge foregrounds"] == 20
    assert parts["challenge"] <= parts["Original"] + 0.5
    for figure in ("cam", "backgrounds"):
        assert (run / "evaluation" / f"{figure}.png").is_file()


def test_the_variants_of_a_folder_give_the_gap(run, tmp_path):
    for name in ("original", "mixed_same", "mixed_rand"):
        image_tree(tmp_path / "in9" / name / "val")
    assert evaluated(run, "backgrounds", "--variants", str(tmp_path / "in9")) == 0
    section = report(run)["backgrounds"]
    assert "note" not in section["measurements"]
    assert "backgrounds.png" not in (run / "evaluation" / "report.md").read_text()
    assert section["summary"] == {"BG-Gap, points": 0.0} and len(section["measurements"]) == 4
    for name in ("original", "mixed_same", "mixed_rand"):
        for label in CLASSES:
            place = tmp_path / "in9" / name / "val" / label
            place.rename(place.with_name(f"n{label}"))
    assert evaluated(run, "backgrounds", "--variants", str(tmp_path / "in9")) == 0
    assert "alphabetical order: n0 is class 0" in (run / "evaluation" / "report.md").read_text()


def test_changed_files_and_another_limit_are_measured_again(run, tmp_path, monkeypatch):
    sizes = []
    logits = Trained.logits
    monkeypatch.setattr(Trained, "logits", lambda self, x, title="": sizes.append(len(x)) or logits(self, x, title))
    image_tree(tmp_path / "in9" / "original" / "val", count=8)
    command = ("backgrounds", "--variants", str(tmp_path / "in9"))
    assert evaluated(run, *command) == evaluated(run, *command) == 0 and sizes == [80]
    assert "Images: 80 of original." in (run / "evaluation" / "report.md").read_text()
    assert evaluated(run, *command, "--limit", "70") == 0 and sizes == [80, 70]  # of 60 test images
    assert "Images: 70 of original." in (run / "evaluation" / "report.md").read_text()
    np.save(tmp_path / "fog.npy", np.repeat(trained().images, 5, 0))
    errors = []
    for labels in (np.repeat(trained().labels, 5), np.roll(np.repeat(trained().labels, 5), 60)):
        np.save(tmp_path / "labels.npy", labels)
        assert evaluated(run, "corruptions", "--corrupted", str(tmp_path)) == 0
        errors.append(report(run)["corruptions"]["measurements"]["fog 1"]["error"])
    assert errors[0] < errors[1]
    assert "labels of the published images aren't those of the run's" in (run / "evaluation" / "report.md").read_text()
    np.save(tmp_path / "labels.npy", np.repeat(trained().labels, 5) + 0.5)
    for suite, code in (("corruptions", 1), ("clean", 0)):  # the values of other labels are not reported in their place
        assert evaluated(run, suite, "--corrupted", str(tmp_path)) == code
        text = (run / "evaluation" / "report.md").read_text()
        assert "## Corruptions" not in text and "- corruptions: " in text and "labels are float64" in text
    np.save(tmp_path / "labels.npy", np.repeat(trained().labels, 5))
    assert evaluated(run, "corruptions", "--corrupted", str(tmp_path)) == 0
    assert "Left out" not in (run / "evaluation" / "report.md").read_text()


# ---- what can go wrong


def test_a_suite_without_its_data_is_left_out_and_the_others_run(run, capsys):
    assert evaluated(run, "localization,clean") == 1
    printed = capsys.readouterr()
    assert "localization: left out; it needs images with boxes: --boxes FOLDER." in printed.err
    assert "clean: clean error" in printed.out
    text = (run / "evaluation" / "report.md").read_text()
    assert "- localization: it needs images with boxes" in text and "## Clean images" in text
    assert evaluated(run, "corruptions,clean", "--corrupted", "nowhere") == 1
    assert "corruptions: failed; --corrupted nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: there is no nowhere/config.json"),
        ((), "no run: name the folder"),
        (("run", "--suite", "clean,fog"), "there is no 'fog'. There are: clean, corruptions"),
        (("run", "--limit", "0"), "--limit is 0; wanted 2 or more"),
        (("run", "--seed", "-1"), "--seed is -1; wanted 0 or more"),
        (("run", "--seed", str(2**32)), "--seed is 4294967296; wanted 4294967295 or less"),
        (("--compare", "run"), "--compare has one run"),
        (("--compare", "run", "other"), "evaluate that run first"),
    ],
)
@pytest.mark.usefixtures("run")
def test_a_mistake_is_one_message(arguments, message, capsys):
    assert evaluate.main(list(arguments)) == 2
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a report"),
        ('{"run": 3, "suites": {}}', "is not a report"),
        ('{"run": {}, "suites": {"clean": [1]}}', "is not a report"),
        ('{"run": {}, "sui', "is not JSON"),
    ],
)
def test_a_file_that_is_no_report_is_not_overwritten(run, capsys, content, message):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "report.json").write_text(content)
    assert evaluated(run, "clean") == 2
    assert message in capsys.readouterr().err
    assert (run / "evaluation" / "report.json").read_text() == content


def test_two_evaluations_of_a_run_do_not_overwrite_each_other(run, capsys):
    held = lock(run / "evaluation")
    assert evaluated(run, "clean") == 2
    assert re.search(r"^error: .*run/evaluation is in use by process \d+ on ", capsys.readouterr().err)
    assert not (run / "evaluation" / "report.json").exists()
    held.release()


def test_a_file_where_a_folder_should_be_is_one_message(run, capsys):
    (run / "evaluation").write_text("")
    assert evaluated(run, "clean") == 2
    assert capsys.readouterr().err.startswith(f"error: {run / 'evaluation'}: File exists: a file stands where a folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"run": {}, "suites": {"clean": [1]}}, "clean is no list of sections"),
        ({"run": [], "suites": {}}, "it has no run and suites"),
        ({"run": {}, "suites": {"clean": [{"settings": {}}]}}, "complete, summary, measurements of a section of clean"),
        (
            {
                "run": {},
                "suites": {"clean": [{"settings": {}, "complete": True, "summary": {"a": "b"}, "measurements": {}}]},
            },
            "the summary of a section of clean has values that are no numbers",
        ),
    ],
)
def test_a_report_of_other_types_is_one_message(run, content, message, capsys):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "report.json").write_text(json.dumps(content))
    assert evaluated(run, "clean") == 2
    assert f"report.json is not a report of this version of train/evaluate.py ({message}" in capsys.readouterr().err


def test_a_report_that_cannot_be_read_or_written_is_one_message(run, capsys):
    (run / "evaluation").write_text("a file")
    assert evaluated(run, "clean") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert f"{run / 'evaluation'}: File exists: a file stands where a folder is wanted; move it away" in line
    (run / "evaluation").unlink()
    (run / "evaluation").mkdir()
    (run / "evaluation" / "report.json").write_bytes(b"\xff\xfe")
    assert evaluated(run, "clean") == 2
    assert "report.json is not JSON" in capsys.readouterr().err


def test_a_suite_that_breaks_leaves_the_others_and_the_report(run, monkeypatch, capsys):
    def broken(trained, section, options):
        raise KeyError("a fault")

    suites = {"broken": counted("broken", [])._replace(measure=broken), "clean": SUITES["clean"]}
    suites |= {"full": suites["broken"]._replace(measure=lambda *_: (run / "none" / "file").write_text(""))}
    monkeypatch.setattr(evaluate, "SUITES", suites)
    assert evaluated(run, "all") == 1
    printed = capsys.readouterr()
    assert "broken: failed; KeyError: 'a fault'" in printed.err and "Traceback" in printed.err
    assert "full: failed; [Errno 2]" in printed.err and "clean: clean error" in printed.out
    text = (run / "evaluation" / "report.md").read_text()
    assert "## Clean images" in text and "- broken: KeyError" in text and "- full: [Errno 2]" in text


def test_measurements_of_another_type_leave_the_other_suites_in_the_report(run, capsys):
    assert evaluated(run, "clean,occlusion") == 0
    path = run / "evaluation" / "report.json"
    content = json.loads(path.read_text())
    content["suites"]["clean"][0]["measurements"]["clean"]["error"] = "none"
    path.write_text(json.dumps(content))
    for suite in ("occlusion", "clean"):
        assert evaluated(run, suite) == 1
        text = (run / "evaluation" / "report.md").read_text()
        assert "## Occlusion" in text and "## Clean images" not in text and "- clean: " in text
        assert str(path) in capsys.readouterr().err


def test_a_file_of_out_of_distribution_images_that_is_missing_is_a_failure(run, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "SUITES", {name: SUITES[name] for name in ("clean", "detection")})
    assert evaluated(run, "all", "--outside", "nowhere.npz") == 1
    assert "detection: failed; --outside: nowhere.npz can't be read" in capsys.readouterr().err
    assert "- detection: --outside" in (run / "evaluation" / "report.md").read_text()


def counted(name, calls):
    """A suite that measures how many images there are, and depends on --boxes."""
    return Suite(
        name.title(),
        lambda options: {"boxes": str(options.boxes)},
        lambda trained, section, options: section.once(name, lambda: calls.append(name) or len(trained.images)),
        lambda measurements: Table({f"{name}, images": measurements[name]}, ("images",), [(str(measurements[name]),)]),
        no_figure,
    )


def test_measurements_of_other_settings_are_kept_and_never_reported_beside_them(run, monkeypatch):
    calls = []
    monkeypatch.setattr(evaluate, "SUITES", {name: counted(name, calls) for name in ("one", "two")})

    def text(*options):
        assert evaluated(run, *options) == 0
        return (run / "evaluation" / "report.md").read_text()

    assert "| 60 |" in text("one,two") and calls == ["one", "two"]
    both = text("one", "--boxes", "folder")
    assert "## One" in both and "## Two" in both and calls == ["one", "two", "one"]
    fewer = text("one", "--limit", "30")
    assert "| 30 |" in fewer and "## Two" not in fewer and len(calls) == 4
    assert "## Two" in text("one") and len(calls) == 4


def test_a_suite_that_was_never_run_and_cannot_be_leaves_a_report(run):
    assert evaluated(run, "localization") == 1
    assert "## Left out" in (run / "evaluation" / "report.md").read_text()


def test_a_wrong_folder_does_not_stop_the_other_runs(run, capsys):
    assert evaluate.main(["nowhere", str(run), "--suite", "clean"]) == 2
    printed = capsys.readouterr()
    assert "there is no nowhere" in printed.err and "clean: clean error" in printed.out


def test_images_that_share_no_class_have_no_gap(run, boxed, monkeypatch):
    read = datasets.located(boxed, (8, 8, 1), CLASSES, None)
    alone = read._replace(labels=np.arange(20, dtype=np.int32))
    monkeypatch.setattr(datasets, "located", lambda *_: alone)
    twenty = trained().dataset._replace(classes=tuple(map(str, range(20))))
    monkeypatch.setattr(trained(), "dataset", twenty)
    monkeypatch.setattr(backgrounds, "FOREGROUNDS", 10)
    assert evaluated(run, "backgrounds", "--boxes", str(boxed)) == 0
    section = report(run)["backgrounds"]
    assert section["measurements"]["Mixed-Same"] is None and section["summary"] == {"BG-Gap, points": None}
    assert section["measurements"]["challenge foregrounds"] == 10


def test_out_of_distribution_images_come_from_several_files(run, tmp_path):
    for number, name in enumerate(("one", "other")):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "lsun.npz", x=np.full((5 + number, 8, 8), 99, np.uint8))
    files = [str(tmp_path / name / "lsun.npz") for name in ("one", "other")]
    assert evaluated(run, "detection", "--outside", *files) == 0
    assert [report(run)["detection"]["measurements"][file]["images"] for file in files] == [5, 6]
    np.savez(tmp_path / "wrong.npz", x=np.zeros((5, 9, 8), np.uint8))
    assert evaluated(run, "detection", "--outside", str(tmp_path / "wrong.npz")) == 1


def test_grey_images_get_as_much_noise_as_the_constants_say():
    grey = np.full((50, 8, 8, 1), 128, np.uint8)
    noisy = corruptions.corrupted(trained(), grey, Options(), "gaussian_noise", 5)
    assert noisy.shape == grey.shape and noisy.std() == pytest.approx(0.1 * 255, rel=0.1)


def test_errors_on_cbar_are_those_of_the_saved_predictions(run, monkeypatch):
    monkeypatch.setitem(robustness.corruptions.CBAR, "cifar", ("lines", "checkerboard_cutout"))
    assert evaluated(run, "cbar,clean") == 0
    found = report(run)["cbar"]
    for name in ("lines", "checkerboard_cutout"):
        with np.load(run / "evaluation" / f"cbar_{name}.npz") as arrays:
            wrong = (arrays["predictions"] != trained().labels).mean(1)
        assert found["measurements"][name] == pytest.approx(wrong.tolist())
    means = [np.mean(found["measurements"][name]) for name in ("lines", "checkerboard_cutout")]
    assert found["summary"] == {"C-bar error, mean of 2, %": pytest.approx(100 * np.mean(means))}
    assert (
        np.mean(found["measurements"]["checkerboard_cutout"]) > report(run)["clean"]["measurements"]["clean"]["error"]
    )
    text = (run / "evaluation" / "report.md").read_text()
    assert "constants of CIFAR-10-C-bar" in text and (run / "evaluation" / "cbar.png").is_file()


def test_stability_is_that_of_the_saved_logits(run, monkeypatch, tmp_path):
    some = ("--perturbations", "translate", "shot_noise", "--sequences", "7")
    monkeypatch.setattr(stability, "MOST_BYTES", 4 * 41 * 3 * 64)  # four images at once
    assert evaluated(run, "stability", *some) == 0
    found, folder = report(run)["stability"]["measurements"], run / "evaluation"
    for name, frames in (("translate", 16), ("shot_noise", 31)):
        with np.load(folder / f"stability_{name}.npz") as arrays:
            logits, first = arrays["logits"], arrays["first"]
        assert logits.shape == (7, frames, 10) and first.shape == (frames, 8, 8, 1)
        classes = logits.argmax(-1)
        flips = [row[j] != row[0 if name == "shot_noise" else j - 1] for row in classes for j in range(1, frames)]
        assert found[name]["flips"] == pytest.approx(np.mean(flips))
        assert name == "shot_noise" or 0 < np.mean(flips) < 1
        assert found[name]["zipf"] == robustness.stability.zipf_distance(logits, noise=name == "shot_noise")
    assert (logits[:, 0] == trained().logits(trained().images[:7])).all()  # noise begins with the clean image
    flips = {name: found[name]["flips"] for name in ("translate", "shot_noise")}
    (tmp_path / "alexnet.json").write_text(json.dumps(dict.fromkeys(flips, 50.0) | {"tilt": 1}))
    text = (folder / "report.md").read_text()
    assert "of the paper's ten it lacks gaussian_noise, motion_blur" in text and "mFR" not in text
    assert evaluated(run, "stability", *some, "--alexnet-flips", str(tmp_path / "alexnet.json")) == 0
    rate = report(run)["stability"]["summary"]["mFR, mean of 2, by your values of AlexNet, %"]
    assert rate == pytest.approx(100 * np.mean(list(flips.values())) / 0.5)


def test_what_stability_cannot_measure_is_said(run, tmp_path, capsys):
    assert evaluated(run, "stability", "--perturbations", "spatter") == 2
    assert "--perturbations: there is no 'spatter'. There are: gaussian_noise, " in capsys.readouterr().err
    assert evaluated(run, "stability", "--sequences", "1") == 2
    (tmp_path / "alexnet.json").write_text('{"tilt": 7.05, "rotate": "13"}')
    for file, reason in (("alexnet.json", "has no value in 0..100 for rotate"), ("no.json", "can't be read as JSON")):
        options = ("--perturbations", "tilt", "rotate", "--alexnet-flips", str(tmp_path / file))
        assert evaluated(run, "stability", *options) == 1
        assert reason in capsys.readouterr().err


def test_some_of_the_15_corruptions_have_no_mean(run, tmp_path):
    place = tmp_path / "published"
    place.mkdir()
    np.save(place / "fog.npy", np.zeros((300, 8, 8, 1), np.uint8))
    np.save(place / "labels.npy", np.zeros(60, np.int64))
    assert evaluated(run, "corruptions,clean", "--corrupted", str(place)) == 0
    assert report(run)["corruptions"]["summary"] == {"corruption error, mean of 15, %": None}
    assert (
        "1 of the 15 corruptions; missing are gaussian_noise, shot_noise"
        in (run / "evaluation" / "report.md").read_text()
    )


def test_runs_are_compared_side_by_side(run, tmp_path, capsys):
    assert evaluated(run, "clean") == 0
    other = shutil.copytree(run, tmp_path / "other")
    content = json.loads((other / "evaluation" / "report.json").read_text())
    content["run"]["method"] = "mixup"
    content["suites"]["clean"][0]["summary"]["clean error, %"] = 12.345
    content["suites"]["corruptions"] = [
        {
            "settings": content["run"]["tested"],
            "complete": True,
            "summary": {},
            "measurements": {f"fog {s}": 0.1 for s in range(1, 6)},
        }
    ]
    (other / "evaluation" / "report.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert evaluate.main(["--compare", str(run), str(other)]) == 0
    printed = capsys.readouterr().out
    assert "|  | none | mixup |" in printed and "| 12.35 |" in printed and "differ" not in printed
    content["suites"]["clean"][0]["settings"] |= {"limit": 50, "batch_size": 7}
    (other / "evaluation" / "report.json").write_text(json.dumps(content))
    assert evaluate.main(["--compare", str(run), str(other)]) == 0
    assert "different settings in the suite clean: limit differ." in capsys.readouterr().out
    del content["run"]["step"]
    (other / "evaluation" / "report.json").write_text(json.dumps(content))
    assert evaluate.main(["--compare", str(run), str(other)]) == 2
    assert "report.json lacks step; evaluate it again" in capsys.readouterr().err
    assert (tmp_path / "comparison" / "comparison.md").is_file()
    assert (tmp_path / "comparison" / "corruptions.png").is_file()


def test_the_figure_of_a_comparison_stays_as_wide_for_more_runs(tmp_path):
    errors = {
        f"run {number} with a long title, seed {number}": {"fog": 10.0 * number, "snow": 5.0} for number in (1, 2)
    }
    many = errors | {f"run {number}": {f"corruption {place}": 3.0 for place in range(19)} for number in range(3, 13)}
    for name, values in (("few", errors), ("many", many)):
        figures.points(tmp_path / f"{name}.png", values, "error, %")
    few, many_rows = (image_size(tmp_path / f"{name}.png") for name in ("few", "many"))
    assert few[1] == many_rows[1] <= 1000 and few[0] < many_rows[0]


@pytest.mark.slow
def test_all_suites_run_on_a_convolutional_network(real_run, boxed, monkeypatch):
    monkeypatch.setattr(corruptions, "names", lambda options: ("contrast", "shot_noise"))
    monkeypatch.setitem(robustness.corruptions.CBAR, "cifar", ("lines",))
    np.savez("other.npz", x=np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), np.uint8), y=np.arange(120) % 6)
    options = ("--boxes", str(boxed), "--perturbations", "translate", "--held-out", "other.npz")
    options += ("--attacked", "12", "--no-pgd")
    assert evaluated(real_run, "all", *options) == 0
    assert set(report(real_run)) == set(SUITES) and all(section["complete"] for section in report(real_run).values())
    text = (real_run / "evaluation" / "report.md").read_text()
    assert all(f"## {suite.title}" in text for suite in SUITES.values()) and "Left out" not in text
