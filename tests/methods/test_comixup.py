"""Co-Mixup: the authors' numbers, the slow equations of a mix, and what must hold for every mix."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mixing

import jaxmix
from jaxmix.blocks import groups
from jaxmix.methods import comixup as module
from jaxmix.methods.comixup import comixup
from jaxmix.saliency import normalize

WEIGHTS = {"smoothness": 0.32, "diversity": 1.0, "threshold": 0.83}
run = jax.jit(comixup, static_argnames="group")
costs = jax.jit(module.costs, static_argnums=3)
peaks = jax.jit(module.peaks)


def as_parents(z):
    """The two inputs of every block of labels z [..., g, g, n], or twice the one that holds it whole."""
    held = np.argsort(-z, -1, kind="stable")[..., :2]
    return np.where(z.max(-1, keepdims=True) == 1, held[..., :1], held)


# The authors' numbers: match.py and utils.py of snu-mllab/Co-Mixup @2a76816; tolerances of the golden numbers.


@pytest.mark.parametrize("inputs", [8, 20])
def test_costs_and_compatibility_are_those_of_the_authors_code(golden, inputs):
    numbers = golden(f"mixing/comix_N{inputs}")
    saliency, alpha = jnp.asarray(numbers["s"]), jnp.asarray(numbers["alpha"])
    real = np.ones(alpha.shape, bool)
    maps = normalize(saliency.reshape(-1, *saliency.shape[2:])).reshape(saliency.shape)
    found = peaks(maps)
    np.testing.assert_array_equal(found, numbers["positions"])
    np.testing.assert_allclose(module.compatible(found, real, jnp.float32(0.001)), numbers["A"], rtol=0, atol=1e-6)
    for wanted, weight, name in ((alpha, 0.05, "c_prior"), (jnp.ones_like(alpha), 0.0, "c")):
        cost = costs(maps, wanted, jnp.float32(weight), 4)
        np.testing.assert_allclose(jnp.moveaxis(cost, 3, 1), numbers[name], rtol=0, atol=1e-6)


def test_pictures_and_labels_of_given_blocks_are_the_authors(golden):
    for inputs in (8, 20):
        numbers = golden(f"mixing/comix_N{inputs}")
        parents = jnp.asarray(as_parents(numbers["mask"]), jnp.int32)
        mix = groups.dealt(parents, np.ones(parents.shape[:2], bool))
        weights = np.zeros(numbers["target"].shape)
        batch, slot = np.indices(mix.source.shape)
        source = np.asarray(mix.source)
        weights[source // inputs, batch % inputs, source % inputs] = mix.weight
        np.testing.assert_array_equal(weights, numbers["target"])
        first = jax.tree.map(lambda leaf, n=inputs: leaf[:n], mix)
        images = jaxmix.apply(first, jnp.asarray(numbers["x"][0]))
        np.testing.assert_allclose(images, numbers["mixed"][0], rtol=0, atol=1e-6)


SHAPE = (7, 12, 8, 2)  # parts of 3, 3 and 1
ALL = WEIGHTS | {"alpha": 2.0, "prior_weight": 0.05, "compatibility": 0.001}


def pictures():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@functools.cache
def mixed(seed=0, **weights):
    maps = np.random.default_rng(seed).random(SHAPE[:3]).astype(np.float32) ** 4
    return run(jax.random.key(seed), pictures(), maps, group=3, **ALL | weights)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 2))
def test_blocks_hold_one_picture_or_two_halves_and_labels_weigh_as_much_as_their_blocks(seed, smoothness, diversity):
    images, mix = mixed(seed, smoothness=smoothness, diversity=diversity)
    source, mask = np.asarray(mix.source), np.asarray(mix.mask)
    assert source.tolist() == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [3, 4, 5], [4, 5, 3], [5, 3, 4], [6, 6, 6]]
    assert mask.shape == (7, 3, 4, 4) and set(np.unique(mask)) <= {0.0, 0.5, 1.0}
    np.testing.assert_array_equal(mask.sum(1), 1)
    assert ((mask > 0).sum(1) <= 2).all()
    np.testing.assert_array_equal(mix.weight, mask.mean((2, 3)))  # 16 blocks: sums of 32nds are exact
    np.testing.assert_array_equal(images[6], pictures()[6])  # alone in its part
    np.testing.assert_allclose(images, mixing.apply(mix, pictures()), rtol=0, atol=1e-6)


def test_smooth_outputs_hold_one_picture_and_without_diversity_all_hold_the_same():
    _, mix = mixed(smoothness=1e4)
    assert set(np.unique(mix.weight)) == {0.0, 1.0}
    _, mix = mixed(diversity=0.0)
    z = np.zeros((2, 3, 3, 4, 4))
    for b, s in itertools.product(range(6), range(3)):
        z[b // 3, b % 3, int(mix.source[b, s]) % 3] = mix.mask[b, s]
    np.testing.assert_array_equal(z, np.broadcast_to(z[:, :1], z.shape))


def test_a_traced_alpha_that_is_not_above_0_mixes_nothing():
    for alpha in (0.0, -1.0, float("nan")):
        images, mix = mixed(alpha=alpha)
        np.testing.assert_array_equal(images, pictures())
        np.testing.assert_array_equal(mix.weight[:, 0], 1)


def test_pictures_that_are_all_alike_are_shared_out_all_the_same():
    maps = np.broadcast_to(np.random.default_rng(0).random(SHAPE[1:3]), SHAPE[:3]).astype(np.float32)
    for saliency in (maps, np.zeros_like(maps), np.full_like(maps, np.nan)):
        _, mix = run(jax.random.key(0), pictures(), saliency, group=3, **ALL)
        assert np.isfinite(mix.weight).all()
        # An output takes of a picture only where the others use it less than the threshold, as one of three always is.
        use = np.zeros(7)
        np.add.at(use, np.asarray(mix.source), np.asarray(mix.weight))
        assert use.max() <= 0.83 + 1


def test_coarse_maps_cost_what_fine_ones_do():
    generator = np.random.default_rng(3)
    maps, wanted = generator.random((2, 4, 12, 12), np.float32), generator.random((2, 4), np.float32)
    coarse = maps.reshape(2, 4, 3, 4, 3, 4).sum((3, 5))
    for blocks in (3, 1):
        fine, same = (costs(m, wanted, jnp.float32(0.05), blocks) for m in (maps, coarse))
        np.testing.assert_allclose(fine, same, rtol=1e-6)


def test_draws_are_dirichlet_shares_and_any_input_of_the_part():
    real = groups.places(799 * 4 - 2, 4)
    wanted = np.asarray(jax.jit(lambda key, alpha: module.dirichlet(key, alpha, real))(jax.random.key(0), 2.0))
    np.testing.assert_allclose(wanted.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(wanted[-1, 2:], 0)
    variance = 1 / 4 * 3 / 4 / (4 * 2 + 1)
    assert abs(wanted[:-1, 0].mean() - 1 / 4) < 4 * np.sqrt(variance / 798)
    assert abs(wanted[:-1].var() / variance - 1) < 4 * np.sqrt(2 / 798)
    start = np.asarray(module.random_inputs(jax.random.key(1), real, 2))
    counts = np.bincount(start[:-1].ravel())
    expected = start[:-1].size / 4
    # chi-square has mean 3 and variance 6: four standard deviations.
    assert len(counts) == 4 and ((counts - expected) ** 2 / expected).sum() < 3 + 4 * np.sqrt(6)
    assert start[-1].max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 5}, r"blocks is 5, which doesn't divide the images' height and width \(12, 8\).*\[1, 2, 4\]"),
        ({"group": 1}, "group is 1; wanted 2 or more"),
        ({"iterations": 0}, "iterations is 0; wanted 1 or more"),
        ({"smoothness": -0.1}, "smoothness is -0.1.*wanted a number from 0 to 10000"),
        ({"compatibility": 1.5}, "compatibility is 1.5; wanted a number from 0 to 1"),
    ],
)
def test_mistakes_say_what_was_wanted(options, message):
    with pytest.raises(ValueError, match=message):
        comixup(jax.random.key(0), pictures(), np.ones(SHAPE[:3], np.float32), **options)


def test_one_sample_says_what_to_do():
    with pytest.raises(ValueError, match="one sample, and mixing needs a partner: pass two or more"):
        comixup(jax.random.key(0), pictures()[:1], np.ones((1, 12, 8), np.float32))
