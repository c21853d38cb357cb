"""Adversarial noise in mixed images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix.robustness.attacks.adversarial import adversarial

pytestmark = pytest.mark.unoptimized

SHAPE = (6, 8, 6, 3)
EPSILON = 10 / 255
run = jax.jit(adversarial)


def mixed(dtype=jnp.float32):
    """Pictures, which may as well be mixed ones, and a mix by a box and by half."""
    uniform = np.random.default_rng(7).random(SHAPE)
    mask = np.zeros((6, 8, 6), np.float32)
    mask[:, 2:6, 1:4], mask[:, :, 4:] = 1, 0.5
    mix = jaxmix.pair(jnp.roll(jnp.arange(6), -1), jnp.asarray(mask))
    return jnp.asarray(255 * uniform if dtype == jnp.uint8 else uniform, dtype), mix


def gradient():
    return jax.random.normal(jax.random.key(8), SHAPE).at[0, 0, 0].set(jnp.nan)


def test_it_is_the_mix_of_the_changed_pictures():
    images, mix = mixed()
    start = jax.random.uniform(jax.random.key(9), SHAPE, minval=-EPSILON, maxval=EPSILON)
    changes = np.clip(start + 12 / 255 * np.nan_to_num(np.sign(gradient())), -EPSILON, EPSILON)
    found = set()
    for seed in range(20):
        out = run(jax.random.key(seed), images, mix, gradient(), p=0.5, start=start, std=0.25)
        own, other = (np.asarray(mix.mask[:, slot, :, :, None]) for slot in range(2))
        basis = np.stack([(own * changes).ravel(), (other * np.roll(changes, -1, 0)).ravel()], 1) / 0.25
        sizes, residual, *_ = np.linalg.lstsq(basis, np.asarray(out - images).ravel(), rcond=None)
        assert residual.max() < 1e-9  # squares of float32 roundings
        assert ((sizes > -1e-5) & (sizes < 1)).all()
        found.add(tuple(sizes > 1e-5))
    assert found == {(False, False), (False, True), (True, False), (True, True)}


def test_no_pixel_changes_by_more_than_epsilon_and_starts_are_random():
    images, mix = mixed()
    changes = [np.asarray(run(jax.random.key(s), images, mix, jnp.zeros(SHAPE), p=1.0) - images) for s in range(5)]
    assert max(np.abs(change).max() for change in changes) <= EPSILON
    assert min(np.abs(change).max() for change in changes) > 0
    steps = np.stack([run(jax.random.key(s), images, mix, jnp.ones(SHAPE), p=1.0) - images for s in range(5)])
    assert steps.min() >= 0 and steps.max() <= EPSILON + 1e-7  # a rounding of the picture


def test_with_probability_0_nothing_changes_and_p_may_be_traced():
    images, mix = mixed()
    np.testing.assert_array_equal(run(jax.random.key(0), images, mix, gradient(), p=0.0), images)
    hits = [bool((run(jax.random.key(s), images, mix, gradient(), p=0.2) != images).any()) for s in range(200)]
    expected = 1 - 0.8**2  # each of two sides by itself
    assert abs(np.mean(hits) - expected) < 4 * np.sqrt(expected * (1 - expected) / 200)


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.bfloat16], ids=str)
def test_dtypes_are_kept_and_uint8_changes_in_its_own_units(dtype):
    images, mix = mixed(dtype)
    out = run(jax.random.key(2), images, mix, gradient(), p=1.0)
    assert out.dtype == dtype
    change = np.abs(np.asarray(out, float) - np.asarray(images, float)).max()
    assert change > 0 and change <= (10 if dtype == jnp.uint8 else EPSILON + 2**-8)


def test_shapes_that_differ_say_what_was_wanted():
    images, mix = mixed()
    with pytest.raises(ValueError, match=r"gradient has shape \(6, 8, 6\); wanted that of the images"):
        adversarial(jax.random.key(0), images, mix, jnp.zeros(SHAPE[:3]))
    with pytest.raises(ValueError, match=r"start has shape \(1,\)"):
        adversarial(jax.random.key(0), images, mix, jnp.zeros(SHAPE), start=jnp.zeros(1))
