"""SAGE: the partner is moved to where most saliency is visible, and pixels are shared by their saliency."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mixing
from reference import sage as slow

import jaxmix
from jaxmix import saliency as maps_of
from jaxmix import shifts
from jaxmix.methods import sage as module
from jaxmix.methods.sage import sage as method

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 7, 6, 3)
PARTNER = np.array([2, 0, 3, 1])
jitted = jax.jit(method, static_argnames=("per_batch", "search", "smooth"))
beta = jax.jit(jaxmix.sampling.beta, static_argnums=2)


def sage(seed, x, saliency, *, upper=1.0, partner=PARTNER, search=shifts.fourier, smooth=maps_of.smooth):
    """All options given: few programs for all tests."""
    return jitted(jax.random.key(seed), x, saliency, upper=upper, partner=partner, search=search, smooth=smooth)


def images_of():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def maps(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape or SHAPE[:3]).astype(np.float32) ** 2


def sampled_share(seed):
    """The a that the method samples."""
    return np.asarray(beta(jax.random.split(jax.random.key(seed))[0], 1.0, SHAPE[0]))


def always(*shift):
    """The search that finds one shift for all pairs."""

    def search(key, own, other):
        return jnp.broadcast_to(jnp.array(shift, jnp.int32), (own.shape[0], 2))

    return search


unmoved, shifted = always(0, 0), always(2, -1)


def as_given(maps):
    return maps


# The whole method.


@pytest.mark.parametrize("seed", range(3))
def test_images_masks_and_labels_agree_with_the_slow_loops(seed):
    x, s = images_of(), maps(seed=seed)
    images, mix = sage(seed, x, s)
    share = sampled_share(seed)
    for b, p in enumerate(PARTNER):
        image, mask, weight, shift, scores = slow.sage(x[b], x[p], s[b], s[p], float(share[b]))
        if np.diff(np.sort(scores)[-2:]) < 1e-6:  # too close for float32
            continue
        assert (int(-mix.warps[1].rows[b, 0]), int(-mix.warps[1].columns[b, 0])) == shift
        # Shares of float32 maps, and sums of three values of up to 4 with them.
        np.testing.assert_allclose(mix.mask[b], [mask, 1 - mask], rtol=0, atol=1e-5)
        np.testing.assert_allclose(images[b], image, rtol=0, atol=5e-5)
        assert float(mix.weight[b, 0]) == pytest.approx(weight, abs=1e-5)
    np.testing.assert_allclose(images, mixing.apply(mix, x), rtol=0, atol=1e-6)


@functools.partial(jax.jit, static_argnames=("search", "side"))
def arranged(x, saliency, share, partner, candidates, search, side):
    """The normalized maps, the mix of given shares, and the mixed images."""
    raw = maps_of.normalize(maps_of.smooth(saliency))
    found = search or (lambda _, own, other: shifts.best(own, other, candidates))
    mix = module.arrange(jax.random.key(0), raw, share, partner, found, side, side)
    return raw, mix, jaxmix.apply(mix, x)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sage_w32", "all shifts"),
        ("sage_w32", "39 given ones"),
        pytest.param("sage_w64", "all shifts", marks=pytest.mark.slow),
    ],
)
def test_images_masks_and_labels_are_the_authors(golden, name, kind):
    # utils_SAGE.py of SamsungLabs/SAGE, a pair at a time; here pair i is the samples i and i + number.
    numbers = golden(f"mixing/{name}")
    number, side = numbers["s1"].shape[:2]
    x, saliency = (np.concatenate([numbers[f"{name}1"], numbers[f"{name}2"]]) for name in "xs")
    partner = np.roll(np.arange(2 * number), number)
    candidates, share = np.tile(numbers["tau39"], (2, 1, 1)), np.float32(np.tile(numbers["a"], 2))
    search = shifts.fourier if kind == "all shifts" else None
    raw, mix, images = arranged(x, saliency, share, partner, candidates, search, side)
    np.testing.assert_allclose(raw, np.concatenate([numbers["n1"], numbers["n2"]]), rtol=1e-5, atol=1e-8)
    shift, mask, mixed, weight = {
        "all shifts": ("best_tau", "best_M", "mixed", "lam"),
        "39 given ones": ("tau39_best", "M39", "mixed39", "lam39"),
    }[kind]
    # The one close choice of all is the same here.
    np.testing.assert_array_equal(-mix.warps[1].rows[:number, 0], numbers[shift][:, 0])
    np.testing.assert_array_equal(-mix.warps[1].columns[:number, 0], numbers[shift][:, 1])
    np.testing.assert_allclose(mix.mask[:number, 0], numbers[mask], rtol=0, atol=1e-5)
    np.testing.assert_allclose(images[:number], numbers[mixed], rtol=0, atol=2e-5)
    np.testing.assert_allclose(mix.weight[:number, 0], numbers[weight], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_all_searches_can_be_passed_and_the_full_ones_agree():
    x, s, searches = images_of(), maps(), (shifts.fourier, shifts.rolled, shifts.sampled)
    full, same, (_, few) = (sage(3, x, s, search=search) for search in searches)
    np.testing.assert_array_equal(full[1].warps[1].rows, same[1].warps[1].rows)
    np.testing.assert_allclose(full[0], same[0], rtol=0, atol=1e-6)  # one program may fuse what the other doesn't
    assert not np.array_equal(few.warps[1].rows, full[1].warps[1].rows)


# Reductions.


def test_with_uniform_maps_and_no_shift_it_is_mixup():
    x = images_of()
    images, mix = sage(5, x, np.full(SHAPE[:3], 3.0, np.float32), search=unmoved)
    share = sampled_share(5)
    np.testing.assert_allclose(mix.weight[:, 0], share, rtol=0, atol=1e-6)  # sums of 42 values
    expected = share[:, None, None, None] * x + (1 - share[:, None, None, None]) * x[np.asarray(mix.source[:, 1])]
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-5)


def test_where_the_own_share_vanishes_the_partner_is_shown_where_it_is():
    x, s = images_of(), maps() + 0.1
    images, mix = sage(6, x, s, upper=0.0)
    np.testing.assert_allclose(mix.mask[:, 0], 0, rtol=0, atol=1e-6)
    np.testing.assert_allclose(images, x[PARTNER], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(mix.warps[1].rows, np.broadcast_to(np.arange(7), (4, 7)))


def test_an_image_with_itself_unmoved_is_shared_by_halves():
    share = np.full(4, 0.5, np.float32)
    arrange = jax.jit(module.arrange, static_argnums=(4, 5, 6))
    mix = arrange(jax.random.key(0), maps() / maps().sum((1, 2), keepdims=True), share, np.arange(4), unmoved, 7, 6)
    np.testing.assert_array_equal(mix.mask, 0.5)
    np.testing.assert_array_equal(mix.weight, 0.5)


def test_the_scale_of_a_map_changes_nothing():
    x, s = images_of(), maps()
    scaled = s * np.float32([1, 1e-6, 1e6, 30.0])[:, None, None]
    one, other = (sage(7, x, m) for m in (s, scaled))
    np.testing.assert_array_equal(one[1].warps[1].rows, other[1].warps[1].rows)
    np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_moving_the_partner_and_its_map_changes_nothing_while_both_are_in_the_frame():
    raw, x = np.zeros((2, 12, 10), np.float32), np.zeros((2, 12, 10, 1), np.float32)
    generator = np.random.default_rng(8)
    raw[0, 3:9, 3:7], raw[1, 5:8, 4:7] = generator.random((6, 4)), generator.random((3, 3))
    x[0], x[1, 5:8, 4:7] = generator.random((12, 10, 1)), generator.random((3, 3, 1))
    # Many shifts are as good as the best: `rolled` always takes the same one.
    first_best = functools.partial(sage, search=shifts.rolled, smooth=as_given, partner=np.array([1, 0]))
    images, mix = first_best(8, x, raw)
    for shift in [(2, 1), (-3, -2)]:
        far_x, far_raw = (np.stack([a[0], np.roll(a[1], shift, (0, 1))]) for a in (x, raw))
        moved, other = first_best(8, far_x, far_raw)
        np.testing.assert_array_equal(other.warps[1].rows[0], mix.warps[1].rows[0] + shift[0])
        np.testing.assert_array_equal(other.warps[1].columns[0], mix.warps[1].columns[0] + shift[1])
        np.testing.assert_allclose(moved[0], images[0], rtol=0, atol=1e-6)


# Masks, labels, draws.


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([0.3, 1.0]))
def test_the_label_is_the_mean_of_the_mask_which_is_the_partners_where_only_it_is_salient(seed, upper):
    x, s = images_of(), maps(seed=seed)
    s[0, 2:5] = 0
    _, mix = sage(seed, x, s, upper=upper, smooth=as_given, search=shifted)
    own = np.asarray(mix.mask[:, 0])
    assert (own >= 0).all() and (own <= 1).all()
    np.testing.assert_allclose(mix.weight[:, 0], own.mean((1, 2)), rtol=0, atol=1e-6)  # sums of 42 values
    np.testing.assert_allclose(mix.weight.sum(1), 1, rtol=0, atol=1e-6)
    for b, p in enumerate(PARTNER):
        left = slow.moved(s[p], (2, -1))
        np.testing.assert_array_equal(own[b][s[b] == 0], 0)  # also where neither is salient
        np.testing.assert_array_equal(own[b][(s[b] > 0) & (left == 0)], 1)


def test_a_is_a_beta_draw_up_to_the_given_bound(monkeypatch):
    def only_the_share(key, maps, share, partner, *_):
        return jaxmix.pair(partner, jnp.broadcast_to(share[:, None, None], (512, 1, 1)))

    monkeypatch.setattr(module, "arrange", only_the_share)
    cases = ((False, 1.0, 0.7), (False, 0.3, 1.0), (True, 1.0, 0.5))

    @jax.jit
    def masks(x):
        options = ({"per_batch": per_batch, "alpha": alpha, "upper": upper} for per_batch, alpha, upper in cases)
        return [method(jax.random.key(9), x, x[..., 0], smooth=as_given, **one)[1].mask for one in options]

    for (per_batch, alpha, upper), mask in zip(cases, masks(np.zeros((512, 1, 1, 1), np.float32)), strict=True):
        share = np.asarray(mask[:, 1, 0, 0]) / upper
        assert share.min() >= 0 and share.max() <= 1 and len(np.unique(share)) == (1 if per_batch else 512)
        if not per_batch:
            variance = 1 / (4 * (2 * alpha + 1))
            assert abs(share.mean() - 0.5) < 4 * math.sqrt(variance / 512)
            # In [0, 1] the fourth moment about 1/2 is at most a quarter of the variance.
            assert abs(share.var() - variance) < 4 * math.sqrt(variance / 4 / 512)


def test_coarser_maps_move_the_partner_by_whole_blocks():
    x, s = np.random.default_rng(0).random((4, 12, 6, 2)).astype(np.float32), maps(4, 4, 3)
    images, mix = sage(10, x, s, search=shifted)
    share = sampled_share(10)
    assert mix.mask.shape == (4, 2, 4, 3)
    for b, p in enumerate(PARTNER):
        own, other = slow.parts(s[b], s[p], float(share[b]))
        assert (int(-mix.warps[1].rows[b, 0]), int(-mix.warps[1].columns[b, 0])) == (6, -2)
        mask = slow.mask(own, slow.moved(other, (2, -1)))
        np.testing.assert_allclose(mix.mask[b, 0], mask, rtol=0, atol=1e-5)
        fine = np.repeat(np.repeat(mask, 3, 0), 2, 1)[..., None]
        expected = fine * x[b] + (1 - fine) * slow.moved(x[p], (6, -2))
        np.testing.assert_allclose(images[b], expected, rtol=0, atol=1e-5)


def test_uninformative_maps_count_as_uniform():
    x, s = images_of(), maps()
    uniform = s.copy()
    uniform[1] = 1
    expected = sage(11, x, uniform)[0]
    for bad in (0.0, np.nan, np.inf, -1.0):
        s[1] = bad
        images, _ = sage(11, x, s)
        np.testing.assert_array_equal(images, expected)
        assert np.isfinite(images).all()


def test_an_upper_bound_out_of_range_says_what_was_wanted():
    for upper in (-0.1, 1.5):
        with pytest.raises(ValueError, match=r"upper is .*; wanted a number from 0 to 1"):
            jax.eval_shape(functools.partial(method, upper=upper), jax.random.key(0), images_of(), maps())
