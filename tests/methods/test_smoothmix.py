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

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 7, 10, 2)
KINDS = {
    "S": jaxmix.smoothmix_s,
    "S relative": functools.partial(jaxmix.smoothmix_s, ramp=masks.relative_ramp),
    "C": jaxmix.smoothmix_c,
}
PROFILES = {"S_abs": masks.ramp, "S_rel": masks.relative_ramp, "C": masks.bump}
every_kind = pytest.mark.parametrize("kind", KINDS)


def images_of(shape=SHAPE):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@functools.partial(jax.jit, static_argnums=(3, 4))
def mixed(middle, size, k, height, width):
    """Mixes of bumps that are given, not drawn, and their profiles, by kind; middle is [2 d], size [d]."""
    found = {}
    for kind, profile in PROFILES.items():
        rest = () if kind == "C" else (k,)
        rows, columns = (profile(middle[n], size, side, *rest) for n, side in enumerate((height, width)))
        mix = jaxmix.pair(jnp.zeros(size.shape, int), *masks.outer(rows, columns))
        found[kind] = mix.mask[:, 1], mix.weight[:, 1], (rows, columns)
    return found


# kind, center and size in units of the side of 32, and the weight, printed to four decimals or more; k 0.2.
WORKED = [
    ("S_abs", 16, 16, 0.25, 1e-6), ("S_rel", 16, 16, 0.25, 1e-6), ("S_abs", 16, 6.4, 0.05045, 5e-6),
    ("S_rel", 16, 6.4, 0.03891, 5e-6), ("S_abs", 8, 25.6, 0.41889, 5e-6), ("S_rel", 8, 25.6, 0.42269, 5e-6),
    ("C", 16, 8, 0.35788, 5e-6), ("C", 16, 16, 0.73226, 5e-6), ("C", 0, 8, 0.09816, 5e-6),
]  # fmt: skip


def test_worked_examples():
    _, center, size, *_ = zip(*WORKED, strict=True)
    middle = np.float32([center, center]) / 32
    found = mixed(middle, np.float32(size) / 32, np.float32(0.2), 32, 32)
    for n, (kind, _, _, weight, tolerance) in enumerate(WORKED):
        assert float(found[kind][1][n]) == pytest.approx(weight, abs=tolerance)
    row = np.asarray(found["S_abs"][0])[0, 15]  # the columns' profile times the peak, which is 1
    np.testing.assert_allclose(row[:8], [0, 0, 0.0703, 0.1484, 0.2266, 0.3047, 0.3828, 0.4609], rtol=0, atol=5e-5)
    row = np.asarray(found["S_rel"][0])[1, 15]
    np.testing.assert_allclose(row[:8], [0, 0, 0, 0, 0, 0.1094, 0.2656, 0.4219], rtol=0, atol=5e-5)
    assert found["S_abs"][0][0].max() == 1 and found["S_rel"][0][3].max() == pytest.approx(1, abs=1e-6)
    assert math.sqrt(found["S_abs"][0][2].max()) == pytest.approx(0.7109, abs=5e-5)


@pytest.mark.parametrize(("height", "width"), [pytest.param(32, 32, marks=pytest.mark.slow), (24, 40)])
@pytest.mark.parametrize("kind", PROFILES)
def test_masks_and_label_weights_are_those_of_the_formulas(golden, height, width, kind):
    # No authors' code exists: the specification's formulas in float64.
    numbers = {name.removeprefix(f"{height}x{width}_"): value for name, value in golden("mixing/smoothmix").items()}
    size = np.float32(numbers["sigma_C" if kind == "C" else "sigma_S"])
    for k in np.unique(numbers["k"]):
        cases = numbers["k"] == k
        mask, weight, profiles = mixed(np.float32(numbers["mu"].T), size, np.float32(k), height, width)[kind]
        np.testing.assert_allclose(mask[cases], numbers[f"{kind}_mask"][cases], rtol=0, atol=1e-6)
        np.testing.assert_allclose(weight[cases], numbers[f"{kind}_mean"][cases], rtol=0, atol=1e-6)
        for profile, name in zip(profiles, "yx", strict=True):
            np.testing.assert_allclose(profile[cases], numbers[f"{kind}_profile_{name}"][cases], rtol=0, atol=1e-6)


@every_kind
def test_the_weight_is_the_mean_of_the_mask_and_pixels_lie_between_the_two_images(kind):
    x = images_of()

    @jax.jit
    def both(seed):
        return [KINDS[kind](jax.random.key(seed), x, per_batch=per_batch) for per_batch in (False, True)]

    (images, mix), (_, shared) = both(2)
    mask = np.asarray(mix.mask, float)
    assert mask.min() >= 0 and mask.max() <= 1
    np.testing.assert_allclose(mask.sum(1), 1, rtol=0, atol=1e-7)
    np.testing.assert_allclose(mix.weight, mask.mean((2, 3)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(images, mixing.apply(mix, x), rtol=0, atol=1e-6)
    for b in range(SHAPE[0]):
        assert np.linalg.svd(mask[b, 1], compute_uv=False)[1] < 1e-6 * max(mask[b, 1].sum(), 1)
    other = x[np.asarray(mix.source[:, 1])]
    assert (images >= np.minimum(x, other) - 1e-6).all() and (images <= np.maximum(x, other) + 1e-6).all()
    assert [len({one.tobytes() for one in np.asarray(m.mask)}) for m in (mix, shared)] == [SHAPE[0], 1]


@pytest.mark.parametrize(("kind", "expected"), [("C", 0.429), ("S", 0.213), ("S relative", 0.216)])
def test_the_mean_share_of_the_partner(kind, expected):
    weight = jax.jit(lambda key: KINDS[kind](key, jnp.zeros((4096, 32, 32, 1)))[1].weight[:, 1])
    weight = np.asarray(weight(jax.random.key(3)))
    assert abs(weight.mean() - expected) < 4 * weight.std() / math.sqrt(4096) + 5e-4  # printed to three decimals
    if kind == "C":
        np.testing.assert_allclose(np.quantile(weight, [0.05, 0.95]), [0.22, 0.64], rtol=0, atol=0.02)


def test_the_bump_lies_anywhere_and_its_size_is_drawn_from_the_given_interval():
    @jax.jit
    def masks_of(low, high):
        x = jnp.zeros((256, 16, 16, 1))
        return jaxmix.smoothmix_c(jax.random.key(4), x, sigma=(low, high))[1].mask[:, 1]

    # Around one center the weight grows with sigma, so a fixed sigma gives smaller spreads and known bounds.
    for low, high in ((0.25, 0.25), (0.25, 0.5)):
        mask = np.asarray(masks_of(low, high))
        peaks = mask.reshape(256, -1).argmax(1)
        assert abs(np.corrcoef(peaks // 16, peaks % 16)[0, 1]) < 4 / math.sqrt(256)  # two independent coordinates
        profile = mask.max(1)  # of the columns, times the largest row
        slopes = -np.log(profile / profile.max(1, keepdims=True))
        u = (np.arange(16) + 0.5) / 16
        for one_slope in slopes[:32]:
            curvature = np.polyfit(u, one_slope, 2)[0]  # 1 / (2 sigma^2)
            assert low - 1e-3 <= math.sqrt(1 / (2 * curvature)) <= high + 1e-3


def test_the_bump_is_an_ellipse_where_height_and_width_differ():
    h, w = 9, 20
    middle = np.float32([[4.5 / h], [10.5 / w]])
    mask = np.asarray(mixed(middle, np.float32([1 / 3]), np.float32(0.2), h, w)["C"][0][0])
    assert mask[4, 10] == 1
    # Three rows are a third of the height, a sigma; ten columns are half of the width, one and a half.
    assert mask[7, 10] == pytest.approx(math.exp(-0.5), abs=1e-6)
    assert mask[4, 0] == pytest.approx(math.exp(-0.5 * 1.5**2), abs=1e-6)
