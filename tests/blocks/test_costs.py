"""Costs of labels: the authors' code, the slow loops, and the energy that they stand for."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import puzzlemix as slow

from jaxmix.blocks import costs as module
from jaxmix.blocks.costs import cells, pool
from jaxmix.saliency import normalize

pytestmark = pytest.mark.unoptimized

slowly = pytest.mark.slow


def both(own, other, maps, share, smoothness, data_weight, blocks, neighbors=4, levels=3):
    """Pooled saliency, and costs of n x m blocks for each pair of images."""
    colors = tuple(cells(x, *blocks, neighbors) for x in (own, other))
    saliency = tuple(pool(normalize(s), *blocks) for s in maps)
    labels = module.prior(1 - jnp.broadcast_to(share, own.shape[:1]), levels, 0.2 / (blocks[0] * blocks[1]))
    return saliency, module.costs(saliency, colors, labels, smoothness=smoothness, data_weight=data_weight)


jitted = jax.jit(both, static_argnames=("blocks", "neighbors", "levels"))
prior = jax.jit(module.prior, static_argnums=1)


def images(seed, shape=(2, 18, 12, 2)):
    generator = np.random.default_rng(seed)
    x = generator.random((2, *shape)).astype(np.float32)
    return x[0], x[1], generator.random((2, *shape[:3])).astype(np.float32)


@pytest.mark.parametrize("n", [pytest.param(2, marks=slowly), 4, pytest.param(8, marks=slowly), 16])
def test_costs_are_those_of_the_authors_code(golden, n):
    # mixup_graph and neigh_penalty of snu-mllab/PuzzleMix @e2dbf3a; tolerances of the golden numbers.
    arrays = golden(f"mixing/puzzle_n{n}")
    own, other = (np.float32(arrays[name]) / 255 for name in ("u8_1", "u8_2"))
    maps = np.float32(np.stack([arrays["s1"], arrays["s2"]]))
    share, smoothness = np.float32(1 - arrays["lam"].astype(np.float32)), np.float32(arrays["beta"]) / (16 * n)
    saliency, found = jitted(own, other, maps, share, np.float32(smoothness), np.float32(0.5), (n, n))
    for made, expected in zip(saliency, (arrays["u1"], arrays["u2"]), strict=True):
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.own, arrays["A"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.other, arrays["B"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.prior, arrays["prior"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.vertical, arrays["wv"], rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.horizontal, arrays["wh"], rtol=0, atol=1e-7)


HALF, TENTH = np.float32(0.5), np.float32(0.1)


@pytest.mark.parametrize(
    ("blocks", "neighbors"), [((3, 2), 4), ((1, 3), 1), pytest.param((1, 1), 4, marks=slowly)], ids=str
)
def test_of_hard_labels_the_energy_is_the_papers_but_for_a_constant(blocks, neighbors):
    own, other, maps = images(sum(blocks))
    _, found = jitted(own, other, maps, HALF, TENTH, HALF, blocks, neighbors)
    for i in range(len(own)):
        saliency = [slow.pool(s[i].astype(float), *blocks) for s in maps]
        unlike = slow.borders(own[i].astype(float), other[i].astype(float), *blocks, neighbors)
        weight = 0.2 / (blocks[0] * blocks[1])
        differences = []
        for labels in itertools.product([0.0, 1.0], repeat=blocks[0] * blocks[1]):
            z = np.reshape(labels, blocks)
            paper = slow.hard_energy(z, saliency, unlike, slow.prior(0.5, 3, weight), 0.1, 0.5)
            differences.append(paper - slow.energy(z, *(np.asarray(cost[i], float) for cost in found)))
        np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-6)  # a dozen float32 roundings


def test_different_neighbors_never_lower_the_energy_and_costs_are_finite_whatever_the_images():
    own, other, maps = images(1)
    for factor in (1.0, 30.0, 1e38, np.inf, np.nan):
        x = np.float32(factor) * own
        _, found = jitted(x, other, maps, HALF, TENTH, np.float32(1.0), (3, 2), 4)
        assert all(np.isfinite(cost).all() for cost in found)
        assert min(found.vertical.min(), found.horizontal.min()) >= -1e-8  # a rounding of 0.1


@pytest.mark.parametrize(("levels", "expected"), [(3, [0.017329, 0.008664, 0.017329]), (2, [0.008664, 0.008664])])
def test_the_prior_is_the_binomial_distribution(levels, expected):
    own_share = np.array([0.5, 0.0, 0.1, 0.7, 1.0], np.float32)
    np.testing.assert_allclose(prior(own_share, levels, 0.2 / 16)[0], expected, rtol=0, atol=1e-6)
    found = prior(own_share, levels, 1.0)
    expected = [slow.prior(s, levels, 1.0) for s in own_share.astype(float)]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)  # probabilities are roundings of 6e-8 off


@pytest.mark.parametrize(("size", "grid"), [((6, 4), (3, 2)), ((3, 2), (6, 4)), ((3, 5), (2, 4)), ((7, 1), (1, 3))])
def test_pooling_divides_pixels_by_area(size, grid):
    maps = np.random.default_rng(0).random((3, *size)).astype(np.float32)
    maps /= maps.sum((1, 2), keepdims=True)
    expected = [slow.pool(one.astype(float), *grid) for one in maps]
    made = jax.jit(pool, static_argnums=(1, 2))(maps, *grid)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)  # a dozen roundings


@pytest.mark.parametrize(("side", "expected"), [(4, (3, 3)), (5, (3, 3)), (2, (2, 1)), (1, (1, 1)), (100, (6, 3))])
def test_cells_are_as_long_as_wanted_or_the_next_length_that_fits(side, expected):
    x = np.random.default_rng(0).random((2, 12, 9, 3)).astype(np.float32)
    down, across = expected
    found = jax.jit(cells, static_argnums=(1, 2, 3))(x, 2, 3, side)
    assert found.shape == (3, 2, 12 // down, 9 // across)
    mean = x.reshape(2, 12 // down, down, 9 // across, across, 3).mean((2, 4))
    np.testing.assert_allclose(found, np.moveaxis(mean, 3, 0), rtol=0, atol=1e-6)
