"""The optimizers, by the equations of their papers; the learning rate: warm-up, cosine, milestones, extensions."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

import averages
import optimizer
from optimizer import OptimizerOptions, learning_rate, milestones

RANDOM = np.random.default_rng(0)
PARAMS = {"kernel": RANDOM.normal(size=(4, 3)), "bias": RANDOM.normal(size=3)}
GRADIENTS = [{name: RANDOM.normal(size=array.shape) for name, array in PARAMS.items()} for _ in range(4)]


def single(tree):
    return jax.tree.map(np.float32, tree)


def trained(options, gradients, rate=lambda step: 0.1, weight_decay=0.0):
    """The parameters after each of the gradients."""
    made = optimizer.create(options, rate, weight_decay)

    @jax.jit
    def updated(gradients, params):
        state, found = made.init(params), []
        for gradient in gradients:
            updates, state = made.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            found.append(params)
        return found

    with jax.numpy_dtype_promotion("standard"):  # as for users: optax raises a float to its count of updates
        return updated(single(gradients), single(PARAMS))


def assert_close(found, expected):
    # Float32 keeps four digits of 1 - 0.999**t, and a step is 0.1.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=5e-6), found, expected)


def adam(gradients):
    """The direction of each update, m / (sqrt(v) + epsilon) with both moments unbiased, for the given epsilon."""
    m = v = 0.0
    for count, gradient in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        yield m / (1 - 0.9**count), np.sqrt(v / (1 - 0.999**count))


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_adamw_and_lamb_follow_their_papers_and_decay_kernels_alone(name):
    rate, decay, expected = (lambda step: 0.1 / (1 + step)), 0.05, []
    params = dict(PARAMS)
    moments = {key: list(adam([gradient[key] for gradient in GRADIENTS])) for key in PARAMS}
    for step in range(len(GRADIENTS)):
        for key, before in params.items():
            mean, deviation = moments[key][step]
            update = mean / (deviation + (1e-8 if name == "adamw" else 1e-6))
            update = update + decay * before * (key == "kernel")
            ratio = np.linalg.norm(before) / np.linalg.norm(update) if name == "lamb" else 1.0
            params = params | {key: before - rate(step) * ratio * update}
        expected.append(params)
    found = trained(OptimizerOptions(optimizer=name), GRADIENTS, rate, decay)
    assert_close(found, expected)


def test_sgd_decays_all_parameters_and_its_gradient_is_clipped_before_that():
    options = OptimizerOptions(momentum=0.0, clip_norm=1.5)
    norm = np.sqrt(sum((array**2).sum() for array in GRADIENTS[0].values()))
    assert norm > 1.5
    (found,) = trained(options, GRADIENTS[:1], weight_decay=0.5)
    assert_close(
        found, {key: PARAMS[key] - 0.1 * (1.5 / norm * GRADIENTS[0][key] + 0.5 * PARAMS[key]) for key in PARAMS}
    )
    small = jax.tree.map(lambda x: x / 100, GRADIENTS[0])  # below the norm nothing is scaled
    (found,) = trained(options, [small])
    assert_close(found, {key: PARAMS[key] - 0.1 * small[key] for key in PARAMS})


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb"])
def test_two_accumulated_gradients_are_their_mean_at_the_rate_of_their_first_step(name):
    options = OptimizerOptions(optimizer=name, clip_norm=1.0)
    means = [jax.tree.map(lambda a, b: (a + b) / 2, *GRADIENTS[start : start + 2]) for start in (0, 2)]
    expected = trained(options, means, lambda step: 0.1 / (1 + 2 * step), 0.01)
    found = trained(dataclasses.replace(options, accumulate=2), GRADIENTS, lambda step: 0.1 / (1 + step), 0.01)
    assert_close([found[1], found[3]], expected)
    assert_close([found[0], found[2]], [PARAMS, expected[0]])  # nothing moves before the second


@pytest.mark.parametrize("each", [1, 3])
def test_the_average_has_weights_that_fall_by_its_factor_and_sum_to_one(each):
    values = RANDOM.normal(size=(7 * each, 5))
    average = np.full(5, 1e6, np.float32)  # what was there before the first update has no part
    move = jax.jit(lambda a, v, step: averages.moved(a, v, step, decay=0.9, accumulate=each))
    for step, value in enumerate(values):
        average = move(average, np.float32(value), np.int32(step))
        updates = (step + 1) // each
        if updates == 0:
            np.testing.assert_array_equal(average, 1e6)
            continue
        weights = 0.9 ** np.arange(updates - 1, -1, -1)
        np.testing.assert_allclose(average, weights @ values[each - 1 :: each][:updates] / weights.sum(), rtol=1e-5)


def test_options_that_do_not_suit_each_other_are_refused():
    with pytest.raises(ValueError, match=r"--momentum is 0\.8, but --optimizer lamb has none"):
        optimizer.check(OptimizerOptions(optimizer="lamb", momentum=0.8))
    with pytest.raises(ValueError, match=r"--ema is 0; wanted more"):
        optimizer.check(OptimizerOptions(ema=0))


def test_each_extension_has_a_cosine_of_its_own_from_a_tenth_and_steps_stay_at_their_last_rate():
    options = OptimizerOptions(lr=1.0)
    rate, before = learning_rate(options, (), 2, 10, (4, 1)), learning_rate(options, (), 2, 10)
    assert [float(rate(step)) for step in range(20)] == [float(before(step)) for step in range(20)]
    assert [float(rate(step)) for step in (20, 40, 60, 65)] == pytest.approx([0.1, 0.05, 0.1, 0.05])
    steps = learning_rate(dataclasses.replace(options, schedule="step"), (1,), 2, 10, (4,))
    assert [float(steps(step)) for step in (5, 15, 25)] == pytest.approx([1, 0.1, 0.1])


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
