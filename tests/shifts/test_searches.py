"""Scores of shifts, and the searches for the best: exhaustive, by FFT, and of a random sample."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import sage as slow
from reference.saliency_pairs import blobs, mixture, noise, pairs

from jaxmix import saliency, shifts
from jaxmix.shifts import fft_search, pyramid

SEARCHES = {"rolled": shifts.rolled, "fourier": shifts.fourier}

score = jax.jit(shifts.score)
best = jax.jit(shifts.best)
searches = {name: jax.jit(function) for name, function in SEARCHES.items()}
every_search = pytest.mark.parametrize("name", SEARCHES)
# One size shows what holds; single rows, columns and pixels are compiled in the slow tests.
every_size = pytest.mark.parametrize(
    "size", [(5, 4), *(pytest.param(size, marks=pytest.mark.slow) for size in [(1, 6), (6, 1), (1, 1)])], ids=str
)


def scores(own, other, candidates):
    """Scores of the same shifts for all pairs, [n b]: one program for all that have the size of the maps."""
    repeated = np.broadcast_to(np.int32(candidates)[:, None], (len(candidates), len(own), 2))
    return np.stack([score(own, other, shift) for shift in repeated])


def example():
    """The worked example of 2 x 2 pixels."""
    own, other = np.zeros((2, 1, 2, 2), np.float32)
    own[0, 0, 0], other[0, 0, 0], other[0, 1, 1] = 0.5, 0.25, 0.25
    return own, other


# Scores.


def test_the_worked_example_of_two_by_two_pixels():
    own, other = example()
    expected = {(0, 0): 0.6667, (1, 1): 0.75, (0, 1): 0.75, (1, 0): 0.75, (-1, -1): 0.4167, (1, -1): 0.5, (-1, 1): 0.5}
    np.testing.assert_allclose(scores(own, other, list(expected))[:, 0], list(expected.values()), atol=5e-5)
    for search in SEARCHES.values():
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
    values, weights = np.transpose(list(expected.values()))
    np.testing.assert_allclose(scores(own, other, list(expected))[:, 0], values, rtol=0, atol=1e-6)
    moved = np.float32([slow.moved(other[0], shift) for shift in expected])
    mask = jax.jit(shifts.own_share)(np.repeat(own, 7, 0), moved)
    np.testing.assert_allclose(mask.mean((1, 2)), weights, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        mask[0, ::3], [[0.4438, 0.4891, 0.2618, 0.2852], [0.3744, 0.1376, 0.4438, 0.3131]], atol=5e-5
    )
    for search in SEARCHES.values():
        assert search(None, own, other).tolist() == [[0, 0]]


@every_size
def test_scores_agree_with_the_slow_loops_and_lie_between_half_and_all_of_what_is_in_the_frame(size):
    own, other = pairs(0, 3, *size)
    own[0, 0], other[0, :, 0] = 0, 0
    every = slow.all_shifts(*size)
    for shift, value in zip(every, scores(own, other, every), strict=True):
        expected = [slow.score(a, b, shift) for a, b in zip(own, other, strict=True)]
        np.testing.assert_allclose(value, expected, rtol=0, atol=3e-7)  # sums of at most 1 in float32
        inside = np.array([a.sum() + slow.moved(b, shift).sum() for a, b in zip(own, other, strict=True)])
        assert (value >= inside / 2 - 3e-7).all() and (value <= inside + 3e-7).all() and (inside <= 1 + 3e-7).all()


def test_top_scored_shifts_are_in_the_order_of_their_scores():
    own, other = pairs(11, 2, 6, 5)
    tried = np.int32([(0, 0), (1, 0), (2, 1), (-1, 2)])
    for number in (3, 9):
        made = np.asarray(shifts.scores.top_scored(own, other, np.broadcast_to(tried[None], (2, 4, 2)), number))
        for b in range(2):
            order = sorted(map(tuple, tried.tolist()), key=lambda shift: -slow.score(own[b], other[b], shift))
            assert [tuple(shift) for shift in made[b].tolist()] == order[:number]


# Searches.


@every_size
def test_searches_find_what_the_slow_loops_find(size):
    own, other = pairs(1, 9, *size)
    own[0], other[1] = 0, 0
    own[2] = other[2] = 0
    for search in searches.values():
        found = np.asarray(search(None, own, other))
        assert found.dtype == np.int32
        for b in range(9):
            _, highest, _ = slow.search(own[b], other[b])
            assert (np.abs(found[b]) < size).all()
            assert slow.score(own[b], other[b], found[b]) == pytest.approx(highest, abs=3e-7)  # float32 sums of 1


@every_size
def test_of_equal_scores_rolled_takes_the_first_row_by_row(size):
    # Of 0 and 1/16 only, so that sums and quotients are exact, and many scores are equal.
    own, other = np.float32(np.random.default_rng(2).integers(0, 2, (2, 9, *size))) / 16
    found = searches["rolled"](None, own, other)
    assert [tuple(shift) for shift in found.tolist()] == [slow.search(a, b)[0] for a, b in zip(own, other, strict=True)]


@pytest.mark.parametrize("name", ["sage_w32", pytest.param("sage_w64", marks=pytest.mark.slow)])
def test_best_shifts_are_the_authors(golden, name):
    # utils_SAGE.py of SamsungLabs/SAGE. Their choice among all shifts equals that of a search in float64.
    arrays = golden(f"mixing/{name}")
    share = arrays["a"][:, None, None]
    own, other = np.float32(share * arrays["n1"]), np.float32((1 - share) * arrays["n2"])
    np.testing.assert_allclose(score(own, other, arrays["best_tau"]), arrays["best_v"], rtol=0, atol=1e-6)
    close = arrays["best_v"] - arrays["second_v"] < 2e-6
    for search in searches.values():
        found = np.asarray(search(None, own, other))
        np.testing.assert_array_equal(found[~close], arrays["best_tau"][~close])
        np.testing.assert_allclose(score(own, other, found)[close], arrays["best_v"][close], rtol=0, atol=2e-6)
    np.testing.assert_array_equal(best(own, other, arrays["tau39"]), arrays["tau39_best"])
    values = np.stack([score(own, other, arrays["tau39"][:, k]) for k in range(39)], 1)
    np.testing.assert_allclose(values, arrays["v39"], rtol=0, atol=1e-5)


def losses(own, other):
    """How far the score of what fourier finds is below the best."""
    found, exact = searches["fourier"](None, own, other), searches["rolled"](None, own, other)
    return np.asarray(score(own, other, exact)) - np.asarray(score(own, other, found))


MANY = [((64, 64), 100, 0), ((19, 33), 300, 0), ((32, 32), 1000, 1)]


@pytest.mark.parametrize(
    ("size", "number", "missed"),
    [((32, 32), 200, 0), *(pytest.param(*case, marks=pytest.mark.slow) for case in MANY)],
)
def test_fourier_finds_the_best_of_all_shifts(size, number, missed):
    for seed in range(100, 100 + number, 100):
        own, other = pairs(seed, 100, *size)
        loss = losses(own, other)
        missed -= (loss > 1e-5).sum()
        assert loss.max() < 1e-3
    assert missed >= 0


def check_large(kind, smoothed, seeds):
    own, other = (
        np.concatenate(maps) for maps in zip(*(pairs(seed, 3, 132, 140, (kind,)) for seed in seeds), strict=True)
    )
    if smoothed:
        own, other = (np.asarray(saliency.smooth(maps, sigma=1.5, size=9)) for maps in (own, other))
    small = np.asarray(jax.jit(pyramid.lost_detail)(own, other)) < 1e-5
    assert small.all() if smoothed or kind is blobs else not small.any()
    assert losses(own, other).max() < 1e-5


@pytest.mark.slow
def test_fourier_finds_the_best_of_all_shifts_of_large_smooth_maps():
    check_large(blobs, False, (20,))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [blobs, mixture, noise], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("smoothed", [True, False], ids=["smoothed", "raw"])
def test_fourier_finds_the_best_of_all_shifts_of_large_maps_with_detail_and_without(kind, smoothed):
    check_large(kind, smoothed, (20, 21))


@functools.partial(jax.jit, static_argnames="half")
def one_node(own, other, half):
    """The shift of a search with one node and no other candidate: with half the size and without the two differ."""
    if not half:
        return fft_search.top(fft_search.approximate(own, other, 1), 1)[:, 0]
    coarse = fft_search.top(fft_search.approximate(pyramid.downsample(own), pyramid.downsample(other), 1), 1)
    return shifts.best(own, other, pyramid.neighborhoods(2 * coarse))


def test_only_large_maps_with_even_sides_have_a_search_at_half_their_size():
    for size in [(132, 140), (131, 140), (140, 131), (128, 140)]:
        maps = jax.ShapeDtypeStruct((3, *size), jnp.float32)
        program = str(jax.make_jaxpr(functools.partial(shifts.fourier, None))(maps, maps))
        assert ("cond[" in program) == (size == (132, 140))


@pytest.mark.parametrize(
    "size",
    [(132, 140), *(pytest.param(size, marks=pytest.mark.slow) for size in [(131, 140), (140, 131), (128, 140)])],
    ids=str,
)
def test_only_maps_with_little_detail_are_searched_at_half_their_size(size):
    search = jax.jit(functools.partial(shifts.fourier, None, nodes=1, rescore=1))
    own, other = pairs(12, 3, *size, (blobs,))
    rough, flat = pairs(12, 3, *size, (noise,))
    np.testing.assert_array_equal(search(rough, flat), one_node(rough, flat, False))
    half = size == (132, 140)
    np.testing.assert_array_equal(search(own, other), one_node(own, other, half))
    if half:
        assert (one_node(own, other, True) != one_node(own, other, False)).any()
        assert (one_node(rough, flat, True) != one_node(rough, flat, False)).any()
        # One pair with detail is enough for all to be searched at full size.
        mixed = (np.concatenate([a[:2], b[:1]]) for a, b in ((own, rough), (other, flat)))
        np.testing.assert_array_equal(search(*mixed)[:2], one_node(own, other, False)[:2])


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
        # And the less, where the own image's share is larger: only a corner is left in the frame.
        found = searches[name](None, share * flat, (1 - share) * flat)
        assert np.abs(found).tolist() == [[11, 9]]


def test_one_shift_of_the_batch_is_held_at_a_time():
    own, other = (jax.ShapeDtypeStruct((100, 32, 32), jnp.float32),) * 2
    maps = 100 * 32 * 32 * 4
    memory = searches["rolled"].lower(None, own, other).compile().memory_analysis()
    # The maps as rows, the other one four times, what moves and what it gains. All shifts would be 1024 times the maps.
    assert memory.temp_size_in_bytes < 16 * maps
    memory = searches["fourier"].lower(None, own, other).compile().memory_analysis()
    # Spectra are four times a map: two of them, their correlation and what it is made of.
    assert memory.temp_size_in_bytes < 64 * maps


@pytest.mark.parametrize("number", [1, 3, 100])
def test_top_is_what_sorting_finds(number):
    scores = np.random.default_rng(7).permutation(7 * 2 * 9).reshape(7, 2, 9).astype(np.float32)
    made = np.asarray(jax.jit(fft_search.top, static_argnums=1)(scores, number))
    for b in range(2):
        order = np.argsort(-scores[:, b].ravel())[:number]
        expected = sorted((place // 9 - 3, place % 9 - 4) for place in order)
        assert sorted(map(tuple, made[b].tolist())) == expected
        assert made[b].tolist() == sorted(made[b].tolist())


# A sample of the shifts.


def candidates(monkeypatch, key, size, share):
    """The shifts that are scored."""
    seen = []
    monkeypatch.setattr(
        shifts.scores, "best", lambda own, other, candidates: seen.append(candidates) or candidates[:, 0]
    )
    maps = np.ones((3, *size), np.float32)
    shifts.sampled(key, maps, maps, share=share)
    return np.asarray(seen[0])


@pytest.mark.parametrize(
    ("size", "share", "number"),
    [
        ((32, 32), 0.01, 39),
        ((5, 4), 1.0, 63),
        ((5, 4), 0.001, 1),
        pytest.param((64, 64), 0.01, 161, marks=pytest.mark.slow),
    ],
)
def test_sampled_scores_distinct_shifts_the_same_for_all_pairs(monkeypatch, size, share, number):
    one, other = (candidates(monkeypatch, jax.random.key(seed), size, share) for seed in (0, 1))
    assert one.shape == (3, number, 2)
    assert (one == one[:1]).all() and (np.abs(one) < size).all()
    assert len({tuple(shift) for shift in one[0].tolist()}) == number
    assert number == 1 or not np.array_equal(one, other)


def test_sampled_shifts_are_uniform(monkeypatch):
    counts = np.zeros((5, 7))
    for seed in range(100):
        for dy, dx in candidates(monkeypatch, jax.random.key(seed), (3, 4), 0.2)[0]:
            counts[dy + 2, dx + 3] += 1
    # 7 of 35 each time. chi-square has mean 34 (less, without repetition) and variance 68: four standard deviations.
    assert counts.sum() == 100 * 7
    assert ((counts - 20) ** 2 / 20).sum() < 34 + 4 * math.sqrt(68)


def test_sampled_is_never_better_than_the_best_and_finds_it_among_all():
    own, other = pairs(4, 9, 5, 4)
    highest = np.asarray(score(own, other, searches["rolled"](None, own, other)))
    for seed in range(3):
        some = score(own, other, shifts.sampled(jax.random.key(seed), own, other, share=0.2))
        assert (np.asarray(some) <= highest + 3e-7).all()  # sums in another order
    every = score(own, other, shifts.sampled(jax.random.key(0), own, other, share=1.0))
    np.testing.assert_allclose(every, highest, rtol=0, atol=3e-7)


# Errors.


def test_mistakes_say_what_came_and_what_was_wanted():
    maps, key = jnp.ones((3, 4, 5)), jax.random.key(0)
    for search in (shifts.rolled, shifts.fourier, shifts.sampled):
        for wrong in (np.ones((4, 5)), np.ones((2, 4, 5)), np.ones((3, 4, 5, 1)), np.ones((3, 0, 5))):
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
