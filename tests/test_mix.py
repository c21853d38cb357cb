"""The two equations, against loops over every sample, slot and pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import Mix, warps
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


def test_apply_takes_maps_without_channels_videos_and_volumes():
    mix, x = random_mix(), np.random.default_rng(1).random((4, 5, 6, 2, 3)).astype(np.float32)
    volume = jaxmix.apply(mix, x, axes=(1, 2))
    np.testing.assert_allclose(volume[..., 1, 2], apply(mix, x[..., 1, 2]), atol=1e-6)
    video = jaxmix.apply(mix, x.transpose(0, 3, 1, 2, 4), axes=(2, 3))
    np.testing.assert_array_equal(video, volume.transpose(0, 3, 1, 2, 4))
    shares = jaxmix.pair(np.array([1, 0, 3, 2]), np.full((4, 1, 1), 0.25))
    np.testing.assert_allclose(apply(shares, x), 0.75 * x + 0.25 * x[[1, 0, 3, 2]], atol=1e-6)


def loop_copy(mix, ids):
    """Each pixel from the slot with the largest share of it, from where its warp says."""
    out = np.zeros_like(ids)
    for b, i, j in np.ndindex(ids.shape):
        s = int(np.argmax(mix.mask[b, :, i, j]))
        y, z = (i, j) if mix.warps[s] is None else (int(mix.warps[s].rows[b, i]), int(mix.warps[s].columns[b, j]))
        if 0 <= y < ids.shape[1] and 0 <= z < ids.shape[2]:
            out[b, i, j] = ids[mix.source[b, s], y, z]
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_class_ids_are_copied_from_the_slot_with_the_largest_share_never_blended(dtype):
    mix, ids = random_mix(), np.random.default_rng(1).integers(0, 200, (4, 5, 6)).astype(dtype)
    copied = jax.jit(lambda mix, ids: jaxmix.apply(mix, ids, nearest=True))(mix, ids)
    assert copied.dtype == dtype
    np.testing.assert_array_equal(copied, loop_copy(mix, ids))
    coarse = jaxmix.pair(np.array([1, 0, 3, 2]), np.full((4, 1, 1), 0.6))
    np.testing.assert_array_equal(jaxmix.apply(coarse, ids, nearest=True), ids[[1, 0, 3, 2]])


def test_class_ids_under_an_interpolating_warp_are_those_of_the_nearest_pixel():
    points = jnp.array([[0.4, 0.6, 1.9]])
    warp = warps.Interpolate(points, jnp.array([[2.0, 1.0, 0.0]]))
    mix = jaxmix.pair(np.array([0]), np.ones((1, 3, 3)), warp=warp)
    ids = jnp.arange(9).reshape(1, 3, 3)
    np.testing.assert_array_equal(jaxmix.apply(mix, ids, nearest=True)[0], [[2, 1, 0], [5, 4, 3], [8, 7, 6]])


def test_a_part_of_a_mix_is_an_error_or_nan_never_another_mix():
    mix = jaxmix.pair(np.array([3, 0, 1, 2]), np.full((4, 1, 1), 0.25))
    part = jax.tree.map(lambda a: a[:2], mix)
    for call in (lambda: jaxmix.apply(part, jnp.zeros((2, 3))), lambda: jaxmix.targets(part, jnp.zeros(2, int), 3)):
        with pytest.raises(ValueError, match="of 2 samples and takes samples 0 to 3; a mix belongs to its whole batch"):
            call()
    inside = jax.jit(lambda mix: jaxmix.targets(jax.tree.map(lambda a: a[:2], mix), jnp.zeros(2, int), 3))(mix)
    assert jnp.isnan(inside[0]).all() and jnp.isfinite(inside[1]).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float64, np.int32])
def test_a_mask_of_any_dtype_is_made_float32(dtype):
    mask = np.ones((2, 300, 300), dtype)
    mask[:, :150] = 0
    for mix in (jaxmix.pair(np.array([1, 0]), mask), jax.jit(jaxmix.pair)(jnp.array([1, 0]), jnp.asarray(mask))):
        assert mix.mask.dtype == mix.weight.dtype == jnp.float32
        np.testing.assert_array_equal(mix.weight, 0.5)


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
    "a scalar": (
        lambda m: jaxmix.pair(jnp.array(1), jnp.ones((1, 2, 2))),
        r"partner has shape \(\) and .* integers \[b\]",
    ),
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
        r"dtype float32, values to regress, with num_classes 5 .*labels.astype\(jnp.int32\)",
    ),
    "half a class": (lambda m: jaxmix.targets(m, jnp.arange(4), 2.5), "num_classes is 2.5; wanted a Python int"),
    "a mix for labels": (lambda m: jaxmix.targets(m, m, 5), "labels came as Mix; wanted an array"),
    "words": (lambda m: jaxmix.targets(m, np.array(["a", "b", "c", "d"]), 5), "labels have dtype <U1.*wanted integers"),
    "a video": (
        lambda m: jaxmix.apply(m, jnp.zeros((4, 5, 6, 6, 3))),
        r"shape \(4, 5, 6, 6, 3\), and axes is None; wanted the axes of height and width.*axes=\(2, 3\) for videos",
    ),
    "axes in another order": (lambda m: jaxmix.apply(m, jnp.zeros((4, 5, 6, 1)), axes=(2, 1)), r"axes is \(2, 1\)"),
    "ids without a place": (
        lambda m: jaxmix.apply(m, jnp.zeros((4, 9), int), nearest=True),
        r"wanted maps of class ids",
    ),
    "levels as a mask": (
        lambda m: jaxmix.pair(jnp.arange(4), np.full((4, 2, 2), 255, np.uint8)),
        r"mask has values from 255 to 255; wanted shares of pixels, 0 to 1 \(divide 8-bit levels by 255\)",
    ),
    "a mask with NaN": (lambda m: jaxmix.pair(jnp.arange(4), jnp.full((4, 2, 2), jnp.nan)), "from nan to nan"),
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


def test_mirrored_pairs_share_one_mask_and_one_weight():
    x = np.random.default_rng(0).random((5, 6, 8, 1)).astype(np.float32)
    _, mix = jaxmix.resizemix(jax.random.key(0), x, partner=jaxmix.partners.reverse(5))
    both = jaxmix.mirrored(mix)
    first = np.minimum(np.arange(5), np.arange(5)[::-1])
    np.testing.assert_array_equal(both.source, mix.source)
    np.testing.assert_array_equal(both.mask, np.asarray(mix.mask)[first])
    np.testing.assert_array_equal(both.weight, np.asarray(mix.weight)[first])
    moved = jax.tree.map(lambda a: np.asarray(a)[first], mix.warps[1])
    np.testing.assert_allclose(jaxmix.apply(both, x), jaxmix.apply(both._replace(warps=(None, moved)), x))
    with pytest.raises(ValueError, match="isn't of pairs in reverse; .*partner=jaxmix.partners.reverse"):
        jaxmix.mirrored(jaxmix.cutmix(jax.random.key(0), x)[1])
