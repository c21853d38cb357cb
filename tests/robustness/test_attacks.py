"""Attacks: numbers of a plain numpy attack, a trained network, the ball and the range, uint8, gradients that fail."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

import jaxmix
from jaxmix.robustness import attacks

LEVEL = 1 / 255


def quadratic(x):
    """Rises away from 0.4, more steeply in some places than in others; no gradient in the first pixel."""
    weight = np.linspace(0, 1, x[0].size, dtype=np.float32).reshape(x.shape[1:])
    return (weight[None] * jnp.square(x - 0.4)).sum((1, 2, 3))


def pictures(dtype=jnp.float32, shape=(3, 4, 5, 2), seed=0):
    x = np.random.default_rng(seed).uniform(size=shape)
    return jnp.asarray(np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


fgsm = jax.jit(functools.partial(attacks.fgsm, quadratic))
OPTIONS = ("steps", "norm", "restarts", "random_start", "keep_best")


@functools.partial(jax.jit, static_argnames=OPTIONS)
def pgd(key, x, epsilon, *, step, **options):
    return attacks.pgd(key, quadratic, x, epsilon, step=step, **options)


def key(seed=0):
    return jax.random.key(seed)


# Numbers of a plain numpy attack on a linear classifier, and its gradient checked with torch.


@pytest.fixture(scope="module")
def classifier(golden):
    numbers = golden("robustness/adversarial")
    mean, std = (numbers[name].astype(np.float32) for name in ("mean", "std"))

    def loss(x):
        logits = jnp.tensordot((x - mean) / std, numbers["W"], 3, precision="highest") + numbers["b"][None]
        return jaxmix.cross_entropy(logits, numbers["y"])

    return loss, numbers


# The gradient's tolerance: a float32 sum of 192 terms, and logits up to 25 that were divided by std.
def near(found, expected, loss, losses):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(loss(found), losses, rtol=1e-5)


@pytest.fixture(autouse=True)
def _plain_rank_promotion():
    # A loss written as one writes it, with mean and std per channel.
    with jax.numpy_rank_promotion("allow"):
        yield


def test_fgsm_is_that_of_plain_numpy(classifier):
    loss, numbers = classifier
    x = jnp.asarray(numbers["x"])
    for levels in (2, 4, 8):
        found = attacks.fgsm(loss, x, levels * LEVEL)
        near(found, numbers[f"fgsm_eps{levels}"], loss, numbers[f"fgsm_loss_eps{levels}"])
    gradient = jax.grad(lambda x: loss(x).sum())(x)
    np.testing.assert_allclose(gradient, numbers["grad_sum"], rtol=0, atol=1e-5)
    assert (np.asarray(gradient)[:, 3, 3, 1] == 0).all()
    np.testing.assert_array_equal(found[:, 3, 3, 1], x[:, 3, 3, 1])  # sign(0) = 0


def test_pgd_is_that_of_plain_numpy(classifier):
    loss, numbers = classifier
    x, options = jnp.asarray(numbers["x"]), {"step": 2 * LEVEL, "random_start": False, "keep_best": False}
    last = attacks.pgd(key(), loss, x, 8 * LEVEL, steps=7, **options)
    near(last, numbers["pgd7"], loss, numbers["pgd7_loss"][-1])
    for steps in (1, 4):
        part = attacks.ascend(loss, x, x, 8 * LEVEL, step=2 * LEVEL, steps=steps)
        np.testing.assert_allclose(loss(part), numbers["pgd7_loss"][steps - 1], rtol=1e-5)
    start = jnp.clip(x + np.float32(8 * LEVEL) * numbers["pgd10_start_u"], 0, 1)
    found = attacks.ascend(loss, x, start, 8 * LEVEL, step=2 * LEVEL, steps=10)
    near(found, numbers["pgd10_randstart"], loss, numbers["pgd10_loss"])
    found = attacks.ascend(loss, x, x, 0.5, step=0.1, steps=10, norm="2")
    near(found, numbers["pgd10_l2"], loss, numbers["pgd10_l2_loss"])


# A network trained on scikit-learn's digits.


@pytest.fixture(scope="module")
def digits():
    """Accuracy on held out digits under an attack, and the loss."""
    images, labels = load_digits(return_X_y=True)
    images, labels = jnp.asarray(images.reshape(-1, 8, 8, 1) / 16, jnp.float32), jnp.asarray(labels, jnp.int32)
    first, second = jax.random.split(jax.random.key(1))
    weights = jax.random.normal(first, (64, 48)) / 8, jnp.zeros((1, 48)), jax.random.normal(second, (48, 10)) / 7

    def network(weights, x):
        hidden = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights[0] + weights[1])
        return hidden @ weights[2]

    def descend(weights, _):
        slope = jax.grad(lambda w: jaxmix.cross_entropy(network(w, images[:1200]), labels[:1200]).mean())(weights)
        return jax.tree.map(lambda w, g: w - 0.5 * g, weights, slope), None

    weights, _ = jax.jit(lambda w: jax.lax.scan(descend, w, None, 400))(weights)
    x, y = images[1200:1500], labels[1200:1500]
    return x, lambda x: jaxmix.cross_entropy(network(weights, x), y), lambda x: network(weights, x).argmax(1) == y


def test_attacks_reduce_accuracy_monotonically_and_pgd_is_as_strong_as_fgsm(digits):
    x, loss, right = digits
    single = jax.jit(lambda x, e: attacks.fgsm(loss, x, e))
    many = jax.jit(lambda key, x, e: attacks.pgd(key, loss, x, e, step=e / 4, steps=10))
    round_ball = jax.jit(lambda key, x, e: attacks.pgd(key, loss, x, e, step=e / 4, steps=10, norm="2"))
    clean = float(right(x).mean())
    assert clean > 0.85
    curves = {"fgsm": [clean], "pgd": [clean], "2": [clean]}
    for epsilon in (0.02, 0.05, 0.1, 0.2, 0.3):
        once, often, short = single(x, epsilon), many(key(), x, epsilon), round_ball(key(), x, 4 * epsilon)
        assert (loss(often) >= loss(once)).all(), "for every picture, not just on average"
        assert (loss(short) >= loss(x)).all()
        for name, found in (("fgsm", once), ("pgd", often), ("2", short)):
            assert 0 <= found.min() and found.max() <= 1
            curves[name].append(float(right(found).mean()))
    for curve in curves.values():
        assert all(b < a for a, b in itertools.pairwise(curve) if a > 0.01), curve
        assert curve[-1] < 0.1
    assert all(often <= once for often, once in zip(curves["pgd"], curves["fgsm"], strict=True))
    assert sum(curves["pgd"]) < sum(curves["fgsm"]) - 0.02


def test_more_restarts_are_stronger():
    def waves(x):  # a hill every 0.16
        return jnp.sin(40 * x).sum((1, 2, 3)) + x.sum((1, 2, 3))

    x = pictures(shape=(200, 1, 1, 2))
    found = [
        float(waves(attacks.pgd(key(), waves, x, 0.4, step=0.01, steps=8, restarts=restarts)).mean())
        for restarts in (1, 5)
    ]
    assert found[1] > found[0] + 0.1
    options = {"step": 0.01, "steps": 8, "restarts": 5, "keep_best": False}
    assert float(waves(attacks.pgd(key(), waves, x, 0.4, **options)).mean()) > found[0] + 0.1


# The ball and the range.


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.uint8], ids=str)
@pytest.mark.parametrize("norm", ["inf", "2"])
def test_attacked_pictures_keep_dtype_ball_and_range(dtype, norm):
    x, epsilon = pictures(dtype), 8 * LEVEL if norm == "inf" else 0.3
    found = pgd(key(), x, epsilon, step=epsilon / 3, steps=4, norm=norm, restarts=2)
    assert found.dtype == dtype and found.shape == x.shape
    unit = 255 if dtype == jnp.uint8 else 1
    before, after = (np.asarray(array, np.float64) / unit for array in (x, found))
    assert after.min() >= 0 and after.max() <= 1 and (after != before).any()
    change = after - before
    # A change is rounded to the dtype after it is cut to the ball.
    slack = {jnp.uint8: 0, jnp.float32: 1e-7, jnp.bfloat16: 2**-9}[dtype] + 1e-7
    if norm == "inf":
        assert np.abs(change).max() <= epsilon + slack
    else:
        assert np.sqrt(np.square(change).sum((1, 2, 3))).max() <= epsilon + slack * np.sqrt(change[0].size)


def test_levels_of_8_bits_move_by_whole_levels_up_to_epsilon():
    x = pictures(jnp.uint8)
    found = fgsm(x, 8 * LEVEL)
    gradient = jax.grad(lambda x: quadratic(x).sum())(x.astype(jnp.float32) / 255)
    expected = np.clip(np.asarray(x, int) + 8 * np.sign(np.asarray(gradient)).astype(int), 0, 255)
    np.testing.assert_array_equal(found, expected)
    for levels, moved in ((8.9, 8), (0.9, 0)):  # never further than epsilon
        change = np.asarray(fgsm(x, levels * LEVEL), int) - np.asarray(x, int)
        assert np.abs(change).max() == moved
    found = pgd(key(), x, 8 * LEVEL, step=0.4 * LEVEL, steps=30, random_start=False)  # less than a level adds up
    assert np.abs(np.asarray(found, int) - np.asarray(x, int)).max() == 8


def test_8_bit_pictures_are_as_strong_as_fgsm_too():
    x = pictures(jnp.uint8)
    found = pgd(key(), x, 5 * LEVEL, step=2 * LEVEL, steps=4, norm="inf", restarts=2)
    once = fgsm(x, 5 * LEVEL)
    assert (quadratic(found.astype(jnp.float32) / 255) >= quadratic(once.astype(jnp.float32) / 255)).all()


def test_an_epsilon_of_0_changes_nothing():
    for x in (pictures(), pictures(jnp.uint8)):
        np.testing.assert_array_equal(fgsm(x, 0.0), x)
        for norm in ("inf", "2"):
            found = pgd(key(), x, 0.0, step=0.1, steps=4, norm=norm, restarts=2)
            np.testing.assert_array_equal(found, x)


def test_random_starts_fill_the_ball():
    def flat(x):  # nothing to climb
        return 0 * x.sum((1, 2, 3))

    x = jnp.full((400, 1, 1, 2), 0.5)
    options = {"step": 0.0, "steps": 1, "keep_best": False}
    change = np.asarray(attacks.pgd(key(), flat, x, 0.25, **options) - x)[:, 0, 0] / 0.25
    np.testing.assert_allclose((np.abs(change) <= 0.5).mean(), 0.5, atol=0.1)  # uniform: 5 standard deviations
    assert np.abs(change).max() <= 1 and (change < 0).any() and (change > 0).any()
    change = np.asarray(attacks.pgd(key(), flat, x, 0.25, norm="2", **options) - x)[:, 0, 0] / 0.25
    radius = np.hypot(*change.T)
    assert radius.max() <= 1 + 1e-6
    np.testing.assert_allclose((radius <= 0.5).mean(), 0.25, atol=0.11)  # a quarter of the disc
    np.testing.assert_allclose((change > 0).mean(0), 0.5, atol=0.13)


def test_the_best_picture_on_the_way_is_kept():
    def hill(x):  # highest at 0.7, so that long steps go past it and back
        return -jnp.square(x - 0.7).sum((1, 2, 3))

    x, options = jnp.full((1, 1, 1, 1), 0.5), {"step": 0.25, "steps": 2, "random_start": False}
    np.testing.assert_allclose(attacks.pgd(key(), hill, x, 0.5, **options).ravel(), 0.75)
    np.testing.assert_allclose(attacks.pgd(key(), hill, x, 0.5, keep_best=False, **options).ravel(), 0.5)
    # Where every step leads down the picture itself stays.
    top = jnp.full((1, 1, 1, 1), 0.7)
    np.testing.assert_array_equal(attacks.pgd(key(), hill, top, 0.5, step=0.25, steps=2), top)


# What fails inside.


def test_gradients_and_losses_that_are_no_numbers_do_no_harm():
    def broken(x):
        value = x.sum((1, 2, 3))
        return jnp.where(jnp.arange(3) == 1, jnp.nan, 1.0) * value

    x, go = pictures(), {"step": 0.05, "steps": 2, "random_start": False}
    for found in (
        attacks.fgsm(broken, x, 0.1),
        attacks.pgd(key(), broken, x, 0.1, **go),
        attacks.pgd(key(), broken, x, 0.1, keep_best=False, **go),
        attacks.pgd(key(), broken, x, 0.1, norm="2", **go),
    ):
        np.testing.assert_array_equal(found[1], x[1])
        assert jnp.isfinite(found).all() and (found[0] != x[0]).any()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_gradients_have_a_direction(scale):
    x = pictures()
    steep = attacks.ascend(lambda x: scale * quadratic(x), x, x, 0.1, step=0.05, steps=1, norm="2")
    plain = attacks.ascend(quadratic, x, x, 0.1, step=0.05, steps=1, norm="2")
    np.testing.assert_allclose(steep, plain, atol=1e-6)


def test_attacked_pictures_have_no_gradient():
    slope = jax.grad(lambda x: attacks.fgsm(quadratic, x, 0.1).sum())(pictures())
    np.testing.assert_array_equal(slope, 0)


def test_a_network_can_be_trained_on_attacked_pictures():
    x = pictures()

    def attacked(weight):
        def loss(x):
            return weight * quadratic(x)

        go = {"step": 0.05, "steps": 2, "random_start": False}
        return loss(attacks.pgd(key(), loss, attacks.fgsm(loss, x, 0.1), 0.1, **go)).sum()

    # The pictures are taken as they are, so the slope is the loss of weight 1.
    np.testing.assert_allclose(jax.jit(jax.grad(attacked))(2.0), attacked(2.0) / 2, rtol=1e-6)


# Jit, platforms, mistakes.


def test_jit_gives_what_eager_gives_and_epsilon_may_be_traced():
    x = pictures()
    np.testing.assert_allclose(fgsm(x, 0.1), attacks.fgsm(quadratic, x, 0.1), atol=1e-7)
    for norm in ("inf", "2"):
        options = {"step": 0.05, "steps": 3, "norm": norm, "random_start": norm == "inf"}
        eager = attacks.pgd(key(), quadratic, x, 0.1, **options)
        np.testing.assert_allclose(pgd(key(), x, 0.1, **options), eager, atol=1e-6)
    np.testing.assert_array_equal(pgd(key(), {"image": x}, 0.1, **options), pgd(key(), x, 0.1, **options))


def test_float64_pictures_stay_float64():
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).uniform(0.2, 0.8, (2, 3, 3, 1)))
        found = attacks.fgsm(lambda x: jnp.square(x).sum((1, 2, 3)), x, 0.125)
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, x + 0.125, rtol=1e-15)


def test_attacks_lower_for_every_platform_and_never_call_the_host():
    shapes = jax.ShapeDtypeStruct((), key().dtype), jax.ShapeDtypeStruct((2, 4, 4, 1), jnp.float32)
    for norm in ("inf", "2"):

        def both(key, x, norm=norm):
            x = attacks.fgsm(quadratic, x, 0.1)
            return attacks.pgd(key, quadratic, x, 0.1, step=0.05, steps=2, norm=norm, restarts=2)

        exported = jax.export.export(jax.jit(both), platforms=("cpu", "cuda", "tpu"))(*shapes)
        assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()


def test_mistakes_say_what_was_wanted():
    x, go = pictures(), {"step": 0.1, "steps": 2}
    mistakes = {
        r"epsilon is 8.0; wanted a number from 0 to 1": lambda: attacks.fgsm(quadratic, x, 8.0),
        r"epsilon is -0.1; wanted a number from 0": lambda: attacks.fgsm(quadratic, x, -0.1),
        r"epsilon is nan": lambda: attacks.fgsm(quadratic, x, np.nan),
        r"images have values from .* to 255; wanted 0..1": lambda: attacks.fgsm(quadratic, x.at[0, 0].set(255), 0.1),
        r"images have values from nan to nan": lambda: attacks.fgsm(quadratic, x.at[0, 0].set(np.nan), 0.1),
        r"images have rank 3": lambda: attacks.fgsm(quadratic, x[0], 0.1),
        r"loss gave shape \(\) for images.*leave out the mean": lambda: attacks.fgsm(lambda x: x.mean(), x, 0.1),
        r"step is -1; wanted": lambda: attacks.pgd(key(), quadratic, x, 0.1, step=-1, steps=2),
        r"steps is 0; wanted 1": lambda: attacks.pgd(key(), quadratic, x, 0.1, step=0.1, steps=0),
        r"restarts is 0; wanted 1": lambda: attacks.pgd(key(), quadratic, x, 0.1, restarts=0, **go),
        r"restarts is 2 without random_start": lambda: attacks.pgd(
            key(), quadratic, x, 0.1, restarts=2, random_start=False, **go
        ),
        r'norm is 1; wanted "inf" or "2"': lambda: attacks.pgd(key(), quadratic, x, 0.1, norm=1, **go),
        r"epsilon is inf; wanted a number from 0 to 6.3": lambda: attacks.pgd(
            key(), quadratic, x, np.inf, norm="2", **go
        ),
        r"start has shape \(4, 5, 2\)": lambda: attacks.ascend(quadratic, x, x[0], 0.1, **go),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()
