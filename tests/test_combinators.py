"""Probabilities and choices around methods."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix.warps import Chain, Resample

X = jax.random.uniform(jax.random.key(7), (6, 12, 8, 3))
FOUR = [jaxmix.mixup, jaxmix.cutmix, jaxmix.resizemix, jaxmix.cutout]


def hits(p, per_batch, seeds):
    """Which samples sometimes(...) mixed, [seed, b]: partners are opposites, so a mixed picture differs."""
    never_plain = functools.partial(jaxmix.mixup, alpha=1.0)
    run = jax.jit(lambda k, p: jaxmix.sometimes(never_plain, p, per_batch=per_batch)(k, X)[1].weight[:, 0] < 1)
    return np.array([run(jax.random.key(seed), p) for seed in range(seeds)])


def test_sometimes_decides_per_sample_with_probability_p():
    found = hits(0.3, False, 200)
    assert abs(found.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / found.size)
    assert 0 < found.any(1).mean() and not (found.all(1) | ~found.any(1)).all()


def test_sometimes_per_batch_decides_once_for_all():
    found = hits(0.3, True, 200)
    assert (found.all(1) | ~found.any(1)).all()
    assert abs(found[:, 0].mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 200)


def test_scheduled_cutmix_traces_once():
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(key, x, progress):
        return jaxmix.sometimes(jaxmix.cutmix, progress)(key, x)[0]

    for progress in (0.0, 0.5, 1.0):
        step(jax.random.key(0), X, progress)


@pytest.mark.parametrize("chosen", range(4))
def test_one_of_is_the_drawn_method_key_for_key(chosen):
    run = jaxmix.one_of(FOUR, np.eye(4)[chosen])
    images, mix = run(jax.random.key(3), X)
    alone, alone_mix = jax.jit(FOUR[chosen])(jax.random.key(3), X)
    np.testing.assert_allclose(images, alone, atol=2e-6)
    np.testing.assert_allclose(jaxmix.apply(mix, X), alone, atol=2e-6)
    slots = alone_mix.weight.shape[1]
    np.testing.assert_array_equal(mix.weight[:, :slots], alone_mix.weight)
    np.testing.assert_array_equal(mix.weight[:, slots:], 0)


def test_one_of_draws_in_proportion_to_its_probabilities():
    marked = [lambda key, batch, v=v: (jnp.full_like(batch, v), jaxmix.cutout(key, batch)[1]) for v in (0.0, 1.0, 2.0)]
    run = jax.jit(jax.vmap(lambda k: jaxmix.one_of(marked, [3.0, 0.0, 1.0])(k, X[:1])[0][0, 0, 0, 0]))
    counts = np.bincount(np.asarray(run(jax.random.split(jax.random.key(0), 400)), int), minlength=3)
    assert counts[1] == 0 and abs(counts[0] - 300) < 4 * np.sqrt(400 * 0.75 * 0.25)


def test_methods_with_warps_of_different_kinds_share_one_mix():
    def transposed(key, batch):
        _, mix = jaxmix.resizemix(key, batch)
        upside_down = Chain((mix.warps[1], mix.warps[1].still()))
        mix = mix._replace(warps=(None, upside_down))
        return jaxmix.apply(mix, batch), mix

    for probs in ([1, 0], [0, 1]):
        images, mix = jax.jit(jaxmix.one_of([jaxmix.resizemix, transposed], probs))(jax.random.key(0), X)
        assert isinstance(mix.warps[1], Chain) and isinstance(mix.warps[1].parts[0], Resample)
        np.testing.assert_allclose(jaxmix.apply(mix, X), images, atol=2e-6)


def painted(value):
    """A method that leaves a mark."""
    return lambda key, batch, **_: (jnp.full_like(batch, value), jaxmix.cutout(key, batch)[1])


NESTED = {
    "sometimes of one_of": (jaxmix.sometimes(jaxmix.one_of([painted(1.0), painted(2.0)], [1, 1]), 0.5), [2, 1, 1, 0]),
    "per batch": (
        jaxmix.sometimes(jaxmix.sometimes(painted(1.0), 0.5, per_batch=True), 0.5, per_batch=True),
        [3, 1, 0, 0],
    ),
    "one_of of one_of": (
        jaxmix.one_of([jaxmix.one_of([painted(a), painted(a + 1)], [1, 1]) for a in (0.0, 2.0)], [1, 1]),
        [1, 1, 1, 1],
    ),
    "sometimes of randommix": (
        jaxmix.sometimes(
            functools.partial(jaxmix.randommix, methods=[painted(1.0), painted(2.0)], weights=(1, 1)), 0.5
        ),
        [2, 1, 1, 0],
    ),
    "twice jitted": (jaxmix.sometimes(jax.jit(jaxmix.sometimes(painted(1.0), 0.5)), 0.5), [3, 1, 0, 0]),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_choice_among_choices_draws_anew(name):
    nested, odds = NESTED[name]
    run = jax.jit(jax.vmap(lambda k: nested(k, jnp.zeros((1, 2, 2, 1)))[0][0, 0, 0, 0]))
    found = np.bincount(np.asarray(run(jax.random.split(jax.random.key(5), 800)), int), minlength=4)
    expected = 800 * np.array(odds) / sum(odds)
    assert (found[expected == 0] == 0).all()
    chi = ((found - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
    assert chi < 16.3  # 3 degrees of freedom, one in a thousand


def test_choices_run_under_vmap_over_keys():
    keys = jax.random.split(jax.random.key(0), 3)
    choices = [
        jaxmix.sometimes(jaxmix.mixup, 0.5),
        jaxmix.sometimes(jaxmix.cutmix, 0.5, per_batch=True),
        jaxmix.split([0.5, 0.5], [jaxmix.mixup, jaxmix.cutmix]),
    ]
    for choice in choices:
        together = jax.vmap(choice, in_axes=(0, None))(keys, X)
        for i, key in enumerate(jax.random.split(jax.random.key(0), 3)):
            alone = jax.jit(choice)(key, X)
            chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), alone, atol=2e-6)


def test_eager_choices_are_the_jitted_ones():
    for choice in (jaxmix.one_of(FOUR, [1, 2, 3, 4]), jaxmix.sometimes(jaxmix.resizemix, 0.5, per_batch=True)):
        for seed in range(4):
            eager, compiled = choice(jax.random.key(seed), X), jax.jit(choice)(jax.random.key(seed), X)
            chex.assert_trees_all_close(eager, compiled, atol=2e-6)


def test_changing_traced_probabilities_never_traces_again():
    chex.clear_trace_counter()
    run = jax.jit(chex.assert_max_traces(lambda key, p: jaxmix.one_of(FOUR, p)(key, X)[0], n=1))
    for p in ([1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]):
        run(jax.random.key(0), jnp.array(p))


def test_traced_probabilities_out_of_range_are_the_nearest_ones():
    run = jax.jit(lambda p: jaxmix.sometimes(jaxmix.mixup, p)(jax.random.key(0), X)[0])
    np.testing.assert_array_equal(run(-1.0), X)
    np.testing.assert_array_equal(run(float("nan")), X)
    np.testing.assert_allclose(run(7.0), jaxmix.mixup(jax.random.key(0), X)[0], atol=2e-6)
    weigh = jax.jit(lambda p: jaxmix.one_of([painted(1.0), painted(2.0)], p)(jax.random.key(0), X)[0][0, 0, 0, 0])
    assert weigh(jnp.array([-1.0, 1.0])) == 2 and weigh(jnp.array([1.0, float("nan")])) == 1


def test_split_runs_each_method_on_its_part_with_partners_inside():
    images, mix = jax.jit(jaxmix.split([0.5, 0.5], [jaxmix.mixup, jaxmix.resizemix]))(jax.random.key(0), X)
    np.testing.assert_array_equal(mix.source[:, 1], [1, 2, 0, 4, 5, 3])
    np.testing.assert_allclose(jaxmix.apply(mix, X), images, atol=2e-6)
    np.testing.assert_allclose(mix.weight, np.asarray(mix.mask).mean((2, 3)), atol=1e-6)
    keys = jax.random.split(jax.random.key(0))
    np.testing.assert_allclose(images[:3], jaxmix.mixup(keys[0], X[:3])[0], atol=2e-6)


def test_split_covers_every_sample_whatever_the_rounding():
    for shares in ([0.3, 0.3, 0.4], [0.0, 1.0, 0.0], [0.55, 0.45, 0.0]):
        images, mix = jax.jit(jaxmix.split(shares, [jaxmix.cutout] * 3))(jax.random.key(0), X)
        assert images.shape == X.shape
        np.testing.assert_array_equal(mix.source[:, 0], np.arange(6))


def test_choices_nest():
    nested = jaxmix.sometimes(jaxmix.one_of([jaxmix.mixup, jaxmix.split([0.5, 0.5], [jaxmix.cutmix] * 2)], (1, 1)), 0.5)
    images, mix = jax.jit(nested)(jax.random.key(0), X)
    np.testing.assert_allclose(jaxmix.apply(mix, X), images, atol=2e-6)


MISTAKES = {
    r"p is 1.5; wanted a number from 0 to 1": lambda: jaxmix.sometimes(jaxmix.mixup, 1.5),
    r"p is nan; wanted a number from 0 to 1": lambda: jaxmix.sometimes(jaxmix.mixup, float("nan")),
    r"probs have shape \(3,\); wanted one number for each of 4": lambda: jaxmix.one_of(FOUR, [1, 1, 1]),
    r"probs are \[1.0, -1.0, 0.0, 0.0\]": lambda: jaxmix.one_of(FOUR, [1.0, -1.0, 0.0, 0.0]),
    r"probs are \[0.0, 0.0, 0.0, 0.0\]; wanted numbers of 0 or more, at least one above": lambda: jaxmix.one_of(
        FOUR, [0] * 4
    ),
    r"there are no methods": lambda: jaxmix.one_of([], []),
    r"shares are \[0.5, 0.4\].*sum 1": lambda: jaxmix.split([0.5, 0.4], [jaxmix.mixup, jaxmix.cutmix]),
    r"shares are \[1.5, -0.5\]": lambda: jaxmix.split([1.5, -0.5], [jaxmix.mixup, jaxmix.cutmix]),
    r"shares are \[1.0\].*for each of 2 methods": lambda: jaxmix.split([1.0], [jaxmix.mixup, jaxmix.cutmix]),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_says_what_came_and_what_was_wanted(message):
    with pytest.raises(ValueError, match=message):
        MISTAKES[message]()
