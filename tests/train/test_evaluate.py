"""Evaluation: the numbers are those of the saved logits, nothing is computed twice, and what is missing says so."""

import csv
import io
import json
import os
import shutil

import jax
import numpy as np
import PIL.Image
import pytest

import cifar
import evaluate
from eval import datasets, suites
from eval.load_run import Trained
from eval.report import Results
from eval.suites import attacks, corruptions
from jaxmix import robustness

CLASSES = tuple(map(str, range(10)))


def one_device():
    return jax.make_mesh((1,), ("data",), devices=jax.devices()[:1], axis_types=(jax.sharding.AxisType.Auto,))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short training on digits."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
        patch.setattr(cifar, "local_mesh", one_device)
        quick = (
            "--limit-train",
            "320",
            "--limit-test",
            "60",
            "--batch-size",
            "32",
            "--epochs",
            "2",
            "--method",
            "none",
        )
        assert cifar.main([*quick, "--runs-dir", str(place)]) == 0
    (folder,) = place.iterdir()
    return folder


@pytest.fixture(autouse=True)
def single(monkeypatch):
    monkeypatch.setattr("eval.load_run.local_mesh", one_device)


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A copy of it, which a test may change, in an empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(finished, tmp_path / "run")


def ask(run, suite, *options):
    return evaluate.main([str(run), "--suite", suite, "--batch-size", "60", *options])


def report(run):
    """The sections that were asked for last."""
    found = json.loads((run / "evaluation" / "report.json").read_text())["suites"]
    return {name: sections[-1] for name, sections in found.items() if sections}


def test_the_numbers_are_those_of_the_saved_logits(run, capsys):
    assert ask(run, "clean,calibration") == 0
    with np.load(run / "evaluation" / "logits.npz") as arrays:
        logits, labels = arrays["logits"].astype(np.float64), arrays["labels"]
    found = report(run)
    error = np.mean([row.argmax() != label for row, label in zip(logits, labels, strict=True)])
    assert found["clean"]["parts"]["clean"]["error"] == pytest.approx(error)
    training = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-1]
    assert 1 - training["test_accuracy"] == pytest.approx(error)
    assert found["clean"]["parts"]["clean"]["loss"] == pytest.approx(training["test_loss"], abs=1e-5)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    metrics = found["calibration"]["parts"]["metrics"]["as it is"]
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
    text = (run / "evaluation" / "report.md").read_text()
    assert f"| 60 | {100 * error:.2f} |" in text and "![Calibration](reliability.png)" in text
    assert (run / "evaluation" / "reliability.png").is_file()
    assert "clean: clean error" in capsys.readouterr().out


def test_rows_come_back_in_their_order_whatever_the_batch_size(run):
    trained, rows = Trained(run, batch_size=60), np.arange(130, dtype=np.float32)
    np.testing.assert_array_equal(trained.over(lambda x, y: 2 * x + y, rows, rows), 3 * rows)
    np.testing.assert_array_equal(trained.over(lambda x: 2 * x, rows[:7]), 2 * rows[:7])


def test_nothing_is_computed_twice_unless_it_depends_on_what_changed(run, monkeypatch, capsys):
    asked = []
    logits = Trained.logits
    monkeypatch.setattr(Trained, "logits", lambda self, *rest: asked.append(1) or logits(self, *rest))
    assert ask(run, "clean") == 0
    before = len(asked)
    assert ask(run, "clean") == 0
    assert len(asked) == before and "from before" in capsys.readouterr().out
    assert ask(run, "clean", "--limit", "40") == 0
    assert len(asked) > before
    assert report(run)["clean"]["parts"]["clean"]["pictures"] == 40


def test_an_interrupt_keeps_what_was_computed(run, monkeypatch, capsys):
    over, calls = Trained.over, []

    def interrupted(self, function, *arrays, title=""):
        calls.append(title)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return over(self, function, *arrays, title=title)

    monkeypatch.setattr(Trained, "over", interrupted)
    assert ask(run, "occlusion") == 130
    assert "goes on from there" in capsys.readouterr().err
    assert list(report(run)["occlusion"]["parts"]) == ["center 0", "center 1", "center 2"]
    assert not report(run)["occlusion"]["complete"]
    assert ask(run, "occlusion") == 0
    assert calls[4:] == [f"{kind} {size}" for kind in ("center", "border") for size in range(9)][3:]
    parts = report(run)["occlusion"]["parts"]
    assert parts["center 0"] == parts["border 8"] and parts["center 8"] == parts["border 0"]


def test_attacks_are_worse_the_more_they_may_change(run, monkeypatch):
    monkeypatch.setattr(attacks, "LEVELS", (8, 64))
    monkeypatch.setattr(attacks, "LENGTHS", (2.0,))
    monkeypatch.setattr(attacks, "STEPS", 3)
    section = Results(run / "evaluation" / "report.json").suite("attacks", {})
    trained = Trained(run, batch_size=60)
    attacks.compute(trained, section, suites.Options(attacked=60))
    parts = section.parts
    for kind in ("fgsm", "pgd"):
        assert parts["none"] <= parts[f"{kind} 8/255"] < parts[f"{kind} 64/255"]
    assert parts["pgd 64/255"] >= parts["fgsm 64/255"]
    assert parts["pgd L2 2"] > parts["none"]


def test_pictures_between_classes_and_strange_ones(run):
    assert ask(run, "in_between,detection") == 0
    between = report(run)["in_between"]["parts"]
    clean = 1 - json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    for kind in ("mixup", "cutmix"):
        assert between[f"{kind} 0.0"] == {"error": pytest.approx(clean, abs=1e-6), "share": 0.0}
    # Of 8 x 8 pixels the middle 4 x 4 are a quarter, and 6 x 6 just over a half.
    assert [between[f"cutmix {share}"]["share"] for share in (0.3, 0.5)] == [0.25, 0.5625]
    detection = report(run)["detection"]["parts"]
    assert set(detection) == {"uniform noise", "Gaussian noise", "Rademacher noise", "blobs"}
    for part in detection.values():
        assert part["pictures"] == 12 and all(0 <= part[name] <= 1 for name in part if name != "pictures")
    for figure in ("in_between", "detection"):
        assert (run / "evaluation" / f"{figure}.png").is_file()


# ---- corruptions


@pytest.fixture
def two_corruptions(monkeypatch):
    monkeypatch.setattr(corruptions, "_names", lambda options: ("contrast", "brightness"))


@pytest.mark.usefixtures("two_corruptions")
def test_published_corruptions_are_read_and_count_as_computed_ones_do(run, tmp_path):
    trained, options = Trained(run, batch_size=60), suites.Options()
    files = {
        name: np.concatenate([corruptions._corrupted(trained, trained.images, options, name, s) for s in range(1, 6)])
        for name in ("contrast", "brightness")
    }
    place = tmp_path / "published"
    place.mkdir()
    for name, images in files.items():
        np.save(place / f"{name}.npy", images)
    np.save(place / "labels.npy", np.tile(trained.labels, 5))
    parts = []
    for chosen in (options, suites.Options(corrupted=place)):
        section = Results(tmp_path / f"{len(parts)}.json").suite("corruptions", {})
        corruptions.compute(trained, section, chosen)
        errors = {name: section.parts[name] for name in section.parts if name[-1] in "12345"}
        parts.append(errors)
    assert parts[0] == parts[1] and len(parts[0]) == 10
    assert parts[0]["contrast 5"] > parts[0]["contrast 1"]
    assert (tmp_path / "corrupted.png").is_file()


def test_the_mean_over_corruptions_says_what_it_counts():
    names = corruptions._names(suites.Options())
    parts = {f"{name} {s}": 0.1 * s for name in names for s in range(1, 6)}
    parts[corruptions.SEEN] = {"source": "computed", "constants": "cifar", "pictures": 10}
    parts |= {f"gaussian_blur {s}": 1.0 for s in range(1, 6)}  # not one of the 15
    shown = corruptions.show(parts)
    assert shown.summary == {"corruption error, mean of 15 with frost_like, %": pytest.approx(30)}
    assert len(shown.rows) == 20 and shown.rows[15][0] == "mean of 15 with frost_like"
    assert any("isn't the published" in note for note in shown.notes)
    official = {name.replace("frost_like", "frost"): value for name, value in parts.items()}
    official[corruptions.SEEN] = parts[corruptions.SEEN] | {"constants": "imagenet"}
    shown = corruptions.show(official)
    assert list(shown.summary) == ["corruption error, mean of 15, %", "mCE of 15, normalized by AlexNet, %"]


def picture_tree(place, count=2, side=16):
    for label in CLASSES:
        (place / label).mkdir(parents=True)
        for number in range(count):
            levels = np.full((side, side, 3), 20 * int(label) + number, np.uint8)
            levels[: side // 2] = 255
            PIL.Image.fromarray(levels).save(place / label / f"{number}.png")


def test_trees_of_corrupted_pictures_are_read(tmp_path):
    for severity in range(1, 6):
        picture_tree(tmp_path / "fog" / str(severity))
    published = datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    images, labels = published.read("fog", 3, None)
    assert published.names == ["fog"] and images.shape == (20, 8, 8, 1)
    assert labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert images[5, 0, 0, 0] == 255 and images[5, 7, 0, 0] == 20 * 2 + 1
    few, some = published.read("fog", 1, 5)
    assert len(few) == 5 and len(set(some.tolist())) == 5


def test_broken_published_files_say_so(tmp_path):
    with pytest.raises(ValueError, match=r"--corrupted .* has no corrupted pictures"):
        datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    np.save(tmp_path / "fog.npy", np.zeros((7, 8, 8, 1), np.uint8))
    published = datasets.Published(tmp_path, (8, 8, 1), CLASSES)
    with pytest.raises(ValueError, match=r"labels.npy can't be read"):
        published.read("fog", 1, None)
    np.save(tmp_path / "labels.npy", np.zeros(7, np.int64))
    with pytest.raises(ValueError, match=r"7 pictures .*wanted five severities"):
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
    with pytest.raises(ValueError, match=r"has fog prepared at severity 1, but not at 5"):
        published.read("fog", 5, None)


# ---- boxes and backgrounds


@pytest.fixture
def boxed(tmp_path):
    place = tmp_path / "boxed"
    picture_tree(place / "val")
    with (place / "val_boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "x0", "y0", "x1", "y1"])
        rows.writerows([f"{label}/{number}.png", 2, 0, 12, 8] for label in CLASSES for number in range(2))
    return place


def test_boxes_are_those_of_the_pictures_and_of_smaller_ones(boxed):
    located = datasets.located(boxed, (8, 8, 1), CLASSES, None)
    assert located.images.shape == (20, 8, 8, 1) and located.originals.shape == (20, 16, 16, 1)
    assert located.boxes[3].tolist() == [2, 0, 12, 8]
    assert located.frames(8, 8)[3].tolist() == [1, 0, 7, 5]
    assert (located.images[:, :4] == 255).all()
    with pytest.raises(ValueError, match=r"has 10 classes; the network knows 3"):
        datasets.located(boxed, (8, 8, 1), CLASSES[:3], None)
    large = PIL.Image.open(boxed / "val" / "1" / "1.png").resize((32, 32))
    large.save(boxed / "val" / "1" / "1.png")
    assert datasets.located(boxed, (8, 8, 1), CLASSES, None).boxes[3].tolist() == [1, 0, 6, 4]  # as in 16 x 16
    (boxed / "val_boxes.csv").write_text("file,x0,y0,x1,y1\n0/0.png,0,0,1,1\n")
    with pytest.raises(ValueError, match=r"no box for 19 pictures, such as 0/1.png"):
        datasets.located(boxed, (8, 8, 1), CLASSES, None)
    (boxed / "val_boxes.csv").write_text("file,x0\n0/0.png,a\n")
    with pytest.raises(ValueError, match=r"columns file, x0, y0, x1, y1"):
        datasets.located(boxed, (8, 8, 1), CLASSES, None)


def test_localization_and_backgrounds_are_reported_with_figures(run, boxed):
    assert ask(run, "localization,backgrounds", "--boxes", str(boxed)) == 0
    found = report(run)["localization"]["parts"]["metrics"]
    assert found["pictures"] == 20 and found["MaxBoxAccV2 at 0.3"] >= found["MaxBoxAccV2 at 0.7"]
    assert found["Top-1 Loc"] <= min(found["GT-known Loc"], found["classification accuracy"])
    assert 0 < found["PxAP of the boxes"] <= 1
    trained, located = Trained(run), datasets.located(boxed, (8, 8, 1), CLASSES, None)
    features = trained.features(located.images)
    maps = np.einsum("nabd,dn->nab", features, trained.kernel[:, located.labels])
    maps = robustness.localization.score_maps(maps, 16, 16)
    accuracy = robustness.localization.max_box_accuracy(maps, located.boxes)
    assert [found[f"MaxBoxAccV2 at {d}"] for d in (0.3, 0.5, 0.7)] == pytest.approx(accuracy, abs=0.051)  # a picture
    parts = report(run)["backgrounds"]["parts"]
    assert list(parts) == [
        *("Original", "Only-BG-B", "Only-BG-T", "Only-FG", "Mixed-Same", "Mixed-Rand", "Mixed-Next", "challenge"),
        *("challenged", "figures"),
    ]
    assert parts["challenged"] == 20
    assert parts["challenge"] <= parts["Original"] + 0.5
    for figure in ("cam", "backgrounds"):
        assert (run / "evaluation" / f"{figure}.png").is_file()


def test_the_variants_of_a_folder_give_the_gap(run, tmp_path):
    for name in ("original", "mixed_same", "mixed_rand"):
        picture_tree(tmp_path / "in9" / name / "val")
    assert ask(run, "backgrounds", "--variants", str(tmp_path / "in9")) == 0
    section = report(run)["backgrounds"]
    assert "backgrounds.png" not in (run / "evaluation" / "report.md").read_text()
    assert section["summary"] == {"BG-Gap, points": 0.0} and len(section["parts"]) == 3


# ---- what can go wrong


def test_a_suite_without_its_data_is_left_out_and_the_others_run(run, capsys):
    assert ask(run, "localization,clean") == 1
    printed = capsys.readouterr()
    assert "localization: left out; it needs pictures with boxes: --boxes FOLDER." in printed.err
    assert "clean: clean error" in printed.out
    text = (run / "evaluation" / "report.md").read_text()
    assert "- localization: it needs pictures with boxes" in text and "## Clean pictures" in text
    assert ask(run, "corruptions,clean", "--corrupted", "nowhere") == 1
    assert "corruptions: failed; --corrupted nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: there is no nowhere/config.json"),
        ((), "no run: name the folder"),
        (("run", "--suite", "clean,fog"), "there is no 'fog'. There are: clean, corruptions"),
        (("run", "--limit", "0"), "--limit is 0; wanted 2 or more"),
        (("--compare", "run"), "--compare has one run"),
        (("--compare", "run", "other"), "evaluate that run first"),
    ],
)
@pytest.mark.usefixtures("run")
def test_a_mistake_is_one_message(arguments, message, capsys):
    assert evaluate.main(list(arguments)) == 2
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed


def test_a_run_without_a_checkpoint_or_with_other_data_says_so(run, capsys):
    description = run / "dataset.json"
    description.write_text(description.read_text().replace('"crc32": {', '"crc32": {"more": 1,'))
    assert ask(run, "clean") == 2
    assert "crc32 differ from its dataset.json" in capsys.readouterr().err
    description.write_text(description.read_text().replace('"more": 1,', ""))
    shutil.rmtree(run / "checkpoints")
    assert ask(run, "clean") == 2
    assert "has no checkpoint" in capsys.readouterr().err


def test_a_file_that_is_no_report_is_not_overwritten(run, capsys):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "report.json").write_text("[]")
    assert ask(run, "clean") == 2
    assert "is not a report" in capsys.readouterr().err
    assert (run / "evaluation" / "report.json").read_text() == "[]"


def test_what_was_found_with_other_settings_is_kept_and_never_shown_beside_it(run, boxed):
    assert ask(run, "clean,localization", "--boxes", str(boxed)) == 0
    assert ask(run, "clean,localization") == 1  # no boxes this time
    text = (run / "evaluation" / "report.md").read_text()
    assert "## Localization" in text and report(run)["localization"]["complete"]
    assert ask(run, "clean", "--limit", "30") == 0
    text = (run / "evaluation" / "report.md").read_text()
    assert "| 30 |" in text and "## Localization" not in text
    assert ask(run, "clean") == 0
    text = (run / "evaluation" / "report.md").read_text()
    assert "| 60 |" in text and "## Localization" in text


def test_a_suite_that_was_never_run_and_cannot_be_leaves_a_report(run):
    assert ask(run, "localization") == 1
    assert "## Left out" in (run / "evaluation" / "report.md").read_text()


def test_a_wrong_folder_does_not_stop_the_other_runs(run, capsys):
    assert evaluate.main(["nowhere", str(run), "--suite", "clean"]) == 2
    printed = capsys.readouterr()
    assert "there is no nowhere" in printed.err and "clean: clean error" in printed.out


def test_pictures_that_share_no_class_have_no_gap(run, boxed):
    assert ask(run, "backgrounds", "--boxes", str(boxed), "--limit", "10") == 0
    section = report(run)["backgrounds"]
    assert section["parts"]["Mixed-Same"] is None and section["summary"] == {"BG-Gap, points": None}
    assert section["parts"]["challenged"] == 10


def test_strange_pictures_come_from_any_number_of_files(run, tmp_path):
    for number, name in enumerate(("one", "other")):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "lsun.npz", x=np.full((5 + number, 8, 8), 99, np.uint8))
    files = [str(tmp_path / name / "lsun.npz") for name in ("one", "other")]
    assert ask(run, "detection", "--outside", *files) == 0
    assert [report(run)["detection"]["parts"][file]["pictures"] for file in files] == [5, 6]
    np.savez(tmp_path / "wrong.npz", x=np.zeros((5, 9, 8), np.uint8))
    assert ask(run, "detection", "--outside", str(tmp_path / "wrong.npz")) == 1


def test_grey_pictures_get_as_much_noise_as_the_constants_say(run):
    grey = np.full((50, 8, 8, 1), 128, np.uint8)
    trained = Trained(run, batch_size=50)
    noisy = corruptions._corrupted(trained, grey, suites.Options(), "gaussian_noise", 5)
    assert noisy.shape == grey.shape and noisy.std() == pytest.approx(0.1 * 255, rel=0.1)


def test_some_of_the_15_corruptions_have_no_mean(run, tmp_path):
    place = tmp_path / "published"
    place.mkdir()
    np.save(place / "fog.npy", np.zeros((300, 8, 8, 1), np.uint8))
    np.save(place / "labels.npy", np.zeros(60, np.int64))
    assert ask(run, "corruptions,clean", "--corrupted", str(place)) == 0
    assert report(run)["corruptions"]["summary"] == {"corruption error, mean of 15, %": None}
    assert "1 of the 15 corruptions" in (run / "evaluation" / "report.md").read_text()


def test_runs_are_compared_side_by_side(run, tmp_path, capsys):
    assert ask(run, "clean") == 0
    other = shutil.copytree(run, tmp_path / "other")
    content = json.loads((other / "evaluation" / "report.json").read_text())
    content["run"]["method"] = "mixup"
    content["suites"]["clean"][0]["summary"]["clean error, %"] = 12.345
    content["suites"]["corruptions"] = [
        {
            "settings": content["run"]["tested"],
            "complete": True,
            "summary": {},
            "parts": {f"fog {s}": 0.1 for s in range(1, 6)},
        }
    ]
    (other / "evaluation" / "report.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert evaluate.main(["--compare", str(run), str(other)]) == 0
    printed = capsys.readouterr().out
    assert "|  | none | mixup |" in printed and "| 12.35 |" in printed
    assert (tmp_path / "comparison" / "comparison.md").is_file()
    assert (tmp_path / "comparison" / "corruptions.png").is_file()
