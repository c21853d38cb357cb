"""A training on eight devices: the batches, draws and updates of one, and no images sent between devices."""

import json
import pathlib
import re
from functools import partial

import jax
import numpy as np
import pytest
import tiny

import cifar
import devices
import processes
import step
from optimizer import OptimizerOptions
from recipes.per_device import mixed_per_device

pytestmark = pytest.mark.unoptimized


def test_the_batches_and_draws_are_the_same_on_one_device_and_on_eight():
    def noted(mesh):
        source = tiny.source(mesh)
        advance = source.advance(tiny.note, jax.random.key(3))
        state = jax.device_put(tiny.Noted(jax.numpy.int32(0)), source.replicated)
        return np.asarray(advance(state, 0, 2)[1])

    assert devices.global_mesh().size == 8
    np.testing.assert_array_equal(noted(tiny.one_device()), noted(devices.global_mesh()))  # sums of integers, and draws


def test_rows_of_each_process_are_put_where_those_of_the_whole_batch_would_be(monkeypatch):
    rows = jax.sharding.NamedSharding(devices.global_mesh(), jax.sharding.PartitionSpec("data"))
    batch = np.arange(48).reshape(16, 3)
    expected = jax.device_put(batch, rows)
    for found in (processes.put_rows(batch, rows), processes._placed(batch, rows, batch.shape, 0)):
        assert found.sharding == rows
        np.testing.assert_array_equal(found, expected)

    class Second:  # of two processes
        def addressable_devices_indices_map(self, shape):
            return dict(list(rows.addressable_devices_indices_map(shape).items())[4:])

    parts = []
    monkeypatch.setattr(jax, "make_array_from_single_device_arrays", lambda shape, sharding, given: parts.extend(given))
    processes._placed(batch[8:], Second(), batch.shape, 8)
    np.testing.assert_array_equal(np.concatenate(parts), batch[8:])
    assert [part.devices() for part in parts] == [{device} for device in jax.devices()[4:]]


def test_a_batch_size_that_does_not_divide_over_the_devices_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "")
    assert cifar.main(["--batch-size", "60"]) == 2
    assert "--batch-size is 60; wanted a multiple of the 8 devices" in capsys.readouterr().err
    assert not pathlib.Path("runs").exists()


def test_a_balanced_order_is_the_same_on_one_device_and_on_eight():
    sources = [tiny.source(mesh, balanced=True) for mesh in (tiny.one_device(), devices.global_mesh())]
    np.testing.assert_array_equal(*[np.asarray(source.order(1)) for source in sources])


@pytest.mark.parametrize("method", ["cutmix", "cutmix-scheduled", "randommix", "resizemix", "cutout+mixup", "fmix"])
def test_a_recipe_that_mixes_on_each_device_keeps_its_shapes(method):
    recipe = tiny.recipe(method)
    own = mixed_per_device(recipe, devices.global_mesh(), 16)
    shapes = jax.eval_shape(lambda: (jax.random.key(0), np.zeros((16, 8, 8, 1), np.float32), 0.5))
    found, expected = (jax.eval_shape(jax.jit(each.augmentation), *shapes) for each in (own, recipe))
    assert jax.tree.map(np.shape, found) == jax.tree.map(np.shape, expected)


def test_mixing_per_device_pairs_the_images_of_a_device_and_sends_none():
    mesh = devices.global_mesh()
    mixed = jax.jit(mixed_per_device(tiny.recipe("cutmix", views=None), mesh, 16).augmentation)
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    arguments = jax.random.key(0), jax.device_put(np.zeros((16, 8, 8, 1), np.float32), rows), np.float32(0.5)
    program = mixed.lower(*arguments).compile()
    assert not re.search(r"(all-gather|all-to-all|collective-permute)\(", program.as_text())
    source = np.asarray(program(*arguments)[1].source)
    np.testing.assert_array_equal(source // 2, np.arange(16)[:, None] // 2 + np.zeros((1, source.shape[1])))
    assert (source[:, 1] != source[:, 0]).any()


def test_mixing_per_device_is_refused_where_there_is_nothing_to_mix(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "")
    assert cifar.main(["--batch-size", "8", "--mix-per-device"]) == 2
    assert "--batch-size is 8 on 8 devices; wanted 16 or more with --mix-per-device" in capsys.readouterr().err
    assert cifar.main(["--method", "none", "--mix-per-device"]) == 2
    assert "--mix-per-device is for methods that mix images" in capsys.readouterr().err


def trained(chosen, mesh, **options):
    """Losses of two steps, the parameters after them, and the text of the program."""
    made = tiny.training(chosen, mesh, **options)
    state, arguments = made.start(), (made.source.train, made.source.order(0), made.key)
    program = made.source.program(partial(step.train_step, made.setup)).lower(state, *arguments, count=1).compile()
    losses = []
    for _ in range(2):
        state, metrics = program(state, *arguments)
        losses.append(np.asarray(metrics))
    return np.stack(losses), jax.device_get(state.tested()), program.as_text()


def assert_eight_devices_train_as_one(chosen, **options):
    (losses, params, _), (expected, other, text) = (
        trained(chosen, mesh, **options) for mesh in (tiny.one_device(), devices.global_mesh())
    )
    # Sums are taken in another order.
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), params, other)
    return text


@pytest.mark.slow
def test_one_device_and_eight_train_the_same_and_no_device_requests_images_of_another():
    text = assert_eight_devices_train_as_one(tiny.recipe("augmix", views=tiny.shaken))
    assert "all-reduce(" in text
    assert not re.search(r"(all-gather|all-to-all|collective-permute)\(", text)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cutmix", "manifold-mixup"])
def test_one_device_and_eight_train_the_same_on_mixed_images_and_features(method):
    changes = {"points": (0, 1, 2)} if method == "manifold-mixup" else {}
    assert_eight_devices_train_as_one(tiny.recipe(method, **changes))


@pytest.mark.slow
def test_one_device_and_eight_accumulate_clip_and_average_the_same():
    options = OptimizerOptions(accumulate=2, clip_norm=0.1, ema=0.5, optimizer="lamb")
    with jax.numpy_dtype_promotion("standard"):
        assert_eight_devices_train_as_one(tiny.recipe("mixup"), options=options, balanced=True)


@pytest.mark.slow
def test_the_loss_falls_on_eight_devices(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = ("--limit-train", "160", "--limit-test", "50", "--batch-size", "32", "--epochs", "6")
    assert cifar.main([*sizes]) == 0
    (folder,) = pathlib.Path("runs").iterdir()
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["train_loss"] < 0.7 * metrics[0]["train_loss"]
    assert json.loads((folder / "versions.json").read_text())[0]["devices"]["count"] == 8
