"""Where a mix can go: through jit, vmap, scan and checkpoint, to the host and back, into pickles and checkpoints."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization

import jaxmix
from jaxmix import warps

pytestmark = pytest.mark.unoptimized
SIZE, SIDE = 3, 4
IMAGES = np.random.default_rng(0).random((SIZE, SIDE, SIDE, 2), np.float32)


def mix_of_every_warp():
    """One slot that isn't moved, and one for each kind of warp."""
    rng = np.random.default_rng(1)
    rows = jnp.asarray(rng.integers(-1, SIDE, (SIZE, SIDE)), jnp.int32)
    points = jnp.asarray(rng.uniform(0, SIDE, (SIZE, SIDE)), jnp.float32)
    moved = warps.Resample(rows, rows)
    between = warps.Interpolate(points, points)
    blocks = warps.Blocks(jnp.asarray(rng.integers(-1, 4, (SIZE, 2, 2)), jnp.int32))
    nearest = warps.Nearest(jnp.maximum(rows, 0), jnp.maximum(rows, 0))
    kinds = (None, moved, nearest, between, blocks, warps.Chain((blocks, moved)))
    source = jnp.asarray(np.arange(SIZE)[:, None] + np.arange(len(kinds))[None], jnp.int32) % SIZE
    mask = jnp.asarray(rng.dirichlet(np.ones(len(kinds)), (SIZE, SIDE, SIDE)), jnp.float32).transpose(0, 3, 1, 2)
    return jaxmix.Mix(source, mask.mean((2, 3)), mask, kinds)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_the_mix_of_this_file_has_every_warp():
    kinds = {getattr(warps, name) for name in warps.__all__ if hasattr(getattr(warps, name), "_fields")}
    assert {type(warp) for warp in mix_of_every_warp().warps if warp is not None} == kinds


def test_a_mix_crosses_jit_vmap_and_scan():
    mix = mix_of_every_warp()

    @jax.jit
    def cross(mix, images):
        carried, stacked = jax.lax.scan(lambda carry, _: (carry, carry.offset(0)), mix, None, length=2)
        again = jax.vmap(jaxmix.apply, (0, None))(stacked, images)
        return carried, jaxmix.apply(mix, images), again

    carried, mixed, again = cross(mix, IMAGES)
    assert_same(carried, mix)
    for one in again:
        np.testing.assert_allclose(one, mixed, atol=1e-6)  # float32 sums, compiled apart


COPIES = {
    "pickle": lambda mix: pickle.loads(pickle.dumps(mix)),
    "pickle of the host's arrays": lambda mix: pickle.loads(pickle.dumps(jax.device_get(mix))),
    "deepcopy": copy.deepcopy,
    "msgpack of Flax": lambda mix: serialization.from_bytes(mix, serialization.to_bytes(mix)),
}


def test_a_mix_crosses_rematerialization():
    """The backward pass of `jax.checkpoint` mixes again, with the same bits, so the gradient is that without it."""

    def loss(images):
        mixed, mix = jaxmix.cutmix(jax.random.key(0), images)
        return (mix.weight[:, 0] * (mixed**2).mean((1, 2, 3))).sum()

    plain, again = (jax.jit(jax.grad(function))(IMAGES) for function in (loss, jax.checkpoint(loss)))
    np.testing.assert_allclose(again, plain, rtol=1e-6)
    assert np.abs(plain).max() > 0


@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES.keys())
def test_a_mix_is_copied_whole(way):
    assert_same(way(mix_of_every_warp()), mix_of_every_warp())


def test_a_mix_on_the_host_is_applied_like_one_on_the_device():
    mix, apply = mix_of_every_warp(), jax.jit(jaxmix.apply)
    np.testing.assert_array_equal(apply(jax.device_get(mix), IMAGES), apply(mix, IMAGES))
    np.testing.assert_array_equal(
        jaxmix.targets(jax.device_get(mix), np.arange(SIZE), 3), jaxmix.targets(mix, np.arange(SIZE), 3)
    )


def test_a_mix_is_restored_from_a_checkpoint(tmp_path):
    mix = mix_of_every_warp()
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "mix", mix)
        checkpointer.wait_until_finished()
        assert_same(checkpointer.restore(tmp_path / "mix", jax.eval_shape(lambda: mix)), mix)


def test_methods_can_be_pickled():
    for name in ("cutmix", "sage", "augmix"):
        assert pickle.loads(pickle.dumps(getattr(jaxmix, name))) is getattr(jaxmix, name)
