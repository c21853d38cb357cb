"""The decoupled mixup loss."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix

pytestmark = pytest.mark.unoptimized
RANDOM = np.random.default_rng(0)


def slow(logits, classes, weights, eta, both):
    """Of one sample, whose slots have these classes and weights."""
    loss = 0.0
    for c, w in zip(classes, weights, strict=True):
        loss -= w * (logits[c] - math.log(sum(math.exp(z) for z in logits)))
        others = {d for d, v in zip(classes, weights, strict=True) if v > 0} - {c}
        if others and w > 0 and (both or w < max(weights)):
            rest = sum(math.exp(z) for k, z in enumerate(logits) if k not in others)
            loss -= eta * math.sqrt(w) * (logits[c] - math.log(rest))
    return loss


def many_slots(size=7, slots=4, classes=5):
    source = np.concatenate([np.arange(size)[:, None], RANDOM.integers(0, size, (size, slots - 1))], 1)
    weight = np.float32(RANDOM.dirichlet(np.ones(slots), size))
    weight[0], weight[1] = [1, 0, 0, 0], 0.25
    mix = jaxmix.Mix(jnp.asarray(source), jnp.asarray(weight), jnp.ones((size, slots, 1, 1)), (None,) * slots)
    return np.float32(2 * RANDOM.normal(size=(size, classes))), RANDOM.integers(0, classes, size), mix


@pytest.mark.parametrize(
    ("case", "eta", "both"), [("c0", 0.1, True), ("c1", 1, True), ("c2", 0.1, True), ("c3", 0.1, False)]
)
def test_loss_and_gradient_are_those_of_openmixup_with_the_weights_on_the_right_sides(golden, case, eta, both):
    # Westlake-AI/openmixup @37e1372. Case c1 has a pair of one class; c3 equal weights, which are cross-entropy there.
    numbers = {name[3:]: value for name, value in golden("beyond/decoupled_mixup").items() if name.startswith(case)}
    own, partner, lam = numbers["own"], numbers["partner"], float(numbers["lam"])
    size = len(own)
    source = np.stack([np.arange(2 * size), np.roll(np.arange(2 * size), size)], 1)
    weight = jnp.broadcast_to(jnp.float32([lam, 1 - lam]), (2 * size, 2))
    mix = jaxmix.Mix(jnp.asarray(source), weight, jnp.ones((2 * size, 2, 1, 1)), (None, None))
    sides = eta * np.sqrt([lam, 1 - lam]) if both else numbers["eta_own_partner"]
    np.testing.assert_allclose(sides, numbers["eta_own_partner"], rtol=1e-6)

    def loss(logits):
        both_halves = jnp.concatenate([logits, logits])  # the partners' classes are those of the second half
        return jaxmix.decoupled(both_halves, np.concatenate([own, partner]), mix, eta=eta, both=both)[:size].mean()

    found, gradient = jax.jit(jax.value_and_grad(loss))(numbers["logits"])
    np.testing.assert_allclose(found, numbers["loss"], atol=5e-6)
    np.testing.assert_allclose(gradient, numbers["grad"], atol=1e-6)


@pytest.mark.parametrize("both", [False, True])
def test_any_number_of_slots_is_by_hand(both):
    logits, labels, mix = many_slots()
    expected = [
        slow(row.tolist(), labels[source].tolist(), weight.tolist(), 0.3, both)
        for row, source, weight in zip(logits, np.asarray(mix.source), np.asarray(mix.weight), strict=True)
    ]
    found = jax.jit(functools.partial(jaxmix.decoupled, both=both))(logits, labels, mix, eta=0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_another_class_it_is_cross_entropy():
    logits, labels, mix = many_slots()
    ones = jnp.ones_like(labels)
    plain = functools.partial(jaxmix.cross_entropy, logits, label_smoothing=0.1)
    alone, same, mixed = jax.jit(lambda: (plain(labels), plain(ones, mix), plain(labels, mix)))()
    for both in (False, True):
        decoupled = functools.partial(jaxmix.decoupled, logits, both=both, label_smoothing=0.1)
        found = jax.jit(lambda d=decoupled: (d(labels), d(ones, mix), d(labels, mix, eta=0), d(labels, mix)))()
        for loss, expected in zip(found[:3], (alone, same, mixed), strict=True):
            np.testing.assert_allclose(loss, expected, rtol=1e-6)
        np.testing.assert_allclose(found[3][0], mixed[0], rtol=1e-6)  # weight 1, and three of 0
        assert (found[3][2:] > mixed[2:]).any()


def test_masked_classes_add_nothing_and_gradients_are_finite():
    mix = jaxmix.pair(jnp.array([1, 0]), jnp.float32([0.3, 0.3])[:, None, None])
    labels, masked = np.array([0, 1]), np.array([[2, 1, -np.inf, 0], [90, -90, -np.inf, 0]], np.float32)
    loss = jax.jit(jax.value_and_grad(lambda z, labels, mix: jaxmix.decoupled(z, labels, mix, both=True).sum()))
    found, gradient = loss(masked, labels, mix)
    kept, expected = loss(masked[:, [0, 1, 3]], labels, mix)
    np.testing.assert_allclose(found, kept, rtol=1e-6)
    np.testing.assert_allclose(gradient[:, [0, 1, 3]], expected, atol=1e-7)
    assert (gradient[:, 2] == 0).all()
    two, gradient = loss(np.float32([[1, 2], [300, -300]]), labels, mix)  # one class is left alone
    assert jnp.isfinite(two) and jnp.isfinite(gradient).all()
    assert jnp.isnan(loss(np.zeros((2, 4), np.float32), np.array([0, 4]), mix)[0])  # a class that there isn't


def test_what_it_refuses_says_what_was_wanted():
    logits = jnp.zeros((2, 3))
    with pytest.raises(ValueError, match=r"labels have shape \(2, 3\) and dtype float32; wanted integer class ids"):
        jaxmix.decoupled(logits, jnp.ones((2, 3)) / 3)
    with pytest.raises(ValueError, match="eta is -1; wanted a number from 0"):
        jaxmix.decoupled(logits, jnp.array([0, 1]), eta=-1)
    with pytest.raises(ValueError, match="both is 'less'; wanted True or False"):
        jaxmix.decoupled(logits, jnp.array([0, 1]), both="less")
    with pytest.raises(ValueError, match="2 rows of logits, but 3 labels"):
        jaxmix.decoupled(logits, jnp.array([0, 1, 2]))
