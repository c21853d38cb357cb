"""The suites noise, edges and fewshot: their values by hand, for a network that is linear in the pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import scipy.special
from test_evaluate import trained

import evaluate
from eval import held_out
from eval.results import Results
from eval.suites import attacks, edges, fewshot, noise
from eval.suites.base import MissingError, Options
from jaxmix.robustness import strong_edges

pytestmark = pytest.mark.unoptimized


def measured(suite, tmp_path, options):
    section = Results(tmp_path / "report.json").suite("suite", suite.SUITE.settings(options))
    suite.SUITE.measure(trained(), section, options)
    return section


def standardized(pixels):
    return (pixels - trained().dataset.mean[0]) / trained().dataset.std[0]


def logits_of(pixels):
    """Of images in 0..1 [n 8 8 1], in numpy."""
    kernel, bias = trained().kernel.astype(np.float64), trained().bias
    return standardized(np.asarray(pixels, np.float64)).reshape(len(pixels), 64) @ kernel / 64 + bias


def accuracy_of(pixels):
    return (logits_of(pixels).argmax(1) == trained().labels[: len(pixels)]).mean()


def test_noise_curves_are_by_hand_and_print_their_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(noise, "SIGMAS", (0.1, 0.4))
    monkeypatch.setattr(attacks, "EPSILONS", (8, 32))
    options = Options(attacked=50)
    section = measured(noise, tmp_path, options)
    found, pixels = section.measurements, trained().images / 255
    assert found["Gaussian noise 0"] == pytest.approx(accuracy_of(pixels)) and found["Gaussian noise images"] == 60
    key = jax.random.fold_in(jax.random.split(jax.random.key(0))[0], 0)
    normal = np.asarray(jax.random.normal(key, pixels.shape, jnp.float32))
    for sigma in (0.1, 0.4):
        noisy = np.clip(pixels + sigma * normal, 0, 1)
        assert found[f"Gaussian noise {sigma:g}"] == pytest.approx(accuracy_of(noisy))
    # Of a linear network the gradient of the cross-entropy is known.
    few, labels = pixels[:50], trained().labels[:50]
    shares = scipy.special.softmax(logits_of(few), 1)
    gradient = (shares - np.eye(10)[labels]) @ trained().kernel.T
    for epsilon in (8, 32):
        moved = np.clip(few + epsilon / 255 * np.sign(gradient).reshape(few.shape), 0, 1)
        assert found[f"fgsm {epsilon}/255"] == pytest.approx(accuracy_of(moved))
        assert found[f"pgd {epsilon}/255"] <= accuracy_of(moved[:25]) + 1e-9
    assert (found["fgsm images"], found["pgd images"]) == (50, 25) and found["fgsm 0"] == pytest.approx(
        accuracy_of(few)
    )
    assert found["fgsm 32/255"] < found["fgsm 0"] and found["Gaussian noise 0.4"] < found["Gaussian noise 0"]
    table = noise.tabulate(found)
    values = [found[f"{kind} {size}"] for kind in ("fgsm", "pgd") for size in ("8/255", "32/255")]
    values += [found["Gaussian noise 0.1"], found["Gaussian noise 0.4"]]
    assert table.summary["robust accuracy, mean of 6 (Gaussian noise, FGSM, PGD-10), %"] == pytest.approx(
        100 * np.mean(values)
    )
    assert "0.1, 0.4" in table.notes[0] and "8/255, 32/255" in table.notes[0]
    assert noise.SUITE.plot(found, tmp_path) == ["noise.png"] and (tmp_path / "noise.png").stat().st_size > 10_000
    # Without PGD nothing else changes, and the mean says what it is of.
    quick = Options(attacked=50, pgd=False)
    alone = {name: value for name, value in found.items() if not name.startswith("pgd")}
    assert "mean of 4 (Gaussian noise, FGSM)" in " ".join(noise.tabulate(alone).summary)
    assert noise.settings(quick)["sigmas"] == [0.1, 0.4] and "steps" not in noise.settings(quick)


def test_errors_and_latches_of_strong_edges_are_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(edges, "KINDS", ("grey", "frame", "soft"))
    monkeypatch.setattr(edges, "EIGHTHS", (2, 4))
    section = measured(edges, tmp_path, Options())
    found, pixels, labels = section.measurements, (trained().images / 255).astype(np.float32), trained().labels
    assert found["clean"] == pytest.approx(1 - accuracy_of(pixels))

    def share(x, window):
        maps = np.maximum(standardized(x).reshape(-1, 64) * trained().kernel[:, labels].T, 0)
        return (maps * window.reshape(-1, 64)).sum(1) / maps.sum(1)

    for kind in ("grey", "frame", "soft"):
        for size in (2, 4):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), 8 * size)
            pasted, window = map(np.asarray, strong_edges(key, pixels, kind, size))
            latch = share(pasted, window) - share(pixels, window)
            one = found[f"{kind} {size}"]
            assert one["error"] == pytest.approx(1 - accuracy_of(pasted))
            assert one["latch"] == pytest.approx(latch.mean(), abs=1e-6)
            assert one["standard error"] == pytest.approx(latch.std(ddof=1) / np.sqrt(60), abs=1e-6)
            assert one["area"] == size**2 / 64
    table = edges.tabulate(found)
    mean = 100 * np.mean([found[f"frame {size}"]["latch"] for size in (2, 4)])
    assert table.summary["frame window, latch, points"] == pytest.approx(mean)
    assert edges.SUITE.plot(found, tmp_path) == ["edges.png", edges.EXAMPLES]
    assert (tmp_path / "edges.png").stat().st_size > 10_000 and (section.folder / edges.EXAMPLES).is_file()


# ---- few shots


@pytest.fixture
def images():
    """Six classes, told apart by which of the rows is bright, 24 images of each; and their class ids."""
    labels = np.repeat(np.arange(6), 24)
    noisy = np.random.default_rng(0).integers(0, 200, (144, 8, 8, 1), np.uint8)
    noisy[np.arange(144), labels] += 50
    return noisy, labels


def test_some_images_of_a_sorted_npz_file_have_each_class_share(tmp_path):
    np.savez(tmp_path / "sorted.npz", x=np.zeros((12, 8, 8, 1), np.uint8), y=np.repeat(np.arange(6), 2))
    assert held_out.read(tmp_path / "sorted.npz", (8, 8, 1), (), 6).labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_classes_of_an_npz_file_are_told_apart(images, tmp_path, monkeypatch):
    monkeypatch.setattr(fewshot, "EPISODES", 40)
    np.savez(tmp_path / "other.npz", x=images[0], y=images[1])
    options = Options(held_out=tmp_path / "other.npz")
    found = measured(fewshot, tmp_path, options).measurements
    assert (found["images"], found["classes"]) == (144, 6)
    for title in ("5-way 1-shot", "5-way 5-shot"):
        for estimate in found[title].values():
            assert 0.3 < estimate["mean"] < 1 and 0 < estimate["half width"] < 0.06
    assert found["5-way 5-shot"]["logistic"]["mean"] > found["5-way 1-shot"]["logistic"]["mean"]
    table = fewshot.tabulate(found)
    assert list(table.summary) == [f"5-way {n}-shot by logistic regression, %" for n in (1, 5)]
    assert fewshot.SUITE.plot(found, tmp_path) == ["fewshot.png"] and (tmp_path / "fewshot.png").is_file()
    assert fewshot.settings(options)["held out"]["files"] == 1
    with pytest.raises(MissingError, match=r"--held-out PATH"):
        measured(fewshot, tmp_path, Options())


def test_held_out_classes_of_a_folder_are_read_and_those_of_the_run_are_refused(images, tmp_path):
    for place in (tmp_path / "folder", tmp_path / "other" / "val"):
        for name in ("b", "a"):
            (place / name).mkdir(parents=True)
            PIL.Image.fromarray(images[0][0, :, :, 0]).resize((16, 16)).save(place / name / "0.png")
        found = held_out.read(place if place.name == "folder" else place.parent, (8, 8, 1), ("0", "1"), None)
        assert found.images.shape == (2, 8, 8, 1) and found.labels.tolist() == [0, 1]
    (tmp_path / "folder" / "1").mkdir()
    with pytest.raises(ValueError, match=r"--held-out .* has the class b, which the run was trained on \(1 of 3"):
        held_out.read(tmp_path / "folder", (8, 8, 1), ("b", "c"), None)
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "large.npz", x=images[0][:, :4], y=images[1])
    np.savez(tmp_path / "unlabelled.npz", x=images[0])
    for place, message in (
        (tmp_path / "empty", "has no images of held-out classes"),
        (tmp_path / "none", "has no images of held-out classes"),
        (tmp_path / "large.npz", r"has images uint8 \[144, 4, 8, 1\]; wanted uint8 \[n 8 8 1\]"),
        (tmp_path / "unlabelled.npz", "can't be read as an npz file with x_test and y_test, or x and y"),
    ):
        with pytest.raises(ValueError, match=rf"^--held-out.*{message}"):
            held_out.read(place, (8, 8, 1), ("0", "1"), None)


def test_the_help_names_every_suite(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--help"])
    words = capsys.readouterr().out
    assert all(name in words for name in evaluate.SUITES)
