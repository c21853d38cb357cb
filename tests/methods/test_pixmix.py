"""PixMix: the authors' rounds, and draws as the paper has them."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxmix
from jaxmix.methods.augmix import NINE, THIRTEEN
from jaxmix.methods.pixmix import arithmetic
from jaxmix.methods.pixmix import rounds as module
from jaxmix.methods.pixmix import sampling as drawing
from jaxmix.pixels.random_operations import indices_and_amounts

pytestmark = pytest.mark.unoptimized

combine = jax.jit(arithmetic.combine)
sample = jax.jit(drawing.sample, static_argnums=(1, 2, 5, 6))


def images_of(shape=(4, 14, 12, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_rounds_are_the_authors_for_their_draws(golden):
    numbers = golden("beyond/pixmix_32")
    start, partners = numbers["start"].astype(np.float32) / 255, numbers["partners"]
    drawn = numbers["is_multiply"].astype(bool), numbers["a"], numbers["b"]
    made = combine(start, partners, *drawn, numbers["rounds"])
    np.testing.assert_allclose(made, numbers["after_last"], rtol=0, atol=2e-6)
    for n in range(4):
        last = np.minimum(numbers["rounds"], n + 1)
        made = combine(start, partners, *drawn, last)
        active = numbers["rounds"][:4] > n
        np.testing.assert_allclose(made[:4][active], numbers["after_rounds"][:, n][active], rtol=0, atol=2e-6)


def one_round(x, q, multiply, a, b):
    """One round on single values."""
    x, q = np.full((1, 1, 1, 1), x, np.float32), np.full((1, 1, 1, 1, 1), q, np.float32)
    coefficients = np.full((2, 1, 1), [[[a]], [[b]]], np.float32)
    return combine(x, q, np.array([[multiply]]), *coefficients, np.array([1])).item()


def test_a_round_is_the_worked_example():
    assert one_round(0.6, 0.2, False, 0.8, 0.3) == pytest.approx(0.490, abs=1e-6)
    assert one_round(0.6, 0.2, True, 0.8, 0.3) == pytest.approx(0.4395, abs=5e-5)
    assert one_round(0.6, 0.2, False, 1.2, -0.4) == pytest.approx(0.740, abs=1e-6)
    assert one_round(0.6, 0.2, True, 1.2, -0.4) == pytest.approx(0.8978, abs=5e-5)


values = st.floats(0, 1, width=32)


@given(values, values, st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.booleans())
def test_a_round_stays_in_range_and_has_the_fixed_points_of_the_paper(x, q, own, other, above):
    a, b = (1 + own, -other) if above else (1 - own, other)
    for multiply in (False, True):
        assert 0 <= one_round(x, q, multiply, a, b) <= 1
        assert one_round(x, q, multiply, 1.0, 0.0) == pytest.approx(x, abs=1e-6)
        assert one_round(0.5, 0.5, multiply, a, b) == pytest.approx(0.5, abs=1e-6)
    inverted = 1 - one_round(1 - x, 1 - q, False, a, b)
    assert one_round(x, q, False, a, b) == pytest.approx(inverted, abs=1e-6)


def test_black_pixels_are_safe():
    assert one_round(0.0, 0.0, True, 1.3, -0.9) == 0.0  # 0 times a huge factor
    assert one_round(0.5, 0.0, True, 1.3, -0.9) == 1.0
    assert one_round(0.5, 0.0, True, 0.7, 0.9) == pytest.approx(0.0, abs=1e-6)
    gradient = jax.grad(lambda x: arithmetic.multiply(x, jnp.zeros(()), jnp.float32(1.3), jnp.float32(-0.9)))
    assert all(np.isfinite(gradient(jnp.float32(x))) for x in (0.0, 1e-30, 0.5, 1.0))


def test_coefficients_have_the_published_law(golden):
    numbers = golden("beyond/pixmix_law")
    for beta in (3, 4):
        draws = sample(jax.random.key(beta), 10_000, 4, jnp.float32(beta), 3.0, 13, (5, 1, 1))
        a, b = np.asarray(draws.a).ravel(), np.asarray(draws.b).ravel()
        for found, name in ((a, f"a{beta}"), (b, f"b{beta}")):
            np.testing.assert_allclose(np.quantile(found, numbers["q"]), numbers[name], atol=0.02)
        moments = [a.mean(), b.mean(), a.std(), b.std(), np.corrcoef(a, b)[0, 1]]
        np.testing.assert_allclose(moments, numbers[f"moments{beta}"], atol=0.01)


def test_every_choice_is_uniform_and_an_operation_is_drawn_only_where_it_is_used():
    draws = jax.tree.map(np.asarray, sample(jax.random.key(1), 10_000, 4, jnp.float32(3), 3.0, 13, (5, 3, 2)))
    for coin in (draws.is_multiply, draws.is_mixing, draws.a > 1, draws.chains.operation[:, :1] >= 0):
        assert coin.mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(np.bincount(draws.rounds, minlength=5) / 10_000, 0.2, atol=0.02)
    for column, high in enumerate((5, 3, 2)):
        counts = np.bincount(draws.crop[:, column], minlength=high)
        np.testing.assert_allclose(counts / 10_000, 1 / high, atol=0.025)
    np.testing.assert_array_equal(
        draws.chains.operation[:, 1:, 0] >= 0, ~draws.is_mixing & (np.arange(4) < draws.rounds[:, None])
    )
    unchanged = (draws.rounds == 0) & (draws.chains.operation[:, 0, 0] < 0)
    assert unchanged.mean() == pytest.approx(0.1, abs=0.01)  # a tenth of the images
    used = draws.chains.operation[draws.chains.operation >= 0]
    np.testing.assert_allclose(np.bincount(used, minlength=13) / used.size, 1 / 13, atol=0.01)


@functools.cache
def mixed(levels=True):
    x, others = images_of((64, 14, 12, 3)), images_of((5, 16, 13, 3), 1)
    batch = x if levels else jnp.asarray(x, jnp.float32) / 255
    program = jax.jit(functools.partial(jaxmix.pixmix, operations=NINE[:3]))
    return x, others, program(jax.random.key(3), batch, others)


def test_images_are_combined_from_what_was_drawn():
    x, others, (out, mix) = mixed()
    draws = sample(jax.random.key(3), 64, 4, 3.0, 3.0, 3, (5, 3, 2))
    crops = np.stack([others[i, r : r + 14, c : c + 12] for i, r, c in np.asarray(draws.crop)])
    np.testing.assert_array_equal(module.cropped(jnp.asarray(others), draws.crop, (14, 12)), crops)
    # Where nothing is augmented all of it is known.
    plain = np.asarray((draws.chains.operation < 0).all((1, 2)))
    assert plain.sum() > 9 and (np.asarray(draws.rounds)[plain] > 1).any()
    partners = np.broadcast_to(crops[:, None], (64, 4, 14, 12, 3))
    expected = combine(x / np.float32(255), partners, draws.is_multiply, draws.a, draws.b, draws.rounds)
    np.testing.assert_allclose(out[plain], np.round(255 * np.asarray(expected))[plain], atol=1)
    np.testing.assert_array_equal(mix.weight, 1)
    unchanged = plain & (np.asarray(draws.rounds) == 0)
    assert unchanged.any()
    np.testing.assert_array_equal(np.asarray(out)[unchanged], x[unchanged])
    assert (np.asarray(out) != x).any((1, 2, 3)).mean() > 0.8


@pytest.mark.slow
def test_both_forms_give_the_same_images():
    x, others, _ = mixed()
    draws = sample(jax.random.key(3), 64, 4, 3.0, 3.0, 13, (5, 3, 2))
    steps, *chosen = indices_and_amounts(draws.chains, THIRTEEN, 14, 12)
    for batch in (jnp.asarray(x), jnp.asarray(x, jnp.float32) / 255):
        forms = (jax.jit(form, static_argnums=0) for form in (module.loop_over_images, module.vectorized))
        one, other = (form(steps, batch, jnp.asarray(others), draws, *chosen) for form in forms)
        # A sum that is rounded to another float may be rounded to another level.
        difference = np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32))
        assert difference.max() <= (1 if batch.dtype == jnp.uint8 else 2e-6) and (difference > 2e-6).mean() < 1e-3


@pytest.mark.slow
def test_floats_are_mixed_as_levels_are_and_unchanged_ones_to_the_bit():
    x, _, (levels, _) = mixed()
    _, _, (floats, _) = mixed(False)
    np.testing.assert_allclose(255 * np.asarray(floats), levels, atol=0.51)
    draws = sample(jax.random.key(3), 64, 4, 3.0, 3.0, 3, (5, 3, 2))
    same = np.asarray((draws.rounds == 0) & (draws.chains.operation[:, 0, 0] < 0))
    assert same.any()
    np.testing.assert_array_equal(np.asarray(floats)[same], (np.asarray(jnp.asarray(x, jnp.float32) / 255))[same])


def test_the_operations_are_the_papers_thirteen():
    defaults = {name: parameter.default for name, parameter in inspect.signature(jaxmix.pixmix).parameters.items()}
    assert defaults["operations"] is THIRTEEN and (defaults["k"], defaults["beta"], defaults["severity"]) == (4, 3, 3)


@pytest.mark.parametrize(
    ("mixing_set", "message"),
    [
        (np.zeros((2, 14, 12), np.uint8), r"mixing_set has shape \(2, 14, 12\); wanted images \[m H W c\]"),
        ([1], "mixing_set came as list"),
        (np.zeros((2, 14, 12, 1), np.uint8), "mixing_set has 1 channels, but the images have 3"),
        (np.zeros((2, 13, 12, 3), np.uint8), r"mixing_set has images of 13 x 12, but the images are 14 x 12.*side=18"),
        (np.full((2, 14, 12, 3), 2, np.float32), r"mixing_set have values from 2 to 2; wanted 0\.\.1"),
        (np.zeros((2, 14, 12, 3), np.int32), "mixing_set have dtype int32"),
    ],
)
def test_a_wrong_mixing_set_says_what_was_wanted(mixing_set, message):
    with pytest.raises(ValueError, match=message):
        jaxmix.pixmix(jax.random.key(0), images_of(), mixing_set)


def test_a_traced_mixing_set_out_of_range_shows_in_what_is_mixed_with_it():
    mixing_set = np.full((2, 14, 12, 3), 200, np.float32)
    mixed, _ = jax.jit(jaxmix.pixmix)(jax.random.key(0), images_of().astype(np.float32) / 255, mixing_set)
    broken = np.isnan(np.asarray(mixed)).any((1, 2, 3))
    assert broken.any()
    fine, _ = jax.jit(jaxmix.pixmix)(jax.random.key(0), images_of().astype(np.float32) / 255, mixing_set / 255)
    assert not np.isnan(np.asarray(fine)).any()


@pytest.mark.parametrize(("option", "value"), [("k", 0), ("beta", 0.0), ("severity", 11.0), ("operations", ())])
def test_a_wrong_option_says_what_was_wanted(option, value):
    with pytest.raises(ValueError, match=f"{option} is .*; wanted"):
        jaxmix.pixmix(jax.random.key(0), images_of(), images_of(), **{option: value})
