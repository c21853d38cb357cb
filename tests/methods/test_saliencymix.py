"""SaliencyMix: the box of the partner around its peak."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import boxes
from reference import saliency as slow

import jaxmix.saliency
from jaxmix.methods import saliencymix as module
from jaxmix.methods.saliencymix import saliencymix as method

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 14, 10, 3)
PARTNER = np.array([2, 0, 3, 1])
beta = jax.jit(jaxmix.sampling.beta, static_argnums=(1, 2))
saliencymix = jax.jit(method, static_argnames="per_batch")


def images_of(dtype=np.float32):
    uniform = np.random.default_rng(0).random(SHAPE)
    return (255 * uniform).astype(dtype) if dtype == np.uint8 else uniform.astype(dtype)


def maps(*shape):
    return np.random.default_rng(1).random(shape or SHAPE[:3]).astype(np.float32)


@functools.cache
def sampled(seed, per_batch):
    """The shares that the method samples."""
    return np.asarray(beta(jax.random.key(seed), 1.0, 1 if per_batch else SHAPE[0]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([((14, 10), False), ((7, 5), True)]))
def test_the_box_lies_around_the_partners_peak_as_in_the_slow_loops(seed, kind):
    grid, per_batch = kind
    x, saliency, share = images_of(), maps(SHAPE[0], *grid), sampled(seed, per_batch)
    images, mix = saliencymix(jax.random.key(seed), x, saliency, partner=PARTNER, per_batch=per_batch)
    for b in range(SHAPE[0]):
        draw = 0 if per_batch else b
        peak = slow.peak(saliency[PARTNER[draw]])
        # A coarser map's peak is a block, and the box lies around the middle of that.
        center = [p * (side // n) + side // n // 2 for p, side, n in zip(peak, SHAPE[1:3], grid, strict=True)]
        if boxes.undecided(float(share[draw]), 14) or boxes.undecided(float(share[draw]), 10):
            continue
        box = boxes.even_box(float(share[draw]), center, 14, 10)
        mask = boxes.fill(box, 14, 10)
        np.testing.assert_array_equal(mix.mask[b], [1 - mask, mask])
        np.testing.assert_array_equal(images[b], np.where(mask[..., None] == 1, x[PARTNER[b]], x[b]))
        assert float(mix.weight[b, 1]) == np.float32(mask.sum()) / np.float32(140)
        if mask.any():
            assert mask[tuple(center)] == 1


SLOW_SIZES = [pytest.param(*size, marks=pytest.mark.slow) for size in ((32, 32), (64, 48))]


@pytest.mark.parametrize(("height", "width"), [(17, 5), *SLOW_SIZES])
def test_given_the_authors_shares_and_peaks_the_boxes_are_theirs(golden, monkeypatch, height, width):
    # rand_bbox of clovaai/CutMix-PyTorch, which SaliencyMix takes with the peak for its center.
    numbers = golden("mixing/cutmix_box")
    cases = (numbers["HW"] == (height, width)).all(1) & numbers["float32_safe"]
    share, center = np.float32(1 - numbers["lam"][cases]), numbers["center"][cases]
    peaks = np.zeros((len(share), height, width), np.float32)
    peaks[np.arange(len(share)), center[:, 0], center[:, 1]] = 1
    monkeypatch.setattr(module.sampling, "beta", lambda key, alpha, draws: jnp.asarray(share))
    x = np.zeros((len(share), height, width, 1), np.float32)
    _, mix = jax.jit(method)(jax.random.key(0), x, peaks, partner=np.arange(len(share)))
    expected = [boxes.fill(box, height, width) for box in numbers["box"][cases]]
    np.testing.assert_array_equal(mix.mask[:, 1], expected)
    np.testing.assert_array_equal(mix.weight[:, 0], np.float32(numbers["lam_corrected"][cases]))


def test_the_center_is_the_first_of_the_peaks_of_opencvs_map(golden):
    # The 8-bit map usually has tied maxima.
    numbers = golden("mixing/saliency_fg_32")
    images, own = numbers["image"], np.arange(24)

    @jax.jit
    def mixed(images):
        return method(jax.random.key(0), images, jaxmix.saliency.fine_grained(images), partner=own)[1]

    mix = mixed(images)
    for mask, peak in zip(np.asarray(mix.mask[:, 1]), numbers["argmax_official"], strict=True):
        y, x = np.nonzero(mask)
        if y.size:
            tall, wide = y.max() + 1 - y.min(), x.max() + 1 - x.min()
            assert mask[tuple(peak)] == 1
            # The half before the peak and the half after it are equal unless cut at the border.
            assert y.min() in (0, peak[0] - tall // 2) or y.max() == 31
            assert x.min() in (0, peak[1] - wide // 2) or x.max() == 31


@pytest.mark.parametrize("bad", [0.0, 7.0, np.nan, np.inf, -np.inf])
def test_uninformative_maps_put_the_center_at_the_first_pixel(bad):
    saliency = maps()
    saliency[:] = saliency if not np.isfinite(bad) else bad
    saliency[:, 5, 5] = bad
    x = images_of()
    images, mix = saliencymix(jax.random.key(3), x, saliency, partner=PARTNER)
    expected = boxes.even_box(1.0, (0, 0), 14, 10)
    inside = boxes.fill(expected, 14, 10)
    mask = np.asarray(mix.mask[:, 1])
    assert (mask <= inside[None]).all() and (mask[:, 0, 0] == 1).any()
    assert np.isfinite(images).all() and np.isfinite(mix.weight).all()


def test_uint8_images_and_maps_are_mixed_too():
    x, saliency = images_of(np.uint8), (255 * maps()).astype(np.uint8)
    images, mix = saliencymix(jax.random.key(4), x, saliency)
    expected = np.where(np.asarray(mix.mask[:, 1, ..., None]) == 1, np.roll(x, -1, 0), x)
    np.testing.assert_array_equal(images, expected)
    assert images.dtype == np.uint8


@pytest.mark.parametrize(
    ("saliency", "message"),
    [
        (np.zeros((4, 14, 10, 1), np.float32), r"saliency has shape \(4, 14, 10, 1\); wanted one map per image"),
        (np.zeros((3, 14, 10), np.float32), r"saliency has shape \(3, 14, 10\); wanted one map per image"),
        (np.zeros((4, 10, 14), np.float32), r"saliency has maps of 10 x 14, but the images are 14 x 10"),
        (np.zeros((4, 14, 10), int), r"saliency has dtype int64; wanted a floating dtype or uint8"),
        ([[0.0]], r"saliency came as list; wanted an array"),
    ],
)
def test_maps_that_do_not_fit_say_so(saliency, message):
    with pytest.raises(ValueError, match=message):
        method(jax.random.key(0), images_of(), saliency)
