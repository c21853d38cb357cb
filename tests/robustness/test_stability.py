"""Flip probability and distances of rankings: the authors' values, what must hold, and errors."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import stability

FUNCTIONS = (stability.flip_probability, stability.top5_distance, stability.zipf_distance)
CASES = [(difficulty, noise) for difficulty in (1, 2, 3) for noise in (False, True)]


def case(set_name, difficulty, noise):
    return f"{set_name}_d{difficulty}_{'noise' if noise else 'sequence'}"


@pytest.mark.parametrize(("difficulty", "noise"), CASES)
def test_values_are_the_authors(golden, difficulty, noise):
    numbers, options = golden("beyond/flip_probability"), {"difficulty": difficulty, "noise": noise}
    logits = numbers["small_logits"]
    made = [stability.flip_probability(logits.argmax(-1), **options)]
    made += [distance(logits, **options) for distance in (stability.top5_distance, stability.zipf_distance)]
    np.testing.assert_allclose(made, numbers[case("small", difficulty, noise)], rtol=0, atol=1e-9)
    for name in ("walk", "iid"):
        flips, top5, _ = numbers[case(name, difficulty, noise)]
        ranked = numbers[f"{name}_ranks_top5"].astype(int)
        logits = np.zeros((*ranked.shape[:2], 1000))
        np.put_along_axis(logits, ranked, np.broadcast_to(np.arange(5.0, 0, -1), ranked.shape), -1)
        assert abs(stability.flip_probability(numbers[f"{name}_pred"], **options) - flips) <= 1e-9
        assert abs(stability.top5_distance(logits, **options) - top5) <= 1e-9


def test_the_worked_example():
    predictions = [[3, 5, 5, 5]]
    assert stability.flip_probability(predictions) == pytest.approx(1 / 3)
    assert stability.flip_probability(predictions, noise=True) == 1
    assert stability.flip_probability([[1, 2, 1, 2, 1]], difficulty=2) == 0


def test_a_constant_network_is_stable_and_names_of_classes_do_not_count():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3, 8, 12))
    constant = np.broadcast_to(logits[:1, :1], logits.shape)
    renamed = logits[..., generator.permutation(12)]
    for function in FUNCTIONS:
        flips = function is stability.flip_probability
        value, still, other = (function(x.argmax(-1) if flips else x) for x in (logits, constant, renamed))
        assert still == 0 < value and value == pytest.approx(other)


def test_noise_has_an_order_and_other_flips_have_none():
    predictions = np.array([[1, 2, 2, 1, 2]])
    backward = predictions[:, ::-1]
    assert stability.flip_probability(predictions) == stability.flip_probability(backward)
    forward = stability.flip_probability(predictions, noise=True)
    assert forward != stability.flip_probability(backward, noise=True)
    assert forward == stability.flip_probability(predictions, noise=True, difficulty=3)


def test_half_precision_and_device_arrays_are_taken():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 6)), jnp.bfloat16)
    assert stability.zipf_distance(logits) == stability.zipf_distance(np.asarray(logits, np.float32))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stability.flip_probability([1, 2]), r"predictions have shape \(2,\) and dtype int64; wanted integers"),
        (lambda: stability.flip_probability([[0.5, 1.0]]), r"take the argmax of logits"),
        (lambda: stability.flip_probability([[1]]), r"sequences have 1 frames; wanted 2 or more"),
        (lambda: stability.flip_probability([[1, 2]], difficulty=2), r"have 2 frames; wanted 3 or more"),
        (lambda: stability.flip_probability([[1, 2]], difficulty=0), r"difficulty is 0; wanted 1 or more"),
        (lambda: stability.flip_probability([[1, 2]], noise=1), r"noise is 1; wanted True or False"),
        (lambda: stability.top5_distance([[1.0, 2.0]]), r"logits have shape \(1, 2\) .*; wanted floating"),
        (lambda: stability.zipf_distance([[[1.0, np.nan], [1.0, 2.0]]]), r"logits has 1 of 4 values that are NaN"),
    ],
)
def test_mistakes_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()
