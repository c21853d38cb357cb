"""Streamed images on eight devices: the batches and steps of one."""

from functools import partial

import image_folders
import jax
import jax.numpy as jnp
import numpy as np
import tiny

from inputs import crops
from inputs.class_folders import class_folders
from inputs.streamed import Streamed


def test_batches_and_steps_on_eight_devices_are_those_of_one(tmp_path):
    splits = class_folders(image_folders.folder_of_classes(tmp_path, train=9, val=5))
    eight = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    found = []
    for mesh in (tiny.one_device(), eight):
        source = Streamed(
            splits.train,
            splits.test,
            mesh,
            batch_size=8,
            seed=3,
            train_crop=partial(crops.random_resized_crop, size=8),
            test_crop=crops.whole,
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
        )
        batches = list(source.batches(1))
        assert batches[0].images.sharding.is_equivalent_to(source.rows, 4)
        state = jax.device_put(tiny.Noted(jnp.int32(2)), source.replicated)
        state, metrics = source.advance(tiny.note, jax.random.key(3))(state, 1, 1)
        source.close()
        weights = np.concatenate([weight for _, weight in source.test_batches()])
        found.append([np.concatenate([batch.images for batch in batches]), np.asarray(metrics), weights])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
