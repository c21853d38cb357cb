"""Out-of-distribution detection: values of the authors and scikit-learn, slow loops, ties, bounds, mistakes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from jaxmix.robustness import detection

SETS = ["in137_out137", "in1000_out500", "in10000_out2000", "in1000_out1000_ties", "in137_out200_ties"]
EXACT = {"rtol": 0, "atol": 1e-12}  # counts, divided in float64; 1e-6 is what is promised
METRICS = {
    "auroc": detection.auroc,
    "aupr_in": detection.aupr_inside,
    "aupr_out": detection.aupr_outside,
    "detection_accuracy": detection.accuracy,
    "tnr_at_tpr95": detection.tnr_at_tpr,
    "threshold_tpr95": lambda i, o: detection.threshold_at_tpr(i),
    "oe_auroc": detection.auroc,
    "oe_aupr": detection.aupr_outside,
    "oe_fpr95": detection.fpr_at_recall,
    "oe_fpr95_in_positive": lambda i, o: detection.fpr_at_recall(-o, -i),
    "odin_fpr95": lambda i, o: detection.odin(i, o).fpr95,
    "odin_detection_error": lambda i, o: detection.odin(i, o).error,
    "odin_auroc": lambda i, o: detection.odin(i, o).auroc,
}
OF_BOTH = [
    detection.auroc,
    detection.aupr_inside,
    detection.aupr_outside,
    detection.accuracy,
    detection.tnr_at_tpr,
    detection.fpr_at_recall,
    detection.odin,
]

scores = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0]), min_size=1, max_size=30)


@pytest.mark.parametrize("name", SETS)
def test_metrics_are_the_authors_and_scikit_learns(golden, name):
    numbers = golden("robustness/ood_detection")
    expected = dict(zip(numbers["metric_names"], numbers[f"{name}_metrics"], strict=True))
    assert expected.keys() == METRICS.keys()
    for key, metric in METRICS.items():
        found = metric(numbers[f"{name}_in"], numbers[f"{name}_out"])
        np.testing.assert_allclose(found, expected[key], **EXACT, err_msg=key)


@settings(max_examples=100, deadline=None)
@given(scores, scores)
def test_areas_are_scikit_learns_also_with_ties(inside, outside):
    truth, score = np.repeat([1, 0], [len(inside), len(outside)]), np.array(inside + outside)
    np.testing.assert_allclose(detection.auroc(inside, outside), sklearn.roc_auc_score(truth, score), **EXACT)
    expected = sklearn.average_precision_score(truth, score)
    np.testing.assert_allclose(detection.aupr_inside(inside, outside), expected, **EXACT)
    expected = sklearn.average_precision_score(1 - truth, -score)
    np.testing.assert_allclose(detection.aupr_outside(inside, outside), expected, **EXACT)


@settings(max_examples=100, deadline=None)
@given(scores, scores, st.sampled_from([0.01, 0.5, 0.8, 0.95, 1.0]))
def test_thresholds_are_those_of_slow_loops(inside, outside, rate):
    known, other = np.array(inside), np.array(outside)
    thresholds = sorted({*inside, *outside, 2.0})
    best = max((np.mean(known >= t) + np.mean(other < t)) / 2 for t in thresholds)
    np.testing.assert_allclose(detection.accuracy(inside, outside), best, **EXACT)
    highest = max(t for t in inside if np.mean(known >= t) >= rate)
    assert detection.threshold_at_tpr(inside, tpr=rate) == highest
    np.testing.assert_allclose(detection.tnr_at_tpr(inside, outside, tpr=rate), np.mean(other < highest), **EXACT)
    # Outside is the positive class: found are those at or below the threshold. Nearest recall first, then the higher.
    choices = []
    for t in thresholds:
        found, false = np.mean(other <= t), np.mean(known <= t)
        choices.append((abs(found - rate), -found, false if found == 1 else -false))
    np.testing.assert_allclose(detection.fpr_at_recall(inside, outside, recall=rate), abs(min(choices)[2]), **EXACT)


def test_the_worked_example():
    inside, outside = [0.99, 0.95, 0.9, 0.8, 0.6], [0.85, 0.7, 0.5, 0.3]
    np.testing.assert_allclose(detection.auroc(inside, outside), 0.85, **EXACT)
    np.testing.assert_allclose(detection.accuracy(inside, outside), 0.8, **EXACT)
    assert detection.tnr_at_tpr(inside, outside) == 0.5 and detection.threshold_at_tpr(inside) == 0.6


@pytest.mark.parametrize("n", [20, 40, 60, 100, 1000])
def test_19_of_20_let_in_are_95_percent(n):
    # 0.95 n is an integer here, which rounding mustn't turn into the next.
    assert detection.threshold_at_tpr(np.arange(n) / n) == (n // 20) / n


@settings(max_examples=50, deadline=None)
@given(scores, scores)
def test_every_rising_function_of_the_scores_gives_the_same(inside, outside):
    for metric in OF_BOTH[:-1]:
        expected = metric(inside, outside)
        assert 0 <= expected <= 1
        np.testing.assert_allclose(metric(*(np.exp(3 * np.array(x)) - 5 for x in (inside, outside))), expected, **EXACT)


@settings(max_examples=50, deadline=None)
@given(scores)
def test_the_same_scores_inside_and_outside_tell_nothing(same):
    np.testing.assert_allclose(detection.auroc(same, same), 0.5, **EXACT)
    np.testing.assert_allclose(detection.accuracy(same, same), 0.5, **EXACT)


def test_scores_that_tell_all_and_scores_that_are_all_wrong():
    low, high = [0.1, 0.2], [0.8, 0.9, 1.0]
    for metric, best, worst in (
        (detection.auroc, 1, 0),
        (detection.accuracy, 1, 0.5),
        (detection.tnr_at_tpr, 1, 0),
        (detection.fpr_at_recall, 0, 1),
        (detection.aupr_inside, 1, None),
        (detection.aupr_outside, 1, None),
    ):
        assert metric(high, low) == best
        assert worst is None or metric(low, high) == worst


def test_swapped_sides_and_signs_swap_the_areas():
    random = np.random.default_rng(0)
    inside, outside = random.normal(1, 1, 40), random.normal(0, 1, 30)
    np.testing.assert_allclose(detection.auroc(-outside, -inside), detection.auroc(inside, outside), **EXACT)
    np.testing.assert_allclose(detection.auroc(outside, inside), 1 - detection.auroc(inside, outside), **EXACT)


def test_odins_script_lets_in_a_score_inside_at_the_threshold_and_turns_away_one_outside():
    # The grid from 0 to 1 has 0.5 to the bit.
    assert detection.odin([0.5], [0.5], low=0.0).error == 0


def test_odins_script_has_no_fpr_for_few_samples():
    assert np.isnan(detection.odin([0.9, 0.8], [0.3]).fpr95)
    with pytest.raises(ValueError, match="low is 1 and high 0.1; wanted low < high"):
        detection.odin([0.9], [0.3], low=1, high=0.1)


@pytest.mark.parametrize("metric", OF_BOTH, ids=lambda metric: metric.__name__)
def test_what_are_no_scores_says_so(metric):
    fine = np.array([0.5, 0.6])
    for side, order in (("inside", lambda bad: (bad, fine)), ("outside", lambda bad: (fine, bad))):
        for message, bad in {
            r"has shape \(0,\).*n 1 or more": [],
            r"has shape \(2, 1\)": fine[:, None],
            r"has 1 of 2 values that are NaN or infinite": [0.5, np.nan],
            r"has 2 of 2 values that are NaN or infinite": [np.inf, -np.inf],
        }.items():
            with pytest.raises(ValueError, match=f"{side} {message}"):
                metric(*order(bad))
    with pytest.raises(ValueError, match="inside is traced"):
        jax.jit(metric)(fine, fine)


def test_rates_out_of_range_say_so():
    for rate in (0, 1.5, np.nan):
        with pytest.raises(ValueError, match="tpr is .*; wanted a rate above 0, at most 1"):
            detection.tnr_at_tpr([0.5], [0.5], tpr=rate)
        with pytest.raises(ValueError, match="recall is .*; wanted a share above 0, at most 1"):
            detection.fpr_at_recall([0.5], [0.5], recall=rate)
