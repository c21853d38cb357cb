"""TransMix: labels weighted by the attention to the pixels of each slot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmix
from jaxmix.methods import transmix

pytestmark = pytest.mark.unoptimized
attend = jax.jit(jaxmix.attend, static_argnames="resize")
TWO = jnp.array([1, 0])


def boxes(numbers, case):
    side = int(numbers["side"])
    y0, y1, x0, x1 = numbers["box_y0y1x0x1"][case]
    mask = np.zeros((1, side, side), np.float32)
    mask[:, y0:y1, x0:x1] = 1
    return jaxmix.pair(np.int32(numbers["partner"]), mask)


@pytest.mark.parametrize("side", [32, 224])
def test_weights_and_smoothed_targets_are_those_of_the_authors_code(golden, side):
    # transmix_label() of Beckschen/TransMix @0e4d31e.
    numbers = golden(f"beyond/transmix_{side}")
    for case, attention in enumerate(numbers["attention"]):
        mix = attend(boxes(numbers, case), attention, resize=transmix.nearest)
        expected = np.stack([numbers["weight_own"][case], numbers["weight_partner"][case]], 1)
        np.testing.assert_allclose(mix.weight, expected, atol=2e-6)
        classes = int(numbers["classes"])
        smooth = 0.9 * np.eye(classes, dtype=np.float32)[numbers["labels"][case]] + np.float32(0.1 / classes)
        np.testing.assert_allclose(jaxmix.targets(mix, smooth), numbers["target_smoothing01"][case], atol=2e-6)


def four_slots(seed, grid=4, side=8):
    """A mix of four slots, whose masks are of whole tokens, and attention to them."""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, 4, (3, grid, grid))
    mask = np.float32(chosen[:, None] == np.arange(4)[:, None, None]).repeat(side // grid, 2).repeat(side // grid, 3)
    source = jnp.array([[0, 1, 2, 1], [1, 2, 0, 2], [2, 0, 1, 0]])
    mix = jaxmix.Mix(source, jnp.float32(mask.mean((2, 3))), jnp.asarray(mask), (None,) * 4)
    return mix, random.random((3, grid, grid)).astype(np.float32), chosen


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 1000))
def test_the_weight_of_any_slot_is_the_mean_of_its_area_and_of_the_attention_to_it(seed):
    mix, attention, chosen = four_slots(seed)
    found = attend(mix, attention)
    for b in range(3):
        for s in range(4):
            by_attention = attention[b][chosen[b] == s].sum() / attention[b].sum()
            expected = (float((chosen[b] == s).mean()) + by_attention) / 2
            np.testing.assert_allclose(found.weight[b, s], expected, atol=1e-6)
    np.testing.assert_allclose(found.weight.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(attend(mix, attention.reshape(3, -1), resize=transmix.nearest).weight, found.weight)
    order = np.random.default_rng(seed).permutation(4)
    moved = mix._replace(mask=mix.mask.reshape(3, 4, 4, 2, 8)[:, :, order].reshape(3, 4, 8, 8))
    np.testing.assert_allclose(attend(moved, attention[:, order]).weight, found.weight, atol=1e-6)


def test_uniform_attention_a_share_of_0_and_masks_of_one_value_leave_the_weights():
    mix, attention, _ = four_slots(0)
    np.testing.assert_allclose(attend(mix, np.ones((3, 4, 4), np.float32)).weight, mix.weight, atol=1e-6)
    np.testing.assert_array_equal(attend(mix, attention, share=0.0).weight, mix.weight)
    mixed = jaxmix.pair(jnp.array([1, 2, 0]), jnp.array([0.2, 0.5, 1.0])[:, None, None])
    np.testing.assert_allclose(attend(mixed, attention).weight, mixed.weight, atol=1e-6)


def test_rows_without_attention_keep_their_weights_and_sums_of_weights_are_kept():
    mix, attention, _ = four_slots(1)
    attention[0], attention[1, 0, 0] = 0, np.nan
    double = mix._replace(weight=2 * mix.weight)  # as SnapMix's, which may be of any sum
    found = attend(double, attention)
    np.testing.assert_array_equal(found.weight[:2], double.weight[:2])
    np.testing.assert_allclose(found.weight.sum(1), 2, atol=1e-6)
    holes = jaxmix.Mix(mix.source[:, :1], jnp.ones((3, 1)), mix.mask[:, :1], (None,))
    np.testing.assert_allclose(attend(holes, attention).weight, 1, atol=1e-6)  # Cutout keeps its label


def test_a_box_within_a_token_vanishes_at_the_corners_only():
    mask = np.zeros((2, 8, 8), np.float32)
    mask[:, 1:3, 1:3] = 1
    mix, attention = jaxmix.pair(TWO, mask), np.zeros((2, 2, 2), np.float32)
    attention[:, 0, 0] = 1
    np.testing.assert_allclose(attend(mix, attention, resize=transmix.nearest).weight[:, 1], 2 / 64, atol=1e-7)
    np.testing.assert_allclose(attend(mix, attention).weight[:, 1], (4 / 64 + 4 / 16) / 2, atol=1e-7)


@pytest.mark.parametrize(("have", "want"), [((6, 4), (3, 2)), ((3, 2), (6, 4)), ((5, 7), (3, 2)), ((1, 1), (2, 3))])
def test_averages_are_of_the_area_of_each_token_whatever_the_sizes(have, want):
    mask = np.random.default_rng(0).random((1, 2, *have)).astype(np.float32)
    fine = mask.repeat(want[0], 2).repeat(want[1], 3)  # a grid on which both have whole cells
    cells = fine.reshape(1, 2, want[0], have[0], want[1], have[1])
    np.testing.assert_allclose(transmix.average(mask, *want), cells.mean((3, 5)), rtol=1e-5)


def test_no_gradient_flows_into_the_attention_and_the_share_may_be_traced():
    mix, attention, _ = four_slots(2)
    logits = jnp.arange(4.0)[None]

    def loss(attention):
        return (jaxmix.attend(mix, attention).weight * logits).sum()

    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(jnp.asarray(attention)), 0)
    assert [float(attend(mix, attention, share=s).weight[0, 0]) for s in (-1.0, jnp.nan)] == [mix.weight[0, 0]] * 2


def test_what_is_no_attention_says_what_was_wanted():
    mix, attention, _ = four_slots(0)
    mistakes = {
        r"attention has shape \(3, 17\).*wanted \[3 n m\], or \[3 t\] with t a square": (mix, np.ones((3, 17))),
        r"attention has shape \(2, 4, 4\), and the mix is of 3 samples": (mix, attention[:2]),
        "attention has dtype int64": (mix, np.ones((3, 16), int)),
        "mix came as tuple; wanted a Mix": (tuple(mix), attention),
    }
    for message, arguments in mistakes.items():
        with pytest.raises(ValueError, match=message):
            jaxmix.attend(*arguments)
    with pytest.raises(ValueError, match="share is 2; wanted a number from 0 to 1"):
        jaxmix.attend(mix, attention, share=2)
    with pytest.raises(ValueError, match="resize came as str; wanted a function"):
        jaxmix.attend(mix, attention, resize="nearest")
