"""train/finegrained.py on a tiny folder, with a tiny network, from end to end: SnapMix, two rates, two heads."""

import functools
import json
import os
import pathlib
import re

import colored_images
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from flax import nnx
from test_cifar import final_state, lines
from test_imagenet import leaf, watched

import devices
import finegrained
import imagenet
import initial_weights
import models
import optimizer
import preview
from eval import load_run
from models import mid_level

pytestmark = pytest.mark.unoptimized

SMALL = ("--data-dir", "data", "--batch-size", "6")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to run in, with a data set; every model is tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    monkeypatch.setattr(preview, "plot", lambda *_: None)
    monkeypatch.setattr(models, "create", colored_images.create)
    colored_images.write(tmp_path / "data")
    return tmp_path


def run_of(root):
    (folder,) = pathlib.Path(root).iterdir()
    return folder


def network():
    body = functools.partial(colored_images.TwoStages, 3, 3)
    return mid_level.around(body, 3, jnp.float32, nnx.Rngs(0))


def test_snapmix_fine_tunes_a_run_of_imagenet_with_two_rates_and_reports_three_accuracies(place, capsys, monkeypatch):
    with jax.numpy_dtype_promotion("standard"):
        assert imagenet.main([*SMALL, "--crop", "16", "--epochs", "1", "--runs-dir", "before"]) == 0
        capsys.readouterr()
        tuning = ("--weights", str(run_of("before")), "--resize", "18", "--crop", "16", "--epochs", "4")
        with monkeypatch.context() as patch:
            noted = watched(patch)
            assert finegrained.main([*SMALL, *tuning, "--lr", ".01", "--fresh-lr", ".1", "--runs-dir", "tuned"]) == 0
    assert noted[0][1] > 0 and not any(count for _, count in noted[1:]), "compiled again after the first step"
    folder, out = run_of("tuned"), capsys.readouterr().out
    found = lines(folder)
    for name in ("accuracy", "accuracy_middle", "accuracy_sum"):
        values = [line[f"test_{name}"] for line in found]
        words = f"test {name.replace('_', ' ')}"
        assert re.search(rf"\n +{words} +{100 * values[-1]:.2f} %", out)
        assert re.search(rf"best {words} +{100 * max(values):.2f} % \(epoch {1 + np.argmax(values)}\)", out)
    config = json.loads((folder / "config.json").read_text())
    assert (config["program"], config["milestones"], config["warp"]) == ("finegrained", [1, 3, 3], False)
    trained = load_run.load(folder, batch_size=12)
    error = load_run.error(trained.logits(trained.images), trained.labels)
    assert error == pytest.approx(1 - found[-1]["test_accuracy"])
    assert trained.features(trained.images).shape == (12, 4, 4, 8), "for class activation maps"
    # The first state is that of the other run, inside.
    made = finegrained.build(finegrained.read(folder), finegrained.load(finegrained.read(folder)))
    kernel = initial_weights.body(made.first().params)["stem"]["kernel"][...]
    np.testing.assert_array_equal(kernel, leaf(final_state(run_of("before")), "params.stem.kernel"))


def test_the_middle_head_sees_the_features_before_the_last_stage_and_sends_no_gradient_into_the_network():
    model = network()
    images = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def middle(params):
        return mid_level.heads(nnx.merge(graph, params, rest), images, train=False)[1].sum()

    gradients = jax.grad(middle)(params)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradients["body"]))
    assert all((leaf != 0).any() for leaf in jax.tree.leaves((gradients["middle"], gradients["linear"])))
    x = jax.nn.relu(model.body.norm(model.body.stem(images), False))
    before = jax.nn.relu(model.body.stages[0](x))
    kernel, bias = (np.asarray(array[...]) for array in (model.middle.kernel, model.middle.bias))
    hidden = np.maximum(np.asarray(before) @ kernel[0, 0] + bias, 0).max((1, 2))
    main, other = model.heads(images, train=False)
    expected = hidden @ np.asarray(model.linear.kernel[...]) + np.asarray(model.linear.bias[...])
    np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(main, model(images, train=False))
    measures = dict(mid_level.MEASURES)
    logits = (jnp.array([[3.0, 0.0, 0.0]]), jnp.array([[0.0, 2.0, 0.0]]))
    assert [float(measures[name](logits, jnp.array([1]))[0]) for name in measures] == [1.0, 0.0]


def test_new_layers_have_their_own_learning_rate_and_decay_and_the_others_another():
    params = nnx.state(network(), nnx.Param)
    options = optimizer.OptimizerOptions(momentum=0.5)
    faster = (10.0, initial_weights.fresh)
    made = optimizer.create(options, lambda step: 0.1, 0.01, nesterov=False, faster=faster)
    gradients = jax.tree.map(jnp.ones_like, params)
    with jax.numpy_dtype_promotion("standard"):
        state, found = made.init(params), params
        for _ in range(2):
            updates, state = made.update(gradients, state, found)
            found = optax.apply_updates(found, updates)
    for name, rate in (("stem", 0.1), ("classifier", 1.0), ("middle", 1.0), ("linear", 1.0)):
        inside = (params["body"], found["body"]) if name in ("stem", "classifier") else (params, found)
        first, last = (np.float64(jax.tree.leaves(tree[name])[0]) for tree in inside)
        momentum, expected = 0.0, first
        for _ in range(2):
            momentum = 0.5 * momentum + 1 + 0.01 * expected
            expected = expected - rate * momentum
        np.testing.assert_allclose(last, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crop", "600"], "--crop is 600; wanted 512 or less, which --resize is"),
        (["--lr", "0"], "--lr is 0; wanted more, as --fresh-lr is counted from it"),
        (["--preset", "torchvision-v1"], "--preset: there is no 'torchvision-v1' for train/finegrained.py. There are"),
        (["--method", "snapmixx"], "Did you mean 'snapmix'?"),
        (["--model", "resnet-18"], "wanted resnet18, without the hyphen"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_run_folder(arguments, message, capsys):
    assert finegrained.main([*SMALL, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert not pathlib.Path("runs").exists()
