"""Block labels: the minimum of the energy, against exhaustive search, the authors' problems and their optima."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import labels as slow

from jaxmix.blocks.labeling import certified, energy, label

pytestmark = pytest.mark.unoptimized

# The solver takes a gap of 1e-6 of all costs for rounding, and here costs sum to 4 at most.
EXACT = 4e-6
slowly = pytest.mark.slow


def problems(seed, shape, labels, *, size=8, smoothness=1.0, prior=1.0):
    """Costs like PuzzleMix's, some of them more or less smooth, with more or less prior, some not convex."""
    generator = np.random.default_rng(seed)
    rows, columns = shape
    blocks = rows * columns
    own, other = generator.exponential(1 / blocks, (2, size, rows, columns))
    scale = smoothness * 10 ** generator.uniform(-1.5, 0.5, (size, 1, 1)) / blocks
    priors = prior * generator.exponential(0.2 / blocks, (size, labels)) * generator.integers(0, 3, (size, 1))
    vertical = scale * generator.uniform(0.5, 1.5, (size, rows - 1, columns))
    horizontal = scale * generator.uniform(0.5, 1.5, (size, rows, columns - 1))
    return tuple(x.astype(np.float32) for x in (own, other, priors, vertical, horizontal))


def exact_energies(z, problem):
    """In float64: a float32 sum would hide what is looked for."""
    arrays = zip(np.asarray(z, np.float64), *(x.astype(np.float64) for x in problem), strict=True)
    return np.array([slow.energy(*one) for one in arrays])


def optima(problem):
    return np.array([slow.least(*(x.astype(np.float64) for x in one)) for one in zip(*problem, strict=True)])


def test_the_two_references_agree():
    for seed, shape, labels in ((0, (2, 3), 3), (1, (3, 2), 2), (2, (1, 4), 3), (3, (3, 1), 4)):
        for one in zip(*problems(seed, shape, labels, size=3), strict=True):
            assert slow.least(*one) == pytest.approx(slow.least_of_all(*one), rel=1e-6)  # float32 inputs


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((1, 6), 3), ((3, 4), 5), *(pytest.param(*case, marks=slowly) for case in [((1, 1), 2), ((6, 2), 2)])],
)
def test_labels_have_the_least_energy_of_all(shape, labels):
    problem = problems(labels, shape, labels)
    z, gap = certified(*problem)
    assert z.shape == (8, *shape) and z.dtype == gap.dtype == jnp.float32
    assert np.isin(z, np.float32(np.arange(labels) / (labels - 1))).all()
    np.testing.assert_allclose(exact_energies(z, problem), optima(problem), rtol=0, atol=EXACT)
    assert (gap >= 0).all() and np.max(gap) < EXACT


@pytest.mark.parametrize("blocks", [pytest.param(2, marks=slowly), 4, pytest.param(8, marks=slowly), 16])
def test_labels_of_the_authors_problems_are_optimal_and_known_to_be(golden, blocks):
    pairs = golden(f"mixing/puzzle_n{blocks}")
    problem = tuple(pairs[name] for name in ("A", "B", "prior", "wv", "wh"))
    z, gap = certified(*(np.float32(x) for x in problem))
    above = exact_energies(z, problem) - pairs["E_opt"]
    assert above.min() > -1e-12  # float64
    assert above.max() < EXACT
    assert np.max(gap) < EXACT
    assert (above <= np.asarray(gap) + 2e-7).all()  # a gap is a float32 sum of values that sum to about 1
    official = pairs["E_official"][~pairs["overflow"]]
    assert (pairs["E_opt"][~pairs["overflow"]] + above[~pairs["overflow"]] <= official + EXACT).all()


@pytest.mark.parametrize(("seeds", "least_unsolved"), [(4, 1), pytest.param(20, 5, marks=slowly)])
def test_the_gap_bounds_how_far_labels_are_from_the_optimum_also_when_stopped_early(seeds, least_unsolved):
    unsolved = 0
    for seed in range(seeds):
        problem = problems(seed, (4, 5), 3, smoothness=3)
        least = optima(problem)
        for iterations in (1, 200):
            z, gap = certified(*problem, iterations=iterations)
            above = exact_energies(z, problem) - least
            assert (above <= np.asarray(gap) + 2e-7).all()  # float32 sums of values that sum to about 1
            unsolved += np.sum(gap > 1e-4)
        assert np.max(gap) < EXACT and above.max() < EXACT
    assert unsolved > least_unsolved


def test_energy_agrees_with_the_slow_loops():
    problem = problems(1, (3, 4), 5, size=4)
    z = np.random.default_rng(0).integers(0, 5, (4, 3, 4)).astype(np.float32) / 4
    np.testing.assert_allclose(jax.jit(energy)(z, *problem), exact_energies(z, problem), rtol=1e-6)


def batch():
    return problems(7, (4, 5), 3)


def ties(seed):
    """Costs of 0 and 1, and edges and prior that make up for them: many labels are equally good."""
    own, other = np.random.default_rng(seed).integers(0, 2, (2, 8, 4, 5)).astype(np.float32)
    return own, other, np.zeros((8, 3), np.float32), np.ones((8, 3, 5), np.float32), np.ones((8, 4, 4), np.float32)


def test_a_samples_labels_do_not_depend_on_the_batch():
    for problem in (batch(), *map(ties, range(5))):
        z = np.asarray(certified(*problem)[0])
        order = np.random.default_rng(0).permutation(8)
        np.testing.assert_array_equal(certified(*(x[order] for x in problem))[0], z[order])
        # The others are soon solved, or need many iterations.
        for others in ([np.zeros_like(x) for x in problem], ties(9)):
            mixed = (np.concatenate([x[:4], y[4:]]) for x, y in zip(problem, others, strict=True))
            np.testing.assert_array_equal(certified(*mixed)[0][:4], z[:4])


def test_labels_are_optimal_where_many_others_are_too():
    for seed in (22, 57):  # labels that are best one by one, though not together
        problem = ties(seed)
        z, gap = certified(*problem, iterations=2000)
        np.testing.assert_allclose(exact_energies(z, problem), optima(problem), rtol=0, atol=1e-9)  # multiples of 1/4
        assert np.max(gap) < 40 * 1e-6  # costs and edges sum to about 40


def test_labels_are_the_same_eager_jitted_and_mapped():
    problem = batch()
    mapped = jax.jit(jax.vmap(label))(*(x[:, None] for x in problem))
    np.testing.assert_array_equal(mapped[:, 0], label(*problem))
    with jax.enable_x64(True):
        assert jax.eval_shape(label, *problem).dtype == jnp.float32


def test_swapping_the_images_swaps_the_labels_and_units_do_not_matter():
    own, other, prior, *edges = batch()
    z = certified(own, other, prior, *edges)[0]
    np.testing.assert_array_equal(certified(other, own, prior[:, ::-1], *edges)[0], 1 - z)
    for factor in (2.0**-60, 2.0**60):
        scaled = (np.float32(factor) * x for x in (own, other, prior, *edges))
        np.testing.assert_array_equal(certified(*scaled)[0], z)


def test_without_smoothness_every_block_takes_its_cheapest_label_and_with_much_all_are_alike():
    own, other, prior, *edges = batch()
    z = certified(own, other, prior, *(0 * w for w in edges))[0]
    every = np.stack([k / 2 * own + (1 - k / 2) * other + prior[:, k, None, None] for k in range(3)])
    np.testing.assert_array_equal(z, every.argmin(0) / 2)
    z = certified(own, other, prior, *(1e6 * w for w in edges))[0]
    np.testing.assert_array_equal(z, np.broadcast_to((every.sum((2, 3)).argmin(0) / 2)[:, None, None], z.shape))


def test_one_block_of_huge_saliency_does_not_spoil_the_others():
    own, other, prior, *edges = batch()
    own[:, 1, 2] = 1e6
    z, gap = certified(own, other, prior, *edges)
    assert (z[:, 1, 2] == 0).all() and np.max(gap) < EXACT
    # Any cost that no neighbors can compensate for has the same effect.
    own[:, 1, 2] = 50
    above = exact_energies(z, (own, other, prior, *edges)) - optima((own, other, prior, *edges))
    assert above.max() < EXACT


def test_equal_costs_everywhere_give_one_label():
    prior = np.float32(np.random.default_rng(0).random((8, 3)))
    edges = np.ones((8, 3, 5), np.float32), np.ones((8, 4, 4), np.float32)
    even = np.full((8, 4, 5), 1 / 20, np.float32)
    z, gap = certified(even, even, prior, *edges)
    np.testing.assert_array_equal(z, np.broadcast_to(prior.argmin(1)[:, None, None] / 2, z.shape))
    z, gap = certified(even, even, 0 * prior, *edges)
    assert np.max(gap) == 0 and all(len(np.unique(one)) == 1 for one in z)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
def test_costs_that_are_not_finite_or_negative_weights_still_give_labels(value):
    for index in range(5):
        problem = batch()
        if index < 3 and value == -1:
            continue  # costs may be negative
        problem[index][:4][np.random.default_rng(index).random(problem[index][:4].shape) < 0.3] = value
        problem[index][4:6] = value
        z, gap = certified(*problem)
        assert np.isin(z, [0, 0.5, 1]).all() and np.isfinite(gap).all()
        np.testing.assert_array_equal(z[6:], certified(*batch())[0][6:])


def test_there_is_no_gradient():
    own, *rest = batch()
    assert (jax.grad(lambda x: label(x, *rest).sum())(jnp.asarray(own)) == 0).all()


def test_labels_lower_for_other_devices():
    exported = jax.export.export(jax.jit(label), platforms=("cpu", "cuda", "tpu"))(*batch())
    assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()


def test_mistakes_are_explained():
    own, other, prior, vertical, horizontal = batch()
    for wrong, message in (
        ((own[0], other[0], prior, vertical, horizontal), r"wanted both \[b n m\]"),
        ((own, other[:, 1:], prior, vertical, horizontal), r"wanted both \[b n m\]"),
        ((own, other, prior[0], vertical, horizontal), r"wanted \[b l\]"),
        ((own, other, prior[:, :1], vertical, horizontal), "two or more labels"),
        ((own, other, prior, horizontal, vertical), "one weight for each pair of neighbors"),
    ):
        with pytest.raises(ValueError, match=message):
            label(*wrong)
        with pytest.raises(ValueError, match=message):
            energy(own, *wrong)
    with pytest.raises(ValueError, match="wanted one label per block"):
        energy(own[:, 1:], *batch())
    with pytest.raises(ValueError, match="wanted 1 or more"):
        label(*batch(), iterations=0)
    with pytest.raises(ValueError, match="static"):
        jax.jit(lambda n: label(*batch(), iterations=n))(3)
