"""Losses against the definitions, written out in float64."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import arguments

pytestmark = pytest.mark.unoptimized

B, K = 5, 7
RANDOM = np.random.default_rng(1)
LOGITS = 3 * RANDOM.standard_normal((B, K)).astype(np.float32)
IDS = np.array([0, 6, 3, 3, 1])
SOFT = RANDOM.dirichlet(np.ones(K), B).astype(np.float32)
MIX = jaxmix.pair(np.array([1, 2, 3, 4, 0]), RANDOM.random((B, 1, 1), np.float32))
UNEVEN = MIX._replace(weight=np.float32([[0.3, 0.5]] * B))  # weights need not sum to 1

accuracy = jax.jit(jaxmix.accuracy)
cross_entropy, softmax_bce = (jax.jit(f, static_argnames="ignore") for f in (jaxmix.cross_entropy, jaxmix.softmax_bce))
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


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint32, np.int64, np.uint64])
def test_class_ids_mean_the_same_in_every_integer_dtype(dtype):
    logits, ids = RANDOM.standard_normal((3, 1000)).astype(np.float32), np.array([5, 100, 0])
    expected = jaxmix.cross_entropy(logits, ids)
    for found in (jaxmix.cross_entropy(logits, ids.astype(dtype)), cross_entropy(logits, ids.astype(dtype))):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(jaxmix.targets(MIX, IDS.astype(dtype), 1000).sum(1), jnp.ones(B))


@pytest.mark.parametrize("large", [2**32 + 3, 2**31, -(2**32) + 3, -(2**63)])
def test_a_class_id_beyond_32_bits_is_out_of_range(large):
    assert np.isnan(jaxmix.cross_entropy(LOGITS, np.array([large, 1, 2, 3, 4]))).tolist() == [True] + [False] * 4
    with pytest.raises(ValueError, match=f"{large}.*wanted class ids"):
        arguments.class_ids(np.array([0, large]))
    with pytest.raises(ValueError, match=f"{large}.*wanted class ids, 0 to 6"):
        arguments.class_ids(np.array([0, large]), classes=K)


@pytest.mark.parametrize("function", [jaxmix.cross_entropy, jaxmix.softmax_bce, jaxmix.accuracy])
@pytest.mark.parametrize("labels", [np.array([0, 1, 1, 0]), np.ones((4, 1), np.float32)], ids=["ids", "soft"])
def test_one_class_is_an_error_that_names_the_sigmoid_loss(function, labels):
    with pytest.raises(ValueError, match=r"shape \(4, 1\), one class.*wanted two logits, or a sigmoid: jaxmix.sigmoid"):
        function(np.ones((4, 1), np.float32), labels)
    with pytest.raises(ValueError, match="one class"):
        jaxmix.jsd(jnp.ones((2, 4, 1)))


def sigmoid_reference(logits, target):
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(1)


@pytest.mark.parametrize("mix", [None, MIX], ids=["plain", "mixed"])
def test_sigmoid_bce_is_the_mean_over_classes_of_binary_cross_entropies(mix):
    hot = RANDOM.integers(0, 2, (B, K))
    loss = jax.jit(jaxmix.sigmoid_bce)
    for labels in (hot, hot.astype(np.uint8), hot.astype(np.float32), SOFT, IDS):
        expected = sigmoid_reference(LOGITS, mixed(labels, mix, 0.0))
        np.testing.assert_allclose(loss(LOGITS, labels, mix), expected, rtol=1e-5)
    answers = np.array([0, 1, 1, 0, 1])
    expected = sigmoid_reference(LOGITS[:, :1], mixed(answers[:, None], mix, 0.0))
    for labels in (answers, answers.astype(np.float32), answers[:, None]):
        np.testing.assert_allclose(loss(LOGITS[:, :1], labels, mix), expected, rtol=1e-5)
    extreme = jax.grad(lambda x: jaxmix.sigmoid_bce(x, hot, mix).sum())(1e4 * LOGITS)
    assert jnp.isfinite(extreme).all() and jnp.isfinite(loss(1e4 * LOGITS, hot, mix)).all()


def test_labels_of_sigmoid_bce_out_of_range_say_so_and_are_nan_where_traced():
    mistakes = {
        r"shape \(5,\) and values from 0 to 6.*or answers 0 and 1, \[5\]": (LOGITS[:, :1], IDS),
        r"shape \(5, 6\).*wanted multi-hot labels in 0..1, \[5 7\]": (LOGITS, np.ones((5, 6))),
        "values from -1 to 1": (LOGITS, np.where(np.eye(B, K) > 0, 1, -1)),
    }
    for message, wrong in mistakes.items():
        with pytest.raises(ValueError, match=message):
            jaxmix.sigmoid_bce(*wrong)
    traced = jax.jit(jaxmix.sigmoid_bce)(LOGITS[:, :1], np.array([0, 1, 2, 1, 0]))
    assert np.isnan(traced).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("mix", [None, MIX, UNEVEN], ids=["plain", "mixed", "uneven"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_ignored_id_adds_nothing_to_losses_gradients_and_accuracy(mix, smoothing):
    ids = np.array([0, -1, 3, -1, -1])
    labelled = ids >= 0
    for name, loss in LOSSES.items():
        found = loss(LOGITS, ids, mix, label_smoothing=smoothing, ignore=-1)
        weight, source = (np.ones((B, 1)), np.arange(B)[:, None]) if mix is None else (mix.weight, mix.source)
        target = dense(np.where(labelled, ids, 0)) * labelled[:, None]
        target = (1 - smoothing) * target + smoothing / K * target.sum(1, keepdims=True)
        target = np.einsum("bs,bsk->bk", np.asarray(weight, np.float64), target[np.asarray(source)])
        share = (np.asarray(weight) * labelled[np.asarray(source)]).sum(1) / np.asarray(weight).sum(1)
        p = softmax(LOGITS)
        expected = -(target * np.log(p)).sum(1)
        if name == "softmax_bce":
            expected = (expected - ((share[:, None] - target) * np.log(1 - p)).sum(1)) / K
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        options = {"label_smoothing": smoothing, "ignore": -1}
        gradient = jax.grad(lambda x, loss=loss, options=options: loss(x, ids, mix, **options).sum())(LOGITS)
        assert jnp.isfinite(gradient).all()
        np.testing.assert_array_equal(np.asarray(gradient)[share == 0], 0)
    hits = jaxmix.accuracy(LOGITS, ids, mix, ignore=-1)
    assert jnp.isfinite(hits).all() and (np.asarray(hits)[share == 0] == 0).all()


@pytest.mark.parametrize("ignore", [(1, 2), 0.0, True, "none", [0]], ids=str)
def test_an_ignored_id_that_is_none_says_so(ignore):
    with pytest.raises(ValueError, match="ignore is .*; wanted a class id, a Python int such as -1"):
        jaxmix.cross_entropy(LOGITS, IDS, ignore=ignore)


def test_soft_labels_have_no_ignored_id():
    with pytest.raises(ValueError, match="ignore is -1, but labels are soft"):
        jaxmix.cross_entropy(LOGITS, SOFT, ignore=-1)


def test_values_to_regress_are_blended():
    values = RANDOM.standard_normal(B).astype(np.float32)
    expected = (np.asarray(MIX.weight) * values[np.asarray(MIX.source)]).sum(1)
    np.testing.assert_allclose(jaxmix.targets(MIX, values), expected, rtol=1e-6)
    np.testing.assert_allclose(jaxmix.targets(MIX, values[:, None])[:, 0], expected, rtol=1e-6)


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
        r"one-hot labels floating, labels.astype\(jnp.float32\)": (LOGITS, np.eye(K, dtype=int)[IDS]),
        "logits came as list; wanted floating": (LOGITS.tolist(), IDS),
        "labels came as Mix; wanted an array: a mix stands where `mix` is named": (LOGITS, MIX, IDS),
        "labels have dtype object .of NoneType.": (LOGITS, None),
        "labels have dtype <U3": (LOGITS, np.array(["cat"] * B)),
    }
    for message, wrong in mistakes.items():
        with pytest.raises(ValueError, match=message):
            function(*wrong)


@pytest.mark.parametrize("loss", [jaxmix.cross_entropy, jaxmix.softmax_bce])
def test_a_label_smoothing_out_of_range_says_so(loss):
    with pytest.raises(ValueError, match="label_smoothing is 1.5; wanted a number from 0 to 1"):
        loss(LOGITS, IDS, label_smoothing=1.5)
