"""Eight devices: strong edges and few-shot episodes have the same draws as on one."""

import functools

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxmix.robustness import cam_share, few_shot, strong_edges

pytestmark = pytest.mark.unoptimized


@pytest.mark.parametrize("kind", [AxisType.Explicit, pytest.param(AxisType.Auto, marks=pytest.mark.slow)], ids=str)
def test_windows_and_episodes_are_those_of_one_device(kind):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(kind,))
    x, cam, features = (np.random.default_rng(0).random(s, np.float32) for s in ((16, 8, 8, 3), (16, 4, 4), (64, 5)))
    labels = (np.arange(64) % 4).astype(np.int32)
    sizes = {"ways": 3, "shots": 2, "queries": 3, "episodes": 6}

    @jax.jit
    def both(key, x, cam, features, labels):
        edge_key, episode_key = jax.random.split(key)
        pasted, window = strong_edges(edge_key, x, "image", 4)
        return pasted, window, cam_share(cam, window), few_shot(episode_key, features, labels, **sizes)

    arrays = x, cam, features, labels
    alone = both(jax.random.key(0), *arrays)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    sharded = both(jax.random.key(0), *(jax.device_put(array, rows) for array in arrays))
    for own, other in zip(alone[:2], sharded[:2], strict=True):
        np.testing.assert_array_equal(own, other)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), alone[2:], sharded[2:])
