"""Masks: agreement with the slow loops of tests/reference, and what must hold for every mask."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import boxes, fmix, grids, smoothmix
from specimens import key

import jaxmix
from jaxmix import masks

pytestmark = pytest.mark.unoptimized

SIZES = [(13, 10), (8, 11), (7, 7)]  # odd and even sides, height and width differ
CUTMIX = {
    "even": jax.jit(masks.even_box, static_argnums=(2, 3)),
    "floor": jax.jit(masks.real_box, static_argnums=(2, 3)),
    "round": jax.jit(functools.partial(masks.real_box, edge=jnp.round), static_argnums=(2, 3)),
}
PROFILES = {
    masks.ramp: jax.jit(masks.ramp, static_argnums=2),
    masks.relative_ramp: jax.jit(masks.relative_ramp, static_argnums=2),
    masks.bump: jax.jit(masks.bump, static_argnums=2),
}
SLOW_PROFILES = {masks.ramp: smoothmix.trapezoid, masks.relative_ramp: smoothmix.relative_trapezoid}
brightest, brightest_soft = jax.jit(masks.brightest), jax.jit(masks.brightest_soft)
isotropic = jax.jit(masks.isotropic, static_argnums=(1, 2))
authors_anisotropic = jax.jit(masks.authors_anisotropic, static_argnums=(1, 2))
cells = jax.jit(masks.cells, static_argnums=(1, 2))
holes = jax.jit(masks.holes, static_argnums=(1, 2, 3))
outer, window = jax.jit(masks.outer), jax.jit(masks.window, static_argnums=2)
uniform_center, real_center, gaussian_center = (
    jax.jit(center, static_argnums=(1, 2, 3))
    for center in (masks.uniform_center, masks.real_center, masks.gaussian_center)
)
inner_corner = jax.jit(masks.inner_corner, static_argnums=(2, 3))
jitted_fmix = jax.jit(jaxmix.fmix)
spectrum_noise = jax.jit(masks.spectrum_noise, static_argnums=(1, 2, 3))

sizes = st.sampled_from(SIZES)
fractions = st.floats(0, 1, width=32, allow_subnormal=False)
properties = settings(max_examples=25, deadline=None, derandomize=True)


def mask_of(profiles):
    mask, covered = outer(*profiles)
    return np.asarray(mask), np.asarray(covered)


def box_of(profile):
    """The ends of the one run of ones in a profile of zeros and ones, (0, 0) if there is none."""
    ones = np.flatnonzero(profile)
    assert set(np.unique(profile)) <= {0.0, 1.0}
    assert ones.size == 0 or ones.size == ones[-1] - ones[0] + 1
    return (int(ones[0]), int(ones[-1]) + 1) if ones.size else (0, 0)


# Windows and outer products.


def test_a_window_is_1_from_its_start_up_to_its_end_and_cut_at_the_border():
    start, end = jnp.array([2, -3, 4, 5, 9]), jnp.array([5, 2, 99, 5, 3])
    expected = [[0, 0, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0] * 6, [0] * 6]
    made = window(start, end, 6)
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == jnp.float32


def test_outer_is_the_product_of_the_profiles_and_its_sum():
    generator = np.random.default_rng(0)
    rows, columns = (generator.random((3, side)).astype(np.float32) for side in (7, 4))
    mask, total = mask_of((jnp.asarray(rows), jnp.asarray(columns)))
    for i in range(3):
        slow = smoothmix.mask(rows[i].astype(float), columns[i].astype(float))
        np.testing.assert_allclose(mask[i], slow, rtol=1e-7)  # one rounding
        np.testing.assert_allclose(total[i], slow.sum(), rtol=1e-6)  # a dozen roundings


# The CutMix box.


@pytest.mark.parametrize(("height", "width"), [*SIZES, (32, 32), (31, 45)])
@pytest.mark.parametrize("rule", CUTMIX)
def test_boxes_agree_with_the_slow_loops(rule, height, width):
    generator = np.random.default_rng(height * width)
    share = generator.random(40).astype(np.float32)
    share[:3] = 0, 1, 0.25
    if rule == "even":
        center = generator.integers(0, height, 40), generator.integers(0, width, 40)
        slow = boxes.even_box
    else:
        center = tuple((generator.random(40) * side).astype(np.float32) for side in (height, width))
        slow = functools.partial(boxes.real_box, edge={"floor": math.floor, "round": round}[rule])
    mask, covered = mask_of(CUTMIX[rule](jnp.asarray(share), jax.tree.map(jnp.asarray, center), height, width))
    for i in range(40):
        expected = boxes.fill(slow(float(share[i]), (center[0][i], center[1][i]), height, width), height, width)
        np.testing.assert_array_equal(mask[i], expected)
        assert covered[i] == expected.sum()


@properties
@given(sizes, fractions, fractions, fractions)
def test_an_even_box_agrees_with_the_slow_loops_and_never_exceeds_its_share(size, share, y, x):
    height, width = size
    center = min(int(y * height), height - 1), min(int(x * width), width - 1)
    assume(not boxes.undecided(share, height) and not boxes.undecided(share, width))
    rows, columns = CUTMIX["even"](jnp.float32([share]), tuple(jnp.array([c]) for c in center), height, width)
    top, bottom, left, right = *box_of(np.asarray(rows[0])), *box_of(np.asarray(columns[0]))
    expected = boxes.fill(boxes.even_box(share, center, height, width), height, width)
    np.testing.assert_array_equal(boxes.fill((top, bottom, left, right), height, width), expected)
    for length, side in ((bottom - top, height), (right - left, width)):
        assert length <= 2 * (int(side * math.sqrt(share)) // 2)
    assert (bottom - top) * (right - left) / (height * width) <= share


@properties
@given(sizes, fractions, fractions, fractions)
def test_a_real_box_differs_from_its_share_by_less_than_a_pixel_an_edge_and_only_loses_at_the_border(size, share, y, x):
    height, width = size
    center = jnp.float32([y * height]), jnp.float32([x * width])
    for profile, side, middle in zip(
        CUTMIX["floor"](jnp.float32([share]), center, height, width), size, center, strict=True
    ):
        start, end = box_of(np.asarray(profile[0]))
        cut = side * math.sqrt(share)
        assert end - start < cut + 1 + 1e-5
        if cut / 2 <= middle[0] <= side - cut / 2:
            assert end - start > cut - 1 - 1e-5


@pytest.mark.parametrize(("height", "width"), [(32, 32), (13, 10)])
def test_uniform_centers_are_every_pixel_alike(height, width):
    y, x = (np.asarray(c) for c in uniform_center(jax.random.key(0), 20_000, height, width))
    for place, side in ((y, height), (x, width)):
        counts = np.bincount(place, minlength=side)
        assert len(counts) == side
        expected = 20_000 / side
        # chi-square has mean side - 1 and variance 2 (side - 1): four standard deviations.
        assert ((counts - expected) ** 2 / expected).sum() < side - 1 + 4 * math.sqrt(2 * (side - 1))
    assert abs(np.corrcoef(y, x)[0, 1]) < 4 / math.sqrt(20_000)


def test_real_centers_are_uniform_over_the_image():
    y, x = (np.asarray(c) for c in real_center(jax.random.key(1), 20_000, 13, 40))
    for place, side in ((y, 13), (x, 40)):
        assert 0 <= place.min() < 0.01 * side and 0.99 * side < place.max() <= side
        assert abs(place.mean() / side - 0.5) < 4 * math.sqrt(1 / 12 / 20_000)
        assert abs(place.var() / side**2 - 1 / 12) < 4 * math.sqrt(1 / 180 / 20_000)


@pytest.mark.parametrize("std", [0.1, 0.25])
def test_gaussian_centers_have_the_given_spread_around_the_middle_and_stay_inside(std):
    y, x = (np.asarray(c) for c in gaussian_center(jax.random.key(2), 20_000, 101, 64, std=std))
    for place, side in ((y, 101), (x, 64)):
        assert place.min() >= 0 and place.max() <= side - 1
        draws = side / 2 + std * side * np.random.default_rng(0).standard_normal(200_000)
        expected = np.clip(np.round(draws), 0, side - 1)
        assert abs(place.mean() - expected.mean()) < 5 * expected.std() / math.sqrt(20_000)
        assert abs(place.std() / expected.std() - 1) < 5 / math.sqrt(2 * 20_000)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_shifted_box_agrees_with_the_slow_loops_and_lies_inside_in_full(height, width):
    for tall in range(height + 1):
        for wide in (1, width // 2, width):
            y, x = (grid.ravel() for grid in np.mgrid[:height, :width])
            sides = np.array([tall]), np.array([wide])
            top, left = inner_corner(sides, (y, x), height, width)
            slow = [boxes.shifted_box((tall, wide), center, height, width) for center in zip(y, x, strict=True)]
            np.testing.assert_array_equal(np.stack([top, top + tall, left, left + wide], 1), slow)
            assert np.min(top) >= 0 and np.max(top) + tall <= height
            assert np.min(left) >= 0 and np.max(left) + wide <= width


# SmoothMix.


@pytest.mark.parametrize("side", [7, 10])
@pytest.mark.parametrize("k", [0.1, 0.2])
def test_smoothmix_profiles_agree_with_the_slow_loops(side, k):
    generator = np.random.default_rng(side)
    middle, sigma = (generator.random(20).astype(np.float32) for _ in range(2))
    sigma[:2] = 0.01, 1
    for profile, slow in SLOW_PROFILES.items():
        made = PROFILES[profile](jnp.asarray(middle), jnp.asarray(sigma), side, k)
        expected = [slow(float(m), float(s), side, k) for m, s in zip(middle, sigma, strict=True)]
        # Float32 coordinates of up to 1, divided by the width of the ramp: at least 2 k sigma.
        np.testing.assert_allclose(made, expected, rtol=0, atol=3e-7 / (2 * k * (0.01 if profile != masks.ramp else 1)))
    made = PROFILES[masks.bump](jnp.asarray(middle), jnp.asarray(sigma + 0.1), side)
    expected = [
        smoothmix.gaussian(float(m), float(s), side) for m, s in zip(middle, sigma + np.float32(0.1), strict=True)
    ]
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)


@properties
@given(st.sampled_from(list(PROFILES)), st.sampled_from([7, 10, 32]), fractions, st.floats(0.0625, 1, width=32))
def test_smoothmix_profiles_are_shares_and_mirror_when_the_middle_does(profile, side, middle, sigma):
    middle = jnp.float32([middle, 1 - middle])
    one, mirrored = np.asarray(PROFILES[profile](middle, jnp.float32([sigma, sigma]), side))
    assert one.min() >= 0 and one.max() <= 1
    # Distances of up to 1 in float32 (1e-7), divided by a ramp of at least 2 k sigma = 0.025 or by sigma.
    np.testing.assert_allclose(one, mirrored[::-1], rtol=0, atol=1e-5)
    peak = np.argmin(np.abs((np.arange(side) + 0.5) / side - float(middle[0])))
    assert one[peak] == one.max()
    assert (np.diff(one[: peak + 1]) >= 0).all() and (np.diff(one[peak:]) <= 0).all()


@properties
@given(st.sampled_from([7, 10, 32]), fractions, fractions, st.sampled_from([0.1, 0.2, 0.5]))
def test_a_ramp_is_no_steeper_than_one_over_its_width(side, middle, sigma, k):
    profile = np.asarray(PROFILES[masks.ramp](jnp.float32([middle]), jnp.float32([sigma]), side, k))[0]
    assert np.abs(np.diff(profile)).max() <= 1 / (2 * k * side) + 1e-6  # float32 coordinates over 2 k = 0.2


@properties
@given(fractions, st.sampled_from([0.1, 0.2, 0.5]))
def test_the_peak_of_a_ramp_is_one_half_and_sigma_over_4k_at_most_1(sigma, k):
    middle = jnp.float32([10.5 / 32])  # a pixel's center
    absolute = PROFILES[masks.ramp](middle, jnp.float32([sigma]), 32, k)
    assert float(absolute.max()) == pytest.approx(min(1, 0.5 + sigma / (4 * k)), abs=1e-6)
    if k <= 0.5 and sigma > 1e-3:
        assert float(PROFILES[masks.relative_ramp](middle, jnp.float32([sigma]), 32, k).max()) == 1


def test_a_relative_ramp_of_no_size_is_finite():
    profile = np.asarray(PROFILES[masks.relative_ramp](jnp.float32([0.3, 10.5 / 32]), jnp.float32([0, 0]), 32))
    assert np.isfinite(profile).all() and profile.min() >= 0 and profile.max() <= 1


def test_a_bump_is_1_at_its_middle_and_falls_as_a_gaussian():
    bump = np.asarray(PROFILES[masks.bump](jnp.float32([16.5 / 32]), jnp.float32([8 / 32]), 32))[0]
    assert bump[16] == 1
    np.testing.assert_allclose(bump[[8, 24]], math.exp(-0.5), rtol=1e-6)


def test_the_smoothmix_mask_is_separable():
    rows = PROFILES[masks.bump](jnp.float32([0.3]), jnp.float32([0.4]), 7)
    columns = PROFILES[masks.bump](jnp.float32([0.6]), jnp.float32([0.4]), 10)
    singular = np.linalg.svd(mask_of((rows, columns))[0][0].astype(float), compute_uv=False)
    assert singular[1] < 1e-6 * singular[0]


# FMix.


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 9), (5, 8), (6, 17)])
@pytest.mark.parametrize("decay", [3.0, 1.5])
def test_low_frequency_images_agree_with_the_slow_sums(height, width, decay):
    noise = np.random.default_rng(height).standard_normal((2, height, width // 2 + 1, 2)).astype(np.float32)
    for fast, slow in ((isotropic, fmix.isotropic), (authors_anisotropic, fmix.authors_anisotropic)):
        made = fast(jnp.asarray(noise), height, width, decay)
        expected = [slow(one.astype(float), height, width, decay) for one in noise]
        np.testing.assert_allclose(made, expected, rtol=0, atol=2e-6)  # float32 transforms of images in [0, 1]


def test_low_frequency_images_span_0_to_1_and_flat_noise_stays_finite():
    noise = spectrum_noise(jax.random.key(0), 3, 8, 6)
    assert noise.shape == (3, 8, 4, 2)
    image = np.asarray(isotropic(noise, 8, 6, 3.0))
    np.testing.assert_array_equal(image.min((1, 2)), 0)
    # Where a quotient becomes a product with a reciprocal, x / x may miss 1 by a rounding.
    np.testing.assert_allclose(image.max((1, 2)), 1, rtol=0, atol=1e-7)
    assert np.isfinite(isotropic(jnp.zeros_like(noise), 8, 6, 3.0)).all()


def test_the_share_of_energy_at_each_frequency_is_the_measured_one_for_both_spectra():
    # From the specification, measured over 200 images of the authors' code and 200 of the intended one: the share of
    # the variance at |k| = 0, 1, 2 along the width, each sign.
    noise = spectrum_noise(jax.random.key(3), 200, 32, 32)
    for spectrum, expected in ((isotropic, (0.287, 0.340, 0.014)), (authors_anisotropic, (0.124, 0.438, 0.0))):
        image = np.asarray(spectrum(noise, 32, 32, 3.0))
        energy = (np.abs(np.fft.fft2(image - image.mean((1, 2), keepdims=True))) ** 2).sum(1)
        share = energy[:, :3] / energy.sum(1, keepdims=True)
        error = share.std(0) / math.sqrt(200)  # of our mean, and as much again of the measured one
        assert (np.abs(share.mean(0) - expected) < 4 * math.sqrt(2) * error + 0.0005).all()


@properties
@given(st.sampled_from([(13, 10), (7, 7)]), st.integers(0, 2**32 - 1), fractions, st.floats(0, 0.5))
def test_brightest_agrees_with_the_slow_ranking(size, seed, own, max_soft):
    height, width = size
    image = np.random.default_rng(seed).permutation(height * width).reshape(size).astype(np.float32)
    count = int(own * height * width)
    soft = int(height * width * min(max_soft, own, 1 - own))
    hard = brightest(jnp.asarray(image)[None], jnp.array([count]))
    np.testing.assert_array_equal(hard[0], fmix.binarise(image, count))
    ramped = brightest_soft(jnp.asarray(image)[None], jnp.array([count]), jnp.array([soft]))
    np.testing.assert_allclose(ramped[0], fmix.binarise(image, count, soft), rtol=0, atol=1e-6)  # a float32 quotient


def test_brightest_takes_equal_pixels_together_and_none_where_the_count_is_0():
    image = jnp.broadcast_to(jnp.array([0.0, 0.5, 0.5, 0.5, 1.0]), (5, 1, 5))
    mask = brightest(image, jnp.array([0, 1, 2, 4, 5]))
    np.testing.assert_array_equal(mask.sum((1, 2)), [0, 1, 4, 4, 5])
    assert brightest(jnp.zeros((1, 3, 3)), jnp.array([0])).sum() == 0


def test_a_soft_edge_takes_exactly_the_count_among_equal_pixels():
    none = jnp.zeros(3, jnp.int32)
    mask = brightest_soft(jnp.zeros((3, 5, 7)), jnp.array([0, 11, 35]), none)
    np.testing.assert_array_equal(mask.sum((1, 2)), [0, 11, 35])


# Grids.


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_cells_agree_with_the_slow_loops(height, width):
    for rows, columns in ((1, 1), (4, 4), (3, 7), (7, 2)):
        chosen = np.random.default_rng(rows).random((3, rows, columns)) < 0.5
        made, covered = cells(jnp.asarray(chosen), height, width)
        np.testing.assert_array_equal(covered, made.sum((1, 2)))
        np.testing.assert_array_equal(made, [grids.cells(one, height, width) for one in chosen])


@pytest.mark.parametrize(("height", "width"), [*SIZES, (30, 33)])
@pytest.mark.parametrize("number", [1, 3])
def test_holes_agree_with_the_slow_loops(height, width, number):
    share = np.random.default_rng(width).random(30).astype(np.float32)
    share[:2] = 0, 1
    mask, covered = mask_of(holes(jnp.asarray(share), number, height, width))
    expected = [grids.gridmixup(float(s), number, height, width) for s in share]
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(covered, np.sum(expected, (1, 2)))


def test_bands_cut_that_share_of_whole_rows_or_columns():
    share, center = jnp.array([0.5, 0.5, 0.0, 1.0]), (jnp.array([8.0, 1.0, 5.0, 8.0]), jnp.zeros(4))
    rows, columns = masks.row_band(share, center, 16, 1)
    np.testing.assert_array_equal(rows.sum(1), [8, 5, 0, 16])  # the second is cut at the border
    np.testing.assert_array_equal(columns, 1)
    other = masks.column_band(share, center[::-1], 1, 16)
    np.testing.assert_array_equal(other[1], rows)
    np.testing.assert_array_equal(other[0], 1)


@pytest.mark.parametrize("shape", [(4, 1, 16, 3), (4, 2, 16, 3), (4, 16, 1, 3), (4, 16, 2, 3), (4, 1, 1, 3)], ids=str)
def test_a_box_that_can_never_cut_is_an_error_that_names_what_can(shape):
    x, maps = jnp.zeros(shape), jnp.zeros(shape[:3])
    calls = (
        lambda: jaxmix.cutmix(key(), x),
        lambda: jaxmix.cutmix(key(), x, area=(0.9, 0.9)),
        lambda: jaxmix.saliencymix(key(), x, maps),
        lambda: jaxmix.snapmix(key(), x, maps),
    )
    for call in calls:
        with pytest.raises(
            ValueError, match=rf"images are {shape[1]} x {shape[2]}.*always empty.*row_band.*mixup, fmix"
        ):
            jax.eval_shape(call)


def test_an_area_or_a_scale_of_less_than_a_pixel_is_an_error():
    x = jnp.zeros((4, 8, 8, 3))
    with pytest.raises(ValueError, match=r"area is \(0.05, 0.05\).*always empty.*wanted 0.062 or more"):
        jaxmix.cutmix(key(), x, area=(0.05, 0.05))
    assert jaxmix.cutmix(key(), x, area=(0.0625, 0.0625))[1].weight[:, 1].max() > 0
    with pytest.raises(ValueError, match=r"scale is \(0.05, 0.1\).*shrink to nothing; wanted a largest of 0.12"):
        jaxmix.resizemix(key(), x, scale=(0.05, 0.1))
    with pytest.raises(ValueError, match=r"images are 1 x 16, by which|images of 1 x 16 shrink to nothing"):
        jaxmix.resizemix(key(), x[:, :1].repeat(2, 2))
    with pytest.raises(ValueError, match="images are 16 x 1; wanted 2 pixels or more of width"):
        jaxmix.gridmixup(key(), jnp.zeros((4, 16, 1, 3)))


def test_signals_are_cut_by_a_band_of_their_samples():
    x = jnp.arange(8 * 40.0).reshape(8, 40, 1, 1)
    band = {"box": masks.row_band, "center": masks.real_center}
    mixed, mix = jax.jit(functools.partial(jaxmix.cutmix, **band))(key(), x)
    share = mix.mask[:, 1, :, 0].mean(1)
    np.testing.assert_allclose(mix.weight[:, 1], share, atol=1e-6)
    assert (share > 0).sum() >= 6 and (share < 1).all()
    np.testing.assert_array_equal(mixed, jnp.where(mix.mask[:, 1, :, :, None] == 1, jnp.roll(x, -1, 0), x))


@pytest.mark.parametrize("decay", [0.0, 26.0, 300.0, 1e30])
@pytest.mark.parametrize("side", [8, 32])
def test_a_low_frequency_image_of_any_decay_is_finite_and_covers_the_share(side, decay):
    x = jnp.zeros((4, side, side, 1))
    for call in (jaxmix.fmix, jitted_fmix) if side == 8 else (jitted_fmix,):  # eager, each size has a hundred programs
        _, mix = call(key(), x, decay=decay)
        np.testing.assert_allclose(mix.weight[:, 1], mix.mask[:, 1].mean((1, 2)), atol=1e-6)
        assert len(set(np.asarray(mix.weight[:, 1]).tolist())) > 1


@pytest.mark.parametrize("value", [1e39, 1e400, float("inf"), 1e-46])
def test_a_value_that_float32_has_not_is_an_error_and_finite_where_traced(value):
    x = jnp.zeros((4, 8, 8, 1))
    with pytest.raises(ValueError, match="alpha is .*wanted a number above 0, at most 3.4"):
        jaxmix.mixup(key(), x, alpha=value)
    if value > 1:
        with pytest.raises(ValueError, match=r"sigma\[0\] is .*wanted a number of at most 3.4"):
            jaxmix.smoothmix_c(key(), x, sigma=(value, value))
        with pytest.raises(ValueError, match="wanted numbers of 0 or more"):
            jaxmix.randommix(key(), x, weights=(value, 1, 1, 1))
        sigma = jnp.float32(min(value, 3e38))
        _, mix = jax.jit(jaxmix.smoothmix_c)(key(), x, sigma=(sigma, sigma))
        np.testing.assert_array_equal(mix.weight[:, 1], 1)
