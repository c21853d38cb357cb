"""SnapMix: a box of the partner resized into a box, and labels weighted by class activation maps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import saliency as slow_saliency
from reference import snapmix as slow

import jaxmix
from jaxmix import masks, saliency
from jaxmix.methods import snapmix as module
from jaxmix.methods.snapmix import snapmix as method

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 13, 10, 3)
PARTNER = np.array([2, 0, 3, 1])
# Beta(1, 1) compiles much faster than Beta(5, 5).
snapmix = jax.jit(functools.partial(method, alpha=1.0), static_argnames="per_batch")
percentage = jax.jit(saliency.percentage, static_argnums=(1, 2))
ONE_LABEL = np.zeros(4, np.int32)


@jax.jit
def pasted(x, shares, partner, targets, sources, labels):
    """Images and the mix for boxes (top, bottom, left, right), and its weights where equal labels are doubled."""
    target, source = (profiles(boxes, *shares.shape[1:]) for boxes in (targets, sources))
    mix = module.paste(shares, partner, target, source)
    doubled = module.paste(shares, partner, target, source, labels).weight
    return jaxmix.apply(mix, x), mix, doubled, module.proportions(shares, partner, target, source)


def images_of():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def percentages(height=13, width=10):
    shares = np.random.default_rng(1).random((4, height, width))
    shares -= shares.min((1, 2), keepdims=True)  # as in a map of percentages
    return (shares / shares.sum((1, 2), keepdims=True)).astype(np.float32)


def profiles(boxes, height, width):
    """Boxes, one or one per sample, as the profiles of their rows and columns."""
    top, bottom, left, right = jnp.atleast_2d(boxes).T
    return masks.window(top, bottom, height), masks.window(left, right, width)


def box_of(mask):
    y, x = np.nonzero(np.asarray(mask))
    return (int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1) if y.size else (0, 0, 0, 0)


def test_worked_example():
    # S = [[0, .125], [.25, .625]]; A is its last pixel, B its left column.
    shares = percentage(np.float32([[[1, 2], [3, 6]]]), 2, 2)
    boxes = np.array([[1, 2, 1, 2]]), np.array([[0, 2, 0, 1]])
    _, mix, doubled, _ = pasted(np.zeros((1, 2, 2, 1), np.float32), shares, np.array([0]), *boxes, np.array([5]))
    assert mix.weight.tolist() == [[0.375, 0.25]]
    assert doubled.tolist() == [[0.625, 0.625]]


@jax.jit
def authors(x, features, kernel, bias, labels, partner, targets, sources):
    cam = saliency.cam(jax.nn.relu(features), kernel.T, labels, bias)
    return pasted(x, saliency.percentage(cam, *x.shape[1:3]), partner, targets, sources, labels)


@pytest.mark.parametrize(("height", "width"), [pytest.param(16, 16, marks=pytest.mark.slow), (32, 48)])
def test_images_and_label_weights_are_the_authors(golden, height, width):
    # get_spm and snapmix of Shaoli-Huang/SnapMix @245bda4. Case 3 has a flat map, 4 boxes of one row or column, 5 an
    # empty box.
    numbers = golden(f"mixing/snapmix_{height}x{width}")
    for case in range(6):
        given = (np.asarray(numbers[name][case]) for name in ("x", "feat", "W", "b", "y", "p"))
        boxes = (np.broadcast_to(numbers[name][case][[0, 2, 1, 3]], (1, 4)) for name in ("boxA", "boxB"))
        images, natural, doubled, _ = authors(*given, *boxes)
        official = np.stack([numbers["rho_a"][case], numbers["rho_b"][case]], 1)
        np.testing.assert_allclose(doubled, official, rtol=0, atol=1e-5)
        np.testing.assert_allclose(images, numbers["mixed"][case], rtol=0, atol=2e-5)
        if case != 5:  # where nothing is mixed, what would be natural isn't used
            expected, area = numbers["natural_rho"][case], np.asarray(natural.mask).mean((2, 3))
            expected = np.where(np.isnan(expected), area, expected)  # a flat map is weighted by the area of the box A
            np.testing.assert_allclose(natural.weight, expected, rtol=0, atol=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(0, 3))
def test_resizing_agrees_with_the_slow_loops(seed, least):
    generator, x, shares = np.random.default_rng(seed), images_of(), percentages()

    def box():
        edges = []
        for side in (13, 10):
            length = generator.integers(min(least, 1), side + 1) if least else generator.integers(0, 3)
            start = generator.integers(0, side + 1 - length)
            edges += [start, start + length]
        return edges

    targets, sources = [box() for _ in range(4)], [box() for _ in range(4)]
    images, mix, *_ = pasted(x, shares, PARTNER, np.array(targets), np.array(sources), ONE_LABEL)
    for b, (target, source) in enumerate(zip(targets, sources, strict=True)):
        expected = slow.stretch(x[b], x[PARTNER[b]], target, source)
        np.testing.assert_allclose(
            images[b], expected, rtol=0, atol=1e-5
        )  # places of up to 13 in float32, times a step
        weight = slow.weights(shares[b].astype(float), shares[PARTNER[b]].astype(float), target, source)
        np.testing.assert_allclose(mix.weight[b], weight, rtol=0, atol=1e-6)  # sums of 130 shares


@pytest.mark.parametrize("per_batch", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_is_sampled_is_mixed_as_in_the_slow_loops_and_both_boxes_are_cutmix_boxes(per_batch):
    cam = np.random.default_rng(2).standard_normal((4, 3, 5)).astype(np.float32)
    shares = [slow_saliency.percentage(one.astype(float), 13, 10) for one in cam]
    # Under this key every target has two rows and columns or more, from whose ends the source is read below.
    images, mix = snapmix(jax.random.key(4), images_of(), cam, partner=PARTNER, per_batch=per_batch)
    found = []
    for b in range(4):
        target = box_of(mix.mask[b, 1])
        rows, columns = (np.asarray(places[b]) for places in mix.warps[1])
        rows, columns = rows[target[0] : target[1]], columns[target[2] : target[3]]
        source = [round(float(v)) for v in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)]
        expected = slow.stretch(images_of()[b], images_of()[PARTNER[b]], target, source)
        np.testing.assert_allclose(images[b], expected, rtol=0, atol=1e-5)
        weight = slow.weights(shares[b], shares[PARTNER[b]], target, source)
        np.testing.assert_allclose(mix.weight[b], weight, rtol=0, atol=1e-6)
        found.append((*target, *source))
        assert target != tuple(source)
    assert len(set(found)) == (1 if per_batch else 4)


def test_the_formula_reduces_to_areas_for_uniform_maps_and_to_0_and_1_for_whole_images():
    uniform = np.full((4, 13, 10), 1 / 130, np.float32)
    target, source, whole, empty = (
        np.tile(box, (4, 1)) for box in ((2, 6, 1, 4), (0, 5, 3, 9), (0, 13, 0, 10), (3, 3, 0, 10))
    )
    made = pasted(images_of(), uniform, PARTNER, target, source, ONE_LABEL)[3]
    np.testing.assert_allclose(made, np.broadcast_to([[1 - 12 / 130, 30 / 130]], (4, 2)), rtol=0, atol=1e-6)
    made = pasted(images_of(), percentages(), PARTNER, whole, whole, ONE_LABEL)[3]
    np.testing.assert_allclose(made, [[0, 1]] * 4, rtol=0, atol=1e-6)
    images, mix, *_ = pasted(images_of(), percentages(), PARTNER, target, empty, ONE_LABEL)
    np.testing.assert_array_equal(mix.weight, [[1, 0]] * 4)
    np.testing.assert_array_equal(images, images_of())


@jax.jit
def with_and_without_doubling(cam, labels):
    plain = method(jax.random.key(4), images_of(), cam, alpha=1.0)
    return plain, method(jax.random.key(4), images_of(), cam, labels, alpha=1.0, double_same_label=True)


@pytest.mark.parametrize("bad", [0.0, 7.0, -3.5, np.nan, np.inf, -np.inf])
def test_images_with_uninformative_maps_are_weighted_by_area_as_in_cutmix(bad):
    cam = np.random.default_rng(2).standard_normal((4, 3, 5)).astype(np.float32)
    cam[1:] = cam[1:] if not np.isfinite(bad) else bad
    cam[1:, 1, 2] = bad
    for images, mix in with_and_without_doubling(cam, np.array([1, 1, 1, 1])):
        area = np.asarray(mix.mask).mean((2, 3))
        np.testing.assert_array_equal(mix.weight[1:3], area[1:3])  # image 3 pairs with image 0, which has a map
        assert np.isfinite(images).all() and np.isfinite(mix.weight).all()


def test_doubling_gives_both_slots_of_equal_labels_the_sum_and_nothing_else_changes():
    cam = np.random.default_rng(2).standard_normal((4, 3, 5)).astype(np.float32)
    (_, plain), (_, doubled) = with_and_without_doubling(cam, np.array([1, 1, 0, 2]))
    np.testing.assert_array_equal(doubled.weight[1:], plain.weight[1:])
    np.testing.assert_allclose(doubled.weight[0], [plain.weight[0].sum()] * 2, rtol=1e-6)
    np.testing.assert_array_equal(doubled.mask, plain.mask)


@pytest.mark.parametrize("per_batch", [False, True])
def test_the_boxes_are_of_independent_shares_from_beta_5_5(per_batch, monkeypatch):
    shares = np.float32([0.3, 0.6, 0.5, 0.4] * 2) + np.float32([0] * 4 + [0.3] * 4)
    requested = []

    def beta(key, alpha, draws):
        requested.append((alpha, draws))
        return jnp.asarray(shares[:: 8 // draws])

    monkeypatch.setattr(module.sampling, "beta", beta)
    monkeypatch.setattr(module.masks, "uniform_center", lambda key, draws, height, width: (jnp.full(draws, 8),) * 2)
    run = jax.jit(functools.partial(method, per_batch=per_batch))
    _, mix = run(jax.random.key(0), np.zeros((4, 16, 16, 1), np.float32), np.ones((4, 4, 4), np.float32))
    assert requested == [(5.0, 2 if per_batch else 8)]
    for b in range(4):
        own, other = (0.3, 0.6) if per_batch else (shares[b], shares[4 + b])
        tall, wide = (int(16 * np.sqrt(share)) // 2 * 2 for share in (own, other))
        assert mix.mask[b, 1].sum() == tall**2
        rows = np.asarray(mix.warps[1].rows[b])[8 - tall // 2 : 8 + tall // 2]
        np.testing.assert_allclose(rows[[0, -1]], [8 - wide // 2, 8 + wide // 2 - 1], atol=1e-5)


@pytest.mark.parametrize(
    ("cam", "labels", "doubled", "message"),
    [
        (np.zeros((3, 3, 5), np.float32), None, False, r"cam has shape \(3, 3, 5\); wanted one map per image"),
        (np.zeros((4, 3, 5, 1), np.float32), None, False, r"cam has shape \(4, 3, 5, 1\); wanted one map per image"),
        (np.zeros((4, 3, 5), int), None, False, r"cam has dtype int64; wanted a floating dtype or uint8"),
        (np.zeros((4, 3, 5), np.float32), None, True, r"double_same_label needs labels: pass class ids"),
        (np.zeros((4, 3, 5), np.float32), np.zeros((4, 7), np.float32), False, r"labels have shape \(4, 7\).*argmax"),
        (np.zeros((4, 3, 5), np.float32), np.zeros(3, int), True, r"labels have shape \(3,\).*integer class ids \[4\]"),
    ],
)
def test_maps_and_labels_that_do_not_fit_say_so(cam, labels, doubled, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda key: method(key, images_of(), cam, labels, double_same_label=doubled), jax.random.key(0))
