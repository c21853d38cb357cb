"""Streamed images: every batch a function of seed and step, each image once, broken files named."""

import pickle
from functools import partial

import image_folders
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from inputs import crops, decoding
from inputs.class_folders import class_folders
from inputs.decoded import DecodedImages
from inputs.pipeline import EachOnce, InRandomOrder, Order, Parts, stream
from inputs.streamed import Streamed

CROP = partial(crops.random_resized_crop, size=8)


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    return image_folders.numbered(tmp_path_factory.mktemp("numbered"), 22)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """Images with structure, so that another crop has other pixels."""
    return class_folders(image_folders.folder_of_classes(tmp_path_factory.mktemp("varied"), train=7, val=3))


def source(train, test=None, *, batch_size=4, train_crop=crops.whole, test_crop=crops.whole, seed=3, **options):
    return Streamed(
        train,
        train if test is None else test,
        tiny.one_device(),
        batch_size=batch_size,
        seed=seed,
        train_crop=train_crop,
        test_crop=test_crop,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        **options,
    )


def images(batches):
    return np.concatenate([batch.images for batch in batches])


def indices(batches):
    """Of the images of `numbered`, by their pixels."""
    found = images(batches)
    assert (found == found[:, :1, :1, :1]).all()
    return found[:, 0, 0, 0].tolist()


def test_an_epoch_has_every_image_once_in_an_order_of_its_own(listing):
    whole, partly = source(listing, batch_size=22), source(listing)  # the first one's in two parts
    orders = [indices(whole.batches(epoch)) for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(22))
    assert orders[0] == orders[2] != orders[1] and orders[0] != list(range(22))
    assert orders[0] != indices(source(listing, batch_size=22, seed=4).batches(0))
    assert partly.steps_per_epoch == 5  # two images are left out, others in another epoch
    found = [indices(partly.batches(epoch)) for epoch in range(4)]
    assert all(len(set(one)) == 20 for one in found) and len({frozenset(one) for one in found}) > 1
    assert found[0] == orders[0][:20]
    for batch in partly.batches(0):
        np.testing.assert_array_equal(batch.labels, np.asarray(batch.images)[:, 0, 0, 0] % 3)
        assert batch.labels.dtype == jnp.int32 and batch.images.dtype == jnp.uint8


@pytest.mark.parametrize(
    "options",
    [{"threads": 1}, {"threads": 2}, {"threads": 4}, {"cache": True}, {"decoder": decoding.decode}],
    ids=["1 thread", "2 threads", "4 threads", "cache", "pillow"],
)
def test_bits_depend_on_seed_and_epoch_alone(varied, options):
    expected = images(source(varied.train, train_crop=CROP).batches(1))
    made = source(varied.train, train_crop=CROP, **options)
    for _ in range(2):  # the second one is from the cache, if there is one
        np.testing.assert_array_equal(images(made.batches(1)), expected)
    assert not np.array_equal(images(made.batches(0)), expected)


@pytest.mark.parametrize("start", [0, 2, 4])
def test_the_rows_of_processes_side_by_side_are_the_batches_of_one_from_any_step(varied, start):
    made = source(varied.train, train_crop=CROP)
    expected = np.concatenate([images(made.batches(epoch)) for epoch in range(2)]).reshape(-1, 4, 8, 8, 3)
    decoded = DecodedImages(varied.train, CROP, random=True)
    order = Order(len(decoded), 4, 3)
    halves = [
        [rows.images for rows in stream(Parts(InRandomOrder(decoded, 3), order, own, (8, 8, 3)), start, 6, threads=2)]
        for own in ((0, 1), (2, 3))
    ]
    np.testing.assert_array_equal(np.concatenate(halves, 1), expected[start:])


def test_parts_divide_the_rows_of_a_process():
    for rows in (1, 7, 16, 17, 48, 50, 128):
        parts = Parts(None, None, range(rows), ())
        assert rows % parts.count == 0 and rows / parts.count <= 16
        assert parts.count < 2 * rows / 16 + 1 or rows in (17, 50)


def test_the_pipeline_is_picklable_for_workers(varied):
    decoded = DecodedImages(varied.train, CROP, random=True)
    parts = Parts(InRandomOrder(decoded, 3, repeats=2), Order(14, 4, 3), range(4), (8, 8, 3))
    parts(1)  # with what its threads keep
    again = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(parts(5).images, again(5).images)


@pytest.mark.slow
def test_workers_make_the_same_bits(listing):
    made, others = (source(listing, batch_size=22, train_crop=CROP, workers=workers) for workers in (0, 2))
    np.testing.assert_array_equal(images(others.batches(1)), images(made.batches(1)))


@pytest.mark.parametrize("batch_size", [4, 11, 16])
def test_every_test_image_counts_once_whatever_the_batch_size(listing, batch_size):
    made = source(listing, listing.first(21), batch_size=batch_size, validation=listing.first(5))
    for batches, count in ((made.test_batches, 21), (made.validation_batches, 5)):
        pairs = list(batches())
        assert len(pairs) == -(-count // batch_size)
        weights = np.concatenate([weight for _, weight in pairs])
        assert weights.sum() == count and set(weights.tolist()) <= {0.0, 1.0}
        assert np.array(indices(batch for batch, _ in pairs))[weights > 0].tolist() == list(range(count))
    assert (made.test_size, made.validation_size) == (21, 5)
    assert list(source(listing).validation_batches()) == []


def test_processes_have_equally_many_test_batches_and_share_the_images(listing):
    decoded = DecodedImages(listing.first(9), crops.whole)
    parts = [Parts(EachOnce(decoded), Order(12, 4, 3), own, (10, 12, 3)) for own in ((0, 1), (2, 3))]
    halves = [list(stream(part, 0, 3, threads=1)) for part in parts]
    assert [len(half) for half in halves] == [3, 3]
    counted = [rows.images[rows.weights > 0, 0, 0, 0] for half in halves for rows in half]
    assert sorted(np.concatenate(counted)) == list(range(9))


def test_a_repeated_image_is_cropped_anew_each_time(listing, varied):
    made = source(listing, batch_size=6, repeats=3)
    found = np.reshape(indices(made.batches(0)), (-1, 3))
    assert (found == found[:, :1]).all() and len(set(found[:, 0])) == 6  # of 18 places
    assert set(found[:, 0]) != set(np.reshape(indices(made.batches(1)), (-1, 3))[:, 0])
    pairs = images(source(varied.train, batch_size=14, train_crop=CROP, repeats=2).batches(0)).reshape(7, 2, 8, 8, 3)
    assert all((first != second).any() for first, second in pairs)


def test_steps_take_their_batches_with_keys_of_their_own_and_one_trace(listing):
    made, traces = source(listing), []

    def step(*arguments):
        traces.append(1)
        return tiny.note(*arguments)

    advance = made.advance(step, jax.random.key(3))
    state, found = jax.device_put(tiny.Noted(jnp.int32(0)), made.replicated), []
    for epoch, count in ((0, 1), (0, 4), (1, 2)):
        state, metrics = advance(state, epoch, count)
        assert metrics.shape == (count, 3)
        found.append(np.asarray(metrics))
    batches = [batch for epoch in range(2) for batch in made.batches(epoch)]
    keys = [jax.random.fold_in(jax.random.key(3), step) for step in range(7)]
    expected = np.float32(
        [
            [np.sum(batch.images, dtype=np.float32), np.sum(batch.labels), jax.random.uniform(key)]
            for batch, key in zip(batches[:7], keys, strict=True)
        ]
    )
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert len(traces) == 1 and int(state.step) == 7 and made.seconds_waited > 0
    # A state of another step, as from a checkpoint, has the batch of that step; and so has the first one after it.
    for begin in (3, 6):
        state = jax.device_put(tiny.Noted(jnp.int32(begin)), made.replicated)
        _, metrics = advance(state, begin // 5, 1)
        np.testing.assert_array_equal(metrics, expected[begin : begin + 1])
    made.close()
    assert len(traces) == 1


def test_a_step_copies_nothing_from_the_devices(listing):
    made = source(listing)
    advance = made.advance(tiny.note, jax.random.key(3))
    state = jax.device_put(tiny.Noted(jnp.int32(0)), made.replicated)
    state, _ = advance(state, 0, 1)
    with jax.transfer_guard("disallow"):
        state, _ = advance(state, 0, 1)
        state, metrics = advance(state, 0, 1)
    made.close()
    assert int(state.step) == 3 and np.isfinite(np.asarray(metrics)).all()


def test_a_broken_file_ends_the_training_with_its_name(tmp_path):
    train = image_folders.numbered(tmp_path, 12)
    third = indices(source(train, batch_size=2).batches(0))[5]
    bad = tmp_path / f"{third:03d}.png"
    bad.write_bytes(bad.read_bytes()[:-30])
    made = source(train, batch_size=2)
    advance = made.advance(tiny.note, jax.random.key(3))
    state = jax.device_put(tiny.Noted(jnp.int32(0)), made.replicated)
    reached = 0

    def steps():
        nonlocal state, reached
        while reached < 6:
            state, _ = advance(state, 0, 1)
            reached += 1

    with pytest.raises(ValueError, match=rf"{third:03d}\.png is broken: .* Replace or remove it"):
        steps()
    with pytest.raises(ValueError, match=rf"{third:03d}\.png"):  # and doesn't go on with the next batch
        advance(state, 0, 1)
    assert int(state.step) == reached == 2
    with pytest.raises(ValueError, match=rf"{third:03d}\.png"):
        list(made.test_batches())


def test_images_of_different_sizes_are_named(tmp_path):
    train = image_folders.numbered(tmp_path, 6)
    image_folders.write(tmp_path / "004.png", image_folders.smooth(9, 12))
    with pytest.raises(ValueError, match=r"004\.png has 9 x 12 pixels after its crop, and .*000\.png 10 x 12; wanted"):
        list(source(train, batch_size=2).batches(0))
    with pytest.raises(ValueError, match=r"000\.png: it has 10 x 12 pixels, padding included; wanted 32 x 32"):
        source(train, batch_size=2, train_crop=partial(crops.random_crop, size=32))


def test_the_source_describes_its_data(listing, varied):
    made = source(varied.train, varied.test, train_crop=CROP)
    assert (made.name, made.classes, made.absent) == ("folder", ("ant", "bee"), ())
    assert (made.image_shape, made.train_size, made.test_size) == ((8, 8, 3), 14, 6)
    found = made.fingerprint()
    assert found["sizes"] == {"train": [14], "test": [6]}
    assert found["crc32"] == {"train": varied.train.checksum(), "test": varied.test.checksum()}
    assert "validation" in source(listing, validation=listing).fingerprint()["sizes"]
    assert source(listing.chosen([0, 2, 3]), batch_size=2).absent == ("b",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "--batch-size is 1; wanted 2 to 22, the number of training images"),
        ({"batch_size": 23}, "--batch-size is 23; wanted 2 to 22"),
        ({"accumulate": 6}, "--accumulate is 6; wanted 1 to 5, the number of steps of 4 in the 22"),
        ({"repeats": 0}, "--repeats is 0; wanted 1 to 22"),
        ({"cache": True, "workers": 1}, "--cache keeps images in the memory of one process; wanted --workers 0"),
    ],
    ids=str,
)
def test_options_that_do_not_suit_the_data_are_refused(listing, options, message):
    with pytest.raises(ValueError, match=message):
        source(listing, **options)


def test_other_classes_and_an_empty_split_are_refused(listing, varied):
    with pytest.raises(ValueError, match=r"folder has other classes \(2\) than numbered"):
        source(listing, varied.test)
    with pytest.raises(ValueError, match="numbered has no images"):
        source(listing, listing.first(0))


def test_a_cache_that_memory_does_not_hold_is_refused(listing, monkeypatch):
    monkeypatch.setattr("inputs.memory.available", lambda: 10_000)
    with pytest.raises(ValueError, match=r"The 22 images of numbered need 0\.0 GB .*Leave out --cache"):
        source(listing, cache=True)
