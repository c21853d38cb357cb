"""The learning rate: warm-up, cosine, milestones."""

import pytest

from optimizer import OptimizerOptions, learning_rate, milestones


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_the_learning_rate_warms_up_and_falls(schedule):
    options = OptimizerOptions(schedule=schedule, warmup_epochs=2, lr=1.0)
    rate = learning_rate(options, (5, 8), 10, 10)
    assert [float(rate(step)) for step in (0, 10, 20)] == pytest.approx([0, 0.5, 1.0])
    if schedule == "cosine":
        assert [float(rate(step)) for step in (60, 100)] == pytest.approx([0.5, 0], abs=1e-6)
    else:
        assert [float(rate(step)) for step in (49, 51, 79, 81)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_the_rate_drops_twice_where_two_milestones_are_one_and_never_in_a_single_epoch():
    options = OptimizerOptions(schedule="step", lr=1.0)
    assert milestones(None, 2, 0, "step") == (1, 1)
    assert [float(learning_rate(options, (1, 1), 2, 10)(step)) for step in (9, 11)] == pytest.approx([1, 0.01])
    assert milestones(None, 1, 0, "step") == ()
    assert float(learning_rate(options, (), 1, 10)(9)) == 1
    assert milestones(None, 200, 0, "cosine") == (100, 150)


@pytest.mark.parametrize("given", [(0, 5), (3, 5), (5, 2)])
def test_a_milestone_in_the_warm_up_is_refused(given):
    with pytest.raises(ValueError, match=r"the warm-up ends after epoch 3; wanted 4 or more"):
        milestones(given, 9, 3, "step")
    assert milestones(given, 9, 3, "cosine") == given
