"""AugMix: the authors' chains and mixes, and draws as the paper has them."""

import functools
import inspect
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import pixels as slow
from scipy import stats

from jaxmix import sampling
from jaxmix.methods import augmix as module
from jaxmix.methods.augmix import NINE, THIRTEEN, augmix, augmix_views
from jaxmix.pixels.random_operations import Sampled, apply_sampled_chains

pytestmark = pytest.mark.unoptimized

FILES = ("augmix_32", *(pytest.param(f"augmix_224_{k}", marks=pytest.mark.slow) for k in range(3)))
NAMES = (
    "autocontrast", "equalize", "posterize", "rotate", "solarize", "shear_x", "shear_y", "translate_x", "translate_y",
    "color", "contrast", "brightness", "sharpness",
)  # fmt: skip
SHAPE = (4, 14, 12, 3)
sample = jax.jit(module.sample, static_argnums=(1, 2, 4, 5))
dirichlet, beta = (jax.jit(f, static_argnums=n) for f, n in ((sampling.dirichlet, (2, 3)), (sampling.beta, (2,))))
# Few and cheap operations, where any suffice.
FEW = {"width": 1, "depth": 1, "operations": NINE[:3]}
views_of = jax.jit(functools.partial(augmix_views, operations=THIRTEEN))


def images_of(shape=SHAPE):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def forced(numbers):
    return Sampled(np.int32(numbers["op"]), np.float32(numbers["level"]), numbers["negate"])


@jax.jit
def ends(levels, sampled):
    return apply_sampled_chains(levels, sampled, THIRTEEN)


@pytest.fixture
def blended(monkeypatch):
    """Blends images with given ends of chains, so that no chain is compiled."""
    monkeypatch.setattr(module, "apply_sampled_chains", lambda levels, *_: levels)

    @jax.jit
    def blend(x, chains, weight, share):
        unused = Sampled(*3 * [jnp.zeros(0)])
        return module.blend(x, chains, unused, weight[:, None], share[:, None], THIRTEEN)[:, 0]

    return blend


def given(seed=0, size=4):
    """Floating images, three ends of chains of each, weights of these, and shares."""
    generator = np.random.default_rng(seed)
    chains = generator.integers(0, 256, (size, 3, *SHAPE[1:])).astype(np.uint8)
    weight = generator.dirichlet([1, 1, 1], size).astype(np.float32)
    return np.float32(images_of()) / np.float32(255), chains, weight, generator.random(size, np.float32)


@pytest.mark.parametrize("name", FILES)
def test_chains_are_those_of_the_authors(golden, name):
    # augment_and_mix of google-research/augmix @9b9824c with given draws.
    numbers = golden(f"robustness/{name}")
    assert numbers["op_names"].tolist() == list(NAMES)
    wrong = np.abs(np.asarray(ends(numbers["images"], forced(numbers))).astype(int) - numbers["chains"])
    # float32 places: a level where a value is that close to an integer, seldom as two of three chains have a warp.
    assert wrong.max() <= 1
    assert (wrong > 0).mean() <= 1e-4


@pytest.mark.parametrize("name", FILES)
def test_mixes_of_the_authors_chains_are_theirs(golden, name, blended):
    numbers = golden(f"robustness/{name}")
    made = blended(np.float32(numbers["images"]) / 255, numbers["chains"], numbers["w"], numbers["m"])
    expected, rounding = (numbers["out"], 0) if "out" in numbers else (numbers["out_u16"] / 65535, 0.5 / 65535)
    np.testing.assert_allclose(made, expected, rtol=0, atol=3e-7 + rounding)  # some roundings of values up to 1


@pytest.mark.slow
def test_mixes_of_the_authors_draws_are_theirs(golden):
    numbers = golden("robustness/augmix_32")
    blend = jax.jit(lambda *arguments: module.blend(*arguments, THIRTEEN)[:, 0])
    x, weight, share = np.float32(numbers["images"]) / 255, numbers["w"][:, None], numbers["m"][:, None]
    wrong = np.abs(blend(x, numbers["images"], forced(numbers), weight, share) - numbers["out"])
    assert wrong.max() <= 1 / 255  # a level of a chain, weighted
    assert wrong.mean() <= 2e-7


def test_views_are_those_sampled_and_agree_with_the_slow_reference():
    levels = images_of()
    x = np.float32(levels) / np.float32(255)
    views = np.asarray(views_of(jax.random.key(0), x, severity=9.5))
    assert views.shape == (3, *SHAPE)
    np.testing.assert_array_equal(views[0], x)
    assert views.min() >= 0 and views.max() <= 1 + 1e-6
    chains_key, weight_key, skip_key = jax.random.split(jax.random.key(0), 3)
    sampled = jax.tree.map(np.asarray, sample(chains_key, 4, 6, 9.5, None, 13))
    weight = np.asarray(dirichlet(weight_key, 1.0, 8, 3)).reshape(4, 2, 3)
    share = np.asarray(beta(skip_key, 1.0, 8)).reshape(4, 2)
    for b, view in itertools.product(range(4), range(2)):
        expected = []
        for n in range(3 * view, 3 * view + 3):
            steps = sampled.operation[b, n] >= 0
            move, level, negative = (one[b, n][steps] for one in sampled)
            expected.append(slow.chain(levels[b], [NAMES[k] for k in move], level.tolist(), negative))
        mixed = slow.mix(levels[b], expected, weight[b, view], share[b, view])
        wrong = np.abs(views[1 + view, b] - mixed)
        assert wrong.max() <= 1 / 255  # a level of a chain, as above
        assert (wrong > 1e-6).mean() <= 1e-2


def test_a_share_of_0_is_the_image_and_all_weight_on_one_chain_is_that_chain(blended):
    x, chains, *_ = given()
    one_hot = np.tile(np.float32([[0, 1, 0]]), (4, 1))
    np.testing.assert_array_equal(blended(x, chains, one_hot, np.zeros(4, np.float32)), x)
    only = blended(x, chains, one_hot, np.ones(4, np.float32))
    np.testing.assert_allclose(np.asarray(only) * 255, chains[:, 1], rtol=3e-7)  # by 255 and back


def test_normalizing_before_or_after_the_mixing_is_the_same(blended):
    x, chains, weight, share = given()
    after = (np.asarray(blended(x, chains, weight, share)) - 0.5) / 0.2
    normal = (chains / 255 - 0.5) / 0.2
    w, m = weight[..., None, None, None], share[:, None, None, None]
    before = (1 - m) * (x - 0.5) / 0.2 + m * (w * normal).sum(1)
    np.testing.assert_allclose(after, before, atol=3e-6, rtol=0)  # roundings of 1e-7, divided by 0.2


def likely(counts, probabilities=None):
    """Whether such counts come up more often than once in 1,000 times."""
    expected = None if probabilities is None else np.sum(counts) * np.asarray(probabilities)
    return stats.chisquare(counts, expected).pvalue > 1e-3


@pytest.mark.parametrize("severity", [3.0, 1.0])
def test_draws_have_the_frequencies_of_the_paper(severity):
    chosen = jax.tree.map(np.asarray, sample(jax.random.key(7), 4000, 3, severity, None, 9))
    active = chosen.operation >= 0
    depth = active.sum(2)
    assert (active == (np.arange(3) < depth[..., None])).all()  # the first ones
    assert likely(np.bincount(depth.ravel(), minlength=4)[1:])
    move, level, negative = chosen.operation[active], chosen.level[active], chosen.negative[active]
    assert likely(np.bincount(move, minlength=9))
    assert likely(np.bincount(negative))
    assert level.min() >= 0.1 and level.max() < severity
    assert likely(np.histogram(level, 20, (0.1, severity))[0])
    # They are independent of each other, and so are chains.
    assert likely(np.bincount(2 * move + negative, minlength=18))
    assert likely(np.bincount(9 * chosen.operation[:, 0, 0] + chosen.operation[:, 1, 0], minlength=81))
    assert likely(np.histogram2d(level, move, (5, 9), ((0.1, severity), (-0.5, 8.5)))[0].ravel())


@functools.partial(jax.jit, static_argnums=1)
def all_amounts(level, side):
    return {name: move.amount(level, side) for name, move in zip(NAMES, THIRTEEN, strict=True)}


def amounts(name, level, negative, side=32):
    amount = np.asarray(all_amounts(level, side)[name])
    return np.where(negative, -amount, amount) if THIRTEEN[NAMES.index(name)].signed else amount


@pytest.mark.parametrize("severity", [3.0, 1.0])
def test_amounts_have_the_frequencies_of_the_paper(severity):
    chosen = sample(jax.random.key(8), 20_000, 1, severity, 1, 13)
    level, negative = np.asarray(chosen.level).ravel(), np.asarray(chosen.negative).ravel()
    assert likely(np.bincount(np.asarray(chosen.operation).ravel(), minlength=13))
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
    level = np.float32(np.random.default_rng(1).uniform(0.1, 10, 100))
    for name, side, negative in itertools.product(NAMES[2:], (32, 224), (False, True)):
        expected = [slow.amount_of(name, float(one), negative, side) for one in level]
        np.testing.assert_allclose(amounts(name, level, negative, side), expected, rtol=1e-6)  # roundings


def test_shifts_of_large_images_reach_22_pixels():
    below_3 = np.nextafter(np.float32(3), np.float32(0))
    assert amounts("translate_x", np.float32([0.1, 1, 2, below_3]), False, 224).tolist() == [0, 7, 14, 22]
    # Along each axis by its own side.
    x = np.full((2, 224, 32, 1), 255, np.uint8)
    sampled = Sampled(np.int32([0, 1])[:, None, None], np.full((2, 1, 1), below_3), np.zeros((2, 1, 1), bool))
    levels = np.asarray(jax.jit(lambda x, sampled: apply_sampled_chains(x, sampled, NINE[7:]))(x, sampled))
    assert levels.astype(int).sum((1, 2, 3, 4)).tolist() == [255 * 224 * 29, 255 * (224 - 22) * 32]


def test_weights_have_the_moments_of_dirichlet_and_are_equal_for_a_traced_alpha_of_0():
    draws = 20_000
    for alpha in (1.0, 0.4):
        weight = np.asarray(dirichlet(jax.random.key(9), alpha, draws, 3), float)
        np.testing.assert_allclose(weight.sum(1), 1, atol=3e-7)
        variance = (1 / 3) * (2 / 3) / (3 * alpha + 1)
        assert weight.min() >= 0
        assert np.abs(weight.mean(0) - 1 / 3).max() < 4 * math.sqrt(variance / draws)
        assert weight.var(0) == pytest.approx(variance, rel=0.05)  # squares of 20,000 draws
        assert np.corrcoef(weight.T)[np.triu_indices(3, 1)] == pytest.approx(-0.5, abs=0.03)
        # One of three is Beta(alpha, 2 alpha).
        assert stats.kstest(weight[:, 0], stats.beta(alpha, 2 * alpha).cdf).pvalue > 1e-3
    tiny = np.asarray(dirichlet(jax.random.key(12), 1e-3, draws, 3))
    assert np.isfinite(tiny).all() and (tiny.max(1) > 0.99).mean() > 0.95
    np.testing.assert_allclose(dirichlet(jax.random.key(12), 0.0, draws, 3), np.full((draws, 3), 1 / 3), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_a_traced_alpha_gives_the_weights_of_a_static_one(alpha):
    static = jax.jit(functools.partial(sampling.dirichlet, alpha=alpha, draws=500, n=3))(jax.random.key(11))
    np.testing.assert_array_equal(dirichlet(jax.random.key(11), alpha, 500, 3), static)


@pytest.mark.slow
def test_images_of_a_batch_and_views_and_keys_differ():
    same = np.repeat(images_of((1, 14, 12, 3)), 4, 0)
    views = jax.jit(augmix_views)
    made = np.asarray(views(jax.random.key(13), same))
    assert made.shape == (3, 4, 14, 12, 3) and made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], same)
    augmented = made[1:].reshape(8, -1).astype(int)
    assert all(np.abs(augmented[i] - augmented[j]).mean() > 0.1 for i in range(8) for j in range(i))
    again, other = views(jax.random.key(13), same), views(jax.random.key(14), same)
    np.testing.assert_array_equal(again, made)
    assert (np.asarray(other)[1:] != made[1:]).mean() > 0.5


def test_one_view_is_augmix_levels_stay_levels_and_the_mix_is_the_identity():
    @jax.jit
    def made(seed, levels):
        view, one, other = (functools.partial(f, jax.random.key(seed), **FEW) for f in (augmix_views, augmix, augmix))
        return view(levels, views=1)[1], one(levels), other(levels.astype(jnp.float32) / 255)[0]

    levels = images_of()
    view, (images, mix), floats = made(15, levels)
    np.testing.assert_array_equal(view, images)
    assert images.dtype == jnp.uint8 and floats.dtype == jnp.float32
    np.testing.assert_allclose(np.asarray(floats) * 255, images, atol=0.5001, rtol=0)  # the same, but rounded
    np.testing.assert_array_equal(mix.weight, np.ones((4, 1)))
    np.testing.assert_array_equal(mix.source, np.arange(4)[:, None])
    np.testing.assert_array_equal(mix.mask, np.ones((4, 1, 1, 1)))
    assert mix.warps == (None,)


@pytest.mark.slow
def test_a_severity_that_is_traced_is_a_static_one():
    static = jax.jit(lambda key: module.sample(key, 50, 3, 3.0, None, 9))(jax.random.key(18))
    for one, other in zip(static, sample(jax.random.key(18), 50, 3, 3.0, None, 9), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_traced_parameters_cost_one_trace():
    traces = []

    @jax.jit
    def made(severity, alpha):
        traces.append(severity)
        x = np.float32(images_of()) / 255
        return augmix(jax.random.key(19), x, severity=severity, alpha=alpha, operations=NINE[5:6], width=2, depth=1)[0]

    results = [made(severity, alpha) for severity, alpha in ((1.0, 1.0), (3.0, 1.0), (3.0, 0.3))]
    assert len(traces) == 1
    assert len({np.asarray(result).tobytes() for result in results}) == 3


def test_a_fixed_depth_is_that_of_every_chain():
    chosen = sample(jax.random.key(20), 50, 3, 3.0, 4, 9)
    move = np.asarray(chosen.operation)
    assert move.shape == (50, 3, 4) and move.min() == 0 and move.max() == 8


def test_nine_operations_are_the_default_and_thirteen_add_four():
    assert THIRTEEN[:9] == NINE and len(THIRTEEN) == 13
    for function in (augmix, augmix_views):
        assert inspect.signature(function).parameters["operations"].default is NINE


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


def test_wrong_images_and_no_views_are_refused():
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
