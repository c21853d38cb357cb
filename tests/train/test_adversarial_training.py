"""Adversarial training: the attack of a step, what it can't be combined with, and its options."""

import dataclasses
import json
import shutil
from functools import partial

import jax
import numpy as np
import pytest
import tiny
from flax import nnx

import adversarial
import cifar
import configuration
import devices
import step
from adversarial import AdversarialOptions, Attack
from checkpoints import Checkpoints
from recipes.cifar import create
from recipes.core import Mixing

pytestmark = pytest.mark.unoptimized
ATTACK = Attack(8 / 255, 2 / 255, 10)


def with_attack(method, attack=ATTACK):
    made = tiny.training(tiny.recipe(method))
    return made, dataclasses.replace(made.setup, attack=attack)


def test_a_step_attacks_the_mixed_images_within_epsilon_and_trains_on_them_and_their_mixed_labels():
    made, setup = with_attack("mixup")
    state, batch = made.start(), next(made.source.batches(0))
    step_key = jax.random.key(3)

    def loss_at(params, images, labels, mix):
        model = nnx.merge(setup.graph, params, state.statistics, copy=True)
        loss = setup.loss(model(images, train=True), labels, mix)  # by the statistics of the batch
        return loss.mean(), nnx.state(model, nnx.BatchStat)

    @jax.jit
    def by_hand(state, batch):
        keys, images = step.prepare(setup, batch, step_key)
        mixing = Mixing(setup.recipe, keys.mix, 0.0, setup.points)
        mixed = mixing(0, images)
        found = step.attack(setup, state.params, state.statistics, mixing, mixed, batch.labels, keys)
        before, _ = loss_at(state.params, mixed, batch.labels, mixing.mix)
        (after, statistics), gradient = jax.value_and_grad(loss_at, has_aux=True)(
            state.params, found, batch.labels, mixing.mix
        )
        return mixed, found, mixing.mix.weight, before, after, statistics, gradient

    with jax.debug_key_reuse(False):  # the step's key, by hand and in the step
        mixed, found, weight, before, after, statistics, gradient = by_hand(state, batch)
        after_step, metrics = jax.jit(partial(step.train_step, setup))(state, batch, step_key)
    assert 0.05 < float(weight[:, 1].min()) < 0.95  # mixed
    mean, std = setup.preprocess.mean[0], setup.preprocess.std[0]
    pixels, attacked = (mean + std * np.asarray(x) for x in (mixed, found))
    change = np.abs(attacked - pixels)
    assert change.max() <= ATTACK.epsilon + 1e-6 and np.median(change) > 0.9 * ATTACK.epsilon
    assert attacked.min() >= -1e-6 and attacked.max() <= 1 + 1e-6
    assert after > before + 0.01
    np.testing.assert_allclose(metrics[0], after, rtol=1e-5)
    # Batch statistics moved once, by the attacked images; the attack moved none.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), after_step.statistics, statistics)
    jax.tree.map(
        lambda new, old, g: np.testing.assert_allclose(new, old - 0.19 * g, rtol=1e-3, atol=1e-5),
        after_step.params, state.params, gradient,
    )  # fmt: skip


def test_an_attack_of_epsilon_0_trains_as_none():
    made, setup = with_attack("none", Attack(0.0, 0.0, 1))
    state, batch = made.start(), next(made.source.batches(0))
    (one, _), (other, _) = (
        jax.jit(partial(step.train_step, each))(state, batch, jax.random.key(3)) for each in (setup, made.setup)
    )
    # Pixels are normalized once more.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), one.params, other.params)


def test_options_are_levels_of_255_and_without_adversarial_there_is_no_attack():
    plain = create("cutmix", "cifar10", 32, "resnet-8")
    assert adversarial.create(AdversarialOptions(adversarial=True), plain) == ATTACK
    assert adversarial.create(AdversarialOptions(), plain) is None
    with pytest.raises(ValueError, match=r"--attack-steps is 7; wanted --adversarial with it\."):
        adversarial.create(AdversarialOptions(attack_steps=7), plain)
    for name in ("attack_epsilon", "attack_step"):
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is 300.0; wanted 255 or less"):
            configuration.check(cifar.Config(**{name: 300.0}))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("manifold-mixup", "mixes hidden features; wanted one that mixes images"),
        ("augmix", "trains on several; wanted another or --jsd off"),
    ],
)
def test_methods_that_cannot_be_attacked_are_refused(method, message):
    with pytest.raises(ValueError, match=message):
        adversarial.create(AdversarialOptions(adversarial=True), create(method, "cifar10", 32, "resnet-8"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sage", "dropblock", "cutout+cutmix"])
def test_other_methods_are_attacked(method):
    made, setup = with_attack(method, Attack(8 / 255, 4 / 255, 2))
    state, batch = made.start(), next(made.source.batches(0))
    _, metrics = jax.jit(partial(step.train_step, setup))(state, batch, jax.random.key(3))
    _, plain = jax.jit(partial(step.train_step, made.setup))(state, batch, jax.random.key(3))
    assert np.isfinite(metrics).all() and metrics[0] > plain[0]


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_its_attack_to_the_same_bits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(devices, "global_mesh", tiny.one_device)
    options = [
        "--limit-train",
        "64",
        "--limit-test",
        "32",
        "--batch-size",
        "32",
        "--adversarial",
        "--attack-steps",
        "2",
    ]

    assert cifar.main([*options, "--epochs", "2", "--runs-dir", str(tmp_path)]) == 0
    (whole,) = tmp_path.iterdir()
    assert json.loads((whole / "config.json").read_text())["adversarial"] is True
    half = shutil.copytree(whole, tmp_path / "half")
    shutil.rmtree(half / "checkpoints" / "4")
    capsys.readouterr()
    assert cifar.main(["--resume", str(half), "--attack-steps", "3"]) == 2
    assert "--attack-steps is 2 in" in capsys.readouterr().err
    assert cifar.main(["--resume", str(half)]) == 0
    assert "going on from step 2" in capsys.readouterr().out
    assert final_state(whole) == final_state(half)


def final_state(folder):
    checkpoints = Checkpoints(folder)
    arrays = checkpoints.arrays()
    checkpoints.close()
    return {name: array.tobytes() for name, array in arrays.items()}
