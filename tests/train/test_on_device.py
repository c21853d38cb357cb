"""A source on the devices: orders, batches, and steps over them, with a step that only notes its batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

import devices


def noted(source, count, epochs=2):
    """The metrics of all steps, in calls of `count`, and how often the step was traced."""
    traces = []

    def step(*arguments):
        traces.append(1)
        return tiny.note(*arguments)

    advance = source.advance(step, jax.random.key(3))
    state, found = jax.device_put(tiny.Noted(jnp.int32(0)), source.replicated), []
    for epoch in range(epochs):
        for _ in range(source.steps_per_epoch // count):
            state, metrics = advance(state, epoch, count)
            found.append(np.asarray(metrics))
    return np.concatenate(found), len(traces), state


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    source = tiny.source()
    orders = [np.asarray(source.order(epoch)) for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(32))
    assert (orders[0] != orders[1]).any()
    np.testing.assert_array_equal(orders[0], orders[2])
    data, batches = tiny.dataset(), list(source.batches(0))
    assert len(batches) == source.steps_per_epoch == 2
    for number, batch in enumerate(batches):
        rows = orders[0][16 * number : 16 * number + 16]
        np.testing.assert_array_equal(batch.images, data.train_images[rows])
        np.testing.assert_array_equal(batch.labels, data.train_labels[rows])


@pytest.mark.parametrize("count", [1, 2])
def test_steps_take_the_batches_of_their_epochs_with_keys_of_their_own_and_one_trace(count):
    source = tiny.source()
    found, traces, state = noted(source, count)
    batches = [batch for epoch in range(2) for batch in source.batches(epoch)]
    keys = [jax.random.fold_in(jax.random.key(3), step) for step in range(4)]
    expected = [
        [np.sum(batch.images, dtype=np.float32), np.sum(batch.labels), jax.random.uniform(key)]
        for batch, key in zip(batches, keys, strict=True)
    ]
    np.testing.assert_array_equal(found, np.float32(expected))
    assert (traces, int(state.step)) == (1, 4)


@pytest.mark.parametrize("batch_size", [3, 8, 32])
def test_every_test_image_counts_once_whatever_the_batch_size(batch_size):
    source, data = tiny.source(batch_size=batch_size), tiny.dataset()
    counted = [(np.asarray(batch.images)[np.asarray(weight) > 0]) for batch, weight in source.test_batches()]
    np.testing.assert_array_equal(np.concatenate(counted), data.test_images)
    assert sum(float(weight.sum()) for _, weight in source.test_batches()) == 8


def test_the_source_describes_its_data():
    source = tiny.source()
    assert (source.name, source.classes) == ("tiny", ("class0", "class1", "class2"))
    assert (source.image_shape, source.train_size, source.test_size) == ((8, 8, 1), 32, 8)
    found = source.fingerprint()
    assert found["sizes"]["train"] == [32, 8, 8, 1]
    other = tiny.dataset()
    other.train_images[0, 0, 0] ^= 1
    changed = tiny.source(data=other).fingerprint()
    assert [name for name in found["crc32"] if found["crc32"][name] != changed["crc32"][name]] == ["train"]


@pytest.mark.parametrize("batch_size", [0, 1, 33])
def test_a_batch_size_that_does_not_suit_the_data_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"--batch-size is {batch_size}; wanted 2 to 32, the number of training"):
        tiny.source(batch_size=batch_size)


@pytest.mark.parametrize(
    ("backend", "steps_per_epoch", "expected"), [("cpu", 390, 1), ("gpu", 390, 30), ("tpu", 389, 32), ("gpu", 5, 5)]
)
def test_steps_per_call_suit_the_device_and_divide_the_epoch_where_they_can(
    backend, steps_per_epoch, expected, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert devices.steps_per_call(0, steps_per_epoch) == expected
    assert devices.steps_per_call(7, 390) == 7
