"""AugMix: the authors' chains and mixes, and draws as the paper has them."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import pixels as slow
from scipy import stats

import jaxmix
from jaxmix import sampling
from jaxmix.methods import augmix as module
from jaxmix.methods.augmix import NINE, THIRTEEN, augmix, augmix_views
from jaxmix.pixels.random_operations import Sampled, chained

FILES = ("augmix_32", "augmix_224_0", "augmix_224_1", "augmix_224_2")
NAMES = (
    "autocontrast", "equalize", "posterize", "rotate", "solarize", "shear_x", "shear_y", "translate_x", "translate_y",
    "color", "contrast", "brightness", "sharpness",
)  # fmt: skip
SHAPE = (4, 14, 12, 3)
drawn = jax.jit(module.draw, static_argnums=(1, 2, 4, 5))
mixes = jax.jit(augmix, static_argnames=("width", "depth", "operations"))
# Few and cheap operations, where any will do.
FEW = {"width": 1, "depth": 1, "operations": NINE[:3]}
views_of = jax.jit(augmix_views, static_argnames=("views", "width", "depth", "operations"))


def pictures(shape=SHAPE):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def forced(numbers):
    return Sampled(jnp.int32(numbers["op"]), jnp.float32(numbers["level"]), jnp.asarray(numbers["negate"]))


@jax.jit
def ends(levels, chosen):
    return chained(levels, chosen, THIRTEEN)


@jax.jit
def mixed(x, levels, chosen, weight, skip):
    return module.mixed(THIRTEEN, x, levels, chosen, weight[:, None], skip[:, None])[:, 0]


@pytest.mark.parametrize("name", FILES)
def test_chains_are_those_of_the_authors(golden, name):
    # augment_and_mix of google-research/augmix @9b9824c with given draws.
    numbers = golden(f"robustness/{name}")
    assert numbers["op_names"].tolist() == list(NAMES)
    wrong = np.abs(np.asarray(ends(numbers["images"], forced(numbers))).astype(int) - numbers["chains"])
    # float32 places: a level where a value is that close to a whole number, seldom as two of three chains have a warp.
    assert wrong.max() <= 1
    assert (wrong > 0).mean() <= 1e-4


@pytest.mark.parametrize("name", FILES)
def test_mixes_of_the_authors_chains_are_theirs(golden, name, monkeypatch):
    numbers = golden(f"robustness/{name}")
    monkeypatch.setattr(module, "chained", lambda *_: jnp.asarray(numbers["chains"]))
    x, weight, share = np.float32(numbers["images"]) / 255, numbers["w"][:, None], numbers["m"][:, None]
    made = module.mixed(THIRTEEN, x, numbers["images"], forced(numbers), jnp.asarray(weight), jnp.asarray(share))[:, 0]
    expected, rounding = (numbers["out"], 0) if "out" in numbers else (numbers["out_u16"] / 65535, 0.5 / 65535)
    np.testing.assert_allclose(made, expected, rtol=0, atol=3e-7 + rounding)  # some roundings of numbers up to 1


def test_mixes_of_the_authors_draws_are_theirs(golden):
    numbers = golden("robustness/augmix_32")
    given = numbers["images"], forced(numbers), numbers["w"], numbers["m"]
    wrong = np.abs(mixed(np.float32(numbers["images"]) / 255, *given) - numbers["out"])
    assert wrong.max() <= 1 / 255  # a level of a chain, weighted
    assert wrong.mean() <= 2e-7


def test_chains_and_mixes_agree_with_the_slow_reference_where_no_golden_is():
    x, chosen = pictures(), drawn(jax.random.key(0), 4, 3, 9.5, None, 13)
    weight, share = sampling.dirichlet(jax.random.key(1), 1.0, 4, 3), sampling.beta(jax.random.key(2), 1.0, 4)
    made, out = np.asarray(ends(x, chosen)), np.asarray(mixed(np.float32(x) / 255, x, chosen, weight, share))
    for b in range(4):
        expected = []
        for n in range(3):
            steps = np.asarray(chosen.move[b, n]) >= 0
            move, level, negative = (np.asarray(one[b, n])[steps] for one in chosen)
            expected.append(slow.chain(x[b], [NAMES[k] for k in move], level.tolist(), negative))
        assert np.abs(made[b].astype(int) - expected).max() <= 1  # as above
        np.testing.assert_allclose(out[b], slow.mix(x[b], made[b], weight[b], share[b]), atol=1e-6, rtol=0)


def test_a_share_of_0_is_the_picture_and_all_weight_on_one_chain_is_that_chain():
    levels = pictures()
    x = np.float32(levels) / np.float32(255)
    chosen = drawn(jax.random.key(3), 4, 3, 3.0, None, 9)
    one_hot = jnp.tile(jnp.float32([[0, 1, 0]]), (4, 1))
    np.testing.assert_array_equal(mixed(x, levels, chosen, one_hot, jnp.zeros(4)), x)
    only = mixed(x, levels, chosen, one_hot, jnp.ones(4))
    np.testing.assert_allclose(np.asarray(only) * 255, ends(levels, chosen)[:, 1], rtol=3e-7)  # by 255 and back


def test_normalizing_before_or_after_the_mixing_is_the_same():
    levels = pictures()
    x, chosen = np.float32(levels) / 255, drawn(jax.random.key(4), 4, 3, 3.0, None, 9)
    weight, share = sampling.dirichlet(jax.random.key(5), 1.0, 4, 3), sampling.beta(jax.random.key(6), 1.0, 4)
    after = (np.asarray(mixed(x, levels, chosen, weight, share)) - 0.5) / 0.2
    normal = [(np.asarray(ends(levels, chosen))[:, n] / 255 - 0.5) / 0.2 for n in range(3)]
    w, m = np.asarray(weight)[..., None, None, None], np.asarray(share)[:, None, None, None]
    before = (1 - m) * (x - 0.5) / 0.2 + m * sum(w[:, n] * normal[n] for n in range(3))
    np.testing.assert_allclose(after, before, atol=3e-6, rtol=0)  # roundings of 1e-7, divided by 0.2


def likely(counts, probabilities=None):
    """Whether such counts come up more often than once in 1,000 times."""
    expected = None if probabilities is None else np.sum(counts) * np.asarray(probabilities)
    return stats.chisquare(counts, expected).pvalue > 1e-3


@pytest.mark.parametrize("severity", [3.0, 1.0])
def test_draws_have_the_frequencies_of_the_paper(severity):
    chosen = jax.tree.map(np.asarray, drawn(jax.random.key(7), 4000, 3, severity, None, 9))
    active = chosen.move >= 0
    depth = active.sum(2)
    assert (active == (np.arange(3) < depth[..., None])).all()  # the first so many
    assert likely(np.bincount(depth.ravel(), minlength=4)[1:])
    move, level, negative = chosen.move[active], chosen.level[active], chosen.negative[active]
    assert likely(np.bincount(move, minlength=9))
    assert likely(np.bincount(negative))
    assert level.min() >= 0.1 and level.max() < severity
    assert likely(np.histogram(level, 20, (0.1, severity))[0])
    # One of them says nothing about another, nor a chain about the next.
    assert likely(np.bincount(2 * move + negative, minlength=18))
    assert likely(np.bincount(9 * chosen.move[:, 0, 0] + chosen.move[:, 1, 0], minlength=81))
    assert likely(np.histogram2d(level, move, (5, 9), ((0.1, severity), (-0.5, 8.5)))[0].ravel())


def amounts(name, level, negative, side=32):
    move = THIRTEEN[NAMES.index(name)]
    amount = np.asarray(move.amount(level, side))
    return np.where(negative, -amount, amount) if move.signed else amount


@pytest.mark.parametrize("severity", [3.0, 1.0])
def test_amounts_have_the_frequencies_of_the_paper(severity):
    chosen = drawn(jax.random.key(8), 20_000, 1, severity, 1, 13)
    level, negative = chosen.level.ravel(), np.asarray(chosen.negative).ravel()
    share, few = (severity - 0.1), 20_000

    def below(amount):
        return (np.clip(amount, 0.1, severity) - 0.1) / share  # the share of levels below that

    bits = amounts("posterize", level, negative)
    if severity == 3:
        assert likely([(bits == 4).sum(), (bits == 3).sum()], [below(2.5), 1 - below(2.5)])
        assert below(2.5) == pytest.approx(0.827, abs=1e-3)
    else:
        assert (bits == 4).all()
    for name, unit, side, none in (
        ("rotate", 3.0, 32, {3: 0.080, 1: 0.259}),
        ("translate_x", 32 / 30, 32, {3: 0.289, 1: 0.931}),
        ("translate_y", 224 / 30, 224, {}),
    ):
        moved = amounts(name, level, negative, side)
        highest = math.ceil(severity * unit) - 1
        assert (moved == np.round(moved)).all() and np.abs(moved).max() == highest
        limits = np.diff([below(k / unit) for k in range(highest + 2)])
        assert likely(np.bincount(np.abs(moved).astype(int), minlength=highest + 1), limits), name
        assert limits[0] == pytest.approx(none.get(int(severity), limits[0]), abs=1e-3)
        assert likely([(moved > 0).sum(), (moved < 0).sum()]), name
    threshold = amounts("solarize", level, negative)
    lowest = {3: 180, 1: 231}[int(severity)]
    assert threshold.min() == lowest and threshold.max() == 254 and (threshold == np.round(threshold)).all()
    limits = np.diff([below(k / 25.6) for k in range(2, 256 - lowest + 2)])
    assert likely(np.bincount((256 - threshold).astype(int))[2:], limits)
    for name in ("shear_x", "shear_y"):
        slope = amounts(name, level, negative)
        assert likely(np.histogram(np.abs(slope), 10, (0.003, 0.03 * severity))[0])
        assert np.abs(slope).min() >= 0.003 - 1e-8 and np.abs(slope).max() < 0.03 * severity
        assert abs((slope > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(few)
    for name in NAMES[9:]:
        factor = amounts(name, level, negative)
        assert factor.min() >= 0.118 - 1e-7 and factor.max() < 0.1 + 0.18 * severity
        assert likely(np.histogram(factor, 10, (0.118, 0.1 + 0.18 * severity))[0])


def test_amounts_are_those_of_the_slow_reference():
    level = np.float32(np.random.default_rng(1).uniform(0.1, 10, 300))
    for name in NAMES:
        for side in (32, 224):
            for negative in (False, True):
                made = amounts(name, jnp.asarray(level), negative, side)
                expected = [slow.amount_of(name, float(one), negative, side) for one in level]
                if name not in ("autocontrast", "equalize"):
                    np.testing.assert_allclose(made, expected, rtol=1e-6)  # roundings of real amounts


def test_shifts_of_large_pictures_reach_22_pixels():
    level = jnp.float32([0.1, 1, 2, np.nextafter(np.float32(3), np.float32(0))])
    assert amounts("translate_x", level, False, 224).tolist() == [0, 7, 14, 22]
    # Along each axis by its own side.
    x = np.full((1, 224, 32, 1), 255, np.uint8)
    for move, rows, columns in ((0, 224, 29), (1, 224 - 22, 32)):
        chosen = Sampled(jnp.full((1, 1, 1), move), level[3].reshape(1, 1, 1), jnp.zeros((1, 1, 1), bool))
        levels = np.asarray(chained(jnp.asarray(x), chosen, NINE[7:]))
        assert levels.sum() == 255 * rows * columns


@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_weights_and_shares_have_the_moments_of_dirichlet_and_beta(alpha):
    draws = 20_000
    weight = np.asarray(jax.jit(sampling.dirichlet, static_argnums=(2, 3))(jax.random.key(9), alpha, draws, 3), float)
    np.testing.assert_allclose(weight.sum(1), 1, atol=3e-7)
    total = 3 * alpha
    variance = (1 / 3) * (2 / 3) / (total + 1)
    assert weight.min() >= 0
    assert np.abs(weight.mean(0) - 1 / 3).max() < 4 * math.sqrt(variance / draws)
    assert weight.var(0) == pytest.approx(variance, rel=0.05)  # squares of 20,000 draws
    assert np.corrcoef(weight.T)[np.triu_indices(3, 1)] == pytest.approx(-0.5, abs=0.03)
    # One of three is Beta(alpha, 2 alpha).
    assert stats.kstest(weight[:, 0], stats.beta(alpha, 2 * alpha).cdf).pvalue > 1e-3
    share = np.asarray(jax.jit(sampling.beta, static_argnums=2)(jax.random.key(10), alpha, draws), float)
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_a_traced_alpha_gives_the_weights_of_a_static_one(alpha):
    static = jax.jit(functools.partial(sampling.dirichlet, alpha=alpha, draws=500, parts=3))(jax.random.key(11))
    traced = jax.jit(sampling.dirichlet, static_argnums=(2, 3))(jax.random.key(11), alpha, 500, 3)
    np.testing.assert_array_equal(traced, static)


def test_weights_of_a_tiny_alpha_are_numbers_and_of_a_traced_0_equal():
    tiny = np.asarray(jax.jit(sampling.dirichlet, static_argnums=(2, 3))(jax.random.key(12), 1e-3, 500, 3))
    assert np.isfinite(tiny).all() and (tiny.max(1) > 0.99).mean() > 0.95
    equal = jax.jit(sampling.dirichlet, static_argnums=(2, 3))(jax.random.key(12), 0.0, 5, 3)
    np.testing.assert_allclose(equal, np.full((5, 3), 1 / 3), rtol=1e-6)


def test_pictures_of_a_batch_and_views_and_keys_differ():
    same = np.repeat(pictures((1, 14, 12, 3)), 4, 0)
    made = np.asarray(views_of(jax.random.key(13), same))
    assert made.shape == (3, 4, 14, 12, 3) and made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], same)
    augmented = made[1:].reshape(8, -1).astype(int)
    assert all(np.abs(augmented[i] - augmented[j]).mean() > 0.1 for i in range(8) for j in range(i))
    again, other = views_of(jax.random.key(13), same), views_of(jax.random.key(14), same)
    np.testing.assert_array_equal(again, made)
    assert (np.asarray(other)[1:] != made[1:]).mean() > 0.5


def test_one_view_is_augmix():
    x = pictures()
    np.testing.assert_array_equal(
        views_of(jax.random.key(15), x, views=1, **FEW)[1], mixes(jax.random.key(15), x, **FEW)[0]
    )


def test_the_mix_leaves_alone():
    x, labels = pictures(), jax.nn.one_hot(jnp.arange(4), 4)
    images, mix = mixes(jax.random.key(16), x, **FEW)
    np.testing.assert_array_equal(jaxmix.apply(mix, images), images)
    np.testing.assert_array_equal(mix.weight, np.ones((4, 1)))
    np.testing.assert_array_equal(mix.source, np.arange(4)[:, None])
    np.testing.assert_array_equal(jaxmix.targets(mix, labels), labels)


def test_levels_in_are_levels_out_and_floats_stay_in_0_to_1():
    levels = pictures()
    made, _ = mixes(jax.random.key(17), levels, **FEW)
    floats, _ = mixes(jax.random.key(17), np.float32(levels) / 255, **FEW)
    assert made.dtype == jnp.uint8 and floats.dtype == jnp.float32
    np.testing.assert_allclose(floats * 255, made, atol=0.5001, rtol=0)  # the same, but rounded
    assert 0 <= floats.min() and floats.max() <= 1 + 1e-6


def test_a_severity_that_is_traced_is_a_static_one():
    static = jax.jit(lambda key: module.draw(key, 50, 3, 3.0, None, 9))(jax.random.key(18))
    for one, other in zip(static, drawn(jax.random.key(18), 50, 3, 3.0, None, 9), strict=True):
        np.testing.assert_array_equal(one, other)


def test_traced_parameters_cost_one_trace():
    traces = []

    @jax.jit
    def made(severity, alpha):
        traces.append(severity)
        x = np.float32(pictures()) / 255
        return augmix(jax.random.key(19), x, severity=severity, alpha=alpha, operations=NINE[5:6], width=2, depth=1)[0]

    results = [made(severity, alpha) for severity, alpha in ((1.0, 1.0), (3.0, 1.0), (3.0, 0.3))]
    assert len(traces) == 1
    assert len({np.asarray(result).tobytes() for result in results}) == 3


@pytest.mark.parametrize("depth", [1, 4])
def test_a_fixed_depth_is_that_of_every_chain(depth):
    chosen = drawn(jax.random.key(20), 50, 3, 3.0, depth, 9)
    assert chosen.move.shape == (50, 3, depth) and int(chosen.move.min()) == 0 and int(chosen.move.max()) == 8


def test_a_single_chain_has_all_the_weight():
    x = pictures()
    images, _ = mixes(jax.random.key(21), np.float32(x) / 255, **FEW)
    chains_key, _, skip_key = jax.random.split(jax.random.key(21), 3)
    chosen = drawn(chains_key, 4, 1, 3.0, 1, 3)
    share = sampling.beta(skip_key, 1.0, 4)
    for b in range(4):
        end = slow.chain(x[b], [NAMES[chosen.move[b, 0, 0]]], chosen.level[b, 0].tolist(), [False])
        np.testing.assert_allclose(images[b], slow.mix(x[b], [end], [1], share[b]), atol=1e-6, rtol=0)


def test_thirteen_operations_are_drawn_when_asked_for():
    assert THIRTEEN[:9] == NINE
    chosen = drawn(jax.random.key(22), 4000, 1, 3.0, 1, 13)
    assert likely(np.bincount(np.asarray(chosen.move).ravel(), minlength=13))
    x = pictures()
    only, _ = mixes(jax.random.key(23), x, width=1, depth=1, operations=THIRTEEN[11:12])
    assert (np.asarray(only).astype(int) <= x).all() and (only != x).any()  # brightness: darker at these levels


BATCH = np.zeros(SHAPE, np.float32)
WRONG = {
    "a severity of 0": ({"severity": 0}, "severity is 0.*0.1 to 10"),
    "a severity of 11": ({"severity": 11}, "severity is 11.*0.1 to 10"),
    "a severity in words": ({"severity": "high"}, "severity is 'high'.*one number"),
    "no chains": ({"width": 0}, "width is 0.*1 or more"),
    "half a chain": ({"width": 1.5}, "width is 1.5.*int"),
    "no operations in a chain": ({"depth": 0}, "depth is 0.*1 or more"),
    "the authors' -1": ({"depth": -1}, "depth is -1.*1 or more"),
    "alpha of 0": ({"alpha": 0.0}, "alpha is 0.*above 0"),
    "nothing to draw from": ({"operations": ()}, "operations is.*one or more"),
    "a name": ({"operations": "all"}, "operations is 'all'.*sequence"),
}


@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_says_what_came_and_what_was_wanted(options, words):
    for function in (augmix, augmix_views):
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(functools.partial(function, **options), jax.random.key(24), BATCH)


def test_wrong_pictures_and_no_views_are_refused():
    for x, words in (
        (BATCH[0], "rank 3"),
        (BATCH - 2, "-2.*0..1.*normaliz"),
        (np.zeros((2, 8, 8, 5), np.float32), "5 channels.*1 to 4"),
        (np.zeros(SHAPE, np.int32), "int32"),
    ):
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(functools.partial(augmix, batch=jnp.asarray(x)), jax.random.key(25))
    with pytest.raises(ValueError, match="views is 0.*1 or more"):
        jax.eval_shape(lambda key: augmix_views(key, BATCH, views=0), jax.random.key(25))
