"""Probabilities and choices around methods."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from specimens import images

import jaxmix
from jaxmix.mix_structures import identity
from jaxmix.warps import Chain, Nearest, Resample

pytestmark = pytest.mark.unoptimized

X = images((6, 12, 8, 3))
FOUR = [jaxmix.mixup, jaxmix.cutmix, jaxmix.resizemix, jaxmix.cutout]


def painted(value):
    """A method that leaves a mark, and costs no compile."""
    return lambda key, batch, **_: (jnp.full_like(batch, value), identity(batch.shape[0]))


def marks(choice, x):
    """The mark that a choice of painted methods leaves on each sample, for one key."""
    return lambda key: choice(key, x)[0][:, 0, 0, 0]


def test_sometimes_decides_with_probability_p_per_sample_or_once_for_the_batch():
    @jax.jit
    @jax.vmap
    def hits(key):
        keys, x = jax.random.split(key), jnp.zeros((6, 1, 1, 1))
        return [
            marks(jaxmix.sometimes(painted(1.0), 0.3, per_batch=per_batch), x)(keys[i])
            for i, per_batch in enumerate((False, True))
        ]

    each, whole = (np.asarray(found) for found in hits(jax.random.split(jax.random.key(0), 200)))
    assert abs(each.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / each.size)
    assert not (each.all(1) | ~each.any(1)).all()
    assert (whole.all(1) | ~whole.any(1)).all()
    assert abs(whole[:, 0].mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 200)


def comixup(key, x):
    """Co-Mixup with the mean of the channels as saliency."""
    return jaxmix.comixup(key, x, x.mean(3), blocks=4)


@pytest.mark.parametrize(
    "methods",
    [[jaxmix.cutmix, jaxmix.resizemix, jaxmix.cutout], pytest.param([comixup], marks=pytest.mark.slow)],
    ids=["pairs", "many slots"],
)
def test_sometimes_with_probability_0_is_the_identity_and_with_1_the_method(methods):
    x = X[:, :8]
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)  # a schedule of p costs no new trace
    def run(keys, p):
        def both(method, key):
            pair = jaxmix.sometimes(method, p), jaxmix.sometimes(method, p, per_batch=True)
            made = [choice(jax.random.clone(key), x) for choice in pair]
            return [(images, mix, jaxmix.apply(mix, x)) for images, mix in made]

        return [both(method, keys[i]) for i, method in enumerate(methods)]

    keys = jax.random.split(jax.random.key(0), len(methods))
    alone = jax.jit(lambda keys: [m(jax.random.split(k)[1], x) for m, k in zip(methods, keys, strict=True)])(keys)
    for p in (0.0, -1.0, float("nan"), 1.0, 7.0):  # traced values out of range are the nearest ones
        for made, expected in zip(run(jax.random.clone(keys), p), alone, strict=True):
            for mixed, mix, applied in made:
                if p >= 1:
                    chex.assert_trees_all_close((mixed, mix), expected, atol=2e-6)
                else:
                    np.testing.assert_array_equal(mixed, x)
                    np.testing.assert_array_equal(applied, x)
                    np.testing.assert_array_equal(mix.weight[:, 0], 1.0)


def test_one_of_is_the_chosen_method_under_its_own_key():
    chex.clear_trace_counter()
    run = jax.jit(chex.assert_max_traces(lambda key, p: jaxmix.one_of(FOUR, p)(key, X), n=1))  # also for other p
    keys = jax.random.split(jax.random.key(3), 5)[1:]
    alone = jax.jit(lambda keys: [method(key, X) for method, key in zip(FOUR, keys, strict=True)])(keys)
    for chosen, (expected, alone_mix) in enumerate(alone):
        images, mix = run(jax.random.key(3), jnp.eye(4)[chosen])
        np.testing.assert_allclose(images, expected, atol=2e-6)
        np.testing.assert_allclose(jaxmix.apply(mix, X), expected, atol=2e-6)
        slots = alone_mix.weight.shape[1]
        np.testing.assert_array_equal(mix.weight[:, :slots], alone_mix.weight)
        np.testing.assert_array_equal(mix.weight[:, slots:], 0)


def test_one_of_chooses_in_proportion_to_its_probabilities():
    choice = jaxmix.one_of([painted(value) for value in (0.0, 1.0, 2.0)], [3.0, 0.0, 1.0])
    run = jax.jit(jax.vmap(marks(choice, X[:1])))
    counts = np.bincount(np.asarray(run(jax.random.split(jax.random.key(0), 400)), int)[:, 0], minlength=3)
    assert counts[1] == 0 and abs(counts[0] - 300) < 4 * np.sqrt(400 * 0.75 * 0.25)


def test_methods_with_warps_of_different_kinds_share_one_mix():
    def upside_down(key, batch):
        rows, columns = (jnp.broadcast_to(jnp.arange(side), (6, side)) for side in (12, 8))
        flip = Resample(rows[:, ::-1], columns)
        mix = jaxmix.pair(jnp.roll(jnp.arange(6), 1), jnp.full((6, 1, 1), 0.5), warp=Chain((flip, flip.still())))
        return jaxmix.apply(mix, batch), mix

    run = jax.jit(lambda key, probs: jaxmix.one_of([jaxmix.resizemix, upside_down], probs)(key, X))
    for probs in ([1.0, 0.0], [0.0, 1.0]):
        images, mix = run(jax.random.key(0), jnp.array(probs))
        assert isinstance(mix.warps[1], Chain) and isinstance(mix.warps[1].parts[0], Nearest)
        np.testing.assert_allclose(jaxmix.apply(mix, X), images, atol=2e-6)


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


def test_a_choice_among_choices_is_independent_of_the_outer_one():
    @jax.jit
    @jax.vmap
    def run(key):
        keys = jax.random.split(key, len(NESTED))
        return [marks(nested, jnp.zeros((1, 2, 2, 1)))(keys[i])[0] for i, (nested, _) in enumerate(NESTED.values())]

    found = run(jax.random.split(jax.random.key(5), 800))
    for name, values, (_, odds) in zip(NESTED, found, NESTED.values(), strict=True):
        counts, expected = np.bincount(np.asarray(values, int), minlength=4), 800 * np.array(odds) / sum(odds)
        assert (counts[expected == 0] == 0).all(), name
        chi = ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
        assert chi < 16.3, name  # 3 degrees of freedom, one in a thousand


def test_choices_run_under_vmap_over_keys_and_nest():
    halves = jaxmix.split([0.5, 0.5], [jaxmix.mixup, jaxmix.cutmix])
    choices = [
        jaxmix.sometimes(jaxmix.cutmix, 0.5, per_batch=True),
        jaxmix.sometimes(jaxmix.one_of([jaxmix.cutout, halves], (1, 1)), 0.5),
    ]

    def run(key):
        made = [choice(k, X) for choice, k in zip(choices, jax.random.split(key, len(choices)), strict=True)]
        return made, [jaxmix.apply(mix, X) for _, mix in made]

    keys, one = jax.random.split(jax.random.key(0), 3), jax.jit(run)
    together = jax.jit(jax.vmap(run))(keys)
    for i, key in enumerate(jax.random.split(jax.random.key(0), 3)):
        made, applied = one(key)
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), (made, applied), atol=2e-6)
        chex.assert_trees_all_close([images for images, _ in made], applied, atol=2e-6)


def test_eager_choices_are_the_jitted_ones():
    for choice in (
        jaxmix.one_of([painted(1.0), jaxmix.mixup], [1, 2]),
        jaxmix.sometimes(jaxmix.mixup, 0.5, per_batch=True),
    ):
        compiled = jax.jit(choice)
        for seed in range(4):
            chex.assert_trees_all_close(choice(jax.random.key(seed), X), compiled(jax.random.key(seed), X), atol=2e-6)


def test_traced_probabilities_below_0_count_as_0():
    weigh = jax.jit(lambda p: marks(jaxmix.one_of([painted(1.0), painted(2.0)], p), X[:1])(jax.random.key(0))[0])
    assert weigh(jnp.array([-1.0, 1.0])) == 2 and weigh(jnp.array([1.0, float("nan")])) == 1


def test_split_runs_each_method_on_its_part_with_partners_inside():
    choice = jaxmix.split([0.5, 0.5], [jaxmix.mixup, jaxmix.resizemix])

    @jax.jit
    def run(key):
        images, mix = choice(key, X)
        return images, mix, jaxmix.apply(mix, X), jaxmix.mixup(jax.random.split(jax.random.clone(key))[0], X[:3])[0]

    images, mix, applied, first = run(jax.random.key(0))
    np.testing.assert_array_equal(mix.source[:, 1], [1, 2, 0, 4, 5, 3])
    np.testing.assert_allclose(applied, images, atol=2e-6)
    np.testing.assert_allclose(mix.weight, np.asarray(mix.mask).mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(images[:3], first, atol=2e-6)


def test_parts_of_a_split_end_at_the_nearest_sample():
    x = jnp.zeros((9, 1, 1, 1))
    for shares, expected in (([0.3, 0.7], [1.0] * 3 + [2.0] * 6), ([0.4, 0.6], [1.0] * 4 + [2.0] * 5)):
        # 2.7 and 3.6 samples
        assert marks(jaxmix.split(shares, [painted(1.0), painted(2.0)]), x)(jax.random.key(0)).tolist() == expected


def test_split_covers_every_sample_whatever_the_rounding_and_splits_maps_alike():
    def added(key, batch, maps, *, factor):
        return batch + factor * maps[..., None], identity(batch.shape[0])

    maps = jnp.arange(6.0)[:, None, None]
    for shares in ([0.3, 0.3, 0.4], [0.0, 1.0, 0.0], [0.55, 0.45, 0.0]):
        images, mix = jaxmix.split(shares, [added] * 3)(jax.random.key(0), X, maps, factor=2.0)
        np.testing.assert_array_equal(images, X + 2 * maps[..., None])
        np.testing.assert_array_equal(mix.source[:, 0], np.arange(6))


MISTAKES = {
    r"p is 1.5; wanted a number from 0 to 1": lambda: jaxmix.sometimes(jaxmix.mixup, 1.5),
    r"p is nan; wanted a number from 0 to 1": lambda: jaxmix.sometimes(jaxmix.mixup, float("nan")),
    r"probs have shape \(3,\); wanted one value for each of 4": lambda: jaxmix.one_of(FOUR, [1, 1, 1]),
    r"probs are \[1.0, -1.0, 0.0, 0.0\]": lambda: jaxmix.one_of(FOUR, [1.0, -1.0, 0.0, 0.0]),
    r"probs are \[0.0, 0.0, 0.0, 0.0\]; wanted numbers of 0 or more, at least one above": lambda: jaxmix.one_of(
        FOUR, [0] * 4
    ),
    r"methods are \[\]; wanted a list of one or more": lambda: jaxmix.one_of([], []),
    r"shares are \[0.5, 0.4\].*sum 1": lambda: jaxmix.split([0.5, 0.4], [jaxmix.mixup, jaxmix.cutmix]),
    r"shares are \[1.5, -0.5\]": lambda: jaxmix.split([1.5, -0.5], [jaxmix.mixup, jaxmix.cutmix]),
    r"shares are \[1.0\].*for each of 2 methods": lambda: jaxmix.split([1.0], [jaxmix.mixup, jaxmix.cutmix]),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_says_what_came_and_what_was_wanted(message):
    with pytest.raises(ValueError, match=message):
        MISTAKES[message]()


def test_a_choice_for_every_sample_is_that_method_under_its_key_for_each():
    methods = [jaxmix.mixup, jaxmix.resizemix, jaxmix.cutmix]
    probs = (1.0, 2.0, 1.0)
    mixed, mix = jax.jit(jaxmix.one_of(methods, probs, per_batch=False))(jax.random.key(3), X)
    decide, *keys = jax.random.split(jax.random.key(3), 4)
    choice = np.asarray(jax.random.categorical(decide, jnp.log(jnp.array(probs)), shape=X.shape[:1]))
    assert len(set(choice.tolist())) > 1
    alone = [method(key, X) for method, key in zip(methods, keys, strict=True)]
    for sample, chosen in enumerate(choice):
        np.testing.assert_allclose(mixed[sample], alone[chosen][0][sample], atol=2e-6)
        np.testing.assert_allclose(mix.weight[sample], alone[chosen][1].weight[sample], atol=2e-7)
    np.testing.assert_allclose(jaxmix.apply(mix, X), mixed, atol=2e-6)
