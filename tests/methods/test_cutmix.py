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

SHAPE = (4, 13, 10, 3)
cutmix = jax.jit(jaxmix.cutmix, static_argnames=("per_batch", "center", "box"))
properties = settings(max_examples=20, deadline=None, derandomize=True)


def pictures(shape=SHAPE):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


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


# share of the own picture, center, box (top, bottom, left, right), measured share of the own picture
WORKED = {
    "centered": (32, 0.75, (16, 16), (8, 24, 8, 24), 0.75),
    "at the border": (32, 0.75, (2, 30), (0, 10, 22, 32), 0.90234375),
    "rounded down": (32, 0.5, (16, 16), (5, 27, 5, 27), 0.52734375),
    "of one pixel": (32, 0.999, (5, 5), (0, 0, 0, 0), 1.0),
    "of everything": (32, 0.0, (0, 0), (0, 16, 0, 16), 0.75),
    "large": (224, 0.6, (100, 220), (30, 170, 150, 224), 0.79352679),
}


@pytest.mark.parametrize(("side", "own", "center", "box", "expected"), WORKED.values(), ids=WORKED.keys())
def test_worked_examples(side, own, center, box, expected):
    mix = mixed(jnp.float32([1 - own]), jnp.array([center[0]]), jnp.array([center[1]]), side, side)
    assert corners(np.asarray(mix.mask[0, 1])) == box
    assert float(mix.weight[0, 0]) == pytest.approx(expected, abs=4e-8 if side == 224 else 0)  # float32


def test_boxes_and_label_weights_are_the_authors(golden):
    # rand_bbox of clovaai/CutMix-PyTorch @2d8eb68.
    numbers = golden("mixing/cutmix_box")
    for height, width in np.unique(numbers["HW"], axis=0):
        cases = (numbers["HW"] == (height, width)).all(1) & numbers["float32_safe"]
        share, center = np.float32(1 - numbers["lam"][cases]), numbers["center"][cases]
        mix = mixed(jnp.asarray(share), *map(jnp.asarray, center.T), int(height), int(width))
        np.testing.assert_array_equal(mix.weight[:, 0], np.float32(numbers["lam_corrected"][cases]))
        expected = [boxes.fill(box, height, width) for box in numbers["box"][cases]]
        np.testing.assert_array_equal(mix.mask[:, 1], expected)


def test_real_boxes_are_those_of_the_puzzlemix_authors(golden):
    # mixup_box of snu-mllab/PuzzleMix @e2dbf3a: the CutMix of the PuzzleMix, Co-Mixup and SAGE tables.
    numbers = golden("mixing/cutmix_box")
    for height, width in np.unique(numbers["puzzle_HW"], axis=0):
        cases = (numbers["puzzle_HW"] == (height, width)).all(1)
        share, center = np.float32(1 - numbers["puzzle_lam"][cases]), np.float32(numbers["puzzle_center"][cases])
        mix = mixed(jnp.asarray(share), *map(jnp.asarray, center.T), int(height), int(width), masks.real_box)
        expected = [boxes.fill(box, height, width) for box in numbers["puzzle_box"][cases]]
        np.testing.assert_array_equal(mix.mask[:, 1], expected)
        np.testing.assert_array_equal(mix.mask[:, 1].sum((1, 2)), numbers["puzzle_area"][cases])
        np.testing.assert_allclose(mix.weight[:, 0], numbers["puzzle_lam_corrected"][cases], rtol=0, atol=1e-6)


@properties
@given(st.integers(0, 2**31), st.sampled_from([(SHAPE, False), (SHAPE, True), ((3, 8, 11, 1), False)]))
def test_every_pixel_is_one_of_the_two_and_the_label_counts_them(seed, drawn):
    shape, per_batch = drawn
    x = np.asarray(pictures(shape))
    images, mix = cutmix(jax.random.key(seed), jnp.asarray(x), per_batch=per_batch)
    images, partner = np.asarray(images), x[np.asarray(mix.source[:, 1])]
    for b in range(shape[0]):
        taken = np.asarray(mix.mask[b, 1]) == 1
        np.testing.assert_array_equal(images[b][taken], partner[b][taken])
        np.testing.assert_array_equal(images[b][~taken], x[b][~taken])
        corners(taken.astype(float))
        assert float(mix.weight[b, 1]) == np.float32(taken.sum()) / np.float32(taken.size)
    assert not per_batch or (np.asarray(mix.mask) == np.asarray(mix.mask[:1])).all()


def test_pictures_agree_with_the_slow_loops():
    images, mix = cutmix(jax.random.key(1), pictures())
    np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, pictures())))


def test_the_boxes_of_a_batch_differ_unless_one_is_drawn_for_all():
    for per_batch in (False, True):
        _, mix = cutmix(jax.random.key(2), pictures(), per_batch=per_batch)
        assert len({corners(mask) for mask in np.asarray(mix.mask[:, 1])}) == (1 if per_batch else 4)


def test_a_fixed_area_of_a_quarter_is_half_the_sides_and_smaller_only_at_the_border():
    _, mix = cutmix(jax.random.key(3), jnp.zeros((64, 32, 32, 1)), area=(0.25, 0.25))
    for mask, weight in zip(np.asarray(mix.mask[:, 1]), np.asarray(mix.weight[:, 0]), strict=True):
        top, bottom, left, right = corners(mask)
        assert bottom - top == 16 or top == 0 or bottom == 32
        assert right - left == 16 or left == 0 or right == 32
        assert weight >= 0.75 and (weight == 0.75) == ((bottom - top, right - left) == (16, 16))


def test_the_pasted_share_is_30_per_cent_on_average():
    # Shares spread evenly over [0, 1] at each of the 32 x 32 centers give a mean own weight of 0.7007: without chance.
    share = (np.arange(2000, dtype=np.float32) + 0.5) / 2000
    covered = np.zeros(2000)
    for middle in range(32):
        center = jnp.full(2000, middle)
        covered += np.asarray(jax.jit(masks.even_box, static_argnums=(2, 3))(share, (center, center), 32, 32)[0].sum(1))
    assert 1 - np.mean((covered / 32) ** 2) / 1024 == pytest.approx(0.7007, abs=1e-4)
    weight = np.asarray(cutmix(jax.random.key(4), jnp.zeros((4096, 32, 32, 1)))[1].weight[:, 0])
    assert abs(weight.mean() - 0.7007) < 4 * weight.std() / math.sqrt(4096)


def test_the_papers_box_rounds_a_real_box_around_a_real_center():
    rounded = functools.partial(masks.real_box, edge=jnp.round)
    images, mix = cutmix(jax.random.key(5), pictures(), center=masks.real_center, box=rounded)
    for b, mask in enumerate(np.asarray(mix.mask[:, 1])):
        corners(mask)
        assert float(mix.weight[b, 1]) == np.float32(mask.mean())
    np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, pictures())))


def test_one_hot_and_complete_labels_follow_the_larger_area_and_no_area():
    # Section 4.1.3 of the paper. An even share goes to the own label (our choice).
    mask = jnp.zeros((3, 4, 4)).at[0, :3].set(1).at[1, :1].set(1).at[2, :2].set(1)
    mix = jaxmix.pair(partners.following(3), mask)
    assert mix.weight.tolist() == [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]
    assert jaxmix.majority(mix).weight.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert jaxmix.evenly(mix).weight.tolist() == [[0.5, 0.5]] * 3


def test_relabelling_the_samples_relabels_the_result_and_channels_may_be_permuted():
    order, partner = np.array([2, 0, 3, 1]), np.array([1, 3, 0, 2])
    x = pictures()
    images, _ = cutmix(jax.random.key(6), x, partner=jnp.asarray(partner), per_batch=True)
    moved = jnp.asarray(np.argsort(order)[partner[order]])
    relabelled, _ = cutmix(jax.random.key(6), x[order][..., ::-1], partner=moved, per_batch=True)
    np.testing.assert_array_equal(relabelled, np.asarray(images)[order][..., ::-1])


def test_no_gradient_reaches_the_pixels_that_are_covered():
    # One box for all, each sample pasted elsewhere once: a pixel counts once outside its box and once inside it.
    mask = np.asarray(cutmix(jax.random.key(7), pictures(), per_batch=True)[1].mask[0, 1])
    own = jax.jit(jax.grad(lambda x: jaxmix.cutmix(jax.random.key(7), x, per_batch=True)[0][0].sum()))(pictures())
    expected = np.zeros(SHAPE)
    expected[0], expected[1] = (1 - mask)[..., None], mask[..., None]
    np.testing.assert_array_equal(own, expected)
