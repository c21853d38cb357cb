"""A source on the devices: orders, batches, and steps over them, with a step that only notes its batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

import devices
from inputs import validation

pytestmark = pytest.mark.unoptimized

RANDOM = np.random.default_rng(0)


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


def test_a_balanced_epoch_has_every_class_and_each_of_its_images_equally_often_but_for_one():
    labels = np.repeat([0, 2, 5], [3, 40, 9])[RANDOM.permutation(52)].astype(np.int32)  # some classes have no image
    data = tiny.dataset(train=52)._replace(train_labels=labels, classes=tuple("abcdef"))
    source = tiny.source(data=data, balanced=True)
    orders = [np.asarray(source.order(epoch)) for epoch in range(4)]
    for order in orders:
        used = np.bincount(order, minlength=52)
        for label in (0, 2, 5):
            of_class = used[labels == label]
            assert of_class.sum() in (17, 18)  # 52 / 3
            assert of_class.max() - of_class.min() <= 1
        assert (np.diff(labels[order]) != 0).sum() > 20  # mixed
    assert len({frozenset(np.flatnonzero(labels == 2)) - set(order) for order in orders}) == 4  # others are left out


def test_the_steps_of_an_epoch_are_those_of_whole_updates():
    one, accumulated = tiny.source(batch_size=12), tiny.source(batch_size=4, accumulate=3)
    assert (one.steps_per_epoch, accumulated.steps_per_epoch) == (2, 6)  # of 8 steps of 4, two are left out
    images = [np.concatenate([batch.images for batch in source.batches(1)]) for source in (one, accumulated)]
    np.testing.assert_array_equal(*images)
    with pytest.raises(ValueError, match="--accumulate is 9; wanted 1 to 8, the number of steps of 4 in the 32"):
        tiny.source(batch_size=4, accumulate=9)


def test_a_validation_split_is_of_each_class_alike_and_the_seed_alone_decides_it():
    data = tiny.dataset(train=90)
    found, again, other = (validation.split(data, 0.2, seed) for seed in (0, 0, 1))
    assert [len(found.train_images), len(found.validation_images)] == [72, 18]
    counts = [np.bincount(labels) for labels in (data.train_labels, found.validation_labels)]
    np.testing.assert_allclose(counts[1], 0.2 * counts[0], atol=1)
    assert sorted(map(bytes, [*found.train_images, *found.validation_images])) == sorted(map(bytes, data.train_images))
    np.testing.assert_array_equal(found.validation_images, again.validation_images)
    assert not np.array_equal(found.validation_images, other.validation_images)
    moved = set(map(bytes, found.validation_images))
    places = [index for index, image in enumerate(data.train_images) if bytes(image) in moved]
    np.testing.assert_array_equal(data.train_labels[places], found.validation_labels)
    fingerprint = tiny.source(data=found).fingerprint()
    assert fingerprint["sizes"]["validation"] == [18, 8, 8, 1] and "validation labels" in fingerprint["crc32"]
    with pytest.raises(
        ValueError, match=r"--val-share is 0\.01, by which the 90 training images of tiny can't be split"
    ):
        validation.split(data, 0.01, 0)


def test_every_validation_image_counts_once():
    source = tiny.source(data=validation.split(tiny.dataset(train=48), 0.3, 0))
    counted = [np.asarray(batch.images)[np.asarray(weight) > 0] for batch, weight in source.validation_batches()]
    np.testing.assert_array_equal(np.concatenate(counted), source._dataset.validation_images)
    assert list(tiny.source().validation_batches()) == []


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
