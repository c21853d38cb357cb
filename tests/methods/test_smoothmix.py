"""SmoothMix: a mask with soft edges."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import mixing

import jaxmix
from jaxmix import masks

SHAPE = (4, 7, 10, 2)
KINDS = {
    "S": jaxmix.smoothmix_s,
    "S relative": functools.partial(jaxmix.smoothmix_s, ramp=masks.relative_ramp),
    "C": jaxmix.smoothmix_c,
}
METHODS = {name: jax.jit(method, static_argnames="per_batch") for name, method in KINDS.items()}
PROFILES = {"S_abs": masks.ramp, "S_rel": masks.relative_ramp, "C": masks.bump}
every_kind = pytest.mark.parametrize("kind", METHODS)


def pictures(shape=SHAPE):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def mixed(profile, middle, size, height, width, *k):
    """The mix of bumps that are given, not drawn; middle is [2 d], size [d]."""
    rows, columns = profile(middle[0], size, height, *k), profile(middle[1], size, width, *k)
    return jaxmix.pair(jnp.zeros(size.shape, int), *masks.outer(rows, columns))


def one(profile, y, x, size, side=32, *k):
    mix = mixed(profile, jnp.float32([[y], [x]]), jnp.float32([size]), side, side, *k)
    return np.asarray(mix.mask[0, 1]), float(mix.weight[0, 1])


def test_worked_examples_of_the_square():
    # Printed to four decimals or more; side 32, k 0.2.
    mask, weight = one(masks.ramp, 0.5, 0.5, 0.5)
    row = mask[15]  # the columns' profile times the peak, which is 1
    np.testing.assert_allclose(row[:8], [0, 0, 0.0703, 0.1484, 0.2266, 0.3047, 0.3828, 0.4609], rtol=0, atol=5e-5)
    assert mask.max() == 1 and weight == pytest.approx(0.25, abs=1e-6)
    mask, weight = one(masks.relative_ramp, 0.5, 0.5, 0.5)
    np.testing.assert_allclose(mask[15, :8], [0, 0, 0, 0, 0, 0.1094, 0.2656, 0.4219], rtol=0, atol=5e-5)
    assert weight == pytest.approx(0.25, abs=1e-6)
    mask, weight = one(masks.ramp, 0.5, 0.5, 0.2)
    assert math.sqrt(mask.max()) == pytest.approx(0.7109, abs=5e-5) and weight == pytest.approx(0.05045, abs=5e-6)
    mask, weight = one(masks.relative_ramp, 0.5, 0.5, 0.2)
    assert mask.max() == pytest.approx(1, abs=1e-6) and weight == pytest.approx(0.03891, abs=5e-6)
    assert one(masks.ramp, 0.25, 0.25, 0.8)[1] == pytest.approx(0.41889, abs=5e-6)
    assert one(masks.relative_ramp, 0.25, 0.25, 0.8)[1] == pytest.approx(0.42269, abs=5e-6)


@pytest.mark.parametrize(("center", "sigma", "expected"), [(16, 8, 0.35788), (16, 16, 0.73226), (0, 8, 0.09816)])
def test_worked_examples_of_the_bump(center, sigma, expected):
    assert one(masks.bump, center / 32, center / 32, sigma / 32)[1] == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40)])
@pytest.mark.parametrize("kind", PROFILES)
def test_masks_and_label_weights_are_those_of_the_formulas(golden, height, width, kind):
    # No authors' code exists: the specification's formulas in float64.
    numbers = {name.removeprefix(f"{height}x{width}_"): value for name, value in golden("mixing/smoothmix").items()}
    size = numbers["sigma_C" if kind == "C" else "sigma_S"]
    for k in np.unique(numbers["k"]):
        cases = numbers["k"] == k
        rest = () if kind == "C" else (np.float32(k),)
        middle = jnp.asarray(numbers["mu"][cases].T, jnp.float32)
        mix = mixed(PROFILES[kind], middle, jnp.asarray(size[cases], jnp.float32), height, width, *rest)
        np.testing.assert_allclose(mix.mask[:, 1], numbers[f"{kind}_mask"][cases], rtol=0, atol=1e-6)
        np.testing.assert_allclose(mix.weight[:, 1], numbers[f"{kind}_mean"][cases], rtol=0, atol=1e-6)
        for axis, (name, side) in enumerate((("y", height), ("x", width))):
            profile = PROFILES[kind](middle[axis], jnp.asarray(size[cases], jnp.float32), side, *rest)
            np.testing.assert_allclose(profile, numbers[f"{kind}_profile_{name}"][cases], rtol=0, atol=1e-6)


@every_kind
def test_the_label_weight_is_the_mean_of_the_mask_of_that_picture(kind):
    images, mix = METHODS[kind](jax.random.key(0), pictures())
    mask = np.asarray(mix.mask, float)
    assert mask.min() >= 0 and mask.max() <= 1
    np.testing.assert_allclose(mask.sum(1), 1, rtol=0, atol=1e-7)
    np.testing.assert_allclose(mix.weight, mask.mean((2, 3)), rtol=0, atol=1e-6)
    # The bump is the partner's: where the mask peaks, the picture is the partner.
    np.testing.assert_allclose(images, mixing.apply(mix, pictures()), rtol=0, atol=1e-6)
    for b in range(SHAPE[0]):
        assert np.linalg.svd(mask[b, 1], compute_uv=False)[1] < 1e-6 * max(mask[b, 1].sum(), 1)


@every_kind
def test_pixels_lie_between_the_two_pictures(kind):
    x = np.asarray(pictures())
    images, mix = METHODS[kind](jax.random.key(1), pictures())
    other = x[np.asarray(mix.source[:, 1])]
    assert (images >= np.minimum(x, other) - 1e-6).all() and (images <= np.maximum(x, other) + 1e-6).all()


@every_kind
def test_masks_differ_from_sample_to_sample_unless_drawn_for_the_batch(kind):
    for per_batch in (False, True):
        _, mix = METHODS[kind](jax.random.key(2), pictures(), per_batch=per_batch)
        assert (len({mask.tobytes() for mask in np.asarray(mix.mask)}) == 1) == per_batch


@pytest.mark.parametrize(("kind", "expected"), [("C", 0.429), ("S", 0.213), ("S relative", 0.216)])
def test_the_mean_share_of_the_partner(kind, expected):
    weight = np.asarray(METHODS[kind](jax.random.key(3), jnp.zeros((4096, 32, 32, 1)))[1].weight[:, 1])
    assert abs(weight.mean() - expected) < 4 * weight.std() / math.sqrt(4096) + 5e-4  # printed to three decimals
    if kind == "C":
        np.testing.assert_allclose(np.quantile(weight, [0.05, 0.95]), [0.22, 0.64], rtol=0, atol=0.02)


def test_the_bump_lies_anywhere_and_its_size_is_drawn_from_the_given_interval():
    # Around one center the weight grows with sigma, so a fixed sigma gives smaller spreads and known bounds.
    for low, high in ((0.25, 0.25), (0.25, 0.5)):
        _, mix = METHODS["C"](jax.random.key(4), jnp.zeros((256, 16, 16, 1)), sigma=(low, high))
        peaks = np.asarray(mix.mask[:, 1]).reshape(256, -1).argmax(1)
        assert abs(np.corrcoef(peaks // 16, peaks % 16)[0, 1]) < 4 / math.sqrt(256)  # two independent coordinates
        profile = np.asarray(mix.mask[:, 1]).max(1)  # of the columns, times the largest row
        slopes = -np.log(profile / profile.max(1, keepdims=True))
        u = (np.arange(16) + 0.5) / 16
        for one_slope in slopes[:32]:
            curvature = np.polyfit(u, one_slope, 2)[0]  # 1 / (2 sigma^2)
            assert low - 1e-3 <= math.sqrt(1 / (2 * curvature)) <= high + 1e-3


@pytest.mark.parametrize(("h", "w"), [(9, 20)])
def test_the_bump_is_an_ellipse_where_height_and_width_differ(h, w):
    mix = mixed(masks.bump, jnp.float32([[4.5 / h], [10.5 / w]]), jnp.float32([1 / 3]), h, w)
    mask = np.asarray(mix.mask[0, 1])
    assert mask[4, 10] == 1
    # Three rows are a third of the height, a sigma; ten columns are half of the width, one and a half.
    assert mask[7, 10] == pytest.approx(math.exp(-0.5), abs=1e-6)
    assert mask[4, 0] == pytest.approx(math.exp(-0.5 * 1.5**2), abs=1e-6)
