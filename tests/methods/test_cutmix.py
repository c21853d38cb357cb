"""CutMix: a box of the partner."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import boxes, mixing

import jaxmix
from jaxmix import masks, partners

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 13, 10, 3)
properties = settings(max_examples=20, deadline=None, derandomize=True)


X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@jax.jit
def mixed_both(seed):
    """With a box for each sample, and with one for the batch."""
    return [jaxmix.cutmix(jax.random.key(seed), X, per_batch=per_batch) for per_batch in (False, True)]


@functools.partial(jax.jit, static_argnames=("height", "width", "box"))
def mixed(share, y, x, height, width, box=masks.even_box):
    """The mix of boxes that are given, not drawn."""
    return jaxmix.pair(partners.following(share.shape[0]), *masks.outer(*box(share, (y, x), height, width)))


def corners(mask):
    """(top, bottom, left, right) of the box in a mask, zeros if it is empty; all of it is checked to be 1."""
    y, x = np.nonzero(mask)
    if not y.size:
        return 0, 0, 0, 0
    box = y.min(), y.max() + 1, x.min(), x.max() + 1
    np.testing.assert_array_equal(mask, boxes.fill(box, *mask.shape))
    return box


# share of the own image, center, box (top, bottom, left, right), measured share of the own image
WORKED = {
    "centered": (32, 0.75, (16, 16), (8, 24, 8, 24), 0.75),
    "at the border": (32, 0.75, (2, 30), (0, 10, 22, 32), 0.90234375),
    "rounded down": (32, 0.5, (16, 16), (5, 27, 5, 27), 0.52734375),
    "of one pixel": (32, 0.999, (5, 5), (0, 0, 0, 0), 1.0),
    "of everything": (32, 0.0, (0, 0), (0, 16, 0, 16), 0.75),
    "large": (224, 0.6, (100, 220), (30, 170, 150, 224), 0.79352679),
}


def test_worked_examples():
    for side in (32, 224):
        cases = [case for case in WORKED.values() if case[0] == side]
        share = np.float32([1 - own for _, own, *_ in cases])
        mix = mixed(share, *np.int32([center for _, _, center, *_ in cases]).T, side, side)
        for n, (_, _, _, box, expected) in enumerate(cases):
            assert corners(np.asarray(mix.mask[n, 1])) == box
            assert float(mix.weight[n, 0]) == pytest.approx(expected, abs=4e-8 if side == 224 else 0)  # float32


def sizes_of(golden, name):
    """Golden boxes, and for each size which of them have it."""
    numbers = golden("mixing/cutmix_box")
    for height, width in np.unique(numbers[name], axis=0):
        yield numbers, (numbers[name] == (height, width)).all(1), int(height), int(width)


every_share_of_sizes = pytest.mark.parametrize(
    "which", [slice(0, 2), pytest.param(slice(2, None), marks=pytest.mark.slow)], ids=["two sizes", "the others"]
)


@every_share_of_sizes
def test_boxes_and_label_weights_are_the_authors(golden, which):
    # rand_bbox of clovaai/CutMix-PyTorch @2d8eb68.
    for numbers, cases, height, width in list(sizes_of(golden, "HW"))[which]:
        cases = cases & numbers["float32_safe"]
        mix = mixed(np.float32(1 - numbers["lam"][cases]), *np.int32(numbers["center"][cases]).T, height, width)
        np.testing.assert_array_equal(mix.weight[:, 0], np.float32(numbers["lam_corrected"][cases]))
        expected = [boxes.fill(box, height, width) for box in numbers["box"][cases]]
        np.testing.assert_array_equal(mix.mask[:, 1], expected)


@every_share_of_sizes
def test_real_boxes_are_those_of_the_puzzlemix_authors(golden, which):
    # mixup_box of snu-mllab/PuzzleMix @e2dbf3a: the CutMix of the PuzzleMix, Co-Mixup and SAGE tables.
    for numbers, cases, height, width in list(sizes_of(golden, "puzzle_HW"))[which]:
        share, center = np.float32(1 - numbers["puzzle_lam"][cases]), np.float32(numbers["puzzle_center"][cases])
        mix = mixed(share, *center.T, height, width, masks.real_box)
        expected = [boxes.fill(box, height, width) for box in numbers["puzzle_box"][cases]]
        np.testing.assert_array_equal(mix.mask[:, 1], expected)
        np.testing.assert_array_equal(mix.mask[:, 1].sum((1, 2)), numbers["puzzle_area"][cases])
        np.testing.assert_allclose(mix.weight[:, 0], numbers["puzzle_lam_corrected"][cases], rtol=0, atol=1e-6)


@properties
@given(st.integers(0, 2**31 - 1))
def test_every_pixel_is_one_of_the_two_and_the_label_counts_them(seed):
    for per_batch, (images, mix) in zip((False, True), mixed_both(seed), strict=True):
        images, partner = np.asarray(images), X[np.asarray(mix.source[:, 1])]
        for b in range(SHAPE[0]):
            taken = np.asarray(mix.mask[b, 1]) == 1
            np.testing.assert_array_equal(images[b][taken], partner[b][taken])
            np.testing.assert_array_equal(images[b][~taken], X[b][~taken])
            corners(taken.astype(float))
            assert float(mix.weight[b, 1]) == np.float32(taken.sum()) / np.float32(taken.size)
        assert not per_batch or (np.asarray(mix.mask) == np.asarray(mix.mask[:1])).all()


def test_images_agree_with_the_slow_loops_and_boxes_differ_unless_one_is_drawn_for_all():
    for number, (images, mix) in zip((4, 1), mixed_both(2), strict=True):
        np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, X)))
        assert len({corners(mask) for mask in np.asarray(mix.mask[:, 1])}) == number


@jax.jit
def sampled(seed):
    """Boxes of a quarter of 32 x 32, and the weights of many boxes of any size."""
    quarter = jaxmix.cutmix(jax.random.key(seed), jnp.zeros((64, 32, 32, 1)), area=(0.25, 0.25))[1]
    middle = jnp.repeat(jnp.arange(32), 2000)
    share = (jnp.arange(2000, dtype=jnp.float32) + 0.5) / 2000
    lengths = masks.even_box(jnp.tile(share, 32), (middle, middle), 32, 32)[0].sum(1).reshape(32, 2000)
    weight = jaxmix.cutmix(jax.random.key(seed), jnp.zeros((4096, 32, 32, 1)))[1].weight
    return quarter.mask[:, 1], quarter.weight[:, 0], lengths, weight


def test_a_fixed_area_of_a_quarter_is_half_the_sides_and_smaller_only_at_the_border():
    for mask, weight in zip(*map(np.asarray, sampled(3)[:2]), strict=True):
        top, bottom, left, right = corners(mask)
        assert bottom - top == 16 or top == 0 or bottom == 32
        assert right - left == 16 or left == 0 or right == 32
        assert weight >= 0.75 and (weight == 0.75) == ((bottom - top, right - left) == (16, 16))


def test_the_pasted_share_is_30_per_cent_on_average():
    _, _, lengths, weight = map(np.asarray, sampled(3))
    # Shares spread evenly over [0, 1] at each of the 32 x 32 centers give a mean own weight of 0.7007: without chance.
    assert 1 - np.mean((lengths.sum(0) / 32) ** 2) / 1024 == pytest.approx(0.7007, abs=1e-4)
    assert abs(weight[:, 0].mean() - 0.7007) < 4 * weight[:, 0].std() / math.sqrt(4096)


def test_the_papers_box_rounds_a_real_box_around_a_real_center():
    rounded = functools.partial(masks.real_box, edge=jnp.round)
    paper = jax.jit(functools.partial(jaxmix.cutmix, center=masks.real_center, box=rounded))
    images, mix = paper(jax.random.key(5), X)
    for b, mask in enumerate(np.asarray(mix.mask[:, 1])):
        corners(mask)
        assert float(mix.weight[b, 1]) == np.float32(mask.mean())
    np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, X)))


def test_one_hot_and_complete_labels_follow_the_larger_area_and_no_area():
    # Section 4.1.3 of the paper. An even share goes to the own label (our choice).
    @jax.jit
    def weights(mask):
        mix = jaxmix.pair(partners.following(3), mask)
        return mix.weight, jaxmix.majority(mix).weight, jaxmix.evenly(mix).weight

    mask = np.zeros((3, 4, 4), np.float32)
    mask[0, :3] = mask[1, :1] = mask[2, :2] = 1
    weight, majority, evenly = weights(mask)
    assert weight.tolist() == [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]
    assert majority.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert evenly.tolist() == [[0.5, 0.5]] * 3


def test_relabelling_the_samples_relabels_the_result_and_channels_may_be_permuted():
    order, partner = np.array([2, 0, 3, 1]), np.array([1, 3, 0, 2])
    shared = jax.jit(functools.partial(jaxmix.cutmix, per_batch=True))
    images, _ = shared(jax.random.key(6), X, partner=partner)
    relabelled, _ = shared(jax.random.key(6), X[order][..., ::-1], partner=np.argsort(order)[partner[order]])
    np.testing.assert_array_equal(relabelled, np.asarray(images)[order][..., ::-1])


def test_no_gradient_reaches_the_pixels_that_are_covered():
    # One box for all, each sample pasted elsewhere once: a pixel counts once outside its box and once inside it.
    @jax.jit
    def gradient(x):
        def first(x):
            images, mix = jaxmix.cutmix(jax.random.key(7), x, per_batch=True)
            return images[0].sum(), mix.mask[0, 1]

        return jax.grad(first, has_aux=True)(x)

    found, mask = map(np.asarray, gradient(X))
    expected = np.zeros(SHAPE)
    expected[0], expected[1] = (1 - mask)[..., None], mask[..., None]
    np.testing.assert_array_equal(found, expected)
