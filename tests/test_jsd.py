"""The Jensen-Shannon divergence: the authors' numbers, its bounds, and finite whatever comes."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import losses as reference

import jaxmix

LOGITS = 3 * jax.random.normal(jax.random.key(1), (3, 5, 7))
CASES = ("c10", "c100", "c1000", "near", "equal", "sharp", "disjoint")


def augmix_loss(logits, labels):
    return jaxmix.cross_entropy(logits[0], labels).mean() + 12 * jaxmix.jsd(logits).mean()


# Tolerances: the README of the goldens gives 1e-6 for float32; they were evaluated in float64.
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_the_authors_code(case, golden):
    numbers = golden("robustness/jsd")
    logits, labels = (jnp.asarray(numbers[f"{case}_{name}"]) for name in ("logits", "labels"))
    value, gradient = jax.value_and_grad(augmix_loss)(logits, labels)
    np.testing.assert_allclose(jaxmix.jsd(logits).mean(), numbers[f"{case}_jsd"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(value, numbers[f"{case}_loss"], rtol=1e-6)
    np.testing.assert_allclose(gradient, numbers[f"{case}_grad"], atol=1e-6)


def test_the_worked_example():
    p = jnp.array([[[0.7, 0.2, 0.1]], [[0.5, 0.3, 0.2]], [[0.6, 0.1, 0.3]]])
    np.testing.assert_allclose(jaxmix.jsd(jnp.log(p)), [0.0404648], atol=1e-7)


@pytest.mark.parametrize("views", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
def test_it_is_the_definition_written_out(views, scale):
    logits = scale * jax.random.normal(jax.random.key(2), (views, 4, 6))
    # Float32 sums of terms of order 1.
    np.testing.assert_allclose(jaxmix.jsd(logits), reference.jsd(logits), rtol=2e-6, atol=2e-7)


def test_equal_views_do_not_diverge_and_have_no_gradient():
    equal = jnp.broadcast_to(LOGITS[:1], LOGITS.shape)
    value, gradient = jax.value_and_grad(lambda z: jaxmix.jsd(z).sum())(equal)
    # Three equal float32 numbers and their mean, one rounding apart.
    np.testing.assert_allclose(value, 0, atol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_the_order_of_the_views_does_not_matter():
    found = [jaxmix.jsd(LOGITS[jnp.array(order)]) for order in itertools.permutations(range(3))]
    for other in found:
        np.testing.assert_allclose(other, found[0], rtol=1e-6)


@pytest.mark.parametrize("views", [2, 3])
def test_views_that_share_no_class_reach_the_logarithm_of_their_number(views):
    apart = 40 * jax.nn.one_hot(jnp.arange(views), 4)[:, None]
    np.testing.assert_allclose(jaxmix.jsd(apart), [math.log(views)], rtol=1e-6)
    for seed in range(20):
        logits = 10 * jax.random.normal(jax.random.key(seed), (views, 8, 5))
        found = np.asarray(jaxmix.jsd(logits))
        assert (found <= math.log(views) + 1e-6).all() and (found >= -5 * 4e-8).all()


@pytest.mark.parametrize("size", [200.0, 1e4, 1e30])
def test_loss_and_gradient_are_finite_at_extreme_logits(size):
    value, gradient = jax.value_and_grad(augmix_loss)(size * jnp.sign(LOGITS), jnp.arange(5))
    assert jnp.isfinite(value) and jnp.isfinite(gradient).all()


def test_jit_and_vmap_give_the_same():
    many = jnp.stack([LOGITS, 2 * LOGITS])
    expected = np.stack([jaxmix.jsd(logits) for logits in many])
    np.testing.assert_allclose(jax.jit(jax.vmap(jaxmix.jsd))(many), expected, rtol=1e-6)


def test_the_gradient_flows_through_the_mixture_too():
    found = jax.grad(lambda z: jaxmix.jsd(z).sum())(LOGITS)
    p = np.asarray(jax.nn.softmax(LOGITS), np.float64)
    # d/dp of p (log p - log M) is log p - log M + 1, and what M passes back is - 1: their sum, through the softmax.
    inner = np.log(p / p.mean(0)) / 3
    np.testing.assert_allclose(found, p * (inner - (p * inner).sum(-1, keepdims=True)), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    low = LOGITS.astype(dtype)
    assert jaxmix.jsd(low).dtype == jnp.float32
    np.testing.assert_array_equal(jaxmix.jsd(low), jaxmix.jsd(low.astype(jnp.float32)))


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (LOGITS[0], r"logits have shape \(5, 7\) and dtype float32; wanted floating \[v b k\]: stack the logits"),
        (LOGITS.astype(int), "dtype int32"),
        (LOGITS[:1], r"1 views; wanted \[v b k\] of two or more"),
    ],
)
def test_mistakes_say_what_came_and_what_was_wanted(logits, message):
    with pytest.raises(ValueError, match=message):
        jaxmix.jsd(logits)
