"""The Jensen-Shannon divergence: the authors' values, its bounds, and finite at extreme logits."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import losses as reference

import jaxmix

pytestmark = pytest.mark.unoptimized


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


LOGITS = 3 * normal(3, 5, 7)
CASES = ("c10", "c100", "c1000", "near", "equal", "sharp", "disjoint")


jsd = jax.jit(jaxmix.jsd)
divergence_and_gradient = jax.jit(jax.value_and_grad(lambda logits: jaxmix.jsd(logits).sum()))


@jax.jit
def evaluated(logits, labels):
    """AugMix's loss, the divergence in it, and the gradient of the loss."""

    def loss(logits):
        divergence = jaxmix.jsd(logits).mean()
        return jaxmix.cross_entropy(logits[0], labels).mean() + 12 * divergence, divergence

    (value, divergence), gradient = jax.value_and_grad(loss, has_aux=True)(logits)
    return value, divergence, gradient


# Tolerances: the README of the goldens gives 1e-6 for float32; they were evaluated in float64.
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_the_authors_code(case, golden):
    numbers = golden("robustness/jsd")
    value, divergence, gradient = evaluated(numbers[f"{case}_logits"], numbers[f"{case}_labels"])
    np.testing.assert_allclose(divergence, numbers[f"{case}_jsd"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(value, numbers[f"{case}_loss"], rtol=1e-6)
    np.testing.assert_allclose(gradient, numbers[f"{case}_grad"], atol=1e-6)


def test_the_worked_example():
    p = np.float32([[[0.7, 0.2, 0.1]], [[0.5, 0.3, 0.2]], [[0.6, 0.1, 0.3]]])
    np.testing.assert_allclose(jsd(np.log(p)), [0.0404648], atol=1e-7)


@pytest.mark.parametrize("views", [2, 3, 5])
def test_it_is_the_definition_written_out(views):
    logits = normal(views, 12, 6) * np.repeat(np.float32([0.1, 3, 50]), 4)[:, None]
    # Float32 sums of terms of order 1.
    np.testing.assert_allclose(jsd(logits), reference.jsd(logits), rtol=2e-6, atol=2e-7)


def test_equal_views_do_not_diverge_and_have_no_gradient():
    value, gradient = divergence_and_gradient(np.broadcast_to(LOGITS[:1], LOGITS.shape))
    # Three equal float32 values and their mean, one rounding apart.
    np.testing.assert_allclose(value, 0, atol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_the_order_of_the_views_does_not_matter():
    found = [jsd(LOGITS[list(order)]) for order in itertools.permutations(range(3))]
    for other in found:
        np.testing.assert_allclose(other, found[0], rtol=1e-6)


@pytest.mark.parametrize("views", [2, 3])
def test_views_that_share_no_class_reach_the_logarithm_of_their_number(views):
    np.testing.assert_allclose(jsd(40 * np.eye(views, 4, dtype=np.float32)[:, None]), [math.log(views)], rtol=1e-6)
    found = np.asarray(jsd(10 * normal(views, 160, 5)))
    assert (found <= math.log(views) + 1e-6).all() and (found >= -5 * 4e-8).all()


@pytest.mark.parametrize("size", [200.0, 1e4, 1e30])
def test_loss_and_gradient_are_finite_at_extreme_logits(size):
    value, _, gradient = evaluated(np.float32(size) * np.sign(LOGITS), np.arange(5))
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_jit_and_vmap_give_the_same():
    many = np.stack([LOGITS, 2 * LOGITS])
    expected = np.stack([jaxmix.jsd(logits) for logits in many])
    np.testing.assert_allclose(jax.jit(jax.vmap(jaxmix.jsd))(many), expected, rtol=1e-6)


def test_the_gradient_flows_through_the_mixture_too():
    _, found = divergence_and_gradient(LOGITS)
    p = np.exp(LOGITS.astype(np.float64))
    p /= p.sum(-1, keepdims=True)
    # d/dp of p (log p - log M) is log p - log M + 1, and what M passes back is - 1: their sum, through the softmax.
    inner = np.log(p / p.mean(0)) / 3
    np.testing.assert_allclose(found, p * (inner - (p * inner).sum(-1, keepdims=True)), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    low = LOGITS.astype(dtype)
    assert jsd(low).dtype == jnp.float32
    np.testing.assert_array_equal(jsd(low), jsd(low.astype(np.float32)))


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (LOGITS[0], r"logits have shape \(5, 7\) and dtype float32; wanted floating \[v b k\]: stack the logits"),
        (LOGITS.astype(np.int32), "dtype int32"),
        (LOGITS[:1], r"1 views; wanted \[v b k\] of two or more"),
    ],
)
def test_mistakes_say_what_came_and_what_was_wanted(logits, message):
    with pytest.raises(ValueError, match=message):
        jaxmix.jsd(logits)


def test_a_masked_class_adds_nothing_and_has_no_gradient():
    logits = np.random.default_rng(0).standard_normal((3, 4, 6)).astype(np.float32)
    masked = np.concatenate([logits, np.full((3, 4, 1), -np.inf, np.float32)], 2)
    np.testing.assert_allclose(jaxmix.jsd(masked), jaxmix.jsd(logits), rtol=1e-5)
    gradient = jax.grad(lambda x: jaxmix.jsd(x).sum())(masked)
    np.testing.assert_array_equal(gradient[..., -1], 0)
    np.testing.assert_allclose(gradient[..., :-1], jax.grad(lambda x: jaxmix.jsd(x).sum())(logits), atol=1e-6)
    half = logits.copy()
    half[0, :, 2] = -np.inf  # masked in one view only: the others still disagree with it
    assert jnp.isfinite(jaxmix.jsd(half)).all()


def test_a_list_of_views_says_to_stack_them():
    with pytest.raises(ValueError, match=r"logits came as list; wanted floating \[v b k\]: stack the logits"):
        jaxmix.jsd([jnp.ones((4, 3)), jnp.ones((4, 3))])
