"""train/imagenet.py on tiny folders, with a tiny network, from end to end; its options; pretrained weights."""

import dataclasses
import functools
import json
import os
import pathlib
import signal

import colored_images
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx
from test_cifar import assert_same_bits, final_state, lines

import compare
import devices
import evaluate
import imagenet
import initial_weights
import loop
import models
import preview
import programs
import state
import streaming
from eval import load_run
from models import weights
from models.imagenet_resnet import ImageNetResNet
from models.vision_transformer import VisionTransformer

pytestmark = pytest.mark.unoptimized

RUN = (
    *("--data-dir", "data", "--crop", "16", "--test-resize", "18", "--batch-size", "6", "--epochs", "2"),
    *("--method", "trivialaugment+mixup-or-cutmix", "--jitter", ".4", "--lighting", ".1", "--erasing", ".3"),
    *("--loss", "sigmoid_bce", "--bce-threshold", ".2", "--optimizer", "lamb", "--ema", ".9", "--repeats", "2"),
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in, with a data set; every model is tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    monkeypatch.setattr(preview, "plot", lambda *_: None)  # its program is of no concern here
    monkeypatch.setattr(models, "create", colored_images.create)
    colored_images.write(tmp_path / "data")
    return tmp_path


def run_of(root):
    (folder,) = pathlib.Path(root).iterdir()
    return folder


def watched(monkeypatch, interrupt_after=None):
    """Records how often each call of the loop compiles, and sends SIGINT after a step, where one is given."""
    compiled, noted, advance = [], [], loop.Functions.advance
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **kinds: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )

    def watching(functions):
        def advanced(of, epoch, count):
            before = len(compiled)
            result = advance.__get__(functions)(of, epoch, count)
            step = int(result[0].step)
            noted.append((step, len(compiled) - before))
            if step == interrupt_after:
                signal.raise_signal(signal.SIGINT)
            return result

        return advanced

    monkeypatch.setattr(loop.Functions, "advance", property(watching))
    return noted


def test_a_run_trains_compiles_its_step_once_resumes_to_the_same_bits_and_is_evaluated(place, capsys, monkeypatch):
    with jax.numpy_dtype_promotion("standard"):  # as for users: optax raises a float to its count of updates
        with monkeypatch.context() as patch:
            noted = watched(patch)
            assert imagenet.main([*RUN, "--runs-dir", "whole"]) == 0
        out = capsys.readouterr().out
        assert [step for step, _ in noted] == list(range(1, 9))
        assert noted[0][1] > 0 and not any(count for _, count in noted[1:]), "compiled again after the first step"
        with monkeypatch.context() as patch:
            watched(patch, interrupt_after=6)
            assert imagenet.main([*RUN, "--runs-dir", "cut"]) == 130
        assert imagenet.main(["--resume", str(run_of("cut")), "--threads", "3"]) == 0
    whole, metrics = run_of("whole"), lines(run_of("whole"))
    assert_same_bits(final_state(whole), final_state(run_of("cut")))
    assert [(line["step"], line["test_images"]) for line in metrics] == [(4, 12), (8, 12)]
    assert f"test accuracy  {100 * metrics[-1]['test_accuracy']:.2f} %" in out
    config = json.loads((whole / "config.json").read_text())
    assert (config["program"], config["test_crop"], config["test_resize"]) == ("imagenet", 16, 18)
    assert (config["test_interpolation"], config["loss"]) == ("bilinear", "sigmoid_bce")

    trained = load_run.load(whole, batch_size=12)
    assert (trained.images.shape, trained.steps) == ((12, 16, 16, 3), 8)
    error = load_run.error(trained.logits(trained.images), trained.labels)
    assert error == pytest.approx(1 - metrics[-1]["test_accuracy"])
    assert sorted(load_run.load(whole, limit=3).labels) == [0, 1, 2], "the share of each class"
    assert evaluate.main([str(whole), "--suite", "clean", "--batch-size", "12"]) == 0
    assert json.loads((whole / "evaluation" / "report.json").read_text())["run"]["model"] == "resnet50"

    begin_from(whole)


def leaf(arrays, name):
    """The array of a checkpoint whose name begins so."""
    (found,) = [array for full, array in arrays.items() if full.startswith(name)]
    return found


def begin_from(folder):
    """A network begins with the average of that of a run; with other classes its last layer is its own."""
    saved = final_state(folder)
    for classes in (3, 5):
        network = lambda rngs, classes=classes: colored_images.TwoStages(classes, 3, rngs)  # noqa: E731
        fresh = state.start(network(nnx.Rngs(1)), imagenet.optimizer.create(imagenet.Config(), lambda step: 0.1, 0.0))
        begun = initial_weights.from_file(folder, network)(fresh)
        np.testing.assert_array_equal(begun.params["stem"]["kernel"][...], leaf(saved, "average.0.stem.kernel"))
        np.testing.assert_array_equal(begun.statistics["norm"]["var"][...], leaf(saved, "average.1.norm.var"))
        kernel = begun.params["classifier"]["linear"]["kernel"][...]
        expected = leaf(saved, "average.0.classifier.linear.kernel")
        if classes == 5:
            expected = fresh.params["classifier"]["linear"]["kernel"][...]
        np.testing.assert_array_equal(kernel, expected)
    with pytest.raises(ValueError, match=r"is of another network: wanted conv.kernel \[3, 3, 3, 4\], found nothing"):
        initial_weights.from_file(folder, tiny.Tiny)(
            state.start(tiny.Tiny(3, nnx.Rngs(0)), imagenet.optimizer.create(imagenet.Config(), lambda step: 0.1, 0.0))
        )


def test_a_network_begins_with_a_file_of_torchvision_whose_last_layer_may_be_of_other_classes(place):
    def network(classes, seed):
        return ImageNetResNet(18, classes, 3, width=2, rngs=nnx.Rngs(seed), dtype=jnp.float32)

    made = network(3, 0)
    params, statistics = nnx.state(made, nnx.Param), nnx.state(made, nnx.BatchStat)
    weights.write(place / "narrow.safetensors", weights.to_torchvision(params, statistics))
    for classes in (3, 5):
        fresh = network(classes, 1)
        before = state.State(*[None] * 5)._replace(
            params=nnx.state(fresh, nnx.Param), statistics=nnx.state(fresh, nnx.BatchStat)
        )
        put = initial_weights.from_file(place / "narrow.safetensors", lambda rngs, k=classes: network(k, 2))
        begun = put(before)
        for name in ("stem", "stages"):
            jax.tree.map(np.testing.assert_array_equal, begun.params[name], params[name])
        expected = (params if classes == 3 else before.params)["classifier"]
        jax.tree.map(np.testing.assert_array_equal, begun.params["classifier"], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data-dir", "nowhere"], "nowhere"),
        (["--model", "resnet-50"], "wanted resnet50, without the hyphen"),
        (["--method", "cutmixx"], "Did you mean 'cutmix'?"),
        (["--method", "randaugment+snapmix"], "randaugment comes before methods that mix the images and need no maps"),
        (["--preset", "torchvision"], "--preset: there is no 'torchvision' for train/imagenet.py. There are: torchvis"),
        (["--bce-threshold", ".2"], "--bce-threshold is for --loss sigmoid_bce, and the loss is cross_entropy"),
        (["--steps-per-call", "2"], "--steps-per-call is 2; wanted 1, as each batch comes from files"),
        (["--erasing", "2"], "--erasing is 2.0; wanted 1 or less"),
        (["--crop", "0"], "--crop is 0; wanted 1 or more"),
        (["--batch-size", "60"], "--batch-size is 60; wanted 2 to 24, the number of training images"),
        (["--batch-size", "6", "--weights", "runs", "--crop", "16"], "has no checkpoints; wanted the folder of a run"),
        (["--epochs", "2", "--mix-until", "1"], "--mix-until is 1; wanted none, as none mixes nothing"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_run_folder(arguments, message, place, capsys):
    (place / "runs").mkdir()
    assert imagenet.main(["--data-dir", "data", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert not any((place / "runs").iterdir())


def test_a_transformer_is_refused_for_images_that_are_no_whole_number_of_patches():
    network = functools.partial(VisionTransformer, "mu", 8, 3, 3, dtype=jnp.float32)
    programs.check_sides(lambda rngs: network(rngs=rngs), "vit-mu8", 16, 24)
    with pytest.raises(ValueError, match="--model vit-mu8 doesn't take images of 20 pixels a side. The network takes"):
        programs.check_sides(lambda rngs: network(rngs=rngs), "vit-mu8", 16, 20)


def test_options_beside_a_preset_come_before_its_own(monkeypatch):
    seen = []
    monkeypatch.setattr(imagenet, "run", lambda config: seen.append(config) or 0)
    assert imagenet.main(["--preset", "torchvision-v2", "--lr", "0.25", "--data-dir", "here"]) == 0
    (config,) = seen
    assert (config.preset, config.lr, config.epochs, config.crop) == ("torchvision-v2", 0.25, 600, 176)


def test_help_names_every_option_method_and_preset(capsys):
    with pytest.raises(SystemExit) as stopped:
        imagenet.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for field in dataclasses.fields(imagenet.Config):
        assert f"--{field.name.replace('_', '-')}" in out
    for word in (*imagenet.recipes.names(), "torchvision-v1", "rsb-a3"):
        assert word in out


def test_a_broken_image_is_named_or_left_out_and_listed(place, capsys):
    broken = place / "data" / "train" / "bee" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    config = imagenet.Config(data_dir=place / "data", skip_broken=True, limit_test=6)
    data = imagenet.load(config)
    assert (len(data.splits.train), len(data.splits.test)) == (23, 6)
    np.testing.assert_array_equal(np.bincount(data.splits.test.labels), [2, 2, 2])
    (text,) = data.files.values()
    assert list(json.loads(text)["train"]) == ["train/bee/3.png"]
    (place / streaming.BROKEN).write_text(text)
    broken.unlink()  # what a run has left out it leaves out again, without another look
    colored_images.Image.new("RGB", (20, 20)).save(broken)
    assert len(imagenet.load(config, place).splits.train) == 23
    assert len(imagenet.load(dataclasses.replace(config, skip_broken=False)).splits.train) == 24


def test_runs_are_compared_in_a_table(place, capsys):
    train = [f"--train.{option[2:]}" if option.startswith("--") else option for option in RUN[:8]]
    command = ["--program", "imagenet", "--out", "grid", "--methods", "none", "--seeds", "1", *train]
    with jax.numpy_dtype_promotion("standard"):
        assert compare.main([*command, "--train.epochs", "1", "--test.batch-size", "12"]) == 0
    (error,) = (lines(path.parent)[-1]["test_accuracy"] for path in pathlib.Path("grid").glob("runs/*/*/metrics.jsonl"))
    assert "resnet50 on folder, seeds 1" in (place / "grid" / "table.md").read_text()
    assert f"{100 - 100 * error:.2f}" in (place / "grid" / "table.md").read_text()
    assert compare.main([*command, "--train.epochs", "2"]) == 2
    assert "grid holds a comparison of runs with --train.epochs 1" in capsys.readouterr().err
    assert compare.main(["--program", "imagenet", "--table", "cutmix"]) == 2
    assert "--table is for --program cifar, and it is imagenet" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet18", "vit-mu8"])
def test_the_networks_for_large_images_train(model, place, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(place)
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    arguments = ("--data-dir", "data", "--crop", "32", "--batch-size", "6", "--epochs", "1", "--method", "cutmix")
    with jax.numpy_dtype_promotion("standard"):
        assert imagenet.main([*arguments, "--model", model, "--dtype", "bfloat16"]) == 0
    found = lines(run_of("runs"))
    assert [line["step"] for line in found] == [4] and jnp.isfinite(found[-1]["train_loss"])
    assert (run_of("runs") / "mixed.png").is_file()
