"""Calibration: the authors' and scikit-learn's numbers, slow loops, bounds, and what isn't a test set."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from jaxmix.robustness import calibration, detection

SETS = [f"n{n}{ties}" for n in (137, 250, 1000, 10000) for ties in ("", "_ties")]
OF_CONFIDENCE = {
    "full_rms": calibration.rms_error,
    "stable_droplast_rms": lambda c, r: calibration.rms_error(c, r, drop_last_bin=True),
    "full_mad": calibration.mad_error,
    "stable_droplast_mad": lambda c, r: calibration.mad_error(c, r, drop_last_bin=True),
    "full_max": calibration.max_error,
    "stable_droplast_max": lambda c, r: calibration.max_error(c, r, drop_last_bin=True),
    "ece15": calibration.expected_error,
    "mce15_maxbin": calibration.maximum_error,
    "soft_f1": calibration.soft_f1,
    "aurra_stable_desc": calibration.aurra,
    "brier_confidence": calibration.brier_of_confidence,
    "auroc_correct_vs_wrong": lambda c, r: detection.auroc(c[r == 1], c[r == 0]),
}
OF_PROBABILITIES = {"brier_multiclass_sum": calibration.brier, "nll": calibration.negative_log_likelihood}
# numpy and these functions both sum in float64; 1e-6 is what is promised.
EXACT = {"rtol": 0, "atol": 1e-12}

samples = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5, 0.75, 1.0]), st.booleans()), min_size=1)


def made(n=500, seed=0):
    """An over-confident network: confidence, and whether it is right."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.2, 1, n)
    return confidence, random.uniform(size=n) < confidence**2


@pytest.mark.parametrize("name", SETS)
def test_metrics_are_the_authors_and_scikit_learns(golden, name):
    numbers = golden("robustness/calibration")
    expected = dict(zip(numbers["metric_names"], numbers[f"{name}_metrics"], strict=True))
    pairs = {key: (f, "conf", "correct") for key, f in OF_CONFIDENCE.items()}
    pairs |= {key: (f, "probs", "labels") for key, f in OF_PROBABILITIES.items()}
    for key, (metric, *arrays) in pairs.items():
        found = metric(*(numbers[f"{name}_{array}"] for array in arrays))
        np.testing.assert_allclose(found, expected[key], **EXACT, err_msg=key)
    if not name.endswith("ties"):  # the authors' sort isn't stable
        for metric in ("rms", "mad", "max"):
            np.testing.assert_allclose(expected[f"official_{metric}"], expected[f"stable_droplast_{metric}"], **EXACT)


def test_the_worked_example_of_four_bins():
    confidence = np.repeat([0.2, 0.4, 0.6, 0.9], 100)
    correct = np.concatenate([np.arange(100) < right for right in (10, 40, 80, 50)])
    order = np.random.default_rng(0).permutation(400)
    # Gaps of .1, 0, .2 and .4; equal confidences share a bin, so the order makes no difference.
    for c, r in ((confidence, correct), (confidence[order], correct[order])):
        for drop, gaps in ((False, [0.1, 0, 0.2, 0.4]), (True, [0.1, 0, 0.2])):
            rms = np.sqrt(np.square(gaps).sum() / 4)
            np.testing.assert_allclose(calibration.rms_error(c, r, drop_last_bin=drop), rms, **EXACT)
            np.testing.assert_allclose(calibration.mad_error(c, r, drop_last_bin=drop), sum(gaps) / 4, **EXACT)
            np.testing.assert_allclose(calibration.max_error(c, r, drop_last_bin=drop), max(gaps), **EXACT)


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("bin_size", [1, 7, 100, 499, 500])
def test_rms_is_that_of_a_slow_loop(bin_size, drop):
    confidence, correct = made()
    order = sorted(range(500), key=lambda i: confidence[i])
    starts = list(range(0, 500 - 500 % bin_size, bin_size))
    total = 0.0
    for start in starts[: len(starts) - drop]:
        held = order[start:] if start == starts[-1] else order[start : start + bin_size]
        gap = sum(confidence[i] - correct[i] for i in held) / len(held)
        total += len(held) / 500 * gap**2
    found = calibration.rms_error(confidence, correct, bin_size=bin_size, drop_last_bin=drop)
    np.testing.assert_allclose(found, total**0.5, **EXACT)


def test_fewer_samples_than_a_bin_are_one_bin_and_cannot_lose_it():
    confidence, correct = made(30)
    gap = abs(confidence.mean() - correct.mean())
    np.testing.assert_allclose(calibration.rms_error(confidence, correct), gap, **EXACT)
    assert calibration.rms_error(*made(199), drop_last_bin=True) == 0  # the authors' figure
    with pytest.raises(ValueError, match="there are 30 samples, and bins of 100; wanted 100 or more"):
        calibration.rms_error(confidence, correct, drop_last_bin=True)


@settings(max_examples=100, deadline=None)
@given(samples, st.integers(1, 20))
def test_reliability_and_ece_are_those_of_a_slow_loop(pairs, bins):
    confidence, correct = zip(*pairs, strict=True)
    found = calibration.reliability(confidence, correct, bins=bins)
    error, worst = 0.0, 0.0
    for i in range(bins):
        low, high = found.edges[i], found.edges[i + 1]
        held = [(c, r) for c, r in pairs if low < c <= high or (i == 0 and c == 0)]
        assert found.number[i] == len(held)
        means = [sum(x) / len(held) for x in zip(*held, strict=True)] if held else [0, 0]
        np.testing.assert_allclose([found.confidence[i], found.accuracy[i]], means, **EXACT)
        error += len(held) / len(pairs) * abs(means[0] - means[1])
        worst = max(worst, abs(means[0] - means[1]))
    np.testing.assert_allclose(calibration.expected_error(confidence, correct, bins=bins), error, **EXACT)
    np.testing.assert_allclose(calibration.maximum_error(confidence, correct, bins=bins), worst, **EXACT)


@settings(max_examples=100, deadline=None)
@given(samples)
def test_errors_keep_their_bounds_and_order(pairs):
    confidence, correct = (np.array(x) for x in zip(*pairs, strict=True))
    bias = abs(confidence.mean() - correct.mean())
    coarse, fine = (calibration.expected_error(confidence, correct, bins=bins) for bins in (5, 15))
    assert bias - 1e-12 <= coarse <= fine + 1e-12 <= 1 + 2e-12  # every bin of 15 lies in one of 5
    np.testing.assert_allclose(calibration.expected_error(confidence, correct, bins=1), bias, **EXACT)
    assert fine <= calibration.maximum_error(confidence, correct) + 1e-12
    by_size = [
        f(confidence, correct, bin_size=3)
        for f in (calibration.mad_error, calibration.rms_error, calibration.max_error)
    ]
    assert by_size[0] <= by_size[1] + 1e-12 and by_size[1] <= by_size[2] + 1e-12
    assert 0 <= calibration.aurra(confidence, correct) <= 1 and 0 <= calibration.soft_f1(confidence, correct) <= 1


def test_a_sure_network_that_is_right_has_no_error_and_one_that_is_wrong_all():
    ones = np.ones(200)
    for metric in (calibration.rms_error, calibration.expected_error, calibration.maximum_error):
        assert metric(ones, ones) == 0 and metric(ones, 0 * ones) == 1
    assert calibration.aurra(ones, ones) == 1 and calibration.aurra(ones, 0 * ones) == 0
    assert calibration.soft_f1(ones, ones) == 0 and calibration.soft_f1(0 * ones, 0 * ones) == 1


def test_aurra_and_soft_f1_are_those_of_slow_loops():
    confidence, correct = made(60)
    order = sorted(range(60), key=lambda i: -confidence[i])
    rates = [np.mean([correct[i] for i in order[: r + 1]]) for r in range(60)]
    np.testing.assert_allclose(calibration.aurra(confidence, correct), np.mean(rates), **EXACT)
    found, missed, false = 0.0, 0.0, 0.0
    for c, r in zip(confidence, correct, strict=True):
        found, missed, false = found + (1 - c) * (not r), missed + c * (not r), false + (1 - c) * r
    np.testing.assert_allclose(
        calibration.soft_f1(confidence, correct), found / (found + (missed + false) / 2), **EXACT
    )


def test_proper_scores_are_scikit_learns():
    random = np.random.default_rng(3)
    probabilities, labels = random.dirichlet(np.ones(4), 50), random.integers(0, 4, 50)
    found = calibration.negative_log_likelihood(probabilities, labels)
    np.testing.assert_allclose(found, sklearn.log_loss(labels, probabilities, labels=range(4)), **EXACT)
    expected = [sklearn.brier_score_loss(labels == k, probabilities[:, k]) for k in range(4)]
    np.testing.assert_allclose(calibration.brier(probabilities, labels), sum(expected), **EXACT)
    confidence, correct = made(50)
    expected = sklearn.brier_score_loss(correct, confidence)
    np.testing.assert_allclose(calibration.brier_of_confidence(confidence, correct), expected, **EXACT)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8, jnp.int32])
def test_probabilities_0_and_1_may_be_integers_in_every_metric(dtype):
    one_hot = jnp.eye(3, dtype=dtype) if dtype is jnp.int32 else np.eye(3, dtype=dtype)
    rows, labels = one_hot[np.array([0, 1, 2, 0])], [0, 1, 2, 1]
    assert calibration.brier(rows, labels) == calibration.brier(np.asarray(rows, float), labels) == 0.5
    assert calibration.negative_log_likelihood(rows, labels) == pytest.approx(-np.log(1e-12) / 4)
    confidence, correct = np.asarray(rows).max(1), [1, 1, 1, 0]
    assert (
        calibration.expected_error(confidence, correct) == calibration.brier_of_confidence(confidence, correct) == 0.25
    )
    with pytest.raises(ValueError, match="call softmax on logits"):
        calibration.brier([[1, 2, 3]], [0])


def test_a_label_of_probability_0_costs_a_finite_amount():
    np.testing.assert_allclose(calibration.negative_log_likelihood([[1.0, 0.0]], [1]), 12 * np.log(10), **EXACT)


# Logits and temperature.


def logits_and_labels(n=2000, k=5, scale=1.0, seed=1):
    """Logits whose softmax at temperature `scale` is the distribution of the labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, k))
    return scale * logits, (logits + random.gumbel(size=(n, k))).argmax(1)


def nll(logits, labels, t):
    return calibration.negative_log_likelihood(np.asarray(jax.nn.softmax(logits / t)), labels)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_has_the_lowest_likelihood_loss_and_undoes_a_scale(scale):
    plain = calibration.temperature(*logits_and_labels())
    logits, labels = logits_and_labels(scale=scale)
    t = calibration.temperature(logits, labels)
    np.testing.assert_allclose(t, scale * plain, rtol=3e-6)  # it is found to 1e-6
    np.testing.assert_allclose(plain, 1, atol=0.08)  # 2,000 labels
    assert all(nll(logits, labels, t) <= nll(logits, labels, t * off) for off in (0.8, 0.97, 1.03, 1.25))


def test_temperature_calibrates_and_changes_no_prediction():
    logits, labels = logits_and_labels(scale=3.0)
    before = calibration.top_label(logits, labels)
    after = calibration.top_label(logits, labels, temperature=calibration.temperature(logits, labels))
    np.testing.assert_array_equal(before[1], after[1])
    assert calibration.expected_error(*after) < 0.05 < 0.1 < calibration.expected_error(*before)


def test_a_temperature_out_of_range_is_its_end_and_logits_that_say_nothing_keep_1():
    sure = np.array([[0.0, 1.0]] * 3)
    np.testing.assert_allclose(calibration.temperature(sure, [1, 1, 1]), 0.2, rtol=1e-5)
    np.testing.assert_allclose(calibration.temperature(sure, [0, 0, 0]), 5.0, rtol=1e-5)
    assert calibration.temperature(np.zeros((3, 2)), [0, 1, 1]) == 1
    with pytest.raises(ValueError, match=r"low is 2 and high 1; wanted 0 < low < high"):
        calibration.temperature(sure, [1, 1, 1], low=2, high=1)


def test_top_labels_of_float32_bfloat16_and_huge_logits():
    logits = jnp.array([[0.0, 1.0], [1e4, -1e4], [2.0, 2.0]])
    for dtype in (jnp.float32, jnp.bfloat16):
        confidence, correct = calibration.top_label(logits.astype(dtype), jnp.array([1, 0, 1]))
        np.testing.assert_allclose(confidence, [1 / (1 + np.exp(-1)), 1, 0.5], **EXACT)
        np.testing.assert_array_equal(correct, [True, True, False])
        assert confidence.dtype == np.float64


# Mistakes.

HALF = np.full(3, 0.5)
BAD = {
    r"confidence has shape \(0,\).*n 1 or more": ([], []),
    r"confidence has shape \(3, 1\)": (HALF[:, None], HALF),
    r"confidence has 1 of 3 values that are NaN": ([0.5, np.nan, 0.5], [0, 1, 1]),
    r"confidence goes from 0.5 to 90; wanted values from 0 to 1": ([0.5, 90, 0.5], [0, 1, 1]),
    r"there are 3 samples in confidence, but 2 in correct": (HALF, [0, 1]),
    r"correct has other values than 0 and 1": (HALF, [0, 1, 2]),
}
METRICS = [
    calibration.rms_error,
    calibration.mad_error,
    calibration.max_error,
    calibration.reliability,
    calibration.expected_error,
    calibration.maximum_error,
    calibration.aurra,
    calibration.soft_f1,
    calibration.brier_of_confidence,
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_what_is_no_test_set_says_so(metric):
    for message, arguments in BAD.items():
        with pytest.raises(ValueError, match=message):
            metric(*arguments)
    with pytest.raises(ValueError, match="confidence is traced; wanted concrete values.*outside jit"):
        jax.jit(metric)(HALF, HALF)
    assert np.isfinite(metric([0.5], [True])).all() if metric is not calibration.reliability else True


def test_rounding_beyond_1_is_put_back():
    assert calibration.expected_error(np.float32([1 + 1e-7, 1]), [1, 1]) == 0


@pytest.mark.parametrize("metric", [calibration.brier, calibration.negative_log_likelihood, calibration.temperature])
def test_wrong_rows_say_so(metric):
    rows = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match=r"labels go from 0 to 2; wanted class ids, 0 to 1"):
        metric(rows, [0, 2])
    with pytest.raises(ValueError, match=r"labels have shape \(3,\).*integer class ids \[2\]"):
        metric(rows, [0, 1, 1])
    with pytest.raises(ValueError, match=r"labels have shape \(2,\) and dtype float64"):
        metric(rows, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"have shape \(2,\).*wanted floating \[n k\]"):
        metric(rows[0], [0, 1])
    with pytest.raises(ValueError, match=r"1 of 4 values that are NaN or infinite"):
        metric([[0.5, 0.5], [0.0, np.inf]], [0, 1])


def test_other_mistakes_say_what_was_wanted():
    with pytest.raises(ValueError, match="probabilities go from -1 to 3.*call softmax"):
        calibration.brier([[-1.0, 3.0]], [0])
    with pytest.raises(ValueError, match="bins is 0; wanted 1 or more"):
        calibration.expected_error(HALF, [0, 1, 1], bins=0)
    with pytest.raises(ValueError, match="bin_size is 0.5; wanted a Python int"):
        calibration.rms_error(HALF, [0, 1, 1], bin_size=0.5)
    for temperature in (0, -1, np.nan):
        with pytest.raises(ValueError, match="temperature is .*; wanted a value above 0"):
            calibration.top_label([[0.0, 1.0]], [0], temperature=temperature)
