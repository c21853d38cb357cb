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

pytestmark = pytest.mark.unoptimized

WEIGHTS = {"smoothness": 0.32, "diversity": 1.0, "threshold": 0.83}
run = jax.jit(comixup, static_argnames="group")
costs = jax.jit(module.costs, static_argnums=3)


def as_parents(z):
    """The two inputs of every block of labels z [..., g, g, n], or twice the one that holds it whole."""
    held = np.argsort(-z, -1, kind="stable")[..., :2]
    return np.where(z.max(-1, keepdims=True) == 1, held[..., :1], held)


# The authors' numbers: match.py and utils.py of snu-mllab/Co-Mixup @2a76816; tolerances of the golden numbers.


@jax.jit
def found(saliency, demand):
    """Peaks, compatibility, and costs with and without a demand."""
    real = np.ones(demand.shape, bool)
    maps = normalize(saliency.reshape(-1, *saliency.shape[2:])).reshape(saliency.shape)
    place = module.peaks(maps)
    priced = [module.costs(maps, wanted, jnp.float32(w), 4) for wanted, w in ((demand, 0.05), (demand * 0 + 1, 0))]
    return place, module.compatible(place, real, jnp.float32(0.001)), priced


@jax.jit
def dealt(parents, x):
    mix = groups.mix_of_parents(parents, np.ones(parents.shape[:2], bool))
    first = jax.tree.map(lambda leaf: leaf[: len(x)], mix)
    return mix, jaxmix.apply(first, x)


several = pytest.mark.parametrize("inputs", [8, pytest.param(20, marks=pytest.mark.slow)])


@several
def test_costs_and_compatibility_are_those_of_the_authors_code(golden, inputs):
    numbers = golden(f"mixing/comix_N{inputs}")
    place, compatibility, priced = found(numbers["s"], numbers["alpha"])
    np.testing.assert_array_equal(place, numbers["positions"])
    np.testing.assert_allclose(compatibility, numbers["A"], rtol=0, atol=1e-6)
    for cost, name in zip(priced, ("c_prior", "c"), strict=True):
        np.testing.assert_allclose(np.moveaxis(cost, 3, 1), numbers[name], rtol=0, atol=1e-6)


@several
def test_images_and_labels_of_given_blocks_are_the_authors(golden, inputs):
    numbers = golden(f"mixing/comix_N{inputs}")
    mix, images = dealt(np.int32(as_parents(numbers["mask"])), numbers["x"][0])
    weights = np.zeros(numbers["target"].shape)
    batch, slot = np.indices(mix.source.shape)
    source = np.asarray(mix.source)
    weights[source // inputs, batch % inputs, source % inputs] = mix.weight
    np.testing.assert_array_equal(weights, numbers["target"])
    np.testing.assert_allclose(images, numbers["mixed"][0], rtol=0, atol=1e-6)


SHAPE = (7, 12, 8, 2)  # groups of 3, 3 and 1
ALL = WEIGHTS | {"alpha": 2.0, "prior_weight": 0.05, "compatibility": 0.001}


def images_of():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@functools.cache
def mixed(seed=0, **weights):
    maps = np.random.default_rng(seed).random(SHAPE[:3]).astype(np.float32) ** 4
    return run(jax.random.key(seed), images_of(), maps, group=3, **ALL | weights)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 2))
def test_blocks_hold_one_image_or_two_halves_and_labels_are_shared_as_their_blocks(seed, smoothness, diversity):
    images, mix = mixed(seed, smoothness=smoothness, diversity=diversity)
    source, mask = np.asarray(mix.source), np.asarray(mix.mask)
    assert source.tolist() == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [3, 4, 5], [4, 5, 3], [5, 3, 4], [6, 6, 6]]
    assert mask.shape == (7, 3, 4, 4) and set(np.unique(mask)) <= {0.0, 0.5, 1.0}
    np.testing.assert_array_equal(mask.sum(1), 1)
    assert ((mask > 0).sum(1) <= 2).all()
    np.testing.assert_array_equal(mix.weight, mask.mean((2, 3)))  # 16 blocks: sums of 32nds are exact
    np.testing.assert_array_equal(images[6], images_of()[6])  # alone in its group
    np.testing.assert_allclose(images, mixing.apply(mix, images_of()), rtol=0, atol=1e-6)


def test_smooth_outputs_hold_one_image_and_without_diversity_all_hold_the_same():
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
        np.testing.assert_array_equal(images, images_of())
        np.testing.assert_array_equal(mix.weight[:, 0], 1)


def test_images_of_equal_saliency_are_all_used():
    maps = np.broadcast_to(np.random.default_rng(0).random(SHAPE[1:3]), SHAPE[:3]).astype(np.float32)
    for saliency in (maps, np.zeros_like(maps), np.full_like(maps, np.nan)):
        _, mix = run(jax.random.key(0), images_of(), saliency, group=3, **ALL)
        assert np.isfinite(mix.weight).all()
        # An output takes of an image only where the others use it less than the threshold, as one of three always is.
        use = np.zeros(7)
        np.add.at(use, np.asarray(mix.source), np.asarray(mix.weight))
        assert use.max() <= 0.83 + 1


def test_coarse_maps_cost_what_fine_ones_do():
    generator = np.random.default_rng(3)
    maps, wanted = generator.random((2, 4, 12, 12), np.float32), generator.random((2, 4), np.float32)
    coarse = maps.reshape(2, 4, 3, 4, 3, 4).sum((3, 5))
    fine, same = (costs(m, wanted, np.float32(0.05), 3) for m in (maps, coarse))
    np.testing.assert_allclose(fine, same, rtol=1e-6)


def test_demand_is_dirichlet_and_the_start_any_input_of_the_group():
    real = groups.occupancy(799 * 4 - 2, 4)

    @jax.jit
    def sampled(alpha):
        demand = module.dirichlet(jax.random.key(0), alpha, real)
        return demand, module.random_inputs(jax.random.key(1), real, 2)

    wanted, start = map(np.asarray, sampled(2.0))
    np.testing.assert_allclose(wanted.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(wanted[-1, 2:], 0)
    variance = 1 / 4 * 3 / 4 / (4 * 2 + 1)
    assert abs(wanted[:-1, 0].mean() - 1 / 4) < 4 * np.sqrt(variance / 798)
    assert abs(wanted[:-1].var() / variance - 1) < 4 * np.sqrt(2 / 798)
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
        jax.eval_shape(functools.partial(comixup, **options), jax.random.key(0), images_of(), images_of()[..., 0])


def test_one_sample_says_what_to_do():
    with pytest.raises(ValueError, match="one sample, and mixing needs a partner: pass two or more"):
        jax.eval_shape(comixup, jax.random.key(0), images_of()[:1], images_of()[:1, ..., 0])
