"""Shifts: how much can be seen after each, and the searches for the best."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import sage as slow

from jaxmix import saliency, shifts
from jaxmix.shifts import cross_correlation, fft_search, pyramid, separable_approximation

SIZES = [(5, 4), (1, 6), (6, 1), (1, 1)]
SEARCHES = {"rolled": shifts.rolled, "fourier": shifts.fourier}

score = jax.jit(shifts.score)
best = jax.jit(shifts.best)
searches = {name: jax.jit(function) for name, function in SEARCHES.items()}
every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_search = pytest.mark.parametrize("name", SEARCHES)


def blobs(generator, height, width):
    y, x = np.mgrid[:height, :width]
    out = np.full((height, width), generator.choice([0, 0.01, 0.1]))
    for _ in range(generator.integers(1, 5)):
        middle, spread = generator.uniform(0, (height, width)), generator.uniform(0.04, 0.3) * max(height, width)
        squares = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
        out += generator.uniform(0.2, 1) * np.exp(-squares / (2 * spread**2))
    return out


def noise(generator, height, width):
    return np.abs(generator.standard_normal((height, width))) ** generator.choice([1, 2, 3])


def mixture(generator, height, width):
    one, other = blobs(generator, height, width), noise(generator, height, width)
    share = generator.random()
    return share * one / one.sum() + (1 - share) * other / other.sum()


def pairs(seed, number, height, width, kinds=(blobs, noise, mixture)):
    """Pairs of maps, scaled by shares that add up to 1."""
    generator = np.random.default_rng(seed)
    own, other = (
        np.stack([kinds[generator.integers(len(kinds))](generator, height, width) for _ in range(number)])
        for _ in range(2)
    )
    share = generator.uniform(0.02, 0.98, (number, 1, 1))
    own, other = (maps / maps.sum((1, 2), keepdims=True) for maps in (own, other))
    return np.float32(share * own), np.float32((1 - share) * other)


def example():
    """The worked example of 2 x 2 pixels."""
    own, other = np.zeros((2, 1, 2, 2), np.float32)
    own[0, 0, 0], other[0, 0, 0], other[0, 1, 1] = 0.5, 0.25, 0.25
    return own, other


# Scores.


def test_the_worked_example_of_two_by_two_pixels():
    own, other = example()
    expected = {(0, 0): 0.6667, (1, 1): 0.75, (0, 1): 0.75, (1, 0): 0.75, (-1, -1): 0.4167, (1, -1): 0.5, (-1, 1): 0.5}
    for shift, value in expected.items():
        assert float(score(own, other, np.array([shift]))[0]) == pytest.approx(value, abs=5e-5)
    for search in searches.values():
        assert search(None, own, other).tolist() == [[-1, 0]]  # as good as (1, 1), and the first of all that are


def test_the_worked_example_of_four_by_four_pixels():
    i, j = np.mgrid[:4, :4]
    own, other = (3 * i + 5 * j) % 7 + 1, (2 * i * j + i + 4 * j) % 9 + 1
    assert (own.sum(), other.sum()) == (61, 73)
    own, other = np.float32(0.4 * own / 61)[None], np.float32(0.6 * other / 73)[None]
    expected = {
        (0, 0): (0.594338, 0.426670),
        (0, -1): (0.591015, 0.549070),
        (0, -2): (0.559671, 0.687642),
        (-1, 0): (0.524548, 0.563828),
        (0, 1): (0.507421, 0.576746),
        (1, -2): (0.500193, 0.782959),
        (-3, 3): (0.414127, 0.955322),
    }
    for shift, (value, weight) in expected.items():
        assert float(score(own, other, np.array([shift]))[0]) == pytest.approx(value, abs=1e-6)
        mask = shifts.own_share(jnp.asarray(own), jnp.float32(slow.moved(other[0], shift))[None])
        assert float(mask.mean()) == pytest.approx(weight, abs=1e-6)
    mask = shifts.own_share(jnp.asarray(own), jnp.asarray(other))[0]
    np.testing.assert_allclose(
        mask[::3], [[0.4438, 0.4891, 0.2618, 0.2852], [0.3744, 0.1376, 0.4438, 0.3131]], atol=5e-5
    )
    for search in searches.values():
        assert search(None, own, other).tolist() == [[0, 0]]


@every_size
def test_scores_agree_with_the_slow_loops_and_lie_between_half_and_all_of_what_is_in_the_frame(size):
    own, other = pairs(0, 3, *size)
    own[0, 0], other[0, :, 0] = 0, 0
    for shift in slow.all_shifts(*size):
        value = np.asarray(score(own, other, np.broadcast_to(np.int32(shift), (3, 2))))
        expected = [slow.score(a, b, shift) for a, b in zip(own, other, strict=True)]
        np.testing.assert_allclose(value, expected, rtol=0, atol=3e-7)  # sums of at most 1 in float32
        inside = np.array([a.sum() + slow.moved(b, shift).sum() for a, b in zip(own, other, strict=True)])
        assert (value >= inside / 2 - 3e-7).all() and (value <= inside + 3e-7).all() and (inside <= 1 + 3e-7).all()


# Searches.


@every_size
def test_searches_find_what_the_slow_loops_find(size):
    own, other = pairs(1, 7, *size)
    own[0], other[1] = 0, 0
    own[2] = other[2] = 0
    for search in searches.values():
        found = np.asarray(search(None, own, other))
        assert found.dtype == np.int32
        for b in range(7):
            _, highest, _ = slow.search(own[b], other[b])
            assert (np.abs(found[b]) < size).all()
            assert slow.score(own[b], other[b], found[b]) == pytest.approx(highest, abs=3e-7)  # float32 sums of 1


@every_size
def test_of_equal_scores_rolled_takes_the_first_row_by_row(size):
    # Of 0 and 1/16 only, so that sums and quotients are exact, and many scores are equal.
    own, other = np.float32(np.random.default_rng(2).integers(0, 2, (2, 9, *size))) / 16
    found = searches["rolled"](None, own, other)
    assert [tuple(shift) for shift in found.tolist()] == [slow.search(a, b)[0] for a, b in zip(own, other, strict=True)]


@pytest.mark.parametrize("name", ["sage_w32", "sage_w64"])
def test_best_shifts_are_the_authors(golden, name):
    # utils_SAGE.py of SamsungLabs/SAGE. Their choice among all shifts equals that of a search in float64.
    numbers = golden(f"mixing/{name}")
    share = numbers["a"][:, None, None]
    own, other = np.float32(share * numbers["n1"]), np.float32((1 - share) * numbers["n2"])
    np.testing.assert_allclose(score(own, other, numbers["best_tau"]), numbers["best_v"], rtol=0, atol=1e-6)
    for search in searches.values():
        found = np.asarray(search(None, own, other))
        for b, close in enumerate(numbers["best_v"] - numbers["second_v"] < 2e-6):
            if close:
                at = np.broadcast_to(found[b], (1, 2))
                value = shifts.score(own[b : b + 1], other[b : b + 1], at)[0]
                assert float(value) == pytest.approx(numbers["best_v"][b], abs=2e-6)
            else:
                assert found[b].tolist() == numbers["best_tau"][b].tolist()
    np.testing.assert_array_equal(best(own, other, numbers["tau39"]), numbers["tau39_best"])
    values = np.stack([score(own, other, numbers["tau39"][:, k]) for k in range(39)], 1)
    np.testing.assert_allclose(values, numbers["v39"], rtol=0, atol=1e-5)


def test_approximate_scores_are_those_of_the_authors_to_a_thousandth(golden):
    numbers = golden("mixing/sage_w32")
    some = numbers["scoremap_pair"]
    share = numbers["a"][some, None, None]
    own, other = np.float32(share * numbers["n1"][some]), np.float32((1 - share) * numbers["n2"][some])
    made = np.moveaxis(jax.jit(fft_search.approximate, static_argnums=2)(own, other, 5), 1, 0)
    np.testing.assert_allclose(own.sum((1, 2))[:, None, None] + made, numbers["scoremap"], rtol=0, atol=1e-3)


def losses(own, other):
    """By how much what fourier finds scores below the best."""
    found, exact = searches["fourier"](None, own, other), searches["rolled"](None, own, other)
    return np.asarray(score(own, other, exact)) - np.asarray(score(own, other, found))


@pytest.mark.parametrize(("size", "number", "missed"), [((32, 32), 1000, 1), ((64, 64), 100, 0), ((19, 33), 300, 0)])
def test_fourier_finds_the_best_of_all_shifts(size, number, missed):
    for seed in range(100, 100 + number, 100):
        own, other = pairs(seed, 100, *size)
        loss = losses(own, other)
        missed -= (loss > 1e-5).sum()
        assert loss.max() < 1e-3
    assert missed >= 0


@pytest.mark.parametrize("kind", [blobs, mixture, noise], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("smoothed", [True, False], ids=["smoothed", "raw"])
def test_fourier_finds_the_best_of_all_shifts_of_large_maps_with_detail_and_without(kind, smoothed):
    own, other = (
        np.concatenate(maps) for maps in zip(*(pairs(seed, 3, 132, 140, (kind,)) for seed in (20, 21)), strict=True)
    )
    if smoothed:
        own, other = (np.asarray(saliency.smooth(maps, sigma=1.5, size=9)) for maps in (own, other))
    small = np.asarray(pyramid.unseen(own, other)) < 1e-5
    assert small.all() if smoothed or kind is blobs else not small.any()
    assert losses(own, other).max() < 1e-5


@pytest.mark.parametrize("size", [(131, 140), (140, 131), (128, 140), (132, 140)], ids=str)
def test_only_large_maps_with_even_sides_and_little_detail_are_searched_at_half_their_size(size):
    def at_once(own, other):
        return np.asarray(fft_search.top(fft_search.approximate(own, other, 1), 1)[:, 0])

    def from_half(own, other):
        coarse = fft_search.top(fft_search.approximate(pyramid.halved(own), pyramid.halved(other), 1), 1)
        return np.asarray(best(own, other, pyramid.around(2 * coarse)))

    # With one node and one shift the two differ.
    search = jax.jit(functools.partial(shifts.fourier, None, nodes=1, rescore=1))
    own, other = pairs(12, 3, *size, (blobs,))
    rough, flat = pairs(12, 3, *size, (noise,))
    np.testing.assert_array_equal(search(rough, flat), at_once(rough, flat))
    if size == (132, 140):
        np.testing.assert_array_equal(search(own, other), from_half(own, other))
        assert (from_half(own, other) != at_once(own, other)).any()
        assert (from_half(rough, flat) != at_once(rough, flat)).any()
        # One pair with detail is enough for all to be searched as they are.
        mixed = (np.concatenate([a, b]) for a, b in ((own, rough), (other, flat)))
        np.testing.assert_array_equal(search(*mixed)[:3], at_once(own, other))
    else:
        np.testing.assert_array_equal(search(own, other), at_once(own, other))


@every_search
def test_moving_the_other_map_moves_the_best_shift_back(name):
    own, other = np.zeros((2, 1, 12, 10), np.float32)
    generator = np.random.default_rng(3)
    own[0, 3:9, 3:7] = generator.random((6, 4))
    other[0, 4:7, 3:6] = generator.random((3, 3))
    first = np.asarray(searches[name](None, own, other))
    for shift in [(2, 1), (-3, 4), (0, -3)]:
        found = searches[name](None, own, np.roll(other, shift, (1, 2)))
        np.testing.assert_array_equal(found, first - np.array([shift]))


@every_search
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_maps_without_structure_are_safe(name, share):
    flat = np.full((1, 12, 10), 1 / 120, np.float32)
    for own, other in [(share * flat, (1 - share) * flat), (0 * flat, flat), (flat, 0 * flat), (0 * flat, 0 * flat)]:
        found = np.asarray(searches[name](None, own, other))
        assert (np.abs(found) < (12, 10)).all()
        if (own < other).all():
            assert found.tolist() == [[0, 0]]  # the more of the other is left, the better
    if share > 0.5:
        # And the less, where the own picture's share is larger: only a corner is left in the frame.
        found = searches[name](None, share * flat, (1 - share) * flat)
        assert np.abs(found).tolist() == [[11, 9]]


def test_one_shift_of_the_batch_is_held_at_a_time():
    own, other = (jax.ShapeDtypeStruct((8, 24, 24), jnp.float32),) * 2
    maps = 8 * 24 * 24 * 4
    memory = jax.jit(functools.partial(shifts.rolled, None)).lower(own, other).compile().memory_analysis()
    # The maps as rows, the other one four times, what moves and what it gains. All shifts would be 576 times the maps.
    assert memory.temp_size_in_bytes < 16 * maps
    memory = jax.jit(functools.partial(shifts.fourier, None)).lower(own, other).compile().memory_analysis()
    # Spectra are four times a map: two of them, their correlation and what it is made of.
    assert memory.temp_size_in_bytes < 64 * maps


# A sample of the shifts.


def tried(monkeypatch, key, size, share):
    """The shifts that are tried."""
    seen = []
    monkeypatch.setattr(
        shifts.scores, "best", lambda own, other, candidates: seen.append(candidates) or candidates[:, 0]
    )
    maps = jnp.ones((3, *size)) / math.prod(size)
    shifts.sampled(key, maps, maps, share=share)
    return np.asarray(seen[0])


@pytest.mark.parametrize(
    ("size", "share", "number"), [((32, 32), 0.01, 39), ((64, 64), 0.01, 161), ((5, 4), 1.0, 63), ((5, 4), 0.001, 1)]
)
def test_sampled_tries_distinct_shifts_the_same_for_all_pairs(monkeypatch, size, share, number):
    one, other = (tried(monkeypatch, jax.random.key(seed), size, share) for seed in (0, 1))
    assert one.shape == (3, number, 2)
    assert (one == one[:1]).all() and (np.abs(one) < size).all()
    assert len({tuple(shift) for shift in one[0].tolist()}) == number
    assert number == 1 or not np.array_equal(one, other)


def test_sampled_draws_all_shifts_alike(monkeypatch):
    counts = np.zeros((5, 7))
    for seed in range(100):
        for dy, dx in tried(monkeypatch, jax.random.key(seed), (3, 4), 0.2)[0]:
            counts[dy + 2, dx + 3] += 1
    # 7 of 35 each time. chi-square has mean 34 (less, without repetition) and variance 68: four standard deviations.
    assert counts.sum() == 100 * 7
    assert ((counts - 20) ** 2 / 20).sum() < 34 + 4 * math.sqrt(68)


def test_sampled_is_never_better_than_the_best_and_finds_it_among_all():
    own, other = pairs(4, 5, 5, 4)
    highest = np.asarray(score(own, other, searches["rolled"](None, own, other)))
    for seed in range(3):
        some = score(own, other, shifts.sampled(jax.random.key(seed), own, other, share=0.2))
        assert (np.asarray(some) <= highest + 3e-7).all()  # sums in another order
    every = score(own, other, shifts.sampled(jax.random.key(0), own, other, share=1.0))
    np.testing.assert_allclose(every, highest, rtol=0, atol=3e-7)


# The pieces of fourier.


def interpolated(a, b, nodes):
    """sum over k of L_k(a) * s_k b / (s_k + b), as its docstring has it, in float64."""
    total = np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b)))
    for k, node in enumerate(nodes):
        polynomial = 2 * a / (a + node)
        for m, other in enumerate(nodes):
            if m != k:
                polynomial = polynomial * (a - other) / (a + other) * (node + other) / (node - other)
        total += polynomial * node * b / (node + b)
    return total


@every_size
@pytest.mark.parametrize(
    "transform", [cross_correlation.by_products, cross_correlation.by_ffts], ids=lambda f: f.__name__
)
def test_correlations_agree_with_the_slow_sums(size, transform):
    own, other = np.random.default_rng(5).random((2, 3, *size)).astype(np.float32)
    nodes = np.float32([[1, 0.3, 0.1], [0.5, 0.2, 0.05], [0.8, 0.4, 0.2]])
    own[1, 0, 0] = nodes[1, 1]  # where a factor is 0
    made, left = np.asarray(jax.jit(transform)(own, other, nodes)), np.asarray(jax.jit(fft_search.in_frame)(other))
    for b in range(3):
        for dy, dx in slow.all_shifts(*size):
            moved, at = slow.moved(other[b], (dy, dx)), (dy + size[0] - 1, b, dx + size[1] - 1)
            expected = interpolated(np.float64(own[b]), moved, np.float64(nodes[b])).sum()
            np.testing.assert_allclose(made[at], expected, rtol=0, atol=2e-5)  # float32 transforms of sums up to 20
            np.testing.assert_allclose(left[at], moved.sum(), rtol=0, atol=3e-6)


def test_the_larger_maps_go_through_ffts(monkeypatch):
    used = []
    for name in ("by_products", "by_ffts"):
        monkeypatch.setattr(cross_correlation, name, lambda own, *rest, name=name: used.append(name))
    for size in ((128, 128), (96, 129), (224, 224)):
        cross_correlation.correlate(np.zeros((1, *size)), None, None)
    assert used == ["by_products", "by_ffts", "by_ffts"]
    for least in (1, 2, 11, 13, 63, 127, 447, 1021):
        length = cross_correlation._good_length(least)
        rest = length
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        assert length >= least and rest == 1


def test_halved_maps_are_means_of_four_pixels():
    maps = np.random.default_rng(5).random((2, 6, 4)).astype(np.float32)
    made = np.asarray(pyramid.halved(maps))
    assert made.shape == (2, 3, 2)
    for i, j in np.ndindex(made.shape[1:]):
        expected = maps[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum((1, 2)) / 4
        np.testing.assert_allclose(made[:, i, j], expected, rtol=1e-6)


def test_around_a_shift_are_its_neighbours():
    made = pyramid.around(jnp.array([[[6, -4], [-8, 8]], [[0, 0], [0, 2]]])).tolist()
    assert made[0][:9] == [[dy, dx] for dy in (5, 6, 7) for dx in (-5, -4, -3)]
    assert made[0][9:] == [[dy, dx] for dy in (-9, -8, -7) for dx in (7, 8, 9)]
    assert made[1][9:] == [[dy, dx] for dy in (-1, 0, 1) for dx in (1, 2, 3)]


def test_ranked_shifts_are_in_the_order_of_their_scores():
    own, other = pairs(11, 2, 6, 5)
    tried = np.int32([(0, 0), (1, 0), (2, 1), (-1, 2)])
    for number in (3, 9):
        made = np.asarray(shifts.scores.ranked(own, other, np.broadcast_to(tried[None], (2, 4, 2)), number))
        for b in range(2):
            order = sorted(map(tuple, tried.tolist()), key=lambda shift: -slow.score(own[b], other[b], shift))
            assert [tuple(shift) for shift in made[b].tolist()] == order[:number]


def test_what_half_the_size_hides_is_as_large_as_noise_in_single_pixels_makes_it():
    generator = np.random.default_rng(10)
    level, spread, shape = 0.5 / 40**2, 0.2, (300, 40, 40)
    own, other = (level * (1 + spread * generator.standard_normal(shape)) for _ in range(2))

    def both(a, b):
        return 2 * (a * b / (a + b)).sum((1, 2))

    # What comes of the details of both together.
    part = both(own, other) - both(own, level) - both(level, other) + both(level, level + 0 * other)
    estimates = np.asarray(pyramid.unseen(np.float32(own), np.float32(other)))
    # Of normal noise E d^4 is 3 (E d^2)^2, which makes the norm sqrt(3) times as large.
    assert math.sqrt(3) * part.std() == pytest.approx(estimates.mean(), rel=0.1)


@pytest.mark.parametrize("place", [(0, 0), (0, 7), (5, 0), (19, 14), (8, 8)], ids=str)
def test_no_single_pixel_is_overlooked_and_no_slope_taken_for_one(place):
    pixel = np.full((1, 20, 15), 1e-4, np.float32)
    slope = np.float32(np.add.outer(np.arange(20), 2 * np.arange(15)))[None] / 1e4 + 1e-4
    pixel[0, *place] = 0.1
    assert pyramid.unseen(pixel, pixel)[0] > 1e-2
    assert pyramid.unseen(pixel, slope)[0] < 1e-5 and pyramid.unseen(0 * pixel, pixel)[0] == 0


def test_stripes_are_detail_whichever_way_they_run():
    stripes = np.broadcast_to(np.float32([1, 3] * 8)[None, None] / 512, (1, 16, 16))
    across, down = pyramid.unseen(stripes, stripes), pyramid.unseen(*[stripes.swapaxes(1, 2)] * 2)
    assert across[0] > 1e-3
    np.testing.assert_allclose(across, down, rtol=1e-6)


def test_interpolation_is_exact_at_the_nodes_and_errs_by_the_product_elsewhere():
    nodes = np.array([0.7, 0.1, 0.02, 0.003])
    a, b = np.geomspace(1e-4, 1, 40)[:, None], np.concatenate([nodes, np.geomspace(1e-4, 1, 37)])[None]

    def ratios(x):
        return np.prod([(x - node) / (x + node) for node in nodes], 0)

    expected = a * b / (a + b) * (1 - ratios(a) * ratios(b))
    np.testing.assert_allclose(interpolated(a, b, nodes), expected, rtol=1e-9)
    np.testing.assert_allclose(expected[:, :4], (a * b / (a + b))[:, :4], rtol=1e-12)
    assert np.abs(ratios(a) * ratios(b)).max() <= 1


def test_nodes_follow_the_range_of_the_maps():
    generator = np.random.default_rng(6)
    flat = generator.random((1, 16, 16)) + 0.5
    sharp = np.full((1, 16, 16), 1e-3)
    sharp[0, 5, 5] = 1
    nothing = np.zeros((1, 16, 16))
    for own, other in ((flat, flat), (sharp, flat), (flat, sharp), (sharp, sharp)):
        own, other = (np.float32(0.5 * maps / maps.sum()) for maps in (own, other))
        errors = []
        for number in (2, 4, 5, 8, 16):
            nodes = np.float64(separable_approximation.nodes(own, other, number)[0])
            ratio = nodes[:-1] / nodes[1:]
            assert nodes[-1] < min(np.median(own), np.median(other)) and nodes[0] > max(own.max(), other.max()) / 2
            assert (ratio > 1.99).all() and np.ptp(ratio) < 1e-3 * ratio.max()
            a, b = (np.float64(np.unique(maps))[:: 1 + len(np.unique(maps)) // 50] for maps in (own, other))
            a, b = a[:, None], b[None]
            errors.append(np.abs(interpolated(a, b, nodes) / (a * b / (a + b)) - 1).max())
        assert errors[2] < 0.06 and errors[3] < errors[2] < errors[1] < errors[0] and errors[4] < 1e-3
    for own, other in ((nothing, flat), (flat, nothing), (nothing, nothing)):
        nodes = separable_approximation.nodes(np.float32(own), np.float32(other), 5)
        assert (
            np.isfinite(nodes).all() and (nodes > 0).all() and np.isfinite(separable_approximation.weights(nodes)).all()
        )


def test_more_nodes_come_closer():
    own, other = pairs(8, 20, 12, 10)
    exact = np.stack([slow.search(a, b)[2] for a, b in zip(own, other, strict=True)])
    errors = []
    for nodes in (2, 4, 8):
        made = np.moveaxis(jax.jit(fft_search.approximate, static_argnums=2)(own, other, nodes), 1, 0).reshape(20, -1)
        errors.append(np.abs(own.sum((1, 2))[:, None] + made - exact).max(1))
    assert (np.median(errors, 1) < [5e-2, 5e-4, 2e-5]).all()  # about half of that when measured


@pytest.mark.parametrize("number", [1, 3, 100])
def test_top_is_what_sorting_finds(number):
    scores = np.random.default_rng(7).permutation(7 * 2 * 9).reshape(7, 2, 9).astype(np.float32)
    made = np.asarray(fft_search.top(jnp.asarray(scores), number))
    for b in range(2):
        order = np.argsort(-scores[:, b].ravel())[:number]
        expected = sorted((place // 9 - 3, place % 9 - 4) for place in order)
        assert sorted(map(tuple, made[b].tolist())) == expected
        assert made[b].tolist() == sorted(made[b].tolist())


# Errors.


def test_wrong_arguments_say_what_came_and_what_was_wanted():
    maps, key = jnp.ones((3, 4, 5)), jax.random.key(0)
    for search in (shifts.rolled, shifts.fourier, shifts.sampled):
        for wrong in (maps[0], maps[:2], maps[..., None], maps[:, :0]):
            with pytest.raises(ValueError, match=r"own has shape \(3, 4, 5\) and other \(.*; wanted two maps for each"):
                search(key, maps, wrong)
    with pytest.raises(ValueError, match=r"shift has shape \(2,\); wanted one \(dy, dx\) for each of 3 pairs, \[3 2\]"):
        shifts.score(maps, maps, jnp.zeros(2, jnp.int32))
    with pytest.raises(
        ValueError, match=r"shifts have shape \(3, 2\); wanted some \(dy, dx\) for each pair, \[3 n 2\]"
    ):
        shifts.best(maps, maps, jnp.zeros((3, 2), jnp.int32))
    for share in (0.0, 1.5, float("nan"), -0.1):
        with pytest.raises(ValueError, match=r"share is .*; wanted a static number above 0, at most 1"):
            shifts.sampled(key, maps, maps, share=share)
    with pytest.raises(ValueError, match=r"share is traced; wanted a static number"):
        jax.jit(lambda s: shifts.sampled(key, maps, maps, share=s))(0.5)
    with pytest.raises(ValueError, match=r"nodes is 0; wanted 1 or more"):
        shifts.fourier(key, maps, maps, nodes=0)
    with pytest.raises(ValueError, match=r"rescore is 2.5; wanted a Python int"):
        shifts.fourier(key, maps, maps, rescore=2.5)
