"""Losses against the definitions, written out in float64."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix

pytestmark = pytest.mark.unoptimized

B, K = 5, 7
RANDOM = np.random.default_rng(1)
LOGITS = 3 * RANDOM.standard_normal((B, K)).astype(np.float32)
IDS = np.array([0, 6, 3, 3, 1])
SOFT = RANDOM.dirichlet(np.ones(K), B).astype(np.float32)
MIX = jaxmix.pair(np.array([1, 2, 3, 4, 0]), RANDOM.random((B, 1, 1), np.float32))
UNEVEN = MIX._replace(weight=np.float32([[0.3, 0.5]] * B))  # weights need not sum to 1

cross_entropy, softmax_bce, accuracy = map(jax.jit, (jaxmix.cross_entropy, jaxmix.softmax_bce, jaxmix.accuracy))
LOSSES = {"cross_entropy": cross_entropy, "softmax_bce": softmax_bce}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def dense(labels):
    return np.eye(K)[np.asarray(labels)] if labels.ndim == 1 else np.asarray(labels, np.float64)


def mixed(labels, mix, smoothing):
    target = dense(labels)
    if mix is not None:
        target = np.einsum("bs,bsk->bk", np.asarray(mix.weight, np.float64), target[np.asarray(mix.source)])
    return (1 - smoothing) * target + smoothing / K * target.sum(1, keepdims=True)


def softmax(logits):
    z = np.exp(np.asarray(logits, np.float64) - np.max(logits, 1, keepdims=True))
    return z / z.sum(1, keepdims=True)


both_labels = pytest.mark.parametrize("labels", [IDS, SOFT], ids=["ids", "soft"])
every_mix = pytest.mark.parametrize("mix", [None, MIX, UNEVEN], ids=["plain", "mixed", "uneven"])


@both_labels
@every_mix
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_minus_target_times_log_softmax(labels, mix, smoothing):
    expected = -(mixed(labels, mix, smoothing) * np.log(softmax(LOGITS))).sum(1)
    found = cross_entropy(LOGITS, labels, mix, label_smoothing=smoothing)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@both_labels
@every_mix
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_bce_is_the_mean_over_classes_of_binary_cross_entropies(labels, mix, smoothing):
    target, q = mixed(labels, mix, smoothing), softmax(LOGITS)
    expected = -(target * np.log(q) + (1 - target) * np.log(1 - q)).mean(1)
    found = softmax_bce(LOGITS, labels, mix, label_smoothing=smoothing)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_a_pair_of_labels_costs_the_weighted_sum_of_both_cross_entropies():
    own, other = (cross_entropy(LOGITS, IDS[np.asarray(MIX.source)[:, slot]]) for slot in (0, 1))
    found = cross_entropy(LOGITS, IDS, MIX)
    np.testing.assert_allclose(found, MIX.weight[:, 0] * own + MIX.weight[:, 1] * other, rtol=2e-6)


def test_softmax_bce_floors_its_logs_at_minus_100():
    sure = np.float32([[1000, 0, 0, 0]])
    np.testing.assert_allclose(softmax_bce(sure, np.array([0])), 0, atol=1e-6)
    np.testing.assert_allclose(softmax_bce(sure, np.array([1])), 2 * 100 / 4)


@each_loss
def test_loss_and_gradient_are_finite_at_extreme_logits(loss):
    evaluated = jax.jit(jax.value_and_grad(lambda logits: loss(logits, IDS, MIX).sum()))
    for size in (1, 1e4):
        value, gradient = evaluated(size * LOGITS)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_gradient_of_cross_entropy_is_softmax_minus_target():
    gradient = jax.jit(jax.grad(lambda logits: jaxmix.cross_entropy(logits, IDS, MIX).sum()))(LOGITS)
    np.testing.assert_allclose(gradient, softmax(LOGITS) - mixed(IDS, MIX, 0.0), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    low = LOGITS.astype(dtype)
    for loss in (cross_entropy, softmax_bce):
        found = loss(low, IDS, MIX)
        assert found.dtype == jnp.float32
        np.testing.assert_array_equal(found, loss(low.astype(np.float32), IDS, MIX))


@both_labels
@every_mix
def test_accuracy_is_the_weight_of_the_predicted_class(labels, mix):
    expected = mixed(labels, mix, 0.0)[np.arange(B), np.argmax(LOGITS, 1)]
    np.testing.assert_allclose(accuracy(LOGITS, labels, mix), expected, atol=1e-6)


@each_loss
def test_class_ids_out_of_range_give_nan(loss):
    found = loss(LOGITS, np.array([0, K, -1, 3, 1]))
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, False, False])


def test_a_traced_label_smoothing_never_traces_again():
    chex.clear_trace_counter()
    run = jax.jit(chex.assert_max_traces(lambda s: jaxmix.cross_entropy(LOGITS, IDS, MIX, label_smoothing=s), n=1))
    assert not np.allclose(run(0.0), run(0.2))


@pytest.mark.parametrize("function", [jaxmix.cross_entropy, jaxmix.softmax_bce, jaxmix.accuracy])
def test_mistakes_say_what_came_and_what_was_wanted(function):
    mistakes = {
        r"logits have shape \(7,\).*wanted floating \[b k\]": (LOGITS[0], IDS),
        r"logits have shape \(5, 7\) and dtype int32": (LOGITS.astype(np.int32), IDS),
        "there are 5 rows of logits, but 4 labels": (LOGITS, IDS[:4]),
        "soft labels have 6 classes, but num_classes is 7": (LOGITS, SOFT[:, :6]),
        r"labels have shape \(5,\) and dtype float32; wanted integer class ids": (LOGITS, IDS.astype(np.float32)),
    }
    for message, arguments in mistakes.items():
        with pytest.raises(ValueError, match=message):
            function(*arguments)


@pytest.mark.parametrize("loss", [jaxmix.cross_entropy, jaxmix.softmax_bce])
def test_a_label_smoothing_out_of_range_says_so(loss):
    with pytest.raises(ValueError, match="label_smoothing is 1.5; wanted a number from 0 to 1"):
        loss(LOGITS, IDS, label_smoothing=1.5)
