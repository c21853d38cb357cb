"""ResizeMix: the whole partner, shrunk and pasted."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mixing
from reference import resizemix as slow

import jaxmix
from jaxmix.methods import resizemix as module

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 13, 10, 3)


X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@jax.jit
def resizemix(seed, scale):
    """With a size for each sample, and with one for the batch."""
    return [jaxmix.resizemix(jax.random.key(seed), X, scale=scale, per_batch=shared) for shared in (False, True)]


@jax.jit
def pasted(x, ratio, y, x_center, partner):
    mix = module.paste(ratio, (y, x_center), partner, *x.shape[1:3])
    return jaxmix.apply(mix, x), mix


def box_of(mask):
    y, x = np.nonzero(mask)
    return y.min(), y.max() + 1, x.min(), x.max() + 1


def test_worked_examples():
    ratio, sides, own = zip(*[(0.1, 3, 0.99121), (0.33, 10, 0.90234), (0.5, 16, 0.75), (0.8, 25, 0.38965)], strict=True)
    x, center = np.zeros((4, 32, 32, 1), np.float32), np.array([0, 9, 16, 31])
    _, mix = pasted(x, np.float32(ratio), center, center, np.arange(4))
    np.testing.assert_allclose(mix.weight[:, 0], own, rtol=0, atol=5e-6)
    for mask, side in zip(np.asarray(mix.mask[:, 1]), sides, strict=True):
        top, bottom, left, right = box_of(mask)
        assert bottom - top == right - left == side and mask.sum() == side**2


@pytest.mark.parametrize(("height", "width"), [pytest.param(32, 32, marks=pytest.mark.slow), (33, 48)])
def test_images_boxes_and_label_weights_are_the_authors(golden, height, width):
    # getbox_new and the interpolation by a scale factor of JayQine/ResizeMix.
    numbers = golden(f"mixing/resizemix_{height}x{width}")
    x, batch = numbers["image_u8"], len(numbers["image_u8"])
    for case, ratio in enumerate(numbers["tau"]):
        center = numbers["cy"][case], numbers["cx"][case]
        images, mix = pasted(x, np.full(batch, ratio, np.float32), *center, numbers["p"][case])
        assert [box_of(mask) for mask in np.asarray(mix.mask[:, 1])] == [tuple(b) for b in numbers["box"][case]]
        np.testing.assert_array_equal(images, numbers["mixed_u8"][case])
        np.testing.assert_array_equal(mix.weight[:, 0], np.float32(numbers["lam"][case]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_pasting_agrees_with_the_slow_loops(seed):
    generator = np.random.default_rng(seed)
    ratio = generator.uniform(0.1, 1, 4).astype(np.float32)
    center = generator.integers(0, 13, 4), generator.integers(0, 10, 4)
    partner, x = generator.integers(0, 4, 4), X
    images, mix = pasted(x, ratio, *center, partner)
    for b in range(4):
        if slow.undecided(float(ratio[b]), 13) or slow.undecided(float(ratio[b]), 10):
            continue
        image, box, own = slow.paste(x[b], x[partner[b]], float(ratio[b]), (center[0][b], center[1][b]))
        np.testing.assert_array_equal(images[b], image)
        assert float(mix.weight[b, 0]) == pytest.approx(own, abs=1e-7)
        assert mix.mask[b, 1].sum() == (box[1] - box[0]) * (box[3] - box[2])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1), st.sampled_from([(0.1, 0.8), (0.3, 0.3), (0.9, 1.0)]))
def test_the_box_lies_inside_in_full_and_holds_only_pixels_of_the_partner(seed, scale):
    x, (images, mix) = X, resizemix(seed, scale)[0]
    for b, mask in enumerate(np.asarray(mix.mask[:, 1])):
        top, bottom, left, right = box_of(mask)
        assert mask[top:bottom, left:right].all() and mask.sum() == (bottom - top) * (right - left)
        # One ratio gives both sides, so they bound it from both ends.
        tall, wide = bottom - top, right - left
        assert max(tall / 13, wide / 10, scale[0]) <= min((tall + 1) / 13, (wide + 1) / 10, scale[1]) + 1e-6
        partner = {pixel.tobytes() for pixel in x[int(mix.source[b, 1])].reshape(-1, 3)}
        assert {pixel.tobytes() for pixel in np.asarray(images[b])[mask == 1]} <= partner
        np.testing.assert_array_equal(np.asarray(images[b])[mask == 0], x[b][mask == 0])
        assert float(mix.weight[b, 1]) == np.float32(mask.sum()) / np.float32(mask.size)


def test_images_agree_with_the_slow_loops_and_one_size_for_the_batch_still_has_a_place_for_every_sample():
    for number, (images, mix) in zip((4, 1), resizemix(2, (0.1, 0.8)), strict=True):
        np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, X)))
        boxes = [box_of(mask) for mask in np.asarray(mix.mask[:, 1])]
        sizes = {(bottom - top, right - left) for top, bottom, left, right in boxes}
        assert (len(sizes) == 1) == (number == 1)
        assert len(set(boxes)) > 1


def test_the_mean_own_share_is_77_per_cent():
    # Ratios spread evenly over [0.1, 0.8] on 32 x 32, without chance, then as drawn.
    ratio = 0.1 + 0.7 * (np.arange(100_000) + 0.5) / 100_000
    assert 1 - (np.floor(32 * ratio) ** 2).mean() / 1024 == pytest.approx(0.770, abs=5e-4)
    weight = jax.jit(lambda key: jaxmix.resizemix(key, jnp.zeros((4096, 32, 32, 1)))[1].weight[:, 0])
    weight = np.asarray(weight(jax.random.key(3)))
    assert abs(weight.mean() - 0.770) < 4 * weight.std() / math.sqrt(4096) + 5e-4
