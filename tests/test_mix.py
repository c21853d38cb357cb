"""The two equations, against loops over every sample, slot and pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import Mix
from jaxmix.warps import Resample

pytestmark = pytest.mark.unoptimized

apply, targets = jax.jit(jaxmix.apply), jax.jit(jaxmix.targets, static_argnums=2)


def random_mix(b=4, s=3, h=5, w=6, seed=0, warp=True):
    draw = np.random.default_rng(seed)
    source = np.concatenate([np.arange(b)[:, None], draw.integers(0, b, (b, s - 1))], 1)
    moved = Resample(jnp.asarray(draw.integers(-2, h + 2, (b, h))), jnp.asarray(draw.integers(-2, w + 2, (b, w))))
    return Mix(
        jnp.asarray(source, jnp.int32),
        jnp.asarray(draw.random((b, s)), jnp.float32),
        jnp.asarray(draw.dirichlet(np.ones(s), (b, h, w)).transpose(0, 3, 1, 2), jnp.float32),
        (None, moved if warp else None, *[None] * (s - 2)),
    )


def loop_apply(mix, x):
    source, mask = np.asarray(mix.source), np.asarray(mix.mask, np.float64)
    out = np.zeros(x.shape)
    for b, s in np.ndindex(source.shape):
        for i, j in np.ndindex(x.shape[1:3]):
            y, z = i, j
            if mix.warps[s] is not None:
                y, z = int(mix.warps[s].rows[b, i]), int(mix.warps[s].columns[b, j])
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                out[b, i, j] += mask[b, s, i, j] * x[source[b, s], y, z]
    return out


@pytest.mark.parametrize("warp", [False, True])
def test_apply_is_the_sum_over_slots_of_mask_times_moved_image(warp):
    mix, x = random_mix(warp=warp), np.random.default_rng(1).standard_normal((4, 5, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(apply(mix, x), loop_apply(mix, x), atol=1e-6)


def test_apply_takes_maps_without_channels_and_more_axes():
    mix, x = random_mix(), np.random.default_rng(1).random((4, 5, 6, 2, 3)).astype(np.float32)
    whole = apply(mix, x)
    np.testing.assert_allclose(whole[..., 1, 2], apply(mix, x[..., 1, 2]), atol=1e-6)


def test_a_coarse_mask_covers_blocks_of_pixels():
    mix = random_mix(h=2, w=3, warp=False)
    x = np.random.default_rng(1).random((4, 8, 9, 1)).astype(np.float32)
    fine = mix._replace(mask=jnp.repeat(jnp.repeat(mix.mask, 4, 2), 3, 3))
    np.testing.assert_allclose(apply(mix, x), loop_apply(fine, x), atol=1e-6)


def test_a_smaller_map_takes_the_mean_of_its_block_so_label_shares_are_kept():
    mix = random_mix(h=8, w=6, warp=False)
    coarse = mix._replace(mask=mix.mask.reshape(4, 3, 4, 2, 2, 3).mean((3, 5)))
    x = np.random.default_rng(1).random((4, 4, 2, 1)).astype(np.float32)
    np.testing.assert_allclose(apply(mix, x), loop_apply(coarse, x), atol=1e-6)
    ids = np.eye(4, dtype=np.float32)[:, None, None]
    shares = mix._replace(weight=mix.mask.mean((2, 3)))
    np.testing.assert_allclose(apply(mix, ids)[:, 0, 0], targets(shares, np.arange(4), 4), atol=1e-6)


def test_one_share_per_slot_blends_arrays_of_any_rank():
    mix = jaxmix.pair(np.array([2, 0, 1]), jnp.array([0.25, 0.5, 1.0])[:, None, None])
    x = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.testing.assert_allclose(apply(mix, x), [[2, 3], [2, 3], [3, 4]])
    np.testing.assert_allclose(apply(mix, x[:, 0]), [2, 2, 3])


def test_uint8_is_rounded_to_nearest_and_never_wraps():
    mix = jaxmix.pair(np.array([1, 0]), np.full((2, 1, 1), 0.3))
    x = jnp.array([255, 254], jnp.uint8).reshape(2, 1, 1, 1)
    assert apply(mix, x).ravel().tolist() == [255, 254]  # 254.7 and 254.3
    over = mix._replace(mask=2 * mix.mask)
    assert apply(over, x).ravel().tolist() == [255, 255]


def test_float16_and_bfloat16_are_blended_in_float32():
    mix = jaxmix.pair(np.array([1, 0]), np.full((2, 1, 1), 0.1))
    for dtype in (jnp.bfloat16, jnp.float16):
        x = jnp.array([[1000.0], [1.0]], dtype)
        exact = apply(mix, x.astype(jnp.float32))
        np.testing.assert_array_equal(apply(mix, x), exact.astype(dtype))


def test_float64_is_blended_in_float64():
    with jax.enable_x64(True):
        mix = jaxmix.pair(np.array([1, 0]), np.full((2, 1, 1), 0.5, jnp.float32))
        x = jnp.array([[1.0], [1.0 + 2**-40]], jnp.float64)
        assert apply(mix, x)[0, 0] == 1 + 2**-41


def test_targets_are_the_sum_over_slots_of_weight_times_label():
    mix, ids = random_mix(), jnp.array([0, 2, 2, 1])
    soft = np.random.default_rng(2).dirichlet(np.ones(3), 4).astype(np.float32)
    for labels, dense in ((ids, np.eye(3)[np.asarray(ids)]), (jnp.asarray(soft), soft)):
        expected = np.einsum("bs,bsk->bk", mix.weight, dense[np.asarray(mix.source)])
        np.testing.assert_allclose(targets(mix, labels, 3), expected, atol=1e-6)


def test_class_ids_out_of_range_give_nan_where_they_are_mixed_in():
    mix = jaxmix.pair(np.array([1, 2, 0, 3]), np.full((4, 1, 1), 0.5))
    found = targets(mix, jnp.array([0, 3, 1, -1]), 3)
    np.testing.assert_array_equal(np.isnan(found).any(1), [True, True, False, True])


def test_majority_gives_the_label_to_the_largest_slot_and_ties_to_the_own():
    mix = random_mix(b=3)._replace(weight=jnp.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.5, 0.1, 0.4]]))
    np.testing.assert_array_equal(jaxmix.majority(mix).weight, [[0, 0, 1], [1, 0, 0], [1, 0, 0]])


def test_evenly_shares_the_label_among_all_slots():
    np.testing.assert_allclose(jaxmix.evenly(random_mix(s=2)).weight, 0.5)


def test_a_pair_weighs_labels_by_the_pixels_of_its_mask():
    mask = jnp.asarray(np.random.default_rng(3).integers(0, 2, (4, 7, 16)), jnp.float32)
    for build in (jaxmix.pair, jax.jit(jaxmix.pair)):
        mix = build(jnp.array([1, 2, 3, 0]), mask)
        counted = np.asarray(mix.mask, np.float64).mean((2, 3))
        np.testing.assert_array_equal(mix.weight, counted.astype(np.float32))


MISTAKES = {
    "flat mask": (
        lambda m: jaxmix.pair(jnp.arange(4), jnp.ones((4, 4))),
        r"mask has shape \(4, 4\) and partner \(4,\)",
    ),
    "other mask": (lambda m: jaxmix.pair(jnp.arange(4), jnp.ones((3, 2, 2))), r"shape \(3, 2, 2\) and partner \(4,\)"),
    "a scalar": (lambda m: jaxmix.pair(jnp.array(1), jnp.ones((1, 2, 2))), r"shape \(1, 2, 2\) and partner \(\)"),
    "bad partner": (lambda m: jaxmix.pair(np.arange(1, 5), jnp.ones((4, 2, 2))), "indices from 1 to 4; wanted indices"),
    "another batch": (
        lambda m: jaxmix.apply(m, jnp.zeros((3, 5, 6, 1))),
        r"of 4 samples, but x has shape \(3, 5, 6, 1\)",
    ),
    "class ids": (
        lambda m: jaxmix.apply(m, jnp.zeros((4, 5, 6), jnp.int32)),
        r"int32, which can't be blended.*one_hot",
    ),
    "another size": (
        lambda m: jaxmix.apply(m, jnp.zeros((4, 7, 6, 1))),
        r"mask of 5 x 6.*shape \(4, 7, 6, 1\).*resize",
    ),
    "vectors": (lambda m: jaxmix.apply(m, jnp.zeros((4, 9))), r"mask of 5 x 6, but x has shape \(4, 9\)"),
    "moved": (
        lambda m: jaxmix.apply(random_mix(h=4, w=4), jnp.zeros((4, 8, 8, 1))),
        r"moves images of height and width \(4, 4\), but got an array of shape \(4, 8, 8, 1\)",
    ),
    "no classes": (
        lambda m: jaxmix.targets(m, jnp.arange(4)),
        "class ids, so num_classes is needed: pass num_classes=k",
    ),
    "fewer labels": (lambda m: jaxmix.targets(m, jnp.arange(3), 5), "of 4 samples, but there are 3 labels"),
    "float ids": (
        lambda m: jaxmix.targets(m, jnp.zeros(4), 5),
        r"shape \(4,\) and dtype float32; wanted integer class",
    ),
    "integer table": (
        lambda m: jaxmix.targets(m, jnp.zeros((4, 5), int), 5),
        r"dtype int32; wanted integer class ids \[b\]",
    ),
    "other classes": (lambda m: jaxmix.targets(m, jnp.zeros((4, 5)), 6), "have 5 classes, but num_classes is 6"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_what_came_and_what_was_wanted(mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match=message):
        call(random_mix(warp=False))
